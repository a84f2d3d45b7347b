"""Means over videos and folds, and bootstrap intervals."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd


def means(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Mean of each metric over a video's queries, where it has several rows, then over videos."""
    present = [name for name in names if name in rows]
    return cast(dict[str, float], rows.groupby("video", sort=False)[present].mean().mean().to_dict())


def over_folds(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Mean of each metric over a fold's videos, then over folds."""
    return cast(dict[str, float], rows.groupby("fold")[list(names)].mean().mean().to_dict())


def bootstrap_interval(values: Sequence[float], seed: int = 0, resamples: int = 10_000) -> tuple[float, float]:
    """Percentile interval (95 %) of a mean over videos, each with a value: they are drawn again, with replacement."""
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = array[rng.integers(0, len(array), size=(resamples, len(array)))].mean(axis=1)  # (resamples,)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def intervals(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each metric over videos; a video that several folds test counts once, with its mean."""
    videos = rows.groupby("video")[list(names)].mean()
    return {name: bootstrap_interval(videos[name].tolist()) for name in names}
