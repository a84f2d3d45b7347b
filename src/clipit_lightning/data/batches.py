"""``Batch``: several items padded to one length; the order of training batches, and how several ranks share them.

An item is what is scored at once: a video, or a video with one of its queries. Every item of a batch is on one rank,
and nothing counts twice: Lightning's distributed sampler repeats items to make ranks equal, and measures them twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Sampler

from clipit_lightning.data.query_video import QueryItem
from clipit_lightning.data.video import Video

Item = Video | QueryItem
"""What is scored at once: a video, or a video with a query."""
Text = Callable[[Item], NDArray[np.float32] | None]
"""Gives the text tokens of an item, (tokens, features); None where it has none."""


class Batch(NamedTuple):
    """Padded items. Padding is 0 and False, at the end."""

    number: Tensor
    """Number of each item in its datamodule, int64, (items,)."""
    features: Tensor
    """Features of the steps, (items, steps, features); (1, steps, features) where all items share one video."""
    step_mask: Tensor
    """True at real steps, (items, steps)."""
    text: Tensor
    """Embeddings of the text tokens: a video's captions, or a query's phrases, (items, tokens, features)."""
    text_mask: Tensor
    """True at real tokens, (items, tokens)."""
    importance: Tensor
    """Mean importance over annotators, or 1 at a query's oracle shots, 0 to 1, (items, steps)."""
    keyframes: Tensor
    """1 at key frames, or at a query's oracle shots, (items, steps)."""
    share: Tensor
    """Share of the whole batch's items that stand here, (): 1 on one process; on a rank that has none of them 0, and an
    item of another rank instead."""


