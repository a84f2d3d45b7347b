"""Key-shot selection: step scores to frame scores, frame scores to shot values, shots to a 0/1 summary.

The defaults are the project's: each score holds from its pick to the next, a shot is worth the mean of its frame scores
and weighs its frames, the budget is ``floor(0.15 * n_frames)``, the knapsack is exact. They follow the evaluation code
of Zhang et al. (ECCV 2016) as used by PGL-SUM, VASNet and DSNet; the other rules in published code have names.
"""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array, whole
from clipit_lightning.core.errors import check_known
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


def select_shots(
    scores: ArrayLike,
    change_points: ArrayLike,
    n_frames: int,
    picks: ArrayLike | None = None,
    budget: float = 0.15,
    shot_value: ShotValue = "mean",
    rounding: Rounding = "floor",
    solver: Solver = "knapsack",
) -> NDArray[np.uint8]:
    """Cut the summary of a video: the most valuable of its shots that fit the budget together.

    >>> select_shots([0.2, 0.9, 0.9, 0.1], change_points=[[0, 0], [1, 2], [3, 3]], n_frames=4, budget=0.5).tolist()
    [0, 1, 1, 0]

    Args:
        scores: Score of each step, (steps,), or without ``picks`` of each frame, (frames,).
        change_points: First and last frame of each shot, inclusive, without gaps, (shots, 2).
        n_frames: Number of frames of the video.
        picks: Frame number of each step, increasing, (steps,).
        budget: Largest share of the video that the summary may take.
        shot_value: What a shot is worth: ``mean`` or ``sum`` of its frame scores.
        rounding: How the budget becomes a whole number of frames.
        solver: ``knapsack`` finds the most valuable shots that fit together; ``greedy`` takes the shots of the highest
            value per frame one by one.

    Returns:
        1 for each frame in the summary, (frames,). All 0 where no shot fits the budget.

    Raises:
        ValueError: There is not one score for each step or frame, a score is not finite, picks do not increase, the
            shots do not cover the frames one after the other, or a choice is none that there is.
    """
    _check_choices(budget, shot_value, rounding, solver)
    given, shots = as_array(scores), whole(change_points, "change_points")  # (steps,) or (frames,), (shots, 2)
    at = np.arange(n_frames) if picks is None else whole(picks, "picks")
    if given.ndim != 1:
        raise ValueError(f"scores have shape {given.shape}; (steps,) or (frames,) is needed")
    if given.shape != at.shape:
        counted = f"{len(at)} frames; of step scores, give their picks" if picks is None else f"{len(at)} picks"
        raise ValueError(f"{given.size} scores, but {counted}")
    if not np.isfinite(given).all():
        raise ValueError("scores must be finite")
    check_shots(shots, n_frames)
    check_picks(at, n_frames)
    values = (shot_means if shot_value == "mean" else shot_sums)(frame_scores(given, at, n_frames), shots)  # (shots,)
    solve = knapsack if solver == "knapsack" else greedy
    taken = solve(values, shot_lengths(shots), budget_frames(n_frames, budget, rounding))  # (shots,)
    return chosen_to_frames(taken, shots, n_frames)


def _check_choices(budget: float, shot_value: str, rounding: str, solver: str) -> None:
    kinds = ("shot_value", shot_value, ShotValue), ("rounding", rounding, Rounding), ("solver", solver, Solver)
    for name, chosen, kind in kinds:
        check_known(name, chosen, get_args(kind))
    if not 0 <= budget <= 1:
        raise ValueError(f"budget={budget}: a share of the video is needed, 0 to 1")


def check_picks(picks: NDArray[np.integer], n_frames: int) -> None:
    """Raise a ValueError where the frame numbers of steps, (steps,), do not increase within a video."""
    if not picks.size or (np.diff(np.concatenate([[-1], picks, [n_frames]])) < 1).any():
        raise ValueError(f"picks must increase, from 0 or more to at most {n_frames - 1}")


def check_shots(change_points: NDArray[np.integer], n_frames: int) -> None:
    """Raise a ValueError where shots, (shots, 2), do not cover the frames of a video one after the other."""
    if change_points.ndim != 2 or change_points.shape[1] != 2:
        raise ValueError(f"change_points have shape {change_points.shape}; (shots, 2) is needed")
    borders = np.append(change_points[:, 0], n_frames)  # (shots + 1,)
    if borders[0] or (borders[1:] != change_points[:, 1] + 1).any() or (np.diff(borders) < 1).any():
        raise ValueError(f"change_points do not cover frames 0 to {n_frames - 1} shot by shot, the last frame included")
