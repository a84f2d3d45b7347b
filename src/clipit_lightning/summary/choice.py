"""Which shots of a raw video a summary takes, within a budget."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.summary.budget import Budget
from clipit_lightning.summary.key_shots import (
    ShotValue,
    budget_frames,
    frame_scores,
    shot_lengths,
    shot_means,
    shot_sums,
)
from clipit_lightning.summary.knapsack import knapsack

_SLACK = 1e-6  # frames; what sums of times are wrong by


@dataclass(frozen=True, eq=False)
class Cut:
    """The shots of a video, and which of them are in the summary."""

    shots: NDArray[np.int64]
    """First and last frame of each, inclusive; what is too long for the budget is divided, (shots, 2)."""
    chosen: NDArray[np.bool_]
    """(shots,)."""
    within_shot: bool
    """Whether a chosen one is a part of a shot that is longer than the budget."""


def choose(
    scores: NDArray[np.floating],
    picks: NDArray[np.integer],
    change_points: NDArray[np.int64],
    frame_times: NDArray[np.float64],
    duration: float,
    budget: Budget,
    shot_value: ShotValue = "sum",
    omitted: NDArray[np.bool_] | None = None,
) -> Cut:
    """Choose the most valuable shots that fit the budget together, never more.

    A shot is worth the sum of its frame scores (Gygli et al., ECCV 2014), so that what is best is shown for longest;
    the evaluation's ``mean`` prefers many short shots. It weighs its seconds in mean frame durations, rounded up: its
    frames where the rate is constant. A share bounds the number of frames, too, and is rounded down.

    Of a shot that is longer than the whole budget its best part takes part, the one as long as the budget whose scores
    add up to the most: else a long scene that fits a query best could not be shown at all.

    Args:
        scores: Of the steps, (steps,).
        picks: Frame number of each step, (steps,).
        change_points: First and last frame of each shot, inclusive, (shots, 2).
        frame_times: When each frame is shown, in seconds, (frames,).
        duration: When the last frame ends, in seconds.
        budget: Largest length of the summary.
        shot_value: What a shot is worth.
        omitted: Shots that are worth nothing, (shots,).

    Raises:
        UserError: The budget is less than a frame.
    """
    begins, ends = frame_times, np.append(frame_times[1:], duration)  # (frames,) seconds
    frame = float(ends[-1] - begins[0]) / len(begins)  # mean duration, seconds
    seconds = min(budget.seconds or 0, float(ends[-1]))
    room = budget_frames(len(begins), budget.share) if budget.share else math.floor(seconds / frame + _SLACK)
    fits = np.searchsorted(ends, begins + (room + _SLACK / 2) * frame, side="right") - 1  # (frames,) last that fits
    fits = np.minimum(fits, np.arange(len(begins)) + (room if budget.share else len(begins)) - 1)
    scored = frame_scores(scores, picks, len(begins))  # (frames,)
    if omitted is not None:
        scored = scored * ~np.repeat(omitted, shot_lengths(change_points))
    shots, takes_part = _divided(change_points, fits, np.append(0.0, scored.cumsum()))
    values = (shot_sums if shot_value == "sum" else shot_means)(scored, shots) * takes_part  # (shots,)
    weights = np.ceil((ends[shots[:, 1]] - begins[shots[:, 0]]) / frame - _SLACK)  # (shots,)
    weights = np.maximum(weights, shot_lengths(shots) if budget.share else 1).astype(np.int64)
    chosen = knapsack(values, weights, min(room, int(weights.sum())))
    if not chosen.any():
        raise UserError(f"the budget of {budget} is less than a frame; raise --budget")
    whole = {tuple(shot) for shot in change_points.tolist()}
    return Cut(shots, chosen, within_shot=any(tuple(shot) not in whole for shot in shots[chosen].tolist()))


def _divided(
    shots: NDArray[np.int64], fits: NDArray[np.int64], sums: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The shots, those that do not fit divided at the borders of their best part, and which are no rest of such a one.

    Args:
        shots: First and last frame of each, inclusive, (shots, 2).
        fits: The last frame of the longest part that fits and begins at a frame, (frames,).
        sums: Sum of the scores before a frame, (frames + 1,).
    """
    firsts, rests = set(shots[:, 0].tolist()), set[int]()
    for first, last in shots[fits[shots[:, 0]] < shots[:, 1]].tolist():
        stops = np.minimum(fits[first : last + 1], last)
        gains = sums[stops + 1] - sums[first : last + 1]  # 0 where not even one frame fits
        best = int(gains.argmax())
        firsts |= {first + best, int(stops[best]) + 1}
        rests |= {first, int(stops[best]) + 1} - {first + best, last + 1}
    starts = np.array(sorted(firsts - {len(fits)}), dtype=np.int64)
    return np.stack([starts, np.append(starts[1:], len(fits)) - 1], axis=1), ~np.isin(starts, list(rests))
