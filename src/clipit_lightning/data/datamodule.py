"""``SummarizationDataModule``: what the datamodules of all benchmarks share: folds to batches."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.batches import Batch, Item, Part, Stack, TrainingParts, collate, random_window
from clipit_lightning.data.folds import Fold
from clipit_lightning.data.store import Store

Loader = DataLoader[Batch]


class BatchDataset(Dataset[Batch]):
    """A datamodule's items; what is read at once is a rank's part of a batch."""

    def __init__(self, module: "SummarizationDataModule") -> None:
        self.module = module

    def __getitem__(self, part: Part) -> Batch:
        return self.module.batch(part)


class SummarizationDataModule(L.LightningDataModule, ABC):
    """The items of one benchmark, one fold at a time. An item is a video, or a video with a query.

    Args:
        root: Folder of the stores, ``<root>/<benchmark>.h5``.
        stores: Names of the benchmarks that are read, the target first.
        batch_size: Items a training batch.
        crop: Steps of the random window of each video that trains; 0 for whole videos.
        workers: Processes that read batches.
        seed: Seed of the order of training batches, and of windows.
        validate_on_test: Train on the validation part too and validate on the test part, as code does that takes
            the best epoch on the test fold. Only for comparison with such code.
    """

    ids: list[str]
    """The items' ids; an item's number is its position here."""
    folds: list[Fold]
    """Ids of the items that train, validate and test, fold by fold."""
    feature_dim: int
    text_dim: int
    has_text: bool
    """Whether items have text tokens."""
    rank: int
    """Which of ``size`` ranks, which share batches, this process is."""
    size: int

    def __init__(
        self,
        root: str,
        stores: Sequence[str],
        batch_size: int = 8,
        crop: int = 0,
        workers: int = 0,
        seed: int = 0,
        validate_on_test: bool = False,
    ) -> None:
        super().__init__()
        self.root = Path(root)
        self.stores = {name: Store(self.root / f"{name}.h5") for name in stores}
        self.target, *sources = stores
        self.sources = tuple(sources)
        self.batch_size, self.crop, self.workers, self.seed = batch_size, crop, workers, seed
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
        if missing := [store.path for store in self.stores.values() if not store.path.exists()]:
            raise UserError(self._how_to_get(missing))
        for store in self.stores.values():
            if problems := store.check():
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                raise UserError(f"{store.path}: {problems[0]}{more}; run `clipit data check --root {self.root}`")
        self._read()

    def _how_to_get(self, missing: list[Path]) -> str:
        ways = "; ".join(f"{path} ({BENCHMARKS[path.stem].how_to_get})" for path in missing)
        advice = f"missing: {ways}. Get the files, then `clipit data import FOLDER --to {self.root}`"
        there = [name for name, store in self.stores.items() if store.path not in missing]
        if there[1:] and there[0] == self.target:
            advice += f", or train on those you have: data.sources=[{','.join(there[1:])}]"
        return advice

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
    def _training_batches(self, numbers: list[int], epoch: int) -> list[list[int]]:
        """The batches in which these items train in an epoch."""

    @abstractmethod
    def _evaluation_batches(self, numbers: list[int]) -> list[list[int]]:
        """The batches, in order, in which these items are validated and tested."""

    def batch(self, part: Part) -> Batch:
        """The items of a part: random windows of them in training, else all their steps."""
        return collate([self._stack(number, part.epoch) for number in part.numbers], part.share)

    def _stack(self, number: int, epoch: int | None) -> Stack:
        item = self.item(number)
        steps = slice(None) if epoch is None else random_window(item, self.crop, self.seed, epoch)
        tokens = self.text(item)
        return Stack(
            number=torch.tensor([number]),
            features=torch.from_numpy(item.features[steps])[None],
            text=torch.zeros(1, 0, self.text_dim) if tokens is None else torch.from_numpy(tokens)[None],
            importance=torch.from_numpy(item.gtscore[steps])[None],
            keyframes=torch.from_numpy(item.gtsummary[steps])[None],
        )

    @property
    def training_numbers(self) -> list[int]:
        """Numbers of the items that train in this fold."""
        fold = self.folds[self.fold]
        return self.numbers(fold.train + fold.validation if self.validate_on_test else fold.train)

    def train_dataloader(self) -> Loader:
        """Batches of the fold's training part in seeded order."""
        batches = partial(self._training_batches, self.training_numbers)
        return self._loader(TrainingParts(batches, self.rank, self.size))

    def val_dataloader(self) -> Loader | list[Loader]:
        """The fold's validation part, in order; no loader where it has none."""
        fold = self.folds[self.fold]
        held = fold.test if self.validate_on_test else fold.validation
        return self._evaluation_loader(held) if held else []

    def test_dataloader(self) -> Loader:
        """The fold's test part, in order."""
        return self._evaluation_loader(self.folds[self.fold].test)

    def _evaluation_loader(self, ids: Sequence[str]) -> Loader:
        """A rank's whole batches: scores do not depend on the number of ranks.

        A rank without one repeats the first: metrics know an item by its number and count it once, and a rank without
        any batch would not take part in gathering.
        """
        batches = self._evaluation_batches(self.numbers(ids))
        own = batches[self.rank :: self.size] or batches[:1]
        return self._loader([Part(batch) for batch in own])

    def numbers(self, ids: Sequence[str]) -> list[int]:
        """The numbers of items."""
        number = {item: index for index, item in enumerate(self.ids)}
        return [number[item] for item in ids]

    def _loader(self, parts: Sampler[Part] | list[Part]) -> Loader:
        # A loader draws a seed for its workers when it makes an iterator. With a generator of its own, dropout does not
        # depend on whether that is before or after the epoch's seed, which differs in a run that continues.
        generator, dataset = torch.Generator().manual_seed(self.seed), BatchDataset(self)
        return DataLoader(dataset, sampler=parts, batch_size=None, num_workers=self.workers, generator=generator)
