"""``Rules``: the choices that turn a video's scores into numbers, and ``measure``, which applies all of them.

Source of the correlations: Otani et al., "Rethinking the evaluation of video summaries", CVPR 2019.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array
from clipit_lightning.core.errors import UserError, check_known
from clipit_lightning.data import has_ratings
from clipit_lightning.data.benchmark import F1Convention, Highlights
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.annotations import Annotated
from clipit_lightning.evaluation.highlights import highlight_precisions
from clipit_lightning.evaluation.overlap import f1_scores
from clipit_lightning.evaluation.rank_correlation import Correlation, rank_correlation
from clipit_lightning.summary.key_shots import Rounding, ShotValue, Solver, frame_scores, select_shots

Values = NDArray[np.number]


class ConstantScoresWarning(UserWarning):
    """All values that a video is judged by are equal: its rank correlation is undefined and counts as 0."""


def user_summaries(video: Annotated) -> NDArray[np.uint8]:
    """The annotators' 0/1 summaries of a video, (annotators, frames); a UserError where there are none."""
    if video.user_summary is None:
        raise UserError(
            f"{video.id}: there are no annotators' summaries (user_summary); import them (`clipit data import`)"
        )
    return video.user_summary


def ratings_or_summaries(video: Annotated) -> Values:
    """Each annotator's ratings, (annotators, steps); of benchmarks that have none, summary, (annotators, frames)."""
    if video.user_scores is not None:
        return video.user_scores
    if isinstance(video, Video) and has_ratings(video.dataset):
        problem = "the store has no annotators' ratings; import them (`clipit data import` finds ydata-tvsum50.mat)"
        raise UserError(f"{video.id}: {problem}")
    return user_summaries(video)


def importance(video: Annotated) -> Values:
    """Ratings, (annotators, steps); else summaries, (annotators, frames); else the mean importance, (1, steps)."""
    rows = video.user_summary if video.user_scores is None else video.user_scores
    return video.gtscore[None] if rows is None else rows


@dataclass(frozen=True)
class CorrelationRule:
    """What is correlated with what."""

    compares: Literal["steps", "frames", "summary"]
    """What is correlated: step scores at the picks, scores spread over all frames, or the 0/1 summary."""
    annotators: Callable[[Annotated], Values]
    """Values of each annotator of a video, (annotators, steps) or (annotators, frames)."""
    of_mean: bool = False
    """Whether the only reference is the annotators' mean; otherwise each annotator is one."""

    of_people: bool = True
    """Whether annotators stand behind the values, each with a row of its own where they are known."""

    @property
    def on_frames(self) -> bool:
        """Whether all frames are correlated; otherwise the steps."""
        return self.compares != "steps"


CORRELATION_RULES = {
    "per-annotator": CorrelationRule("steps", ratings_or_summaries),
    "mean-annotator": CorrelationRule("steps", importance, of_mean=True),
    "importance": CorrelationRule("steps", lambda video: video.gtscore[None], of_mean=True, of_people=False),
    "all-frames": CorrelationRule("frames", ratings_or_summaries),
    "mean-annotator-all-frames": CorrelationRule("frames", importance, of_mean=True),
    "binary-summary": CorrelationRule("summary", user_summaries, of_mean=True),  # as in the code of CSTA, LLMVS, MSVA
}
"""Every rule that ``protocol.correlation`` can name. A new rule is a row."""


