"""How several ranks share batches: every item of a batch on one rank, and nothing twice that counts.

Lightning's distributed sampler repeats items to make ranks equal, and then measures them twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from torch.utils.data import Sampler


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
