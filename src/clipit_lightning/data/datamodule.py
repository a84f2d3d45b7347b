"""``SummarizationDataModule``: what the datamodules of all benchmarks share: folds to batches."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.batches import (
    Batch,
    EvaluationParts,
    Item,
    Part,
    Stack,
    TrainingParts,
    collate,
    random_window,
)
from clipit_lightning.data.folds import Fold
from clipit_lightning.data.own import find_benchmark
from clipit_lightning.data.store import Store
from clipit_lightning.data.streams import VISUAL, format_streams

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
        fold: Which fold trains, validates and is tested, from 0; may be set later too.
        batch_size: Items a training batch; by default `default_batch_size`.
        crop: Steps of the random window of each video that trains, 0 for whole videos; by default `default_crop`.
        workers: Processes that read batches.
        seed: Seed of the order of training batches, and of windows.
        validate_on_test: Train on the validation part too and validate on the test part, as code does that takes
            the best epoch on the test fold. Only for comparison with such code.
    """

    benchmark: ClassVar[str | None] = None
    """Name of the benchmark that a class is for; None for one that is told its target."""
    default_batch_size: ClassVar[int] = 8
    default_crop: ClassVar[int] = 0
    # Known after `setup`:
    ids: list[str]
    """The items' ids; an item's number is its position here."""
    folds: list[Fold]
    """Ids of the items that train, validate and test, fold by fold."""
    feature_dim: int
    """Features of a step."""
    text_dim: int
    """Features of a text token."""
    has_text: bool
    """Whether items have text tokens."""
    streams: dict[str, int]
    """The parts of a step's features by name, in order, and their widths; all are ``visual`` where the store names no
    parts."""

    def __init__(
        self,
        root: str | Path,
        stores: Sequence[str],
        fold: int = 0,
        batch_size: int | None = None,
        crop: int | None = None,
        workers: int = 0,
        seed: int = 0,
        validate_on_test: bool = False,
    ) -> None:
        super().__init__()
        self.root = Path(root)
        self.stores = {name: Store(self.root / f"{name}.h5") for name in stores}
        self.target, *sources = stores
        self.sources = tuple(sources)
        self.batch_size = self.default_batch_size if batch_size is None else batch_size
        self.crop = self.default_crop if crop is None else crop
        check_least("batch_size", self.batch_size, 1)
        check_least("crop", self.crop, 0)
        self.workers, self.seed, self.validate_on_test = workers, seed, validate_on_test
        self.fold = fold

    if not TYPE_CHECKING:  # type checkers know a wrong name by themselves

        def __getattr__(self, name: str) -> NoReturn:
            """Called for what is not there: before ``setup``, what it reads, and properties that need this."""
            known_later = name in SummarizationDataModule.__annotations__ or hasattr(type(self), name)
            advice = " yet: it is read from the stores; call setup() first" if known_later else ""
            raise AttributeError(f"{type(self).__name__} has no {name}{advice}")

    def setup(self, stage: str | None = None) -> None:
        """Check the stores, read what is needed and make the folds; once.

        Raises:
            UserError: A store is missing or invalid, or stores do not fit each other.
            ValueError: There is no such fold.
        """
        if hasattr(self, "folds"):
            return
        if missing := [store.path for store in self.stores.values() if not store.path.exists()]:
            raise UserError(self._how_to_get(missing))
        for store in self.stores.values():
            if problems := store.check():
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                raise UserError(f"{store.path}: {problems[0]}{more}; run `clipit data check --root {self.root}`")
        named = self._named_streams()
        self._read()
        self.streams = named or {VISUAL: self.feature_dim}
        if sum(self.streams.values()) != self.feature_dim:
            raise UserError(
                f"data.shot_captions: the streams of {self.stores[self.target].path} ({format_streams(named)}) have no "
                "room for features of captions; keep data.shot_captions=false"
            )
        self._chosen_fold()

    def _named_streams(self) -> dict[str, int]:
        """The streams that the stores name, in which they must not differ; empty where they name none."""
        named = {name: store.streams for name, store in self.stores.items()}
        if len({tuple(streams.items()) for streams in named.values()}) > 1:
            have = "; ".join(f"{name} {format_streams(streams) or 'none'}" for name, streams in named.items())
            raise UserError(f"{self.root}: stores differ in streams: {have}; make all of them with the same streams")
        return named[self.target]

    def ranks(self) -> tuple[int, int]:
        """Which rank this process is, and how many share batches: of the trainer, or of the processes that have met."""
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1

    def _how_to_get(self, missing: list[Path]) -> str:
        ways = "; ".join(f"{path} ({find_benchmark(path.stem, self.root).how_to_get})" for path in missing)
        advice = f"missing: {ways}. Get the files, then `clipit data import FOLDER --to {self.root}`"
        there = [name for name, store in self.stores.items() if store.path not in missing]
        if there[1:] and there[0] == self.target:
            advice += f", or train on those you have: data.sources=[{','.join(there[1:])}]"
        return advice

    @abstractmethod
    def item(self, number: int) -> Item:
        """The item of a number."""

    def annotations(self, number: int) -> Item:
        """The item of a number for measuring, perhaps without its features."""
        return self.item(number)

    def not_annotated(self) -> list[str]:
        """Ids of the items that nobody annotated."""
        return []

    @abstractmethod
    def text(self, item: Item) -> NDArray[np.float32] | None:
        """The text tokens of an item, (tokens, features); None where it has none."""

    def spans(self, item: Item) -> NDArray[np.float32] | None:
        """When each text token of an item holds, in its steps, (tokens, 2); None where that is not known."""
        return None

    def targets(self, item: Item) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Importance and key frames from which an item trains, (steps,) each."""
        return item.gtscore, item.gtsummary

    @abstractmethod
    def _read(self) -> None:
        """Set ``ids``, ``folds``, ``feature_dim``, ``text_dim`` and ``has_text``; the stores are valid."""

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
        tokens, spans = self.text(item), self.spans(item)
        importance, keyframes = (item.gtscore, item.gtsummary) if epoch is None else self.targets(item)
        begin = np.float32(steps.start or 0)
        return Stack(
            number=torch.tensor([number]),
            features=torch.from_numpy(item.features[steps])[None],
            text=torch.zeros(1, 0, self.text_dim) if tokens is None else torch.from_numpy(tokens)[None],
            importance=torch.from_numpy(importance[steps])[None],
            keyframes=torch.from_numpy(keyframes[steps])[None],
            spans=torch.zeros(1, 0, 2) if spans is None else torch.from_numpy(spans - begin)[None],
        )

    def _chosen_fold(self) -> Fold:
        check_choice("fold", self.fold, range(len(self.folds)))
        return self.folds[self.fold]

    @property
    def training_numbers(self) -> list[int]:
        """Numbers of the items that train in this fold."""
        fold = self._chosen_fold()
        return self.numbers(fold.train + fold.validation if self.validate_on_test else fold.train)

    def train_dataloader(self) -> Loader:
        """Batches of the fold's training part in seeded order."""
        batches = partial(self._training_batches, self.training_numbers)
        return self._loader(TrainingParts(batches, self.ranks))

    def val_dataloader(self) -> Loader | list[Loader]:
        """The fold's validation part, in order; no loader where it has none."""
        fold = self._chosen_fold()
        held = fold.test if self.validate_on_test else fold.validation
        return self._evaluation_loader(held) if held else []

    def test_dataloader(self) -> Loader:
        """The fold's test part, in order."""
        return self._evaluation_loader(self._chosen_fold().test)

    def predict_dataloader(self) -> Loader:
        """The fold's test part, in order."""
        return self.test_dataloader()

    def _evaluation_loader(self, ids: Sequence[str]) -> Loader:
        return self._loader(EvaluationParts(self._evaluation_batches(self.numbers(ids)), self.ranks))

    def numbers(self, ids: Sequence[str]) -> list[int]:
        """The numbers of items."""
        number = {item: index for index, item in enumerate(self.ids)}
        return [number[item] for item in ids]

    def _loader(self, parts: TrainingParts | EvaluationParts) -> Loader:
        # A loader draws a seed for its workers when it makes an iterator. With a generator of its own, dropout does not
        # depend on whether that is before or after the epoch's seed, which differs in a run that continues.
        generator, dataset = torch.Generator().manual_seed(self.seed), BatchDataset(self)
        return DataLoader(dataset, sampler=parts, batch_size=None, num_workers=self.workers, generator=generator)


def check_least(name: str, value: float, least: int) -> None:
    """Raise a ValueError, of one line, where a number is too small."""
    if value < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}")


def check_choice(name: str, value: object, allowed: Collection[object]) -> None:
    """Raise a ValueError, of one line, where an argument has no allowed value."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; there are {', '.join(map(repr, allowed))}")
