"""The best F1 that any summary of whole shots within the budget reaches: the exact ceiling of a video.

F1 of a summary of c frames with annotator u is ``2 overlap_u / (c + length_u)``. For a fixed c its mean over annotators
is a sum over shots, which a knapsack maximizes; the best over all c is the ceiling.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array, whole
from clipit_lightning.summary.key_shots import check_shots, shot_lengths


class BestPossible(NamedTuple):
    """The best F1 of a video, 0 to 1, under both conventions; one summary need not reach both."""

    f1_mean: float
    """Mean over annotators."""
    f1_max: float
    """Maximum over annotators."""


def best_possible(user_summary: ArrayLike, change_points: ArrayLike, budget: int) -> BestPossible:
    """Find the best F1 of a summary of whole shots, exactly.

    >>> best_possible([[1, 1, 0, 0], [0, 0, 1, 1]], change_points=[[0, 0], [1, 1], [2, 3]], budget=2)
    BestPossible(f1_mean=0.5, f1_max=1.0)

    Args:
        user_summary: 0/1 frames of the annotators, (annotators, frames).
        change_points: First and last frame of each shot, inclusive, without gaps, (shots, 2).
        budget: Largest number of frames in a summary.

    Returns:
        0 where no shot fits the budget.

    Raises:
        ValueError: The shots do not cover the frames one after the other.
    """
    summaries, shots = np.atleast_2d(as_array(user_summary)), whole(change_points, "change_points")
    check_shots(shots, summaries.shape[1])
    weights = shot_lengths(shots)  # (shots,)
    overlaps = np.add.reduceat(summaries != 0, shots[:, 0], axis=1, dtype=np.int64)  # (annotators, shots)
    fits = weights <= budget
    lengths, overlaps, weights = overlaps.sum(axis=1), overlaps[:, fits], weights[fits]
    annotators = [slice(number, number + 1) for number in range(len(lengths))]
    alone = [_best_mean(overlaps[one], lengths[one], weights, budget) for one in annotators]
    return BestPossible(_best_mean(overlaps, lengths, weights, budget), max(alone))


def ceiling(best: Mapping[str, float], tested: Iterable[Iterable[str]]) -> float:
    """Mean over folds of the mean best F1 of the videos that each tests, from the best F1 by id of the video."""
    return float(np.mean([np.mean([best[video] for video in fold]) for fold in tested]))


def _best_mean(
    overlaps: NDArray[np.int64], lengths: NDArray[np.int64], weights: NDArray[np.int64], budget: int
) -> float:
    """The best mean over annotators: knapsacks for promising numbers of frames, until no other can be better.

    A knapsack for c frames bounds the best F1 for every other number d: an annotator's term of a shot's value changes
    by the factor ``(c + length) / (d + length)``, which lies between those of the shortest and the longest summary.

    Args:
        overlaps: Frames of each shot in an annotator's summary, (annotators, shots).
        lengths: Frames in an annotator's summary, (annotators,).
        weights: Frames of each shot, at most the budget, (shots,).
        budget: Largest number of frames in a summary.
    """
    if budget < 1 or not overlaps.any():
        return 0.0
    frames = np.arange(1, budget + 1)
    ends = np.array([[lengths[lengths > 0].min()], [lengths.max()]])  # an empty summary adds nothing to any value
    bounds, best = np.full(budget, np.inf), 0.0  # (budget,) of a summary of at most so many frames
    while (bounds > best + 1e-12).any():
        count = frames[budget - 1 - bounds[::-1].argmax()]  # of equal ones the largest: F1 mostly grows with length
        values = (2.0 * overlaps / (count + lengths)[:, None]).mean(axis=0)  # (shots,)
        reached = _knapsack_values(values, weights, budget)[1:]  # (budget,)
        factors = (count + ends) / (frames + ends)  # (2, budget)
        best = max(best, float((reached * factors.min(axis=0)).max()))
        bounds = np.minimum(bounds, reached * factors.max(axis=0))
    return min(best, 1.0)  # sums of floats may exceed 1 in the last digit


def _knapsack_values(values: NDArray[np.float64], weights: NDArray[np.int64], capacity: int) -> NDArray[np.float64]:
    """The best total value of items within every capacity from 0, (capacity + 1,)."""
    best = np.zeros(capacity + 1)
    for value, weight in zip(values[values > 0], weights[values > 0], strict=True):
        best[weight:] = np.maximum(best[weight:], best[:-weight] + value)
    return best
