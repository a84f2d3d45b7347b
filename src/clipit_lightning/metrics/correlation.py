"""Rank correlation of step scores with annotators.

Source: Otani et al., "Rethinking the evaluation of video summaries", CVPR 2019.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from clipit_lightning.data.benchmark import CorrelationRule
from clipit_lightning.data.video import Video
from clipit_lightning.errors import UserError
from clipit_lightning.metrics.base import VideoMetric


class ConstantScoresWarning(UserWarning):
    """The scores of a video are all equal: its rank correlation is undefined and counted as 0."""


@dataclass(frozen=True)
class Correlation:
    """Rank correlations of one video, means over its references."""

    kendall_tau: float
    """Kendall's tau-b, -1 to 1."""
    spearman_rho: float
    """Spearman's rho, -1 to 1."""
    left_out: int
    """References that are constant, and so have no ranks to agree with."""


def rank_correlation(scores: NDArray[np.floating], references: NDArray[np.floating]) -> Correlation:
    """Mean Kendall tau-b and Spearman rho of scores with each of several references; ties are handled.

    Args:
        scores: Score of each step, (steps,).
        references: What each annotator said of each step, (annotators, steps).

    Returns:
        The means over the references that are not constant. Constant scores, and references that are all constant,
        have correlation 0 by definition: never NaN.

    Raises:
        ValueError: The lengths differ or a value is not finite.
    """
    scores = np.asarray(scores, dtype=np.float64)
    references = np.asarray(references, dtype=np.float64)
    if references.ndim != 2 or scores.shape != references.shape[1:]:
        raise ValueError(f"scores {scores.shape} do not fit references {references.shape}")
    if not (np.isfinite(scores).all() and np.isfinite(references).all()):
        raise ValueError("scores and references must be finite")
    varied = [row for row in references if np.ptp(row) > 0]
    left_out = len(references) - len(varied)
    if not varied or np.ptp(scores) == 0:
        return Correlation(0.0, 0.0, left_out)
    taus = [stats.kendalltau(scores, row).statistic for row in varied]
    rhos = _pearson(stats.rankdata(scores), stats.rankdata(np.stack(varied), axis=1))  # rho is Pearson of ranks
    return Correlation(float(np.mean(taus)), float(np.mean(rhos)), left_out)


def _pearson(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlation of one row, (steps,), with each of several, (rows, steps); (rows,)."""
    one = one - one.mean()
    others = others - others.mean(axis=1, keepdims=True)
    correlations: NDArray[np.float64] = (others @ one) / (np.linalg.norm(others, axis=1) * np.linalg.norm(one))
    return correlations


def references(video: Video, rule: CorrelationRule) -> NDArray[np.float64]:
    """What the scores of a video are correlated with.

    ``per-annotator``: each annotator's raw ratings at the picks. ``mean-annotator``: one row, the mean of the ratings
    where the benchmark has ratings, else of ``user_summary`` at the picks, else the stored mean importance.

    Returns:
        (annotators, steps), or (1, steps) for the mean.

    Raises:
        UserError: The rule needs annotators' ratings that the store does not hold.
    """
    if rule == "per-annotator":
        if video.user_scores is None:
            raise UserError(
                f"{video.id}: the store has no annotators' ratings, which protocol.correlation=per-annotator needs; "
                "import them (`clipit data import` finds ydata-tvsum50.mat), or say protocol.correlation=mean-annotator"
            )
        return np.asarray(video.user_scores, dtype=np.float64)
    if video.user_scores is not None:
        rows = np.asarray(video.user_scores, dtype=np.float64)
    elif video.user_summary is not None:
        rows = video.user_summary[:, video.picks].astype(np.float64)
    else:
        rows = np.asarray(video.gtscore, dtype=np.float64)[None]
    return np.asarray(rows.mean(axis=0)[None])


class RankCorrelation(VideoMetric):
    """Kendall's tau and Spearman's rho under a named rule: means over references, then over videos."""

    columns = ("kendall_tau", "spearman_rho")

    def update(self, index: int, scores: NDArray[np.floating], video: Video, rule: CorrelationRule) -> None:
        """Add a video.

        Args:
            index: Its number, the same on every rank.
            scores: Its step scores, (steps,).
            video: Its annotations.
            rule: Which references count.
        """
        found = rank_correlation(scores, references(video, rule))
        if np.ptp(scores) == 0:
            warnings.warn(
                f"{video.id}: all scores are equal; its rank correlation counts as 0",
                ConstantScoresWarning,
                stacklevel=2,
            )
        self.append(index, (found.kendall_tau, found.spearman_rho))
