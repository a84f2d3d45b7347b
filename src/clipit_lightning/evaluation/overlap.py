"""F1 of a summary: overlap of 0/1 frames with each annotator's summary (Zhang et al., ECCV 2016)."""

import numpy as np
from numpy.typing import NDArray


def f1_scores(summary: NDArray[np.integer], user_summary: NDArray[np.integer]) -> NDArray[np.float64]:
    """F1 of a summary with each annotator's.

    Args:
        summary: 0/1 frames, (frames,).
        user_summary: 0/1 frames of each annotator, (annotators, frames).

    Returns:
        0 to 1, (annotators,). An empty summary on either side gives 0, never NaN.

    Raises:
        ValueError: The lengths differ.
    """
    if user_summary.ndim != 2 or summary.shape != user_summary.shape[1:]:
        raise ValueError(f"summary {summary.shape} does not fit the annotators' {user_summary.shape}")
    ours, theirs = summary.astype(bool), user_summary.astype(bool)
    overlap = (theirs & ours).sum(axis=1)  # (annotators,)
    # 2PR / (P + R) with P = overlap / |ours| and R = overlap / |theirs| is 2 overlap / (|ours| + |theirs|).
    total = ours.sum() + theirs.sum(axis=1)  # (annotators,)
    scores: NDArray[np.float64] = 2.0 * overlap / np.maximum(total, 1)
    return scores
