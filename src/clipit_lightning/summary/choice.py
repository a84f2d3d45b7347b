"""Which shots of a raw video a summary takes, within a budget."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.summary.budget import DEFAULT_BUDGET, Budget
from clipit_lightning.summary.key_shots import (
    ShotValue,
    budget_frames,
    frame_scores,
    shot_lengths,
    shot_means,
    shot_sums,
)
from clipit_lightning.summary.knapsack import knapsack
from clipit_lightning.summary.shot_lengths import check_lengths

SHORTEST = 2.0
"""Seconds of a summary that nobody can follow any faster: where no budget is asked for, the least of it."""
_SLACK = 1e-6  # frames; what sums of times are wrong by


@dataclass(frozen=True)
class ShotOptions:
    """What is asked of the shots of a summary; lengths are in seconds.

    Raises:
        ArgumentError: They cannot be met, or exclude each other.
    """

    budget: Budget | None = None
    """Largest length of the summary; by default the field's share, and ``SHORTEST`` where that is less."""
    count: int | None = None
    """So many shots, each within its share of the budget; by default as many as fit."""
    one: bool = False
    """One stretch of the video as long as the budget, wherever shots begin and end."""
    least: float | None = None
    """Length of a shot at least: shorter ones are joined to a neighbour."""
    most: float | None = None
    """Length of a shot at most: longer ones are divided."""
    padding: float = 0.0
    """Shown before and after each shot, within the budget."""

    def __post_init__(self) -> None:
        """Check them."""
        check_lengths(self.least, self.most)
        if self.count is not None and self.count < 1:
            raise ArgumentError("shots", f"{self.count} is no number of shots; give 1 or more")
        if not 0 <= self.padding < math.inf:
            raise ArgumentError("padding", f"{self.padding:g} is no length; give seconds")
        others = {"shots": self.count, "min_shot": self.least, "max_shot": self.most}
        if self.one and (given := [name for name, value in others.items() if value is not None]):
            raise ArgumentError("one", f"is one shot as long as the budget; omit {given[0]}")

    def budget_of(self, duration: float) -> Budget:
        """The budget of a video that lasts so many seconds."""
        if self.budget is not None:
            return self.budget
        share = DEFAULT_BUDGET.share or 0
        return DEFAULT_BUDGET if share * duration >= SHORTEST else Budget(seconds=min(SHORTEST, duration))


@dataclass(frozen=True, eq=False)
class Cut:
    """The shots of a video, and which of them are in the summary."""

    shots: NDArray[np.int64]
    """First and last frame of each, inclusive; what is too long for the budget is divided, (shots, 2)."""
    chosen: NDArray[np.bool_]
    """(shots,)."""
    within_shot: bool
    """Whether a chosen one is a part of a shot that is longer than the budget."""
    sentences: NDArray[np.int64] | None = None
    """The sentence of a script that each shows, -1 for none, (shots,); without a script nothing."""

    @property
    def played(self) -> NDArray[np.int64]:
        """The chosen ones as they are shown: in order of time, or sentence by sentence, (chosen,)."""
        rows = np.flatnonzero(self.chosen)
        return rows if self.sentences is None else rows[np.argsort(self.sentences[rows], kind="stable")]


