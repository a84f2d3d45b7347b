"""``Batch``: several items in stacks of equal size; windows of training videos, and how several ranks share batches.

An item is what is scored at once: a video, or a video with one of its queries or scripts. Every item of a
batch is on one rank, and nothing counts twice: Lightning's distributed sampler repeats items to make ranks
equal, and measures them twice.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data.distributed import DistributedSampler

from clipit_lightning.core.arrays import spread
from clipit_lightning.data.query_video import QueryItem
from clipit_lightning.data.script_video import ScriptItem
from clipit_lightning.data.video import Video

T = TypeVar("T")

Item = Video | QueryItem | ScriptItem
"""What is scored at once: a video, or a video with a query or a script."""


class Stack(NamedTuple):
    """Items with equally many steps and text tokens, which are scored at once."""

    number: Tensor
    """Number of each item in its datamodule, int64, (items,)."""
    features: Tensor
    """Features of the steps, (items, steps, features); (1, steps, features) where all items share one video."""
    text: Tensor
    """Embeddings of the text tokens: a video's captions, a query's phrases, or a script's sentences, (items, tokens,
    features); `tokens` may be 0."""
    importance: Tensor
    """Mean importance over annotators, or 1 at a query's oracle shots, 0 to 1, (items, steps)."""
    keyframes: Tensor
    """1 at key frames, or at a query's oracle shots, (items, steps)."""
    spans: Tensor
    """When each text token holds, first and end, in steps after the first one that stands here, where step i is the
    time from i to i + 1, (items, tokens, 2); of a window they may lie before or after it. (items, 0, 2) where it is not
    known."""


class Batch(NamedTuple):
    """The items of a step of training, or of what is measured at once."""

    stacks: list[Stack]
    """Its items by size: nothing is padded."""
    share: Tensor
    """Share of the whole batch's items that stand here, (): 1 on one process; on a rank that has none of them 0, and an
    item of another rank instead."""

    @property
    def n_items(self) -> int:
        """Number of items."""
        return sum(len(stack.number) for stack in self.stacks)


def collate(stacks: Sequence[Stack], share: float = 1.0) -> Batch:
    """Join stacks of equal size; ``share`` is that of the whole batch. What is alone in its size is not copied."""
    by_size: dict[tuple[torch.Size, ...], list[Stack]] = defaultdict(list)
    for stack in stacks:
        by_size[stack.features.shape[1:], stack.text.shape[1:], stack.spans.shape[1:]].append(stack)
    return Batch([_joined(of_size) for of_size in by_size.values()], torch.tensor(share))


def _joined(stacks: list[Stack]) -> Stack:
    """One stack of several; features at one address in memory, as of the queries of one video, stand in it once."""
    if len(stacks) == 1:
        return stacks[0]
    number, features, *others = zip(*stacks, strict=True)
    shared = len({steps.data_ptr() for steps in features}) == 1
    return Stack(torch.cat(number), features[0] if shared else torch.cat(features), *map(torch.cat, others))


def caption_tokens(captions: NDArray[np.float32], wanted: int, source: str) -> NDArray[np.float32]:
    """The text tokens that a scorer reads of a video's dense captions.

    Args:
        captions: Embeddings in time order, (captions, features).
        wanted: How many of them at most, spread over the video; 0 for none.
        source: ``fused`` for their mean, ``concat`` for their features behind one another, so that a scorer's first
            layer learns one token of all; a video with fewer than `wanted` then repeats some. Else they stay apart.

    Returns:
        (tokens, features), or (1, `wanted` * features) of ``concat``.
    """
    tokens = captions[spread(len(captions), wanted)]  # (tokens, features)
    if not len(tokens) or source not in ("fused", "concat"):
        return tokens
    if source == "concat":
        repeated = np.linspace(0, len(tokens) - 1, wanted).round().astype(int)  # (wanted,)
        together: NDArray[np.float32] = tokens[repeated].reshape(1, -1)  # (1, wanted * features)
        return together
    fused: NDArray[np.float32] = tokens.mean(axis=0, keepdims=True)  # (1, features)
    return fused


def query_tokens(item: QueryItem, sentence: bool, captions: int, oracle: bool) -> NDArray[np.float32]:
    """The text tokens of a query: its phrases, perhaps its sentence, and captions of the video, spread over it.

    At most `captions` of them, of the video's own, or with `oracle` of those made of its shots' tags.

    Returns:
        (tokens, features).
    """
    query, video = item.text(sentence), item.video  # (phrases, features)
    of_video = video.oracle_captions if oracle else video.caption_features  # (captions, features)
    if of_video is None:
        return query
    return np.concatenate([query, of_video[spread(len(of_video), captions)]])


def another_of_each(members: Sequence[T], seed: int) -> dict[T, T]:
    """Another member for each, for ablations: in a ring by chance, so that each gives what it has to one other."""
    order = np.random.default_rng(seed).permutation(len(members))
    ring = [members[at] for at in order]
    return dict(zip(ring, ring[1:] + ring[:1], strict=True))


