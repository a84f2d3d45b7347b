"""Floors and ceilings: what chance, even spacing, people, tags and the annotations themselves reach under the rules."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.query_video import QueryItem, QueryVideo
from clipit_lightning.evaluation.annotations import Annotated
from clipit_lightning.evaluation.best_possible import best_possible
from clipit_lightning.evaluation.highlights import highlight_precisions
from clipit_lightning.evaluation.matching import QueryRules, Shots, measure_query
from clipit_lightning.evaluation.rank_correlation import rank_correlation
from clipit_lightning.evaluation.rules import (
    CORRELATION_RULES,
    ConstantScoresWarning,
    Rules,
    annotators,
    f1_of_summary,
    measure,
    references,
    user_summaries,
)
from clipit_lightning.summary.key_shots import budget_frames, chosen_to_frames, shot_lengths

Choice = Callable[[QueryItem, int, np.random.Generator], Shots]
"""Chooses so many shots of an item of a benchmark with queries, perhaps by chance."""


def floors(videos: Sequence[Annotated], rules: Rules, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """Measure the scorers that need no learning, and the annotators themselves.

    - ``random``: uniform scores a step; mean over draws of the data set's mean.
    - ``uniform``: evenly spaced shots (`uniform_summary`). Even spacing prefers no step to another, so that its scores
      are constant and correlate with 0; under ``binary-summary`` its summary is correlated.
    - ``human-pairwise``: each annotator against each of the others; not under a rule without annotators.
    - ``human-leave-one-out``: correlations of each annotator with the mean of the others; F1 with each of the others.
    - ``mean-annotator``: the mean importance as scores: the ceiling of a scorer's correlations.
    - ``best-possible``: no summary of whole shots within the budget has a higher F1 (`best_possible`); it is the best
      under each convention alone, and has no correlations.

    Annotators agree on the steps or frames of the correlation rule, with their ratings or summaries (`annotators`).
    There are at least 2 draws.

    Returns:
        A row a scorer: ``name``, the means over videos of ``f1``, ``f1_mean``, ``f1_max``, ``kendall_tau``,
        ``spearman_rho``, and ``map50`` and ``map15`` where the rules measure them (NaN where a row has none), and of
        each, such as ``f1_std``, the standard deviation over draws: 0 where nothing is drawn. F1 and mAP are 0 to 1.

    Raises:
        UserError: The rules need annotations that a video lacks, or there is no video.
    """
    _check(videos, draws)
    chance = random_draws(videos, rules, draws, seed)
    measured: dict[str, Callable[[Annotated], dict[str, float]]] = {
        "uniform": partial(_uniform, rules=rules),
        "human-pairwise": partial(_people, rules=rules, pairwise=True),
        "human-leave-one-out": partial(_people, rules=rules, pairwise=False),
        "mean-annotator": lambda video: measure_quietly(video.gtscore, video, rules),
        "best-possible": partial(best_f1, rules=rules),
    }
    with_people = CORRELATION_RULES[rules.correlation].of_people
    rows = {"random": chance.mean().to_dict()} | {
        name: _mean(map(measure_one, videos))
        for name, measure_one in measured.items()
        if with_people or not name.startswith("human")
    }
    table = pd.DataFrame(rows).T
    spread = pd.DataFrame(0.0, index=table.index, columns=[f"{name}_std" for name in chance.columns])
    spread.loc["random"] = chance.std(ddof=1).to_numpy()
    return table.join(spread).rename_axis("name").reset_index()


def best_f1(video: Annotated, rules: Rules) -> dict[str, float]:
    """The best possible F1 of a video, 0 to 1: by convention, mean, and maximum over annotators."""
    frames = budget_frames(video.n_frames, rules.budget, rules.rounding)
    best = best_possible(user_summaries(video), video.change_points, frames)
    return {"f1": best.f1_max if rules.f1 == "max" else best.f1_mean, **best._asdict()}


def as_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of floors, without the metrics that a row does not have."""
    return [{str(name): value for name, value in row.dropna().items()} for _, row in table.iterrows()]


def _check(videos: Sequence[Annotated] | Sequence[QueryVideo], draws: int) -> None:
    if draws < 2:
        raise ValueError(f"draws={draws}: a standard deviation needs at least 2")
    if not videos:
        raise UserError("there is no video to measure floors on")


