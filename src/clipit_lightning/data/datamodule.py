"""``SummarizationDataModule``: what the datamodules of all benchmarks share: folds to padded batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.batches import Batch, Item, Part, SharedTraining, Text, collate, evaluation_parts
from clipit_lightning.data.folds import Fold
from clipit_lightning.data.store import Store

Loader = DataLoader[tuple[int, Item]]
"""Its data set holds items; what it yields, after ``collate``, is a ``Batch``."""


class ItemDataset(Dataset[tuple[int, Item]]):
    """Some of a datamodule's items, each with its number there."""

    def __init__(self, numbers: Sequence[int], read: Callable[[int], Item]) -> None:
        self.numbers, self.read = numbers, read

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, position: int) -> tuple[int, Item]:
        number = self.numbers[position]
        return number, self.read(number)

    def __getitems__(self, part: Part) -> tuple[list[tuple[int, Item]], float]:
        """A rank's part of a batch: its items, and their share (the name is torch's, for reading a batch at once)."""
        return [self[position] for position in part.positions], part.share


def _together(part: tuple[list[tuple[int, Item]], float], text: Text, text_dim: int) -> Batch:
    return collate(part[0], text, text_dim, part[1])


class SummarizationDataModule(L.LightningDataModule, ABC):
    """The items of one benchmark, one fold at a time. An item is a video, or a video with a query.

    Args:
        root: Folder of the stores, ``<root>/<benchmark>.h5``.
        stores: Names of the benchmarks that are read, the target first.
        batch_size: Items a training batch.
        workers: Processes that read batches.
        seed: Seed of the order of training batches.
        validate_on_test: Train on the validation part too and validate on the test part, as code does that takes
            the best epoch on the test fold. Only for comparison with such code.
    """

    ids: list[str]
    """The items' ids; an item's number is its position here."""
    folds: list[Fold]
    """Ids of the items that train, validate and test, fold by fold."""
    feature_dim: int
    """Size of a step's features."""
    text_dim: int
    """Size of a text token."""
    has_text: bool
    """Whether items have text tokens."""
    rank: int
    """Which of ``size`` ranks, which share batches, this process is."""
    size: int

    def __init__(
        self, root: str, stores: Sequence[str], batch_size: int, workers: int, seed: int, validate_on_test: bool
    ) -> None:
        super().__init__()
        self.root = Path(root)
        self.stores = {name: Store(self.root / f"{name}.h5") for name in stores}
        self.target, *sources = stores
        self.sources = tuple(sources)
        self.batch_size, self.workers, self.seed = batch_size, workers, seed
        self.validate_on_test = validate_on_test
        self.ids, self.folds, self.fold = [], [], 0
        self.rank, self.size = 0, 1

    def setup(self, stage: str | None = None) -> None:
        """Check the stores, read what is needed and make the folds; once.

        Raises:
            UserError: A store is missing or unsound, or stores do not fit each other.
        """
        if self.folds:
            return
        self._check_stores_exist()
        for store in self.stores.values():
            if problems := store.check():
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                raise UserError(f"{store.path}: {problems[0]}{more}; run `clipit data check --root {self.root}`")
        self._read()

    def _check_stores_exist(self) -> None:
        if not (missing := {name: store.path for name, store in self.stores.items() if not store.path.exists()}):
            return
        ways = "; ".join(f"{path} ({BENCHMARKS[name].how_to_get})" for name, path in missing.items())
        advice = f"missing: {ways}. Get the files, then `clipit data import FOLDER --to {self.root}`"
        have = [name for name in self.sources if name not in missing]
        if have and self.target not in missing:
            advice += f", or train on those you have: data.sources=[{','.join(have)}]"
        raise UserError(advice)

    @abstractmethod
    def item(self, number: int) -> Item:
        """The item of a number."""

    @abstractmethod
    def text(self, item: Item) -> NDArray[np.float32] | None:
        """The text tokens of an item, (tokens, features); None where it has none."""

    @abstractmethod
    def _read(self) -> None:
        """Set ``ids``, ``folds``, ``feature_dim``, ``text_dim`` and ``has_text``; the stores are sound."""

    @abstractmethod
    def _training_batches(self, numbers: list[int]) -> Sampler[list[int]]:
        """The order of training batches of items with these numbers."""

    @abstractmethod
    def _evaluation_batches(self, numbers: list[int]) -> list[list[int]]:
        """The batches, in order, in which these items are validated and tested."""

    def train_dataloader(self) -> Loader:
        """Batches of the fold's training part in seeded order."""
        fold = self.folds[self.fold]
        numbers = self.numbers(fold.train + fold.validation if self.validate_on_test else fold.train)
        return self._loader(numbers, SharedTraining(self._training_batches(numbers), self.rank, self.size))

    def val_dataloader(self) -> Loader | list[Loader]:
        """The fold's validation part, in order; no loader where it has none."""
        fold = self.folds[self.fold]
        numbers = self.numbers(fold.test if self.validate_on_test else fold.validation)
        return self._loader(numbers, self._evaluation_parts(numbers)) if numbers else []

    def test_dataloader(self) -> Loader:
        """The fold's test part, in order."""
        numbers = self.numbers(self.folds[self.fold].test)
        return self._loader(numbers, self._evaluation_parts(numbers))

    def _evaluation_parts(self, numbers: list[int]) -> list[Part]:
        return evaluation_parts(self._evaluation_batches(numbers), self.rank, self.size)

    def numbers(self, ids: Sequence[str]) -> list[int]:
        """The numbers of items."""
        number = {item: index for index, item in enumerate(self.ids)}
        return [number[item] for item in ids]

    def _loader(self, numbers: list[int], batches: Sampler[Part] | list[Part]) -> Loader:
        # A loader draws a seed for its workers when it makes an iterator. With a generator of its own, dropout does not
        # depend on whether that is before or after the epoch's seed, which differs in a run that continues.
        options: dict[str, Any] = {
            "collate_fn": partial(_together, text=self.text, text_dim=self.text_dim),
            "num_workers": self.workers,
            "generator": torch.Generator().manual_seed(self.seed),
        }
        options["batch_sampler"] = batches  # of parts, which our data set reads at once; torch's types know only lists
        return DataLoader(ItemDataset(numbers, self.item), **options)
