"""Which shots of a raw video show again what an earlier one has shown, so that no moment is in a summary twice."""

import numpy as np
from numpy.typing import NDArray

NEAR = 0.1
"""Two steps show the same where they differ by less than this share of what neighbours differ by, in the median."""
NOISE = 0.5
"""Levels, of 255, by which they may differ at least: what coding a picture again changes."""


def repeated_shots(
    pictures: NDArray[np.uint8], picks: NDArray[np.integer], shots: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Whether at least half of a shot's steps show the same as steps of earlier shots that are no repeats.

    A loop, a replayed scene and a slide that stays for many shots are repeats; a fixed camera is not, for its
    neighbouring steps differ as much as distant ones. Pictures are compared, not features: an encoder that is sure
    of what it sees gives equal features to different moments. Steps differ by the root mean square over a picture.

    Args:
        pictures: Of the steps, small, (steps, height, width, 3).
        picks: Frame number of each step, increasing, (steps,).
        shots: First and last frame of each shot, inclusive, in order, (shots, 2).

    Returns:
        (shots,); False where a shot has no step.
    """
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)  # (steps, values)
    repeated = np.zeros(len(shots), np.bool_)
    if len(rows) < 2:
        return repeated
    rows -= rows.mean(axis=0)  # smaller numbers, whose products are exact enough
    squares = (rows**2).sum(axis=1)  # (steps,)
    usual = float(np.median(np.linalg.norm(np.diff(rows, axis=0), axis=1)))
    least = max(NEAR * usual, NOISE * rows.shape[1] ** 0.5) ** 2
    borders = np.searchsorted(picks, shots[:, 0]), np.searchsorted(picks, shots[:, 1], side="right")
    fresh = np.zeros(len(rows), np.bool_)  # (steps,) of earlier shots that are no repeats
    for number, (first, after) in enumerate(zip(*borders, strict=True)):
        if first == after:
            continue
        distances = squares[first:after, None] + squares[fresh] - 2 * rows[first:after] @ rows[fresh].T
        repeated[number] = (distances <= least).any(axis=1).mean() >= 0.5
        fresh[first:after] = not repeated[number]
    return repeated
