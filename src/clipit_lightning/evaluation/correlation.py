"""Rank correlation of a video's scores with its annotators, under the named rules of published code.

Source: Otani et al., "Rethinking the evaluation of video summaries", CVPR 2019 (per annotator, at the picks).
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import CorrelationRule
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.metrics import VideoMetric
from clipit_lightning.evaluation.rank_correlation import kendall_tau_b, rank, spearman_rho
from clipit_lightning.summary.key_shots import frame_scores

ON_FRAMES: tuple[CorrelationRule, ...] = ("all-frames", "mean-annotator-all-frames", "binary-summary")
"""Rules that look at all frames; the others look at the picks."""
OF_MEAN: tuple[CorrelationRule, ...] = ("mean-annotator", "mean-annotator-all-frames", "binary-summary")
"""Rules whose one reference is the annotators' mean; the others take each annotator."""


class ConstantScoresWarning(UserWarning):
    """What a video is judged by is all equal: its rank correlation is undefined and counted as 0."""


@dataclass(frozen=True)
class Correlation:
    """Rank correlations of one video, means over its references."""

    kendall_tau: float
    """Kendall's tau-b, -1 to 1."""
    spearman_rho: float
    """Spearman's rho, -1 to 1."""
    left_out: int
    """References that are constant, and so have no ranks to agree with."""


def rank_correlation(scores: NDArray[np.number], references: NDArray[np.number]) -> Correlation:
    """Mean Kendall tau-b and Spearman rho of scores with each of several references; ties are handled.

    Args:
        scores: Score of each step, (steps,), or of each frame.
        references: What each annotator said of each step, (annotators, steps), or of each frame.

    Returns:
        The means over the references that are not constant. Constant scores, and references that are all constant,
        have correlation 0 by definition: never NaN.

    Raises:
        ValueError: The lengths differ or a value is not finite.
    """
    scores, references = np.asarray(scores), np.asarray(references)
    if references.ndim != 2 or scores.shape != references.shape[1:]:
        raise ValueError(f"scores {scores.shape} do not fit references {references.shape}")
    if not (np.isfinite(scores).all() and np.isfinite(references).all()):
        raise ValueError("scores and references must be finite")
    ours = rank(scores)
    pairs, left_out = [], 0
    for row in references:  # ranked one by one: only one of 20 annotators' million frames is in memory as ranks
        theirs = rank(row)
        if theirs.is_constant:
            left_out += 1
        elif not ours.is_constant:
            pairs.append((kendall_tau_b(ours, theirs), spearman_rho(ours, theirs)))
    tau, rho = np.mean(pairs, axis=0) if pairs else (0.0, 0.0)
    return Correlation(float(tau), float(rho), left_out)


def correlate(
    video: Video, scores: NDArray[np.floating], rule: CorrelationRule, summary: NDArray[np.integer] | None = None
) -> Correlation:
    """Rank correlations of a video's scores, or of its summary, with the references of a rule.

    At the picks the step scores are correlated; under the rules on all frames, the step scores spread over the frames;
    under ``binary-summary``, the 0/1 summary (as in the code of CSTA, LLMVS and MSVA).

    Args:
        video: Its annotations.
        scores: Its step scores, (steps,).
        rule: What is correlated with what.
        summary: Its 0/1 key-shot summary, (frames,); only ``binary-summary`` reads it.

    Returns:
        The means over references. Constant scores have correlation 0 under every rule, and so has a summary that holds
        no frame or every frame; both with a ``ConstantScoresWarning`` that names the video.

    Raises:
        UserError: The rule needs annotations that the store does not hold.
        ValueError: Lengths differ, a value is not finite, or ``binary-summary`` is given no summary.
    """
    scores = np.asarray(scores)
    if scores.shape != video.picks.shape:
        raise ValueError(f"{video.id}: scores {scores.shape} do not fit its picks {video.picks.shape}")
    if rule == "binary-summary" and summary is None:
        raise ValueError(f"{video.id}: the rule binary-summary correlates a summary, and none was given")
    judged: NDArray[np.number] = scores
    if rule == "binary-summary" and summary is not None:
        judged = np.zeros_like(summary) if np.ptp(scores) == 0 else summary  # (frames,)
    elif rule in ON_FRAMES:
        judged = frame_scores(scores, video.picks, video.n_frames)  # (frames,)
    found = rank_correlation(judged, references(video, rule))
    if np.ptp(judged) == 0:
        what = "all scores are equal" if np.ptp(scores) == 0 else "the summary holds no frame or every frame"
        message = f"{video.id}: {what}; its rank correlation counts as 0"
        warnings.warn(message, ConstantScoresWarning, stacklevel=2)
    return found


def references(video: Video, rule: CorrelationRule) -> NDArray[np.number]:
    """What a video is correlated with under a rule: each annotator, or their mean.

    Returns:
        ``per-annotator`` (annotators, steps); ``all-frames`` (annotators, frames); ``mean-annotator`` (1, steps);
        ``mean-annotator-all-frames`` and ``binary-summary`` (1, frames).

    Raises:
        UserError: The rule needs annotations that the store does not hold.
    """
    rows = annotators(video, rule)
    return rows.mean(axis=0, dtype=np.float64)[None] if rule in OF_MEAN else rows


def annotators(video: Video, rule: CorrelationRule) -> NDArray[np.number]:
    """What each annotator of a video said, on the steps or frames that a rule looks at.

    Raw ratings where the annotators rated (TVSum), their 0/1 summaries where they cut summaries (SumMe), and under
    ``binary-summary`` always summaries. Where a mean is enough, a store without ratings gives summaries, and one
    without summaries its mean importance as the only row.

    Returns:
        (annotators, steps), or under `ON_FRAMES` (annotators, frames).

    Raises:
        UserError: The rule needs annotations that the store does not hold.
    """
    on_frames = rule in ON_FRAMES
    if rule != "binary-summary" and video.user_scores is not None:
        return frame_scores(video.user_scores, video.picks, video.n_frames) if on_frames else video.user_scores
    needs_ratings = BENCHMARKS[video.dataset].has_ratings and rule not in OF_MEAN
    if video.user_summary is not None and not needs_ratings:
        return video.user_summary if on_frames else video.user_summary[:, video.picks]
    if rule in ("mean-annotator", "mean-annotator-all-frames"):
        importance = video.gtscore[None]  # (1, steps)
        return frame_scores(importance, video.picks, video.n_frames) if on_frames else importance
    if needs_ratings:
        raise UserError(
            f"{video.id}: the store has no annotators' ratings, which protocol.correlation={rule} needs; "
            "import them (`clipit data import` finds ydata-tvsum50.mat), or say protocol.correlation=mean-annotator"
        )
    raise UserError(
        f"{video.id}: the store has no annotators' summaries, which protocol.correlation={rule} needs; "
        "import them (`clipit data import`), or say protocol.correlation=mean-annotator"
    )


class RankCorrelation(VideoMetric):
    """Kendall's tau and Spearman's rho under a named rule: means over references, then over videos."""

    columns = ("kendall_tau", "spearman_rho")

    def update(
        self,
        index: int,
        scores: NDArray[np.floating],
        video: Video,
        rule: CorrelationRule,
        summary: NDArray[np.integer] | None = None,
    ) -> None:
        """Add a video.

        Args:
            index: Its number, the same on every rank.
            scores: Its step scores, (steps,).
            video: Its annotations.
            rule: What is correlated with what.
            summary: Its 0/1 key-shot summary, (frames,), for the rule ``binary-summary``.
        """
        found = correlate(video, scores, rule, summary)
        self.append(index, (found.kendall_tau, found.spearman_rho))
