"""Which shots of a raw video show again what an earlier one has shown, so that no moment is in a summary twice."""

import numpy as np
from numpy.typing import NDArray

NEAR = 0.1
"""Two steps show the same where they differ by less than this share of what neighbours differ by, in the median."""
_ROUNDING = 1e-6  # of float32 features of unit norm


def repeated_shots(
    features: NDArray[np.floating], picks: NDArray[np.integer], shots: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Whether at least half of a shot's steps show the same as steps of earlier shots that are no repeats.

    A loop, a replayed scene and a slide that stays for many shots are repeats; a fixed camera is not, for its
    neighbouring steps differ as much as distant ones. Steps differ by 1 - cosine.

    Args:
        features: Of the steps, unit norm, (steps, features).
        picks: Frame number of each step, increasing, (steps,).
        shots: First and last frame of each shot, inclusive, in order, (shots, 2).

    Returns:
        (shots,); False where a shot has no step.
    """
    rows = np.asarray(features, np.float32)  # (steps, features)
    repeated = np.zeros(len(shots), np.bool_)
    if len(rows) < 2:
        return repeated
    usual = float(np.median(1 - np.einsum("sf,sf->s", rows[1:], rows[:-1])))
    least = 1 - NEAR * usual - _ROUNDING  # cosine of two steps that show the same
    borders = np.searchsorted(picks, shots[:, 0]), np.searchsorted(picks, shots[:, 1], side="right")
    fresh = np.zeros(len(rows), np.bool_)  # steps of earlier shots that are no repeats
    for number, (first, after) in enumerate(zip(*borders, strict=True)):
        if first == after:
            continue
        earlier = rows[fresh]  # (fresh, features)
        again = (rows[first:after] @ earlier.T >= least).any(axis=1)  # (steps of the shot,)
        repeated[number] = again.mean() >= 0.5
        fresh[first:after] = not repeated[number]
    return repeated
