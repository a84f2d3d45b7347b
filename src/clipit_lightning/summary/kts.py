"""Kernel temporal segmentation: shots for a video that comes without them."""

import math

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_SHOT = 150
"""The official SumMe file has ceil(n_frames / 150) shots on all of its 25 videos; we follow that count."""


def segment(features: NDArray[np.floating], n_segments: int) -> NDArray[np.int64]:
    """Split steps into a number of segments of least within-segment variance.

    Potapov et al., "Category-specific video summarization" (ECCV 2014), with a linear kernel on unit-norm features and
    a fixed number of segments instead of the penalty. Dynamic programming over the kernel's cumulative sums:
    O(segments * steps^2) time in vectorised rows, O(steps^2) memory.

    Args:
        features: One row a step, (steps, features).
        n_segments: Number of segments, at least 1; at most one a step is made.

    Returns:
        First step of each segment, increasing, starting with 0, (segments,).
    """
    steps = len(features)
    n_segments = max(1, min(n_segments, steps))
    costs = _segment_costs(features)  # (steps + 1, steps + 1)
    best = costs[0].copy()  # (steps + 1,) least cost of the first t steps in the segments so far
    starts = np.zeros((n_segments, steps + 1), dtype=np.int32)
    for segments in range(1, n_segments):
        total = best[:, None] + costs  # (steps + 1, steps + 1) last segment from row to column
        starts[segments] = total.argmin(axis=0)
        best = np.take_along_axis(total, starts[segments][None], axis=0)[0]
    borders = [steps]
    for segments in range(n_segments - 1, 0, -1):
        borders.append(int(starts[segments, borders[-1]]))
    return np.array([0, *sorted(borders[1:])], dtype=np.int64)


def _segment_costs(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Variance times length of the steps ``[i, j)``; infinite where ``j <= i``, (steps + 1, steps + 1)."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.asarray(features, dtype=np.float64) / np.maximum(norms, 1e-12)  # (steps, features)
    steps = len(unit)
    sums = np.zeros((steps + 1, steps + 1))
    sums[1:, 1:] = (unit @ unit.T).cumsum(axis=0).cumsum(axis=1)
    diagonal = np.concatenate([[0.0], np.cumsum((unit**2).sum(axis=1))])  # (steps + 1,)
    corner = np.diag(sums)
    block = corner[None, :] - sums - sums.T + corner[:, None]  # sum of the kernel over [i, j) x [i, j)
    length = np.arange(steps + 1)[None, :] - np.arange(steps + 1)[:, None]
    costs = diagonal[None, :] - diagonal[:, None] - block / np.maximum(length, 1)
    return np.where(length > 0, costs, np.inf)


def change_points(features: NDArray[np.floating], picks: NDArray[np.integer], n_frames: int) -> NDArray[np.int32]:
    """Shots of a video by kernel temporal segmentation, ceil(n_frames / 150) of them.

    Args:
        features: Frame features of the steps, (steps, features).
        picks: Frame number of each step, (steps,).
        n_frames: Number of frames of the video.

    Returns:
        First and last frame of each shot, inclusive, covering the video without gaps, (shots, 2).
    """
    first = np.asarray(picks)[segment(features, math.ceil(n_frames / FRAMES_PER_SHOT))].astype(np.int32)
    first[0] = 0  # the first shot starts with the video, also where the first step does not
    last = np.append(first[1:] - 1, n_frames - 1).astype(np.int32)
    return np.stack([first, last], axis=1)
