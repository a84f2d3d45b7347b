"""F1 of a summary: overlap of 0/1 frames with each annotator's summary (Zhang et al., ECCV 2016)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import row_and_rows
from clipit_lightning.data.benchmark import F1Convention


def f1(summary: ArrayLike, user_summary: ArrayLike, over: F1Convention = "mean") -> float:
    """F1 of a summary, over annotators: their ``mean``, as usual on TVSum, or the ``max``, as usual on SumMe.

    >>> f1([1, 1, 0, 0], [[1, 1, 0, 0], [0, 1, 1, 0]])
    0.75
    >>> f1([1, 1, 0, 0], [[1, 1, 0, 0], [0, 1, 1, 0]], over="max")
    1.0

    Args:
        summary: 0/1 frames, (frames,).
        user_summary: 0/1 frames of the annotators, (annotators, frames), or of one, (frames,).
        over: How the annotators' values become one.

    Returns:
        0 to 1. An empty summary on either side gives 0, never NaN.

    Raises:
        ValueError: The lengths differ, a value is neither 0 nor 1, or ``over`` is neither ``mean`` nor ``max``.
    """
    if over not in ("mean", "max"):
        raise ValueError(f"over={over!r}: there are mean and max")
    given = row_and_rows(summary, user_summary, "frames of a summary")
    if not all(np.isin(frames, (0, 1)).all() for frames in given):
        raise ValueError("a summary is 0 or 1 at each frame; select_shots makes one of scores")
    scores = f1_scores(*given)  # (annotators,)
    return float(scores.mean() if over == "mean" else scores.max())


def f1_scores(summary: ArrayLike, user_summary: ArrayLike) -> NDArray[np.float64]:
    """F1 of a summary with each annotator's.

    Args:
        summary: 0/1 frames, (frames,).
        user_summary: 0/1 frames of the annotators, (annotators, frames), or of one, (frames,).

    Returns:
        0 to 1, (annotators,). An empty summary on either side gives 0, never NaN.

    Raises:
        ValueError: The lengths differ.
    """
    given = row_and_rows(summary, user_summary, "frames of a summary")
    ours, theirs = (frames.astype(bool) for frames in given)
    overlap = (theirs & ours).sum(axis=1)  # (annotators,)
    # 2PR / (P + R) with P = overlap / |ours| and R = overlap / |theirs| is 2 overlap / (|ours| + |theirs|).
    total = ours.sum() + theirs.sum(axis=1)  # (annotators,)
    scores: NDArray[np.float64] = 2.0 * overlap / np.maximum(total, 1)
    return scores
