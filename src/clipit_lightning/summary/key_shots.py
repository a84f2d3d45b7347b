"""Key-shot selection: step scores to frame scores, frame scores to shot values, shots to a 0/1 summary.

The defaults are the project's: each score holds from its pick to the next, a shot is worth the mean of its frame scores
and weighs its frames, the budget is ``floor(0.15 * n_frames)``, the knapsack is exact. They follow the evaluation code
of Zhang et al. (ECCV 2016) as used by PGL-SUM, VASNet and DSNet; the other rules in published code have names.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.summary.knapsack import greedy, knapsack

ShotValue = Literal["mean", "sum"]
Rounding = Literal["floor", "round", "ceil"]
Solver = Literal["knapsack", "greedy"]


def frame_scores(scores: NDArray[np.number], picks: NDArray[np.integer], n_frames: int) -> NDArray[np.float64]:
    """Spread step scores over frames: each holds from its pick to the next, the last to the end.

    Frames before the first pick take the first score: the field's files all start at frame 0, others need not.

    Args:
        scores: Score of each step, (steps,), or of several scorers, (annotators, steps).
        picks: Frame number of each step, strictly increasing, (steps,).
        n_frames: Number of frames of the video.

    Returns:
        Score of each frame, (frames,) or (annotators, frames).
    """
    holder = np.searchsorted(picks, np.arange(n_frames), side="right") - 1  # (frames,) step that a frame belongs to
    return np.asarray(scores, dtype=np.float64)[..., np.maximum(holder, 0)]


def shot_sums(frames: NDArray[np.floating], change_points: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sum of the frame values of each shot.

    Args:
        frames: Value of each frame, (frames,).
        change_points: First and last frame of each shot, inclusive, without gaps, (shots, 2).

    Returns:
        Sum of each shot, (shots,).
    """
    return np.add.reduceat(np.asarray(frames, dtype=np.float64), change_points[:, 0])


def shot_means(frames: NDArray[np.floating], change_points: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean of the frame values, (frames,), of each shot, (shots, 2) as for ``shot_sums``; (shots,)."""
    return shot_sums(frames, change_points) / shot_lengths(change_points)


def shot_lengths(change_points: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number of frames of each shot, (shots,), from the inclusive first and last frames, (shots, 2)."""
    return (change_points[:, 1] - change_points[:, 0] + 1).astype(np.int64)


def budget_frames(n_frames: int, budget: float, rounding: Rounding = "floor") -> int:
    """Largest number of frames in a summary: ``budget * n_frames``, rounded down, up, or to the nearest whole number.

    Safe against float error: 0.29 * 100 is 29 under every rounding. Halves go to the even number, as Python's and
    numpy's ``round`` do in published code.
    """
    frames = budget * n_frames
    if rounding == "floor":
        return math.floor(frames + 1e-9)
    return math.ceil(frames - 1e-9) if rounding == "ceil" else round(round(frames, 9))


def chosen_to_frames(chosen: NDArray[np.bool_], change_points: NDArray[np.integer], n_frames: int) -> NDArray[np.uint8]:
    """The 0/1 summary over frames, (frames,), of the chosen shots, (shots,)."""
    summary = np.zeros(n_frames, dtype=np.uint8)
    for first, last in change_points[chosen]:
        summary[first : last + 1] = 1
    return summary


def key_shot_summary(
    scores: NDArray[np.floating],
    picks: NDArray[np.integer],
    change_points: NDArray[np.integer],
    n_frames: int,
    budget: float = 0.15,
    shot_value: ShotValue = "mean",
    rounding: Rounding = "floor",
    solver: Solver = "knapsack",
) -> NDArray[np.uint8]:
    """Cut the summary of a video from its step scores.

    Args:
        scores: Score of each step, (steps,).
        picks: Frame number of each step, (steps,).
        change_points: First and last frame of each shot, inclusive, (shots, 2).
        n_frames: Number of frames of the video.
        budget: Largest share of the video that the summary may take.
        shot_value: What a shot is worth: ``mean`` or ``sum`` of its frame scores.
        rounding: How the budget becomes a whole number of frames.
        solver: ``knapsack`` finds the most valuable shots that fit together; ``greedy`` takes the shots of the highest
            value per frame one by one.

    Returns:
        1 for each frame in the summary, (frames,). All 0 where no shot fits the budget.

    Raises:
        ValueError: A score is not finite, or a shot ends before it starts.
    """
    value_of = shot_means if shot_value == "mean" else shot_sums
    values = value_of(frame_scores(scores, picks, n_frames), change_points)  # (shots,)
    solve = knapsack if solver == "knapsack" else greedy
    chosen = solve(values, shot_lengths(change_points), budget_frames(n_frames, budget, rounding))  # (shots,)
    return chosen_to_frames(chosen, change_points, n_frames)
