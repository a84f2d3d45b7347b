"""Folds: which videos train, validate and test, in the canonical, augmented and transfer settings.

Settings after Zhang et al. (ECCV 2016). Canonical: train on 80 % of the target, test on 20 %. Augmented: the same test
folds, the training part plus all videos of the sources. Transfer: train on the sources only, test on the whole target.
Videos are named ``dataset/key``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clipit_lightning.errors import UserError

Setting = Literal["canonical", "augmented", "transfer"]


@dataclass(frozen=True)
class Fold:
    """One partition. The three parts are disjoint; ids are ``dataset/key``."""

    index: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def make_folds(
    target: Sequence[str],
    sources: Sequence[str],
    setting: Setting,
    n_folds: int = 5,
    validation: float = 0.2,
    seed: int = 0,
) -> list[Fold]:
    """The folds of the family ``kfold``: non-overlapping test parts that together hold every video once.

    Args:
        target: Ids of the target's videos.
        sources: Ids of the videos of all sources; unused in the canonical setting.
        setting: Which videos train.
        n_folds: Number of folds; the transfer setting has one, whose test part is the whole target.
        validation: Share of the training part that becomes the validation part, at least two videos. In the
            augmented setting it is carved from the target's videos, as in the canonical one.
        seed: Seed of the partition. The same videos and seed give the same folds on every machine.

    Raises:
        UserError: There are too few videos.
    """
    if setting == "transfer":
        train, held = _carve(_shuffled(sources, seed), validation)
        return [Fold(0, train, held, tuple(sorted(target)))]
    if len(target) < max(n_folds, 4):
        raise UserError(f"data.folds={n_folds} needs at least {max(n_folds, 4)} videos, the data set has {len(target)}")
    order = _shuffled(target, seed)
    folds = []
    for index, part in enumerate(np.array_split(np.arange(len(order)), n_folds)):
        test = order[part[0] : part[-1] + 1]
        # Turned so that it starts behind the test part: each fold validates on other videos.
        train, held = _carve(order[part[-1] + 1 :] + order[: part[0]], validation)
        extra = tuple(sorted(sources)) if setting == "augmented" else ()
        folds.append(Fold(index, train + extra, held, tuple(sorted(test))))
    return folds


def _shuffled(videos: Sequence[str], seed: int) -> list[str]:
    """Shuffle after sorting, so that the order in which a file lists its videos does not matter."""
    ordered = sorted(videos)
    return [ordered[position] for position in np.random.default_rng(seed).permutation(len(ordered))]


def _carve(videos: list[str], share: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Part the training videos into those that train and those that validate (the first of the shuffled order)."""
    held = max(2, math.floor(share * len(videos) + 0.5))
    if len(videos) - held < 1:
        raise UserError(f"{len(videos)} training videos are too few to keep {held} for validation; add videos")
    return tuple(sorted(videos[held:])), tuple(sorted(videos[:held]))