def spread(available: int, wanted: int) -> list[int]:
    """Positions of at most ``wanted`` of the available captions, evenly over the video, first and last included."""
    if available <= wanted:
        return list(range(available))
    if wanted == 1:
        return [available // 2]
    return [round(position) for position in np.linspace(0, available - 1, wanted)] if wanted else []


def collate(items: Sequence[tuple[int, Item]], text: Text, text_dim: int, share: float = 1.0) -> Batch:
    """Pad items to a batch. Features that all items share, as the queries of one video do, stand in it once.

    Args:
        items: Number and item, of each.
        text: Gives the text tokens of an item.
        text_dim: Size of a token, for items without text.
        share: Share of the whole batch that they are.
    """
    videos = [item for _, item in items]
    shared = all(video.features is videos[0].features for video in videos)
    texts = [_tokens(text(video), text_dim) for video in videos]
    lengths = torch.tensor([video.n_steps for video in videos])
    counts = torch.tensor([len(tokens) for tokens in texts])
    return Batch(
        number=torch.tensor([number for number, _ in items]),
        features=_pad([torch.from_numpy(video.features) for video in (videos[:1] if shared else videos)]),
        step_mask=torch.arange(int(lengths.max())) < lengths[:, None],
        text=_pad(texts),
        text_mask=torch.arange(int(counts.max())) < counts[:, None],
        importance=_pad([torch.from_numpy(video.gtscore) for video in videos]),
        keyframes=_pad([torch.from_numpy(video.gtsummary) for video in videos]),
        share=torch.tensor(share),
    )


def caption_tokens(item: Item, captions: int) -> NDArray[np.float32] | None:
    """At most ``captions`` of a video's dense captions, spread over it, (tokens, features)."""
    if not isinstance(item, Video) or item.caption_features is None:
        return None
    rows: NDArray[np.float32] = item.caption_features[spread(len(item.caption_features), captions)]
    return rows


def _tokens(rows: NDArray[np.float32] | None, text_dim: int) -> Tensor:
    return torch.zeros(0, text_dim) if rows is None else torch.from_numpy(rows)  # (tokens, features)


def _pad(rows: list[Tensor]) -> Tensor:
    return pad_sequence(rows, batch_first=True)


def crop(batch: Batch, steps: int) -> Batch:
    """A random window of every longer video: temporal augmentation, and the work of a step no longer grows with videos.

    Items that share a video share the window. Chance is torch's own, on the CPU.

    Args:
        batch: Items, padded.
        steps: Length of the window.

    Returns:
        The batch with at most that many steps; the same batch where none is longer.
    """
    longest = batch.step_mask.shape[1]
    if longest <= steps:
        return batch
    lengths = batch.step_mask[: len(batch.features)].sum(1)  # (videos,)
    room = (lengths - steps).clamp_min(0) + 1  # (videos,) possible starts
    starts = (torch.rand(len(room)).to(room.device) * room).long()  # (videos,)
    of_videos = starts.unsqueeze(1) + torch.arange(steps, device=room.device)  # (videos, window)
    of_items = of_videos.expand(len(batch.step_mask), -1)  # (items, window)
    rows = torch.arange(len(of_videos), device=room.device).unsqueeze(1)  # (videos, 1)
    return batch._replace(
        features=batch.features[rows, of_videos],
        step_mask=batch.step_mask.gather(1, of_items),
        importance=batch.importance.gather(1, of_items),
        keyframes=batch.keyframes.gather(1, of_items),
    )


class SeededShuffle(Sampler[int]):
    """The positions of a data set in an order that follows from a seed and the epoch alone."""

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch, also when a run continues."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist())


class BucketBatchSampler(Sampler[list[int]]):
    """Batches of videos of similar length: sorted by length times chance, and the batches shuffled.

    Without chance a small data set would have the same batches every epoch.

    Args:
        lengths: Number of steps of each video.
        batch_size: Videos a batch; the last may be smaller.
        seed: Seed of the order.
    """

    CHANCE = (0.6, 1.5)  # factors of a length: little padding, and new neighbours each epoch

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.sampler = SeededShuffle(len(lengths), seed)  # the name under which Lightning looks for set_epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        chance = np.random.default_rng((self.seed, self.sampler.epoch, 1))
        order = np.argsort(np.asarray(self.lengths) * chance.uniform(*self.CHANCE, len(self.lengths))).tolist()
        batches = [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]
        turn = chance.permutation(len(batches))
        # A generator: the order is drawn with the first batch, not when a loader makes its iterator, which lightning
        # does before it is known in which epoch a run continues.
        yield from (batches[position] for position in turn)


class SharedBatchSampler(Sampler[list[int]]):
    """Batches of items that share a video: the items of each video shuffled and split, then all batches shuffled.

    Args:
        videos: The video of each item.
        batch_size: Items a batch; a video's last may be smaller.
        seed: Seed of the order.
    """

    def __init__(self, videos: Sequence[str], batch_size: int, seed: int) -> None:
        self.batch_size, self.seed = batch_size, seed
        self.groups = [np.flatnonzero(np.asarray(videos) == video) for video in dict.fromkeys(videos)]
        self.sampler = SeededShuffle(len(videos), seed)  # the name under which Lightning looks for set_epoch

    def __len__(self) -> int:
        return sum(-(-len(group) // self.batch_size) for group in self.groups)

    def __iter__(self) -> Iterator[list[int]]:
        rank = np.argsort(list(self.sampler))  # (items,) position of each in the shuffled order
        batches = []
        for group in self.groups:
            order = group[np.argsort(rank[group])].tolist()
            batches += [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]
        turn = np.random.default_rng((self.seed, self.sampler.epoch, 1)).permutation(len(batches))
        yield from (batches[position] for position in turn)


class Part(NamedTuple):
    """What one rank has of a batch."""

    positions: list[int]
    """Its positions in the data set; where it has none, one of another rank's, that counts nothing."""
    share: float
    """Share of the batch's items that are its own, 0 to 1."""


def split_batch(batch: Sequence[int], rank: int, size: int) -> Part:
    """What a rank has of a batch: every ``size``-th position."""
    own = list(batch[rank::size])
    return Part(own or list(batch[:1]), len(own) / len(batch))


class SharedTraining(Sampler[Part]):
    """A rank's parts of the training batches: as many as there are batches, so that no rank waits for another.

    Args:
        batches: The order of whole batches, the same on every rank.
        rank: Which rank this is.
        size: Number of ranks.
    """

    def __init__(self, batches: Sampler[list[int]], rank: int, size: int) -> None:
        self.batches, self.rank, self.size = batches, rank, size
        self.sampler = batches.sampler  # type: ignore[attr-defined]  # where Lightning looks for set_epoch

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # our samplers have a length

    def __iter__(self) -> Iterator[Part]:
        for batch in self.batches:
            yield split_batch(batch, self.rank, self.size)


def evaluation_parts(batches: Iterable[list[int]], rank: int, size: int) -> list[Part]:
    """A rank's whole batches of an evaluation: scores do not depend on the number of ranks.

    A rank without one repeats the first: metrics know an item by its number and count it once, and a rank without any
    batch would not take part in gathering.
    """
    every = list(batches)
    return [Part(batch, 1.0) for batch in every[rank::size] or every[:1]]