def measured(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Choices by name, without that of highlights where these are not measured, as results had none before."""
    return {name: value for name, value in choices.items() if (name, value) != ("highlights", "off")}


@dataclass(frozen=True)
class Rules:
    """The choices of a protocol that turn scores into numbers."""

    f1: F1Convention
    """How F1 is taken over annotators."""
    correlation: str
    """What is correlated with what, a name in `CORRELATION_RULES`."""
    budget: float = 0.15
    """Largest share of a video that its summary may take."""
    shot_value: ShotValue = "mean"
    rounding: Rounding = "floor"
    solver: Solver = "knapsack"
    highlights: Highlights = "off"
    """By which rule the average precision of clips of 5 steps is measured beside (``highlights.py``)."""

    def __post_init__(self) -> None:
        """Raise a ValueError for a rule that there is not."""
        kinds = {"f1": F1Convention, "shot_value": ShotValue, "rounding": Rounding, "solver": Solver}
        kinds["highlights"] = Highlights
        choices = {name: get_args(kind) for name, kind in kinds.items()} | {"correlation": tuple(CORRELATION_RULES)}
        for name, known in choices.items():
            check_known(name, getattr(self, name), known)

    @property
    def chosen(self) -> dict[str, Any]:
        """The choices by name, without those of what is not measured."""
        return measured(asdict(self))

    def summary(self, video: Annotated, scores: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The 0/1 summary, (frames,), of step scores, (steps,), or of frame scores, (frames,)."""
        picks = video.picks if len(scores) == video.n_steps else None
        shots, frames = video.change_points, video.n_frames
        return select_shots(scores, shots, frames, picks, self.budget, self.shot_value, self.rounding, self.solver)


def measure(scores: ArrayLike, annotations: Annotated, rules: Rules) -> dict[str, float]:
    """F1 and correlations of scores with a video's annotators, as `clipit evaluate` prints them.

    Constant scores give correlation 0, with a `ConstantScoresWarning`.

    >>> from clipit_lightning.evaluation import Annotations
    >>> people = Annotations([[0, 1], [2, 5]], n_frames=6, picks=[0, 2, 4], user_summary=[[1, 1, 0, 0, 0, 0]])
    >>> measure([0.9, 0.2, 0.1], people, Rules("max", "per-annotator", budget=0.5))["f1"]
    1.0

    Args:
        scores: Step scores, (steps,), or frame scores, (frames,): these cut the summary as they are, and stand for
            steps with their values at the picks.
        annotations: Those of the video: ``Annotations``, or a ``Video`` of a store.
        rules: How scores become numbers.

    Returns:
        The metrics by name, `ANNOTATOR_METRICS`, and `HIGHLIGHT_METRICS` where the rules measure them; those of F1, 0
        to 1, are NaN where there are no annotators' summaries.

    Raises:
        UserError: There are not the annotations that the correlation needs.
        ValueError: There is neither a score for each step nor one for each frame, or a score is not finite.
    """
    row = as_array(scores)
    if row.shape not in ((annotations.n_steps,), (annotations.n_frames,)):
        counts = f"{annotations.n_steps} steps and {annotations.n_frames} frames"
        raise ValueError(f"{annotations.id}: {row.size} scores, but the video has {counts}")
    summary = rules.summary(annotations, row)  # (frames,)
    agreement = dict.fromkeys(("f1", "f1_mean", "f1_max"), math.nan)
    if annotations.user_summary is not None:
        agreement = f1_of_summary(summary, annotations.user_summary, rules)
    agreement |= correlate(annotations, row, summary, rules.correlation)._asdict()
    at_steps = _aligned(row, annotations, on_frames=False)  # (steps,)
    return agreement | highlight_precisions(at_steps, annotations.gtscore, rules.highlights)


def correlate(video: Annotated, scores: NDArray[np.floating], summary: NDArray[np.integer], rule: str) -> Correlation:
    """Rank correlations of a video's scores, or of the summary that they give, with the references of a rule.

    Args:
        video: Its annotations.
        scores: Step scores, (steps,), or frame scores, (frames,).
        summary: The 0/1 summary, (frames,).
        rule: A name in `CORRELATION_RULES`.

    Returns:
        The means over references. Constant scores have correlation 0 under every rule, and so has a summary that holds
        no frame or every frame; both with a ``ConstantScoresWarning`` that names the video.
    """
    chosen = CORRELATION_RULES[rule]
    constant = np.ptp(_aligned(scores, video, on_frames=False)) == 0
    if chosen.compares == "summary":
        judged: Values = np.zeros_like(summary) if constant else summary  # (frames,)
    else:
        judged = _aligned(scores, video, chosen.on_frames)  # (steps,) or (frames,)
    if np.ptp(judged) == 0:
        what = "all scores are equal" if constant else "the summary holds no frame or every frame"
        message = f"{video.id}: {what}; its rank correlation counts as 0"
        warnings.warn(message, ConstantScoresWarning, stacklevel=2)
    return rank_correlation(judged, references(video, rule))


def references(video: Annotated, rule: str) -> Values:
    """What a video is correlated with under a rule: each annotator, or their mean; shaped as `annotators`."""
    rows = annotators(video, rule)
    return rows.mean(axis=0, dtype=np.float64)[None] if CORRELATION_RULES[rule].of_mean else rows


def annotators(video: Annotated, rule: str) -> Values:
    """Values of each annotator of a video, on the steps or frames that a rule compares.

    Returns:
        (annotators, steps), or (annotators, frames) under a rule on frames.

    Raises:
        UserError: There are not the annotations that the rule needs.
    """
    try:
        rows = CORRELATION_RULES[rule].annotators(video)
    except UserError as error:
        needs = f"protocol.correlation={rule} needs them, protocol.correlation=mean-annotator does not"
        raise UserError(f"{error}; {needs}") from error
    return _aligned(rows, video, CORRELATION_RULES[rule].on_frames)


def _aligned(values: Values, video: Annotated, on_frames: bool) -> Values:
    """Values of steps or of frames, (..., steps) or (..., frames), as values of frames, or of steps."""
    of_steps = values.shape[-1] == video.n_steps
    if on_frames:
        return frame_scores(values, video.picks, video.n_frames) if of_steps else values
    return values if of_steps else values[..., video.picks]


def f1_of_summary(summary: NDArray[np.integer], user_summary: NDArray[np.integer], rules: Rules) -> dict[str, float]:
    """F1 of a summary, (frames,), with annotators', (annotators, frames): by convention, mean, and maximum."""
    scores = f1_scores(summary, user_summary)  # (annotators,)
    mean, best = float(scores.mean()), float(scores.max())
    return {"f1": best if rules.f1 == "max" else mean, "f1_mean": mean, "f1_max": best}
