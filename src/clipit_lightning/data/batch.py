"""``Batch``: several videos padded to one length, and the order in which training batches come."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Sampler

from clipit_lightning.data.video import Video


class Batch(NamedTuple):
    """Padded videos. Padding is 0 and False, at the end."""

    number: Tensor
    """Number of each video in its datamodule, int64, (videos,)."""
    features: Tensor
    """Frame features, (videos, steps, features)."""
    step_mask: Tensor
    """True at real steps, (videos, steps)."""
    captions: Tensor
    """Caption embeddings, (videos, captions, features)."""
    caption_mask: Tensor
    """True at real captions, (videos, captions)."""
    importance: Tensor
    """Mean importance over annotators, 0 to 1, (videos, steps)."""
    keyframes: Tensor
    """1 at key frames, (videos, steps)."""


def spread(available: int, wanted: int) -> list[int]:
    """Positions of at most ``wanted`` of the available captions, evenly over the video, first and last included."""
    if available <= wanted:
        return list(range(available))
    if wanted == 1:
        return [available // 2]
    return [round(position) for position in np.linspace(0, available - 1, wanted)] if wanted else []


def collate(items: Sequence[tuple[int, Video]], captions: int, text_dim: int) -> Batch:
    """Pad videos to a batch.

    Args:
        items: Number and video, of each.
        captions: Number of caption tokens, spread over each video's dense captions.
        text_dim: Size of a caption's embedding, for videos without captions.
    """
    videos = [video for _, video in items]
    texts = [_caption_tokens(video, captions, text_dim) for video in videos]
    lengths = torch.tensor([video.n_steps for video in videos])
    counts = torch.tensor([len(text) for text in texts])
    return Batch(
        number=torch.tensor([number for number, _ in items]),
        features=_pad([torch.from_numpy(video.features) for video in videos]),
        step_mask=torch.arange(int(lengths.max())) < lengths[:, None],
        captions=_pad(texts),
        caption_mask=torch.arange(int(counts.max())) < counts[:, None],
        importance=_pad([torch.from_numpy(video.gtscore) for video in videos]),
        keyframes=_pad([torch.from_numpy(video.gtsummary) for video in videos]),
    )


def _caption_tokens(video: Video, captions: int, text_dim: int) -> Tensor:
    if video.caption_features is None:
        return torch.zeros(0, text_dim)
    rows = spread(len(video.caption_features), captions)
    return torch.from_numpy(video.caption_features)[rows]  # (captions, features)


def _pad(rows: list[Tensor]) -> Tensor:
    return pad_sequence(rows, batch_first=True)


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
    """Batches of videos of similar length: shuffled, sorted by length within pools of several batches, shuffled again.

    Args:
        lengths: Number of steps of each video.
        batch_size: Videos a batch; the last may be smaller.
        seed: Seed of the order.
    """

    POOL = 4  # batches a pool: enough choice for similar lengths, enough chance for new neighbours each epoch

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.sampler = SeededShuffle(len(lengths), seed)  # the name under which Lightning looks for set_epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        pool = self.batch_size * self.POOL
        batches = []
        for start in range(0, len(order), pool):
            near = sorted(order[start : start + pool], key=lambda position: self.lengths[position])
            batches += [near[at : at + self.batch_size] for at in range(0, len(near), self.batch_size)]
        turn = np.random.default_rng((self.seed, self.sampler.epoch, 1)).permutation(len(batches))
        # A generator: the order is drawn with the first batch, not when a loader makes its iterator, which lightning
        # does before it is known in which epoch a run continues.
        yield from (batches[position] for position in turn)
