"""Highlight detection: the average precision of clips, by the two rules in use for MR.HiSum and MoSu.

Both cut a video into clips of equal length, take the mean of each, and ask how early the clips with the best reference
stand in the order of the scores. They differ in the last clip and in how many are the best:

======== ============================================== ===========================
rule     the last clip, where it is shorter             how many of n clips are best
======== ============================================== ===========================
floor    the mean of the steps that it has              floor(share n)
ceil     the mean over a whole clip, with zeros behind  ceil(share n)
======== ============================================== ===========================

``floor`` is that of MR.HiSum's code (Sul et al., NeurIPS 2023; github.com/MRHiSum/MR.HiSum, d53ad3e), ``ceil`` that of
TripleSumm's (Kim et al., ICLR 2026; github.com/smkim37/TripleSumm, 8c044cd). In both a clip has 5 seconds and a step
one. Which of equal clips are best is left to a sort that promises no order there; here it is the earlier ones.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array
from clipit_lightning.core.errors import check_known
from clipit_lightning.data.benchmark import Highlights

SHARES = {"map50": 0.5, "map15": 0.15}
"""Which share of the clips are highlights, by the metric."""


def highlight_precision(
    scores: ArrayLike, reference: ArrayLike, share: float, rule: Highlights = "floor", clip: int = 5
) -> float:
    """Average precision of a video's clips, of which the share with the highest reference are highlights.

    >>> highlight_precision([0.1, 0.2, 0.9, 0.8], [0.0, 0.0, 1.0, 1.0], share=0.5, clip=2)
    1.0
    >>> highlight_precision([0.9, 0.8, 0.2, 0.1], [0.0, 0.0, 1.0, 1.0], share=0.5, clip=2)
    0.5

    Args:
        scores: Of the steps, (steps,).
        reference: Importance of the steps, (steps,).
        share: How many of the clips are highlights, 0 to 1: 0.5 for mAP@50, 0.15 for mAP@15.
        rule: How a short last clip and a broken number of highlights count, see above.
        clip: Steps of a clip.

    Returns:
        0 to 1; the mean over videos is mAP. 0 where the rule leaves no highlight, as in short videos under ``floor``.

    Raises:
        ValueError: The lengths differ, there is no step, or there is no such rule; one line.
    """
    check_known("rule", rule, ("floor", "ceil"))
    ours, theirs = as_array(scores), as_array(reference)
    if ours.ndim != 1 or ours.shape != theirs.shape or not ours.size:
        raise ValueError(f"scores have shape {ours.shape} and the reference {theirs.shape}; both are (steps,)")
    best = _clips(theirs, clip, rule)  # (clips,)
    count = math.floor(len(best) * share) if rule == "floor" else math.ceil(len(best) * share)
    labels = np.zeros(len(best), bool)
    labels[np.argsort(-best, kind="stable")[:count]] = True
    return average_precision(_clips(ours, clip, rule), labels)


def highlight_precisions(scores: ArrayLike, reference: ArrayLike, rule: Highlights) -> dict[str, float]:
    """The average precision at each share of `SHARES`, by the metric; nothing where the rule is ``off``."""
    if rule == "off":
        return {}
    return {name: highlight_precision(scores, reference, share, rule) for name, share in SHARES.items()}


def average_precision(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Sum over thresholds of the precision, weighed by how much recall each adds; equal scores share a threshold.

    Args:
        scores: (clips,).
        labels: Whether each is to be found, (clips,).

    Returns:
        0 to 1; 0 where nothing is to be found.
    """
    if not labels.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of each run of equal scores
    hits = np.cumsum(labels[order])[last]
    return float((np.diff(hits, prepend=0) / labels.sum()) @ (hits / (last + 1)))


def _clips(values: NDArray[np.floating], clip: int, rule: Highlights) -> NDArray[np.float64]:
    """Mean of each clip, (clips,)."""
    starts = np.arange(0, len(values), clip)
    lengths = np.full(len(starts), clip) if rule == "ceil" else np.diff(starts, append=len(values))
    means: NDArray[np.float64] = np.add.reduceat(values.astype(np.float64), starts) / lengths
    return means
