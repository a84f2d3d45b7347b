"""Floors and ceiling of a benchmark with queries: what chance, even spacing, the tags and the oracle itself reach."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.query_video import QueryItem, QueryVideo
from clipit_lightning.evaluation.matching import QueryRules, Shots, measure_query
from clipit_lightning.summary.key_shots import budget_frames

NAMES = ("f1", "precision", "recall")
Choice = Callable[[QueryItem, int, np.random.Generator], Shots]
"""Chooses so many shots of an item, perhaps by chance; positions counted from 0."""


def query_floors(videos: Sequence[QueryVideo], rules: QueryRules, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """Measure the choices that need no learning, and the oracle cut or filled to the budget.

    - ``random``: shots by chance.
    - ``uniform``: evenly spaced from the first shot to the last; the same for every query.
    - ``both-concepts``: shots whose tags hold both concepts of the query, then one, then none; by chance among equals.
    - ``oracle``: shots of the oracle summary by chance; where it is too short, all, and others by chance: the ceiling
      of a prediction of this length.

    Args:
        videos: All videos of the benchmark.
        rules: How many shots are taken.
        draws: Draws of the rows with chance, at least 2.
        seed: Of the draws.

    Returns:
        A row a choice: ``name``; ``f1``, ``precision`` and ``recall``, means over a video's queries, then over videos;
        ``f1_std`` and so on, the standard deviation over draws (0 without chance); and ``<key>``, the mean F1 of each
        video, with ``<key>_std``. 0 to 1.

    Raises:
        UserError: There is no video.
        ValueError: There are fewer than 2 draws.
    """
    if draws < 2:
        raise ValueError(f"draws={draws}: a standard deviation needs at least 2")
    if not videos:
        raise UserError("there is no video to measure floors on")
    choices: dict[str, tuple[Choice, int]] = {
        "random": (_random, draws),
        "uniform": (_uniform, 1),
        "both-concepts": (_both_concepts, draws),
        "oracle": (_oracle, draws),
    }
    rows = []
    for name, (choice, times) in choices.items():
        rng = np.random.default_rng(seed)
        drawn = pd.DataFrame([_measure(videos, choice, rules, rng) for _ in range(times)])
        spread = drawn.std(ddof=1) if times > 1 else 0 * drawn.iloc[0]
        rows.append({"name": name, **drawn.mean(), **{f"{key}_std": value for key, value in spread.items()}})
    return pd.DataFrame(rows)


def _measure(
    videos: Sequence[QueryVideo], choice: Choice, rules: QueryRules, rng: np.random.Generator
) -> dict[str, float]:
    """One draw: means over videos, and F1 of each."""
    by_video = {video.key: pd.DataFrame(_rows(video, choice, rules, rng)).mean() for video in videos}
    found = {name: float(np.mean([means[name] for means in by_video.values()])) for name in NAMES}
    return found | {key: float(means["f1"]) for key, means in by_video.items()}


def _rows(video: QueryVideo, choice: Choice, rules: QueryRules, rng: np.random.Generator) -> Iterator[dict[str, float]]:
    count = budget_frames(video.n_steps, rules.budget, rules.rounding)
    for item in video.items():
        yield measure_query(item, choice(item, count, rng))._asdict()


def _random(item: QueryItem, count: int, rng: np.random.Generator) -> Shots:
    return rng.choice(item.n_steps, count, replace=False)


def _uniform(item: QueryItem, count: int, rng: np.random.Generator) -> Shots:
    return np.unique(np.linspace(0, item.n_steps - 1, count).astype(np.int64))


def _both_concepts(item: QueryItem, count: int, rng: np.random.Generator) -> Shots:
    held = item.video.tags[:, item.video.queries[item.query]].sum(axis=1)  # (shots,) concepts of the query
    return np.argsort(-(held + rng.random(item.n_steps)))[:count]


def _oracle(item: QueryItem, count: int, rng: np.random.Generator) -> Shots:
    return np.argsort(-(item.oracle + rng.random(item.n_steps)))[:count]
