"""Floors and ceilings: what chance, even spacing, people, and the mean of the people reach under a protocol's rules."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.correlation import annotators, rank_correlation
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS
from clipit_lightning.evaluation.rules import Rules, f1_of_summary, measure, user_summaries
from clipit_lightning.summary.key_shots import budget_frames, chosen_to_frames, shot_lengths


def floors(videos: Sequence[Video], rules: Rules, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """Measure the scorers that need no learning, and the annotators themselves.

    - ``random``: uniform scores a step; mean over draws of the data set's mean.
    - ``uniform``: evenly spaced shots (`uniform_summary`). Even spacing prefers no step to another, so that its scores
      are constant and correlate with 0; under ``binary-summary`` its summary is correlated.
    - ``human-pairwise``: each annotator against each of the others.
    - ``human-leave-one-out``: correlations of each annotator with the mean of the others; F1 with each of the others.
    - ``mean-annotator``: the mean importance as scores: the ceiling of a scorer.

    Annotators agree on the steps or frames of the correlation rule, with their ratings or summaries (`annotators`).

    Args:
        videos: The videos of a data set, with annotations.
        rules: How scores become numbers.
        draws: Number of random draws, at least 2.
        seed: Of the random scores.

    Returns:
        A row a scorer: ``name``, the means over videos of ``f1``, ``f1_mean``, ``f1_max``, ``kendall_tau`` and
        ``spearman_rho``, and of each, such as ``f1_std``, the standard deviation over draws: 0 where nothing is drawn.
        F1 is 0 to 1.

    Raises:
        UserError: The rules need annotations that a video lacks, or there is no video.
        ValueError: There are fewer than 2 draws.
    """
    if draws < 2:
        raise ValueError(f"draws={draws}: a standard deviation needs at least 2")
    if not videos:
        raise UserError("there is no video to measure floors on")
    chance = random_draws(videos, rules, draws, seed)
    rows = {
        "random": chance.mean().to_dict(),
        "uniform": _mean(_uniform(video, rules) for video in videos),
        "human-pairwise": _mean(_people(video, rules, pairwise=True) for video in videos),
        "human-leave-one-out": _mean(_people(video, rules, pairwise=False) for video in videos),
        "mean-annotator": _mean(measure(video, video.gtscore, rules) for video in videos),
    }
    table = pd.DataFrame(rows).T
    spread = pd.DataFrame(0.0, index=table.index, columns=[f"{name}_std" for name in ANNOTATOR_METRICS])
    spread.loc["random"] = chance.std(ddof=1).to_numpy()
    return table.join(spread).rename_axis("name").reset_index()


def random_draws(videos: Sequence[Video], rules: Rules, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """Means over videos of uniform random step scores, a row a draw, a column a metric."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [_mean(measure(video, rng.random(video.n_steps), rules) for video in videos) for _ in range(draws)]
    )


def uniform_summary(video: Video, rules: Rules) -> NDArray[np.uint8]:
    """Evenly spaced whole shots that fill the budget as far as they can.

    For every k, the shots that hold the middles of k equal parts of the video are candidates; of those that fit the
    budget, the longest summary is taken, with the smallest such k. All 0 where none fits.

    Returns:
        1 for each frame in the summary, (frames,).
    """
    lengths, starts = shot_lengths(video.change_points), video.change_points[:, 0]
    limit = budget_frames(video.n_frames, rules.budget, rules.rounding)
    chosen, filled = np.zeros(len(lengths), dtype=np.bool_), 0
    for parts in range(1, len(lengths) + 1):
        middles = (2 * np.arange(parts) + 1) * video.n_frames // (2 * parts)  # (parts,) frame numbers
        hit = np.zeros(len(lengths), dtype=np.bool_)  # (shots,)
        hit[np.searchsorted(starts, middles, side="right") - 1] = True
        if filled < (total := int(lengths[hit].sum())) <= limit:
            chosen, filled = hit, total
    return chosen_to_frames(chosen, video.change_points, video.n_frames)


def _uniform(video: Video, rules: Rules) -> dict[str, float]:
    summary = uniform_summary(video, rules)
    tau, rho = 0.0, 0.0
    if rules.correlation == "binary-summary":
        found = rank_correlation(summary, user_summaries(video).mean(axis=0)[None])
        tau, rho = found.kendall_tau, found.spearman_rho
    return {**f1_of_summary(summary, user_summaries(video), rules), "kendall_tau": tau, "spearman_rho": rho}


def _people(video: Video, rules: Rules, pairwise: bool) -> dict[str, float]:
    """Mean over a video's annotators of each one's agreement with the others."""
    rows = np.asarray(annotators(video, rules.correlation), dtype=np.float64)  # (annotators, steps) or (.., frames)
    summaries = user_summaries(video)  # (annotators, frames)
    if min(len(rows), len(summaries)) < 2:
        raise UserError(f"{video.id}: agreement of annotators needs at least two of them")
    total = rows.sum(axis=0)  # ratings are whole numbers, so that the mean of the others is exact and keeps its ties
    found = []
    for one, row in enumerate(rows):
        others = np.delete(rows, one, axis=0) if pairwise else ((total - row) / (len(rows) - 1))[None]
        agreement = rank_correlation(row, others)
        found.append({"kendall_tau": agreement.kendall_tau, "spearman_rho": agreement.spearman_rho})
    overlap = [f1_of_summary(row, np.delete(summaries, one, axis=0), rules) for one, row in enumerate(summaries)]
    return {**_mean(overlap), **_mean(found)}


def _mean(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over rows."""
    rows = list(rows)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
