"""Agreement of two sets of shots by what the shots show (Sharghi, Laurel, Gong, CVPR 2017, section 4.2).

Two shots are as similar as their tags overlap; prediction and oracle are matched so that the sum of similarities is
largest; this sum over the size of the prediction is precision, over the size of the oracle recall.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array, whole
from clipit_lightning.data.query_video import QueryItem, QueryVideo
from clipit_lightning.summary.key_shots import Rounding, budget_frames

Shots = NDArray[np.int64]
"""Positions of shots, counted from 0, (chosen,)."""


class Match(NamedTuple):
    """Agreement of a prediction with an oracle summary, 0 to 1."""

    f1: float
    precision: float
    recall: float


def tag_iou(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Intersection over union of 0/1 tags, (shots, concepts) and (others, concepts), of every pair of shots.

    Returns:
        0 to 1, (shots, others); two shots without tags have 0.
    """
    one, other = ours.astype(np.float64), theirs.astype(np.float64)
    shared = one @ other.T  # (shots, others)
    union = one.sum(axis=1)[:, None] + other.sum(axis=1)[None] - shared  # (shots, others)
    overlap: NDArray[np.float64] = shared / np.maximum(union, 1)
    return overlap


def semantic_f1(chosen: ArrayLike, oracle: ArrayLike, tags: ArrayLike) -> float:
    """F1 of a prediction under the matching of largest total tag overlap, 0 to 1; see `semantic_matching`.

    >>> semantic_f1([0, 2], [1, 2], tags=[[1, 1, 0], [1, 0, 0], [0, 0, 1]])
    0.75
    """
    return semantic_matching(chosen, oracle, tags).f1


def semantic_matching(chosen: ArrayLike, oracle: ArrayLike, tags: ArrayLike) -> Match:
    """Precision, recall and F1 of a prediction under the matching of largest total tag overlap.

    Args:
        chosen: Positions of the predicted shots, each once, counted from 0, (chosen,).
        oracle: Positions of the oracle's shots, (oracle,).
        tags: 1 where a shot shows a concept, (shots, concepts).

    Returns:
        0 for all where one side is empty or nothing overlaps, never NaN.

    Raises:
        ValueError: A position is not one of the shots, or stands twice, or tags are other than 0 and 1.
    """
    chosen, oracle, tags = whole(chosen, "chosen"), whole(oracle, "oracle"), as_array(tags)
    if not len(chosen) or not len(oracle):
        return Match(0.0, 0.0, 0.0)
    for shots in (chosen, oracle):
        if shots.min() < 0 or shots.max() >= len(tags):
            raise ValueError(f"shots {shots.min()} to {shots.max()}, but tags of {len(tags)} shots, counted from 0")
        if len(set(shots.tolist())) < len(shots):
            raise ValueError("a shot stands twice; give the positions of the chosen shots, not 0 and 1")
    if tags.ndim != 2 or not np.isin(tags[np.r_[chosen, oracle]], (0, 1)).all():
        raise ValueError("tags are 0 or 1, (shots, concepts)")
    overlap = tag_iou(tags[chosen], tags[oracle])  # (chosen, oracle)
    from scipy.optimize import linear_sum_assignment  # takes half a second to import

    total = float(overlap[linear_sum_assignment(overlap, maximize=True)].sum())
    # 2PR / (P + R) with P = total / |chosen| and R = total / |oracle| is 2 total / (|chosen| + |oracle|).
    return Match(2 * total / (len(chosen) + len(oracle)), total / len(chosen), total / len(oracle))


@dataclass(frozen=True)
class QueryRules:
    """The choices of a protocol that turn a query's scores into numbers."""

    budget: float = 0.02
    """Share of the shots that a prediction takes."""
    rounding: Rounding = "floor"

    def choose(self, scores: NDArray[np.floating]) -> Shots:
        """The best shots of a query, in time order, (chosen,); of equal scores the earlier shot."""
        count = budget_frames(len(scores), self.budget, self.rounding)
        return np.sort(np.argsort(-scores, kind="stable")[:count])


def query_drops(video: QueryVideo, chosen: Mapping[int, Shots]) -> dict[int, float]:
    """How much F1 a query loses when its prediction is replaced by that of another query of the same video.

    The mean over all others: what shuffling the queries within a video costs, without chance. A scorer that ignores the
    query has exactly 0; below 0, other queries' predictions fit better. By position of the query, as the shots; 0 where
    there is no other query.
    """
    drops = {}
    for query in chosen:
        oracle = np.flatnonzero(video.oracle[query])
        f1 = {other: semantic_matching(shots, oracle, video.tags).f1 for other, shots in chosen.items()}
        own = f1.pop(query)
        # Differences first: they are exactly 0 where all predictions are the same.
        drops[query] = float(np.mean([own - other for other in f1.values()])) if f1 else 0.0
    return drops


def measure_query(item: QueryItem, chosen: Shots) -> Match:
    """Agreement of predicted shots with the item's oracle summary."""
    return semantic_matching(chosen, np.flatnonzero(item.oracle), item.video.tags)
