"""``Batch``: several items padded to one length; the order of training batches, and how several ranks share them.

An item is what is scored at once: a video, or a video with one of its queries. Every item of a batch is on one rank,
and nothing counts twice: Lightning's distributed sampler repeats items to make ranks equal, and measures them twice.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
    if wanted == 1 < available:
        return [available // 2]
    return [round(position) for position in np.linspace(0, available - 1, min(available, wanted))]


def collate(items: Sequence[tuple[int, Item]], text: Text, text_dim: int, share: float = 1.0) -> Batch:
    """Pad numbered items to a batch. Features that all items share, as the queries of one video do, stand in it once.

    ``text`` gives the text tokens of an item, ``text_dim`` their size; ``share`` is that of the whole batch.
    """
    videos = [item for _, item in items]
    shared = all(video.features is videos[0].features for video in videos)
    rows = [text(video) for video in videos]
    texts = [torch.zeros(0, text_dim) if row is None else torch.from_numpy(row) for row in rows]  # (tokens, features)
    pad = partial(pad_sequence, batch_first=True)
    lengths = torch.tensor([video.n_steps for video in videos])
    counts = torch.tensor([len(tokens) for tokens in texts])
    return Batch(
        number=torch.tensor([number for number, _ in items]),
        features=pad([torch.from_numpy(video.features) for video in (videos[:1] if shared else videos)]),
        step_mask=torch.arange(int(lengths.max())) < lengths[:, None],
        text=pad(texts),
        text_mask=torch.arange(int(counts.max())) < counts[:, None],
        importance=pad([torch.from_numpy(video.gtscore) for video in videos]),
        keyframes=pad([torch.from_numpy(video.gtsummary) for video in videos]),
        share=torch.tensor(share),
    )


def caption_tokens(item: Item, captions: int) -> NDArray[np.float32] | None:
    """At most ``captions`` of a video's dense captions, spread over it, (tokens, features)."""
    if not isinstance(item, Video) or item.caption_features is None:
        return None
    return item.caption_features[spread(len(item.caption_features), captions)]


def crop(batch: Batch, steps: int) -> Batch:
    """A random window of every longer video: temporal augmentation, and the work of a step no longer grows with videos.

    Items that share a video share the window. Chance is torch's own, on the CPU. The result has at most that many
    ``steps``; it is the same batch where no video is longer.
    """
    if batch.step_mask.shape[1] <= steps:
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


def bucket_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Positions of videos in batches of similar length: sorted by length times chance, and the batches shuffled.

    Without chance a small data set would have the same batches every epoch. The last of the longest may be smaller.
    """
    chance = np.random.default_rng((seed, epoch, 1))
    # little padding, and new neighbours each epoch
    order = np.argsort(np.asarray(lengths) * chance.uniform(0.6, 1.5, len(lengths)))
    batches = cut(order.tolist(), batch_size)
    return [batches[position] for position in chance.permutation(len(batches))]


def shared_batches(videos: Sequence[str], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Positions of items in batches that share a video: each video's items shuffled and cut, then batches shuffled."""
    order = np.random.default_rng((seed, epoch)).permutation(len(videos)).tolist()
    of_videos = [[position for position in order if videos[position] == video] for video in dict.fromkeys(videos)]
    batches = [batch for positions in of_videos for batch in cut(positions, batch_size)]
    return [batches[position] for position in np.random.default_rng((seed, epoch, 1)).permutation(len(batches))]


def cut(positions: list[int], size: int) -> list[list[int]]:
    """Batches of consecutive positions; the last may be smaller."""
    return [positions[at : at + size] for at in range(0, len(positions), size)]


class Part(NamedTuple):
    """What one rank has of a batch."""

    positions: list[int]
    """Its positions in the data set; where it has none, one of another rank's, that counts nothing."""
    share: float
    """Share of the batch's items that are its own, 0 to 1."""


class TrainingParts(Sampler[Part]):
    """A rank's parts of the training batches: as many as there are batches, so that no rank waits for another.

    Args:
        batches: Gives the whole batches of an epoch, the same and as many on every rank and in every epoch.
        rank: Which rank this is; it has every ``size``-th position of a batch.
        size: Number of ranks.
    """

    def __init__(self, batches: Callable[[int], list[list[int]]], rank: int, size: int) -> None:
        self.batches, self.rank, self.size, self.epoch = batches, rank, size, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch, also when a run continues."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.batches(0))

    def __iter__(self) -> Iterator[Part]:
        # A generator: the order is drawn with the first batch, not when a loader makes its iterator, which lightning
        # does before it is known in which epoch a run continues.
        for batch in self.batches(self.epoch):
            own = batch[self.rank :: self.size]
            yield Part(own or batch[:1], len(own) / len(batch))
