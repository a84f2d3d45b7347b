"""The datamodule of benchmarks with scripts: S-VideoXum and S-NewsVSum."""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data import BENCHMARKS, benchmark_names
from clipit_lightning.data.batches import Item, another_of_each, caption_tokens, cut, shuffled
from clipit_lightning.data.datamodule import SummarizationDataModule, check_choice
from clipit_lightning.data.fold_files import families, load_family
from clipit_lightning.data.folds import Fold, folds_of_family, official_fold
from clipit_lightning.data.script_video import ScriptItem, ScriptVideo

ScriptSource = Literal["own", "another", "fused"]


class ScriptDataModule(SummarizationDataModule):
    """Every video with each of its scripts. A batch holds videos, each with all its scripts, as SD-VSum's code has it.

    Args:
        root: Folder of the stores, ``<root>/<benchmark>.h5``.
        family: ``official``: the parts that the benchmark's authors list. Of S-VideoXum one fold of three parts; of
            S-NewsVSum five folds, of whose training videos some validate.
        fold: Which fold trains, validates and is tested, from 0; may be set later too.
        fold_seed: Seed of the choice of validating videos where none are listed, and of ``another``.
        validation: Share of the training part that validates where none are listed.
        language: False omits all text tokens.
        caption_source: The text of an item: the sentences of its ``own`` script; or, for ablations, those of a script
            of ``another`` video, always the same one, or one token, the mean of its own sentences: ``fused``.
        batch_size: Videos a training batch; by default `default_batch_size`.
        crop: Steps of the random window of each video that trains, 0 for whole videos; by default `default_crop`.
        workers: Processes that read batches.
        preload_mb: Hold all videos in memory where they take at most this many megabytes.
        seed: Seed of the order of training batches, and of windows.
        validate_on_test: See ``SummarizationDataModule``.
        target: Name of the benchmark that is tested on.

    Raises:
        ValueError: An argument has no allowed value; one line that lists them.
    """

    benchmark = "s-videoxum"
    default_batch_size = 4

    def __init__(
        self,
        root: str | Path = "data",
        *,
        family: str = "official",
        fold: int = 0,
        fold_seed: int = 0,
        validation: float = 0.2,
        language: bool = True,
        caption_source: ScriptSource = "own",
        batch_size: int | None = None,
        crop: int | None = None,
        workers: int = 0,
        preload_mb: int = 8000,
        seed: int = 0,
        validate_on_test: bool = False,
        target: str | None = None,
    ) -> None:
        target = target or self.benchmark
        check_choice("target", target, benchmark_names("scripts"))
        check_choice("family", family, BENCHMARKS[target].families)
        check_choice("caption_source", caption_source, get_args(ScriptSource))
        super().__init__(root, [target], fold, batch_size, crop, workers, seed, validate_on_test)
        self.family, self.fold_seed, self.validation = family, fold_seed, validation
        self.language, self.caption_source, self.preload_mb = language, caption_source, preload_mb
        self._scripts: list[tuple[str, int]] = []
        self._videos: dict[str, ScriptVideo] = {}

    def _read(self) -> None:
        store = self.stores[self.target]
        if store.nbytes() <= self.preload_mb * 1e6:
            self._videos = {video.key: video for video in store.read_scripts()}
        held = {key: tuple(item.script for item in video.items()) for key, video in self._videos.items()}
        scripts = held or store.scripts()
        self._scripts = [(key, script) for key, of_video in scripts.items() for script in of_video]
        splits = {f"{self.target}/{key}": split for key, split in store.splits().items()}
        items = {f"{self.target}/{key}": tuple(f"{self.target}/{key}/{n}" for n in scripts[key]) for key in scripts}
        first = self._video(next(iter(scripts)))
        self.feature_dim, self.text_dim = first.features.shape[1], first.script_features.shape[2]
        self.ids = [id for of_video in items.values() for id in of_video]
        self.has_text = self.language
        listed = self._official(splits)
        of_videos = ([fold.train, fold.validation, fold.test] for fold in listed)
        by_item = ([tuple(id for video in part for id in items[video]) for part in fold] for fold in of_videos)
        self.folds = [Fold(index, *fold) for index, fold in enumerate(by_item)]

    def _official(self, splits: dict[str, str]) -> list[Fold]:
        """The official folds, of videos."""
        if families(self.target, "canonical"):
            family = load_family(self.family, self.target, "canonical")
            return folds_of_family(family, list(splits), (), self.validation, self.fold_seed)
        return [official_fold(splits, str(self.stores[self.target].path))]

    def item(self, number: int) -> ScriptItem:
        """The item of a number."""
        key, script = self._scripts[number]
        return ScriptItem(self._video(key), script)

    def _video(self, key: str) -> ScriptVideo:
        """A video, from memory or from the store; the last one is kept, since its scripts come one after the other."""
        if key not in self._videos:
            self._videos = {key: self.stores[self.target].read_scripts([key])[0]}
        return self._videos[key]

    def text(self, item: Item) -> NDArray[np.float32] | None:
        """The sentences of the script, or what stands in their place, (tokens, features)."""
        if not self.language or not isinstance(item, ScriptItem):
            return None
        if self.caption_source == "another":
            others = self._video(self._others[item.video.key]).items()
            item = others[item.script % len(others)]
        tokens = item.text()
        return caption_tokens(tokens, len(tokens), self.caption_source)

    @cached_property
    def _others(self) -> dict[str, str]:
        """Another video that has scripts, by key: each gives its scripts to one other."""
        return another_of_each(list(dict.fromkeys(key for key, _ in self._scripts)), self.fold_seed)

    @cached_property
    def _shards(self) -> list[int]:
        """The shard that each item lies in, by number."""
        store = self.stores[self.target]
        shards = dict(zip(store.video_keys(), store.shards(), strict=True))
        return [shards[key] for key, _ in self._scripts]

    def _training_batches(self, numbers: list[int], epoch: int) -> list[list[int]]:
        """So many videos, in an order by chance, with all their scripts."""
        videos = self._evaluation_batches(numbers)
        files = [self._shards[scripts[0]] for scripts in videos]
        order = shuffled(range(len(videos)), files, np.random.default_rng((self.seed, epoch)))
        return [_joined([videos[at] for at in batch]) for batch in cut(order, self.batch_size)]

    def _evaluation_batches(self, numbers: list[int]) -> list[list[int]]:
        """The scripts of one video together, in order."""
        return [list(scripts) for _, scripts in groupby(numbers, lambda number: self._scripts[number][0])]


def _joined(batches: Sequence[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]