def random_window(item: Item, steps: int, seed: int, epoch: int) -> slice:
    """A window of a longer video: temporal augmentation, and the work of a step no longer grows with videos.

    Chance follows from the seed, the epoch and the video alone, so that it is the same on any number of ranks and
    workers, and items that share a video share the window. All of a video that has no more ``steps``, and for 0.
    """
    room = item.n_steps - steps  # how far the window can move
    if not steps or room <= 0:
        return slice(None)
    video = item if isinstance(item, Video) else item.video
    start = int(np.random.default_rng((seed, epoch, zlib.crc32(video.id.encode()))).integers(room + 1))
    return slice(start, start + steps)


def episode_draws(stack: Stack, episodes: int, seed: int, epoch: int) -> Tensor:
    """Uniform numbers by which summaries are drawn of the items of a stack, 0 to 1, (episodes, items, steps).

    Chance follows from the seed, the epoch and the item alone, as that of ``random_window``.
    """
    shape = stack.importance.shape  # (items, steps), or (steps,)
    chance = [np.random.default_rng((seed, epoch, number)) for number in stack.number.reshape(-1).tolist()]
    draws = [one.random((episodes, shape[-1]), np.float32) for one in chance]  # of each item (episodes, steps)
    return torch.from_numpy(np.stack(draws, axis=1)).view(episodes, *shape).to(stack.importance.device)


def cut(numbers: list[int], size: int) -> list[list[int]]:
    """Batches of consecutive numbers; the last may be smaller."""
    return [numbers[at : at + size] for at in range(0, len(numbers), size)]


def shuffled(
    numbers: Sequence[int], files: Sequence[Hashable], chance: np.random.Generator, at_once: int = 8
) -> list[int]:
    """Items in an order by chance in which those of the same files stand near each other, so that few are read at once.

    Files, too, come in an order by chance; the items of each `at_once` of them are mixed. Of no more files it is any
    order of all items.

    Args:
        numbers: Of the items.
        files: The file of every item of a datamodule, by its number.
        chance: Of both orders.
        at_once: Files whose items are mixed.
    """
    by_file: dict[Hashable, list[int]] = defaultdict(list)
    for number in numbers:
        by_file[files[number]].append(number)
    if len(by_file) <= at_once:
        groups = [list(numbers)]
    else:
        in_files, order = list(by_file.values()), chance.permutation(len(by_file)).tolist()
        groups = [[number for file in files for number in in_files[file]] for files in cut(order, at_once)]
    return [int(number) for group in groups for number in chance.permutation(group)]


class Part(NamedTuple):
    """What one rank has of a batch."""

    numbers: list[int]
    """Numbers of its items; where it has none, one of another rank's, that counts nothing."""
    share: float = 1.0
    """Share of the batch's items that are its own, 0 to 1."""
    epoch: int | None = None
    """Epoch of training; None where items are measured, which are never cropped."""


Ranks = Callable[[], tuple[int, int]]
"""Which rank this process is, from 0, and how many share batches; asked when a loader starts, after they have met."""


class TrainingParts(DistributedSampler[Part]):
    """A rank's parts of the training batches: as many as there are batches, so that no rank waits for another.

    Nothing of PyTorch's class is used. But Lightning would wrap any other sampler where there are several ranks.

    Args:
        batches: Gives the whole batches of an epoch, the same and as many on every rank and in every epoch.
        ranks: Which rank this is; it has every ``size``-th item of a batch.
    """

    def __init__(self, batches: Callable[[int], list[list[int]]], ranks: Ranks) -> None:
        self.batches, self.ranks, self.epoch = batches, ranks, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch, also when a run continues."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.batches(0))

    def __iter__(self) -> Iterator[Part]:
        # A generator: the order is drawn with the first batch, not when a loader makes its iterator, which lightning
        # does before it is known in which epoch a run continues.
        rank, size = self.ranks()
        for batch in self.batches(self.epoch):
            own = batch[rank::size]
            yield Part(own or batch[:1], len(own) / len(batch), self.epoch)


class EvaluationParts(DistributedSampler[Part]):
    """A rank's whole batches, in order: scores do not depend on the number of ranks.

    A rank without one repeats the first: metrics know an item by its number and count it once, and a rank without any
    batch would not take part in gathering. (Of PyTorch's class as ``TrainingParts`` is.)

    Args:
        batches: The whole batches, the same on every rank.
        ranks: Which rank this is; it has every ``size``-th batch.
    """

    def __init__(self, batches: list[list[int]], ranks: Ranks) -> None:
        self.batches, self.ranks = batches, ranks

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[Part]:
        return (Part(batch) for batch in self._own())

    def _own(self) -> list[list[int]]:
        rank, size = self.ranks()
        return self.batches[rank::size] or self.batches[:1]
