"""Key-shot selection: step scores to frame scores, frame scores to shot values, shots to a 0/1 summary.

The rules are the project's defaults (``evaluation.md``): each score holds from its pick to the next, a shot is worth
the mean of its frame scores and weighs its frames, the budget is ``floor(0.15 * n_frames)``, the knapsack is exact.
They follow the evaluation code of Zhang et al. (ECCV 2016) as used by PGL-SUM, VASNet and DSNet.
"""

import math

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.summary.knapsack import knapsack


def frame_scores(scores: NDArray[np.floating], picks: NDArray[np.integer], n_frames: int) -> NDArray[np.float64]:
    """Spread step scores over frames: each holds from its pick to the next, the last to the end.

    Frames before the first pick take the first score: the field's files all start at frame 0, others need not.

    Args:
        scores: Score of each step, (steps,).
        picks: Frame number of each step, strictly increasing, (steps,).
        n_frames: Number of frames of the video.

    Returns:
        Score of each frame, (frames,).
    """
    holder = np.searchsorted(picks, np.arange(n_frames), side="right") - 1  # (frames,) step that a frame belongs to
    return np.asarray(scores, dtype=np.float64)[np.maximum(holder, 0)]


def shot_means(frames: NDArray[np.floating], change_points: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean of the frame values of each shot.

    Args:
        frames: Value of each frame, (frames,).
        change_points: First and last frame of each shot, inclusive, without gaps, (shots, 2).

    Returns:
        Mean of each shot, (shots,).
    """
    sums = np.add.reduceat(np.asarray(frames, dtype=np.float64), change_points[:, 0])
    return sums / shot_lengths(change_points)


def shot_lengths(change_points: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number of frames of each shot, (shots,), from the inclusive first and last frames, (shots, 2)."""
    return (change_points[:, 1] - change_points[:, 0] + 1).astype(np.int64)


def budget_frames(n_frames: int, budget: float) -> int:
    """Largest number of frames in a summary: ``floor(budget * n_frames)``, safe against float error (0.15 * 20 = 3)."""
    return math.floor(budget * n_frames + 1e-9)


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
) -> NDArray[np.uint8]:
    """Cut the summary of a video from its step scores.

    Args:
        scores: Score of each step, (steps,).
        picks: Frame number of each step, (steps,).
        change_points: First and last frame of each shot, inclusive, (shots, 2).
        n_frames: Number of frames of the video.
        budget: Largest share of the video that the summary may take.

    Returns:
        1 for each frame in the summary, (frames,). All 0 where no shot fits the budget.
    """
    values = shot_means(frame_scores(scores, picks, n_frames), change_points)  # (shots,)
    chosen = knapsack(values, shot_lengths(change_points), budget_frames(n_frames, budget))
    return chosen_to_frames(chosen, change_points, n_frames)
