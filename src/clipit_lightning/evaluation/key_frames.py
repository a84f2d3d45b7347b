"""Agreement of two sets of key frames by what they show."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array
from clipit_lightning.evaluation.matching import Match

THRESHOLD = 0.9
"""Similarity above which two key frames count as the same."""


def keyframe_f1(chosen: ArrayLike, reference: ArrayLike, threshold: float = THRESHOLD) -> float:
    """F1 of chosen key frames, 0 to 1; see `keyframe_matching`.

    >>> keyframe_f1([[1, 0], [0, 1], [1, 1]], reference=[[0, 2], [-1, 0]])
    0.4
    """
    return keyframe_matching(chosen, reference, threshold).f1


def keyframe_matching(chosen: ArrayLike, reference: ArrayLike, threshold: float = THRESHOLD) -> Match:
    """Precision, recall and F1 of chosen key frames, matched one to one with those of a reference.

    Two may be matched where the cosine of their features is above the threshold; as many pairs as possible are. The
    number of pairs over that of the chosen frames is precision, over that of the reference recall. The evaluation in a
    public copy of TriPSS's code (github.com/hein-nkhh/tri-modal-keyframe-extraction, 1a77835) takes histograms of 8 x
    8 x 8 colours, 0.9 and the most similar pair first, which may leave a pair out that fits.

    Args:
        chosen: Features of the chosen key frames, (chosen, features), such as an encoder's or histograms of colours.
        reference: Features of the reference's, (reference, features), of the same kind.
        threshold: -1 to 1.

    Returns:
        0 for all where one side is empty or nothing matches, never NaN. A frame whose features are all 0 is like none.

    Raises:
        ValueError: Features differ in number, are no table or not finite.
    """
    ours, theirs = _unit(chosen, "chosen"), _unit(reference, "reference")
    if not len(ours) or not len(theirs):
        return Match(0.0, 0.0, 0.0)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(f"{ours.shape[1]} features of the chosen frames, {theirs.shape[1]} of the reference")
    alike = (ours @ theirs.T > threshold).astype(np.float64)  # (chosen, reference)
    from scipy.optimize import linear_sum_assignment  # takes half a second to import

    pairs = float(alike[linear_sum_assignment(alike, maximize=True)].sum())
    return Match(2 * pairs / (len(ours) + len(theirs)), pairs / len(ours), pairs / len(theirs))


def _unit(features: ArrayLike, name: str) -> NDArray[np.float64]:
    rows = as_array(features).astype(np.float64)
    if not rows.size:
        return rows.reshape(0, 0)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"{name}: features are finite numbers, (frames, features)")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(lengths > 0, lengths, 1.0)
    return unit
