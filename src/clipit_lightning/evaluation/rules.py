"""``Rules``: the choices that turn a video's scores into numbers, and ``measure``, which applies all of them."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import CorrelationRule, F1Convention
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.correlation import ConstantScoresWarning, correlate, rank_correlation, references
from clipit_lightning.evaluation.f1 import f1_scores
from clipit_lightning.summary.key_shots import Rounding, ShotValue, Solver, key_shot_summary


@dataclass(frozen=True)
class Rules:
    """The choices of a protocol that turn scores into numbers."""

    f1: F1Convention
    """How F1 is taken over annotators."""
    correlation: CorrelationRule
    """What is correlated with what."""
    budget: float = 0.15
    """Largest share of a video that its summary may take."""
    shot_value: ShotValue = "mean"
    rounding: Rounding = "floor"
    solver: Solver = "knapsack"

    def summary(self, video: Video, scores: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The 0/1 summary, (frames,), of step scores, (steps,), or of frame scores, (frames,)."""
        picks = video.picks if len(scores) == video.n_steps else np.arange(video.n_frames)
        shots, frames = video.change_points, video.n_frames
        return key_shot_summary(scores, picks, shots, frames, self.budget, self.shot_value, self.rounding, self.solver)


def measure(video: Video, scores: NDArray[np.floating], rules: Rules) -> dict[str, float]:
    """F1 and correlations of scores with a video's annotators; constant scores give correlation 0.

    Args:
        video: Its annotations.
        scores: Step scores, (steps,), or frame scores, (frames,): these cut the summary as they are, and stand for
            steps with their values at the picks.
        rules: How scores become numbers.

    Returns:
        ``f1``, ``f1_mean``, ``f1_max`` (0 to 1), ``kendall_tau``, ``spearman_rho``.

    Raises:
        UserError: The video has no annotators' summaries, or lacks what the correlation needs.
    """
    summary = rules.summary(video, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantScoresWarning)  # a short random row may be constant, and counts as 0
        if len(scores) == video.n_steps:
            found = correlate(video, scores, rules.correlation, summary)
        elif rules.correlation in ("all-frames", "mean-annotator-all-frames"):
            found = rank_correlation(scores, references(video, rules.correlation))
        else:
            found = correlate(video, scores[video.picks], rules.correlation, summary)
    agreement = f1_of_summary(summary, user_summaries(video), rules)
    return {**agreement, "kendall_tau": found.kendall_tau, "spearman_rho": found.spearman_rho}


def f1_of_summary(summary: NDArray[np.integer], user_summary: NDArray[np.integer], rules: Rules) -> dict[str, float]:
    """F1 of a summary, (frames,), with annotators', (annotators, frames): by convention, mean, and maximum."""
    scores = f1_scores(summary, user_summary)  # (annotators,)
    mean, best = float(scores.mean()), float(scores.max())
    return {"f1": best if rules.f1 == "max" else mean, "f1_mean": mean, "f1_max": best}


def user_summaries(video: Video) -> NDArray[np.uint8]:
    """The annotators' 0/1 summaries of a video, (annotators, frames).

    Raises:
        UserError: The store holds none.
    """
    if video.user_summary is None:
        raise UserError(f"{video.id}: the store has no annotators' summaries; import them (`clipit data import`)")
    return video.user_summary