def random_draws(videos: Sequence[Annotated], rules: Rules, draws: int, seed: int) -> pd.DataFrame:
    """Means over videos of uniform random step scores, a row a draw, a column a metric."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [_mean(measure_quietly(rng.random(video.n_steps), video, rules) for video in videos) for _ in range(draws)]
    )


def uniform_summary(video: Annotated, rules: Rules) -> NDArray[np.uint8]:
    """Evenly spaced whole shots that fill the budget as far as they can.

    For every k, the shots that hold the middles of k equal stretches of the video are candidates; of those that fit the
    budget, the longest summary is taken, with the smallest such k. All 0 where none fits.

    Returns:
        1 for each frame in the summary, (frames,).
    """
    lengths, starts = shot_lengths(video.change_points), video.change_points[:, 0]
    limit = budget_frames(video.n_frames, rules.budget, rules.rounding)
    chosen, filled = np.zeros(len(lengths), dtype=np.bool_), 0
    for count in range(1, len(lengths) + 1):
        middles = (2 * np.arange(count) + 1) * video.n_frames // (2 * count)  # (count,) frame numbers
        hit = np.zeros(len(lengths), dtype=np.bool_)  # (shots,)
        hit[np.searchsorted(starts, middles, side="right") - 1] = True
        if filled < (total := int(lengths[hit].sum())) <= limit:
            chosen, filled = hit, total
    return chosen_to_frames(chosen, video.change_points, video.n_frames)


def measure_quietly(scores: NDArray[np.floating], video: Annotated, rules: Rules) -> dict[str, float]:
    """`measure` where constant scores need no warning, and F1 is needed."""
    user_summaries(video)  # without them there is no F1
    with warnings.catch_warnings(action="ignore", category=ConstantScoresWarning):  # a short random row may be constant
        return measure(scores, video, rules)


def _uniform(video: Annotated, rules: Rules) -> dict[str, float]:
    summary = uniform_summary(video, rules)
    tau, rho = 0.0, 0.0
    if CORRELATION_RULES[rules.correlation].compares == "summary":
        tau, rho = rank_correlation(summary, references(video, rules.correlation))
    agreement = f1_of_summary(summary, user_summaries(video), rules) | {"kendall_tau": tau, "spearman_rho": rho}
    return agreement | highlight_precisions(np.zeros(video.n_steps), video.gtscore, rules.highlights)


def _people(video: Annotated, rules: Rules, pairwise: bool) -> dict[str, float]:
    """Mean over a video's annotators of each one's agreement with the others."""
    rows = np.asarray(annotators(video, rules.correlation), dtype=np.float64)  # (annotators, steps) or (.., frames)
    summaries = user_summaries(video)  # (annotators, frames)
    if min(len(rows), len(summaries)) < 2:
        raise UserError(f"{video.id}: agreement of annotators needs at least two of them")
    total = rows.sum(axis=0)  # ratings are whole numbers, so that the mean of the others is exact and keeps its ties
    agreement = []
    for one, row in enumerate(rows):
        others = np.delete(rows, one, axis=0) if pairwise else ((total - row) / (len(rows) - 1))[None]
        agreement.append(rank_correlation(row, others)._asdict())
    overlap = [f1_of_summary(row, np.delete(summaries, one, axis=0), rules) for one, row in enumerate(summaries)]
    return {**_mean(overlap), **_mean(agreement)}


def _mean(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    rows = list(rows)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def query_floors(videos: Sequence[QueryVideo], rules: QueryRules, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """Measure the choices that need no learning, and the oracle cut or filled to the budget.

    - ``random``: shots by chance.
    - ``uniform``: evenly spaced from the first shot to the last; the same for every query.
    - ``both-concepts``: shots whose tags hold both concepts of the query, then one, then none; by chance among equals.
    - ``oracle``: shots of the oracle summary by chance; where it is too short, all, and others by chance: the ceiling
      of a prediction of this length.

    There are at least 2 draws of the rows with chance.

    Returns:
        A row a choice: ``name``; ``f1``, ``precision`` and ``recall``, means over a video's queries, then over videos;
        ``f1_std`` and so on, the standard deviation over draws (0 without chance); and ``<key>``, the mean F1 of each
        video, with ``<key>_std``. 0 to 1.
    """
    _check(videos, draws)
    choices: dict[str, Choice] = {
        "random": lambda item, count, rng: rng.choice(item.n_steps, count, replace=False),
        "uniform": lambda item, count, rng: np.unique(np.linspace(0, item.n_steps - 1, count).astype(np.int64)),
        "both-concepts": _both_concepts,
        "oracle": lambda item, count, rng: np.argsort(-(item.oracle + rng.random(item.n_steps)))[:count],
    }
    rows = []
    for name, choice in choices.items():
        times, rng = 1 if name == "uniform" else draws, np.random.default_rng(seed)
        drawn = pd.DataFrame([_draw(videos, choice, rules, rng) for _ in range(times)])
        spread = drawn.std(ddof=1) if times > 1 else 0 * drawn.iloc[0]
        rows.append({"name": name, **drawn.mean(), **{f"{key}_std": value for key, value in spread.items()}})
    return pd.DataFrame(rows)


def _draw(
    videos: Sequence[QueryVideo], choice: Choice, rules: QueryRules, rng: np.random.Generator
) -> dict[str, float]:
    """One draw: means over videos, and F1 of each."""
    rows, by_video = [], {}
    for video in videos:
        count = budget_frames(video.n_steps, rules.budget, rules.rounding)
        matches = pd.DataFrame([measure_query(item, choice(item, count, rng)) for item in video.items()])
        rows.append({str(name): float(value) for name, value in matches.mean().items()})
        by_video[video.key] = rows[-1]["f1"]
    return _mean(rows) | by_video


def _both_concepts(item: QueryItem, count: int, rng: np.random.Generator) -> Shots:
    held = item.video.tags[:, item.video.queries[item.query]].sum(axis=1)  # (shots,) concepts of the query
    return np.argsort(-(held + rng.random(item.n_steps)))[:count]