def choose(
    scores: NDArray[np.floating],
    picks: NDArray[np.integer],
    change_points: NDArray[np.int64],
    frame_times: NDArray[np.float64],
    duration: float,
    budget: Budget,
    shot_value: ShotValue = "sum",
    omitted: NDArray[np.bool_] | None = None,
    count: int | None = None,
    padding: float = 0.0,
) -> Cut:
    """Choose the most valuable shots that fit the budget together, never more.

    A shot is worth the sum of its frame scores (Gygli et al., ECCV 2014), so that what is best is shown for longest;
    the evaluation's ``mean`` prefers many short shots. It weighs its seconds in mean frame durations, rounded up: its
    frames where the rate is constant. A share bounds the number of frames, too, and is rounded down.

    Of a shot that is longer than the whole budget its best part takes part, the one as long as the budget whose scores
    add up to the most: else a long scene that fits a query best could not be shown at all. With a ``count`` the same
    holds of its share of the budget.

    Args:
        scores: Of the steps, (steps,).
        picks: Frame number of each step, (steps,).
        change_points: First and last frame of each shot, inclusive, (shots, 2).
        frame_times: When each frame is shown, in seconds, (frames,).
        duration: When the last frame ends, in seconds.
        budget: Largest length of the summary.
        shot_value: What a shot is worth.
        omitted: Shots that are worth nothing, (shots,).
        count: So many shots, or all where there are fewer; by default as many as fit.
        padding: Seconds that are shown before and after a shot, within the budget.

    Raises:
        UserError: The budget is less than a frame.
    """
    begins, ends = frame_times, np.append(frame_times[1:], duration)  # (frames,) seconds
    frame, room = frame_and_room(frame_times, duration, budget)
    room_of_one = max(0, room // (count or 1) - 2 * math.ceil(padding / frame - _SLACK))
    fits = frames_that_fit(begins, ends, room_of_one, frame, room_of_one if budget.share else len(begins))  # (frames,)
    scored = frame_scores(scores, picks, len(begins))  # (frames,)
    if omitted is not None:
        scored = scored * ~np.repeat(omitted, shot_lengths(change_points))
    shots, takes_part = _divided(change_points, fits, np.append(0.0, scored.cumsum()))
    values = (shot_sums if shot_value == "sum" else shot_means)(scored, shots) * takes_part  # (shots,)
    padded = _padded(shots, begins, ends, padding)  # (shots, 2)
    weights = np.ceil((ends[padded[:, 1]] - begins[padded[:, 0]]) / frame - _SLACK)  # (shots,)
    weights = np.maximum(weights, shot_lengths(padded) if budget.share else 1).astype(np.int64)
    if count is not None:
        values[np.argsort(-values, kind="stable")[count:]] = 0
    chosen = knapsack(values, weights, min(room, int(weights.sum())))
    if not chosen.any():
        raise _no_room(budget, padding)
    whole = {tuple(shot) for shot in change_points.tolist()}
    within = any(tuple(shot) not in whole for shot in shots[chosen].tolist())
    return Cut(*_around(shots, padded[chosen]), within_shot=within) if padding else Cut(shots, chosen, within)


def frame_and_room(frame_times: NDArray[np.float64], duration: float, budget: Budget) -> tuple[float, int]:
    """Mean duration of a frame, in seconds, and how many of it a budget has; arguments as of `choose`."""
    frame = float(duration - frame_times[0]) / len(frame_times)
    seconds = min(budget.seconds or 0, duration)
    room = budget_frames(len(frame_times), budget.share) if budget.share else math.floor(seconds / frame + _SLACK)
    return frame, room


def frames_that_fit(
    begins: NDArray[np.float64], ends: NDArray[np.float64], room: int, frame: float, most: int
) -> NDArray[np.int64]:
    """The last frame of the longest stretch from each frame that is as long as ``room`` mean frames, (frames,).

    Frames begin and end at seconds, (frames,); a mean one lasts ``frame``. A stretch has ``most`` frames at most.
    """
    fits = np.searchsorted(ends, begins + (room + _SLACK / 2) * frame, side="right") - 1
    return np.asarray(np.minimum(fits, np.arange(len(begins)) + most - 1), dtype=np.int64)


def _no_room(budget: Budget, padding: float) -> UserError:
    if padding:
        return ArgumentError("padding", f"{padding:g} s leave no room for shots in the budget of {budget}; lower it")
    return UserError(f"the budget of {budget} is less than a frame; raise --budget")


def _padded(
    shots: NDArray[np.int64], begins: NDArray[np.float64], ends: NDArray[np.float64], padding: float
) -> NDArray[np.int64]:
    """Shots with the frames that are shown so many seconds before and after them, (shots, 2)."""
    first = np.searchsorted(begins, begins[shots[:, 0]] - padding - _SLACK)
    after = np.searchsorted(ends, ends[shots[:, 1]] + padding + _SLACK, side="right")
    return np.stack([np.minimum(first, shots[:, 0]), np.maximum(after - 1, shots[:, 1])], axis=1)


def _around(shots: NDArray[np.int64], chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """All shots, those that are chosen as long as they are here, and which they are; where two overlap, one shot."""
    spans = list[list[int]]()
    for first, last in chosen.tolist():
        if spans and first <= spans[-1][1]:
            spans[-1][1] = last
        else:
            spans.append([first, last])
    inside = np.zeros(int(shots[-1, 1]) + 1, np.bool_)
    for first, last in spans:
        inside[first : last + 1] = True
    firsts = {first for first in shots[:, 0].tolist() if not inside[first]} | {first for first, _ in spans}
    firsts |= {last + 1 for _, last in spans}
    starts = np.array(sorted(firsts - {len(inside)}), dtype=np.int64)
    return np.stack([starts, np.append(starts[1:], len(inside)) - 1], axis=1), inside[starts]


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
