"""Rank correlation with ties, exact and fast for what videos have: many frames, few levels.

Kendall's tau-b and Spearman's rho depend on two rows only through how often each pair of levels occurs. Annotators have
few levels (0/1, ratings from 1 to 5, their mean over 20), and a step's score repeats over its frames, so that table is
small where the rows are long. The results equal scipy's.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import row_and_rows

MAX_CELLS = 2**23
"""Largest table of levels, 64 MiB; larger ones, and ones much larger than the rows, go to scipy's O(n log n)."""
CELLS_PER_VALUE = 128


class Correlation(NamedTuple):
    """Rank correlations of one video, means over its annotators."""

    kendall_tau: float
    """Kendall's tau-b, -1 to 1."""
    spearman_rho: float
    """Spearman's rho, -1 to 1."""


def kendall_tau(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Kendall's tau-b of scores with ratings, mean over annotators; see `rank_correlation`.

    >>> kendall_tau([0.1, 0.4, 0.2, 0.9], [1, 3, 2, 5])
    1.0
    >>> kendall_tau([0.1, 0.4, 0.2, 0.9], [[1, 3, 2, 5], [5, 2, 3, 1]])
    0.0
    """
    return rank_correlation(scores, ratings).kendall_tau


def spearman_rho(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Spearman's rho of scores with ratings, mean over annotators; see `rank_correlation`.

    >>> round(spearman_rho([0.1, 0.4, 0.2], [1, 2, 3]), 3)
    0.5
    """
    return rank_correlation(scores, ratings).spearman_rho


def rank_correlation(scores: ArrayLike, ratings: ArrayLike) -> Correlation:
    """Mean Kendall tau-b and Spearman rho of scores with each annotator's ratings; ties are handled.

    Args:
        scores: Score of each step, (steps,), or of each frame.
        ratings: Each annotator's value of each step, (annotators, steps), or one row of them, (steps,).

    Returns:
        The means over the annotators whose ratings are not constant. Constant scores, and ratings that are all
        constant, have correlation 0 by definition: never NaN.

    Raises:
        ValueError: The lengths differ or a value is not finite.
    """
    row, rows = row_and_rows(scores, ratings, "scores")
    if not (np.isfinite(row).all() and np.isfinite(rows).all()):
        raise ValueError("scores and ratings must be finite")
    ours = rank(row)
    pairs = []
    for row in rows:  # ranked one by one: only one of 20 annotators' million frames is in memory as ranks
        theirs = rank(row)
        if not (ours.is_constant or theirs.is_constant):
            pairs.append((kendall_tau_b(ours, theirs), spearman(ours, theirs)))
    tau, rho = np.mean(pairs, axis=0) if pairs else (0.0, 0.0)
    return Correlation(float(tau), float(rho))


@dataclass(frozen=True)
class Ranked:
    """A row of values, reduced to their order."""

    level: NDArray[np.int64]
    """Which of the distinct values, in increasing order, each value is, (values,)."""
    counts: NDArray[np.int64]
    """How often each distinct value occurs, (levels,)."""

    @property
    def is_constant(self) -> bool:
        """Whether all values are equal, so that no rank correlation is defined."""
        return len(self.counts) < 2


def rank(values: NDArray[np.number]) -> Ranked:
    """Reduce finite values, (values,), to their order."""
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    return Ranked(level.astype(np.int64, copy=False), counts.astype(np.int64, copy=False))


def kendall_tau_b(one: Ranked, other: Ranked) -> float:
    """Kendall's tau-b of two rows of which neither is constant.

    (concordant - discordant) / sqrt((pairs - ties in one) (pairs - ties in other)), Kendall, "The treatment of ties in
    ranking problems" (1945). Counted in whole numbers from the table of levels, O(values + levels * levels).
    """
    cells = len(one.counts) * len(other.counts)
    if cells > min(MAX_CELLS, CELLS_PER_VALUE * len(one.level)):
        from scipy import stats  # takes a second to import

        return float(stats.kendalltau(one.level, other.level).statistic)
    few, many = sorted((one, other), key=lambda row: len(row.counts))  # long rows of the table are summed fast
    tau = _concordant_minus_discordant(_table(few, many)) / math.sqrt(_untied(one)) / math.sqrt(_untied(other))
    return min(1.0, max(-1.0, tau))  # two square roots may leave the range by a last digit


def spearman(one: Ranked, other: Ranked) -> float:
    """Spearman's rho of two rows of which neither is constant: Pearson's correlation of their average ranks."""
    ours, theirs = _centred_ranks(one), _centred_ranks(other)  # (levels,) each
    covariance = float(ours[one.level] @ theirs[other.level])
    scale = math.sqrt(float(one.counts @ ours**2)) * math.sqrt(float(other.counts @ theirs**2))
    return min(1.0, max(-1.0, covariance / scale))


def _table(one: Ranked, other: Ranked) -> NDArray[np.int64]:
    """How often each pair of levels occurs, (levels of one, levels of other)."""
    shape = len(one.counts), len(other.counts)
    return np.bincount(one.level * shape[1] + other.level, minlength=shape[0] * shape[1]).reshape(shape)


def _concordant_minus_discordant(table: NDArray[np.int64]) -> int:
    """Pairs of values in the same order in both rows, less pairs in opposite order."""
    below = table.cumsum(axis=1) - table  # (levels of one, levels of other) values lower in other, by level of one
    up_to = below.cumsum(axis=0)  # ... and not higher in one
    # Lower in both is up_to - below; lower in other but higher in one is up_to[-1] - up_to.
    return int(np.vdot(table, 2 * up_to - below - up_to[-1]))


def _untied(row: Ranked) -> int:
    """Number of pairs of unequal values."""
    values = len(row.level)
    return (values * (values - 1) - int((row.counts * (row.counts - 1)).sum())) // 2


def _centred_ranks(row: Ranked) -> NDArray[np.float64]:
    """Average rank of each level, less the mean rank, (levels,)."""
    below = row.counts.cumsum() - row.counts
    return below + (row.counts - len(row.level)) / 2
