"""Folds: which videos train, validate and test, in the canonical, augmented and transfer settings.

Settings after Zhang et al. (ECCV 2016). Canonical: train on 80 % of the target, test on 20 %. Augmented: the same test
folds, the training part plus all videos of the sources. Transfer: train on the sources only, test on the whole target.
Videos are named ``dataset/key``. The published families' own lists are read by ``fold_files.py``.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from clipit_lightning.core.errors import UserError

Setting = Literal["canonical", "augmented", "transfer"]


@dataclass(frozen=True)
class Fold:
    """One partition. The three parts are disjoint; ids are ``dataset/key``."""

    index: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class FoldFamily:
    """Train and test lists that somebody published or wrote, for one benchmark and setting."""

    name: str
    """Name in commands and results, such as ``dsnet``."""
    dataset: str
    """The benchmark that is tested on."""
    setting: Setting
    source: str
    """Where the lists come from: repository and file."""
    folds: tuple[Fold, ...]
    """The partitions as listed; ids within a part are sorted, and the validation part is empty where none is listed."""

    @property
    def content_hash(self) -> str:
        """8 hex digits that depend on the folds alone, not on name, source, or the order of videos within a part."""
        folds = [[sorted(part) for part in (fold.train, fold.validation, fold.test)] for fold in self.folds]
        return hashlib.sha256(json.dumps(folds, separators=(",", ":")).encode()).hexdigest()[:8]


def make_folds(
    target: Sequence[str],
    sources: Sequence[str],
    setting: Setting,
    n_folds: int = 5,
    validation: float = 0.2,
    seed: int = 0,
) -> list[Fold]:
    """The folds of the family ``kfold``: non-overlapping test parts that together hold every video once.

    The transfer setting has one fold, whose test part is the whole target. The same videos and seed give the same
    folds on every machine.

    Args:
        target: Ids of the target's videos.
        sources: Ids of the videos of all sources; unused in the canonical setting.
        setting: Which videos train.
        n_folds: Number of folds.
        validation: Share of the training part that validates, at least two videos; none for 0. In the augmented setting
            it is carved from the target's videos, as in the canonical one.
        seed: Seed of the partition.

    Raises:
        UserError: There are too few videos.
    """
    if setting == "transfer":
        train, held = _carve(_shuffled(sources, seed), validation)
        return [Fold(0, train, held, tuple(sorted(target)))]
    if len(target) < (needed := max(n_folds, 4 if validation else 2)):
        way = f"; say data.folds={len(target)}" if len(target) >= (4 if validation else 2) else ""
        if validation and len(target) in (2, 3):
            way = f", or do without validation: data.folds={len(target)} data.validation=0 selection=last"
        raise UserError(f"data.folds={n_folds} needs at least {needed} videos, the data set has {len(target)}{way}")
    order = _shuffled(target, seed)
    folds = []
    for index, part in enumerate(np.array_split(np.arange(len(order)), n_folds)):
        test = order[part[0] : part[-1] + 1]
        # Turned so that it starts behind the test part: each fold validates on other videos.
        train, held = _carve(order[part[-1] + 1 :] + order[: part[0]], validation)
        extra = tuple(sorted(sources)) if setting == "augmented" else ()
        folds.append(Fold(index, train + extra, held, tuple(sorted(test))))
    return folds


def official_fold(splits: Mapping[str, str], where: str) -> Fold:
    """The fold of official parts, ``train``, ``validation`` and ``test``, by id of the video.

    Raises:
        UserError: A part has no video; the message begins with ``where``.
    """
    names = ("train", "validation", "test")
    train, validation, test = (tuple(id for id, split in splits.items() if split == name) for name in names)
    if not (train and validation and test):
        raise UserError(
            f"{where}: has no videos of a part of the official split (train {len(train)}, validation "
            f"{len(validation)}, test {len(test)}); import the whole data set"
        )
    return Fold(0, train, validation, test)


def with_sources(fold: Fold, sources: Sequence[str], setting: Setting, validation: float, seed: int) -> Fold:
    """A fold as it trains in a setting: the sources beside its own videos, or in their place, a share validating."""
    if setting == "augmented":
        return replace(fold, train=(*fold.train, *sorted(sources)))
    return fold if setting == "canonical" else make_folds(fold.test, sources, setting, 1, validation, seed)[0]


def folds_of_family(
    family: FoldFamily,
    target_ids: Sequence[str],
    source_ids: Sequence[str],
    validation: float = 0.2,
    seed: int = 0,
) -> list[Fold]:
    """The folds of a listed family, with a validation part carved where the family lists none.

    Folds that are the same in all parts become one: DSNet's transfer files list one partition five times. Videos that
    the stores hold and the family does not name are in none of the three.

    Args:
        family: The lists.
        target_ids: Ids of the target's videos in its store.
        source_ids: Ids of the videos of all sources in their stores.
        validation: Share that validates, as in ``make_folds``. Unused where the family lists validation parts.
        seed: Seed of the carving; nothing else depends on it.

    Raises:
        UserError: The stores lack videos that the family names, or too few train.
    """
    named = {video for fold in family.folds for video in (*fold.train, *fold.validation, *fold.test)}
    if missing := named.difference(target_ids, source_ids):
        raise UserError(
            f"the {family.setting} folds of {family.name} on {family.dataset} name {len(missing)} videos that the "
            f"stores lack: {_short_list(missing)}; import them, or choose data.family=kfold"
        )
    of_target = family.setting != "transfer"  # what is carved
    order = _shuffled([video for video in named if video.startswith(f"{family.dataset}/") == of_target], seed)
    distinct = list(dict.fromkeys((fold.train, fold.validation, fold.test) for fold in family.folds))
    folds = []
    for index, (train, held, test) in enumerate(distinct):
        if not held:
            # Turned, as in make_folds: folds with much the same training part should validate on other videos.
            start = index * len(order) // len(distinct)
            rest, held = _carve([video for video in order[start:] + order[:start] if video in train], validation)
            train = rest + tuple(video for video in train if video not in order)
        folds.append(Fold(index, train, held, test))
    return folds


def _short_list(videos: Iterable[str]) -> str:
    """The first three videos of each benchmark, and how many more there are."""
    by_dataset: dict[str, list[str]] = {}
    for video in sorted(videos, key=lambda video: (len(video), video)):  # video_2 before video_10
        by_dataset.setdefault(video.split("/")[0], []).append(video)
    return ", ".join(
        ", ".join(ids[:3]) + (f" and {len(ids) - 3} more of {dataset}" if len(ids) > 3 else "")
        for dataset, ids in sorted(by_dataset.items())
    )


def _shuffled(videos: Sequence[str], seed: int) -> list[str]:
    """Shuffle after sorting, so that the order in which a file lists its videos does not matter."""
    ordered = sorted(videos)
    return [ordered[position] for position in np.random.default_rng(seed).permutation(len(ordered))]


def _carve(videos: list[str], share: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Part the training videos into those that train and those that validate (the first of the shuffled order)."""
    held = max(2, math.floor(share * len(videos) + 0.5)) if share else 0
    if len(videos) - held < 1:
        raise UserError(
            f"{len(videos)} training videos are too few to keep {held} for validation; add videos, or do without: "
            "data.validation=0 selection=last"
        )
    return tuple(sorted(videos[held:])), tuple(sorted(videos[:held]))
