"""Shots of a raw video that are neither too short nor too long to watch."""

import math

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import ArgumentError


def check_lengths(least: float | None, most: float | None) -> None:
    """Raise an ArgumentError where no shot could be as long as is asked for."""
    for name, seconds in (("min_shot", least), ("max_shot", most)):
        if seconds is not None and not 0 < seconds < math.inf:
            raise ArgumentError(name, f"{seconds:g} is no length of a shot; give seconds above 0")
    if least is not None and most is not None and most < 2 * least:
        raise ArgumentError("max_shot", f"{most:g} s must be at least twice min_shot, {least:g} s")


def with_lengths(
    shots: NDArray[np.int64],
    frame_times: NDArray[np.float64],
    duration: float,
    features: NDArray[np.floating],
    picks: NDArray[np.integer],
    least: float | None = None,
    most: float | None = None,
) -> NDArray[np.int64]:
    """Join shots that are too short to the neighbour that looks more like them, and divide those that are too long.

    The shortest is joined first. A long shot is divided evenly, for nothing in it says where.

    Args:
        shots: First and last frame of each, inclusive, in order, (shots, 2).
        frame_times: When each frame is shown, in seconds, (frames,).
        duration: When the last frame ends, in seconds.
        features: Of the steps, unit norm, (steps, features).
        picks: Frame number of each step, (steps,).
        least: Seconds that a shot lasts at least; a video that is shorter is one shot.
        most: Seconds that it lasts at most, at least twice ``least``.

    Returns:
        First and last frame of each, (shots, 2).
    """
    starts, n_frames = shots[:, 0].tolist(), int(shots[-1, 1]) + 1
    times = np.append(frame_times, duration)  # (frames + 1,)
    if least is not None:
        starts = _joined(starts, n_frames, times, features, picks, least)
    if most is not None:
        starts = _split(starts, n_frames, times, most)
    borders = np.array([*starts, n_frames], dtype=np.int64)
    return np.stack([borders[:-1], borders[1:] - 1], axis=1)


def _joined(
    starts: list[int],
    n_frames: int,
    times: NDArray[np.float64],
    features: NDArray[np.floating],
    picks: NDArray[np.integer],
    least: float,
) -> list[int]:
    sums = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features, axis=0, dtype=np.float64)])
    borders = [*starts, n_frames]

    def mean(number: int) -> NDArray[np.float64]:
        first, after = np.searchsorted(picks, borders[number : number + 2])
        total = sums[after] - sums[first]  # (features,)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12))

    while len(borders) > 2:
        lengths = np.diff(times[borders])  # (shots,)
        shortest = int(lengths.argmin())
        if lengths[shortest] >= least:
            break
        before, after = shortest > 0, shortest < len(lengths) - 1
        if before and after:
            own = mean(shortest)
            before = float(own @ mean(shortest - 1)) >= float(own @ mean(shortest + 1))
        del borders[shortest if before else shortest + 1]
    return borders[:-1]


def _split(starts: list[int], n_frames: int, times: NDArray[np.float64], most: float) -> list[int]:
    divided = list[int]()
    for first, after in zip(starts, [*starts[1:], n_frames], strict=True):
        count = math.ceil((times[after] - times[first]) / most - 1e-6)
        aims = times[first] + (times[after] - times[first]) * np.arange(count) / max(1, count)  # (count,)
        divided += np.unique(np.searchsorted(times[:after], aims - 1e-6).clip(first, after - 1)).tolist()
    return divided
