"""Datamodules: stores to folds to padded batches. One shared base; a benchmark's module only names it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset

from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.batch import BucketBatchSampler, collate
from clipit_lightning.data.benchmark import Benchmark
from clipit_lightning.data.fold_files import load_family, read_fold_file
from clipit_lightning.data.splits import Fold, Setting, folds_of_family, make_folds
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video
from clipit_lightning.errors import UserError

Loader = DataLoader[tuple[int, Video]]
"""Its items are videos; what it yields, after ``collate``, is a ``Batch``."""


class VideoDataset(Dataset[tuple[int, Video]]):
    """Some of a datamodule's videos, each with its number there."""

    def __init__(self, numbers: Sequence[int], read: Callable[[int], Video]) -> None:
        self.numbers, self.read = numbers, read

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, position: int) -> tuple[int, Video]:
        number = self.numbers[position]
        return number, self.read(number)


class SummarizationDataModule(L.LightningDataModule):
    """Videos of a target benchmark and of the sources beside it, one fold at a time.

    Args:
        root: Folder of the stores, ``<root>/<benchmark>.h5``.
        setting: Which videos train.
        sources: Benchmarks beside the target in the augmented and transfer settings; by default all others.
        family: ``kfold``, the name of a published family of folds, or a file that lists folds.
        folds: Number of folds of the family ``kfold``.
        fold_seed: Seed of the partition.
        validation: Share of the training part that validates.
        captions: Caption tokens a video.
        batch_size: Videos a training batch.
        workers: Processes that read batches.
        preload_mb: Hold all videos in memory where they take at most this many megabytes.
        seed: Seed of the order of training batches.
        validate_on_test: Train on the validation part too and validate on the test part, as code does that takes
            the best epoch on the test fold. Only for comparison with such code.

    Raises:
        UserError: In ``setup``: a store is missing or unsound, or stores do not fit each other; before any training.
    """

    benchmark: ClassVar[Benchmark]

    def __init__(
        self,
        root: str = "data",
        setting: Setting = "canonical",
        sources: Sequence[str] | None = None,
        family: str = "kfold",
        folds: int = 5,
        fold_seed: int = 0,
        validation: float = 0.2,
        captions: int = 7,
        batch_size: int = 8,
        workers: int = 0,
        preload_mb: int = 8000,
        seed: int = 0,
        validate_on_test: bool = False,
    ) -> None:
        super().__init__()
        self.family, self.validate_on_test = family, validate_on_test
        self.root, self.setting, self.captions = Path(root), setting, captions
        self.n_folds, self.fold_seed, self.validation = folds, fold_seed, validation
        self.batch_size, self.workers, self.preload_mb, self.seed = batch_size, workers, preload_mb, seed
        others = [name for name in BENCHMARKS if name != self.benchmark.name]
        chosen = [] if setting == "canonical" else others if sources is None else list(sources)
        self.sources = tuple(name for name in others if name in chosen)
        self.stores = {name: Store(self.root / f"{name}.h5") for name in (self.benchmark.name, *self.sources)}
        self.ids: list[str] = []
        self.folds: list[Fold] = []
        self.fold = 0
        self._videos: dict[int, Video] = {}

    def setup(self, stage: str | None = None) -> None:
        """Check the stores, make the folds, and hold the videos in memory where they fit; once."""
        if self.folds:
            return
        self._refuse_missing()
        self._refuse_unsound()
        ids = {name: [f"{name}/{key}" for key in store.video_keys()] for name, store in self.stores.items()}
        self.ids = [video for part in ids.values() for video in part]
        extra = [video for name in self.sources for video in ids[name]]
        self.folds = self._make_folds(ids[self.benchmark.name], extra)
        if sum(store.nbytes() for store in self.stores.values()) <= self.preload_mb * 1e6:
            videos = [video for store in self.stores.values() for video in store.read()]
            self._videos = dict(enumerate(videos))
        self._measure()

    def _make_folds(self, target: list[str], sources: list[str]) -> list[Fold]:
        if self.family == "kfold":
            return make_folds(target, sources, self.setting, self.n_folds, self.validation, self.fold_seed)
        name = self.benchmark.name
        if Path(self.family).suffix:
            names = {video.name: video.key for video in self.stores[name].read() if video.name}
            family = read_fold_file(Path(self.family), name, names)
            if family.setting != self.setting:
                raise UserError(
                    f"data.family: {self.family} lists {family.setting} folds, not data.setting={self.setting}"
                )
        else:
            family = load_family(self.family, name, self.setting)
        return folds_of_family(family, target, sources, self.validation, self.fold_seed)

    def _refuse_missing(self) -> None:
        missing = [name for name, store in self.stores.items() if not store.path.exists()]
        if not missing:
            return
        ways = "; ".join(f"{self.stores[name].path} ({BENCHMARKS[name].how_to_get})" for name in missing)
        have = [name for name in self.sources if name not in missing]
        advice = (
            f", or train on those you have: data.sources=[{','.join(have)}]"
            if have and self.benchmark.name not in missing
            else ""
        )
        raise UserError(f"missing: {ways}. Get the files, then `clipit data import FOLDER --to {self.root}`{advice}")

    def _refuse_unsound(self) -> None:
        for store in self.stores.values():
            if problems := store.check():
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                raise UserError(f"{store.path}: {problems[0]}{more}; run `clipit data check --root {self.root}`")

    def _measure(self) -> None:
        """Take the sizes of features and captions, and refuse stores that differ in them."""
        firsts = [store.read(store.video_keys()[:1])[0] for store in self.stores.values()]
        sizes = {video.dataset: video.features.shape[1] for video in firsts}
        if len(set(sizes.values())) > 1:
            raise UserError(f"{self.root}: features differ in size: {sizes}; import the same features for all")
        texts = {
            video.dataset: video.caption_features.shape[1] for video in firsts if video.caption_features is not None
        }
        if len(set(texts.values())) > 1:
            raise UserError(f"{self.root}: caption features differ in size: {texts}; import the same for all")
        self.feature_dim = next(iter(sizes.values()))
        self.has_captions = bool(texts) and self.captions > 0
        self.text_dim = next(iter(texts.values()), self.feature_dim)

    def video(self, index: int) -> Video:
        """The video of a number, from memory or from its store."""
        if index in self._videos:
            return self._videos[index]
        name, key = self.ids[index].split("/", 1)
        return self.stores[name].read([key])[0]

    def train_dataloader(self) -> Loader:
        """Batches of the fold's training part, of similar length, in seeded order."""
        fold = self.folds[self.fold]
        numbers = self._numbers(fold.train + fold.validation if self.validate_on_test else fold.train)
        lengths = [self.video(number).n_steps for number in numbers]
        return self._loader(numbers, batch_sampler=BucketBatchSampler(lengths, self.batch_size, self.seed))

    def val_dataloader(self) -> Loader:
        """The fold's validation part, in order."""
        fold = self.folds[self.fold]
        return self._loader(self._numbers(fold.test if self.validate_on_test else fold.validation))

    def test_dataloader(self) -> Loader:
        """The fold's test part, in order."""
        return self._loader(self._numbers(self.folds[self.fold].test))

    def _numbers(self, ids: Sequence[str]) -> list[int]:
        number = {video: index for index, video in enumerate(self.ids)}
        return [number[video] for video in ids]

    def _loader(self, numbers: list[int], batch_sampler: BucketBatchSampler | None = None) -> Loader:
        dataset = VideoDataset(numbers, self.video)
        together = partial(collate, captions=self.captions, text_dim=self.text_dim)
        # A loader draws a seed for its workers when it makes an iterator. With a generator of its own, dropout does not
        # depend on whether that is before or after the epoch's seed, which differs in a run that continues.
        options: dict[str, Any] = {
            "collate_fn": together,
            "num_workers": self.workers,
            "generator": torch.Generator().manual_seed(self.seed),
        }
        if batch_sampler is not None:
            return DataLoader(dataset, batch_sampler=batch_sampler, **options)
        return DataLoader(dataset, batch_size=1, **options)  # 1: no padding to score


class TVSumDataModule(SummarizationDataModule):
    """TVSum as target; see ``data/tvsum.py`` for its data sheet."""

    benchmark = BENCHMARKS["tvsum"]


class SumMeDataModule(SummarizationDataModule):
    """SumMe as target; see ``data/summe.py`` for its data sheet."""

    benchmark = BENCHMARKS["summe"]


DATAMODULES: dict[str, type[SummarizationDataModule]] = {"tvsum": TVSumDataModule, "summe": SumMeDataModule}
"""The datamodule of each benchmark that is tested on."""
