"""F1 of the best steps of a video with a summary, without shots: how SD-VSum's public code measures scripts.

Read in ``model/utils/evaluation_metrics.py`` and ``Solver.evaluate`` of github.com/IDT-ITI/SD-VSum (commit d896c93).
The threshold is the score at position floor(15 % of n), counted from 0, of the n steps in falling order: all that reach
it are chosen, so one step more than 15 %, and more where scores are equal. A choice of more than a quarter of the
steps has an F1 of 0, also where a video is so short that one step is more than that. Every script is measured with its
own summary; means are over the scripts of a video, then over videos.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import row_and_rows
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.script_video import ScriptItem, ScriptVideo
from clipit_lightning.evaluation.matching import Match, Shots
from clipit_lightning.summary.key_shots import Rounding, budget_frames

MOST = 0.25
"""Largest share of the steps that a choice may have; beyond it its F1 is 0."""


@dataclass(frozen=True)
class ScriptRules:
    """The choices of a protocol that turn a script's scores into numbers."""

    budget: float = 0.15
    """Share of the steps behind which the threshold is."""
    rounding: Rounding = "floor"

    def choose(self, scores: NDArray[np.floating]) -> Shots:
        """The steps whose scores reach the threshold, in time order, (chosen,)."""
        position = min(budget_frames(len(scores), self.budget, self.rounding), len(scores) - 1)
        steps: Shots = np.flatnonzero(scores >= np.sort(scores)[::-1][position])
        return steps


def best_steps_f1(scores: ArrayLike, summary: ArrayLike, budget: float = 0.15) -> float:
    """F1 of the best steps of a video with a summary of 0 and 1 at each step, 0 to 1.

    >>> best_steps_f1([0.1, 0.9, 0.8, 0.2, 0.3, 0.1, 0.2, 0.1], [0, 1, 0, 0, 0, 0, 0, 1])
    0.5

    Raises:
        ValueError: The lengths differ.
    """
    given, rows = row_and_rows(scores, summary, "steps")
    return _match(ScriptRules(budget).choose(given), rows[0]).f1


def measure_script(item: ScriptItem, chosen: Shots) -> Match:
    """Agreement of chosen steps with the summary of the item's script."""
    return _match(chosen, item.summary)


def _match(chosen: Shots, summary: NDArray[np.integer]) -> Match:
    both, length = int((summary[chosen] != 0).sum()), int((summary != 0).sum())
    if len(chosen) > MOST * len(summary) or not both:
        return Match(0.0, both / max(1, len(chosen)), both / max(1, length))
    return Match(2 * both / (len(chosen) + length), both / len(chosen), both / length)


def script_drops(items: Sequence[ScriptItem], chosen: Mapping[str, Shots]) -> dict[str, float]:
    """How much F1 a script loses when its prediction is replaced by that of another script of the same video.

    The mean over all others, as `query_drops`: a scorer that ignores the script has exactly 0. By id of the item.
    """
    by_video: dict[str, list[ScriptItem]] = {}
    for item in items:
        by_video.setdefault(item.video.id, []).append(item)
    drops = {}
    for item in items:
        own = measure_script(item, chosen[item.id]).f1
        others = [one for one in by_video[item.video.id] if one.script != item.script]
        lost = [own - measure_script(item, chosen[other.id]).f1 for other in others]
        drops[item.id] = float(np.mean(lost)) if lost else 0.0
    return drops


def items_of_test_part(videos: Iterable[ScriptVideo]) -> list[ScriptItem]:
    """The items of the test part, or of all videos where these are in no part."""
    return [item for video in videos if video.split in ("", "test") for item in video.items()]


def script_floors(items: Sequence[ScriptItem], rules: ScriptRules, draws: int = 100, seed: int = 0) -> pd.DataFrame:
    """Measure the choices that need no learning, and the summary cut or filled to the budget.

    - ``random``: uniform scores.
    - ``uniform``: evenly spaced steps, as many as are chosen of scores that all differ.
    - ``human-pairwise``: the summaries of the video's other scripts, whatever their length up to a quarter; no row
      where no video has several.
    - ``oracle``: steps of the summary by chance; where it is too short, all, and others by chance: the ceiling of a
      prediction of this length.

    Returns:
        A row a choice, as `query_floors`, without the columns of single videos.

    Raises:
        UserError: There is no item.
    """
    if draws < 2:
        raise ValueError(f"draws={draws}: a standard deviation needs at least 2")
    if not items:
        raise UserError("there is no script to measure floors on")
    rows = []
    for name in ("random", "uniform", "human-pairwise", "oracle"):
        rng, times = np.random.default_rng(seed), draws if name in ("random", "oracle") else 1
        drawn = pd.DataFrame([_draw(items, name, rules, rng) for _ in range(times)])
        if not drawn.empty:
            spread = drawn.std(ddof=1) if times > 1 else 0 * drawn.iloc[0]
            rows.append({"name": name, **drawn.mean(), **{f"{key}_std": value for key, value in spread.items()}})
    return pd.DataFrame(rows)


def _draw(items: Sequence[ScriptItem], name: str, rules: ScriptRules, rng: np.random.Generator) -> dict[str, float]:
    """Means over the scripts of a video, then over videos; empty where nothing can be measured."""
    rows = [{"video": item.video.id, **match._asdict()} for item in items for match in _choices(item, name, rules, rng)]
    if not rows:
        return {}
    means = pd.DataFrame(rows).groupby("video", sort=False).mean().mean()
    return {str(metric): float(value) for metric, value in means.items()}


def _choices(item: ScriptItem, name: str, rules: ScriptRules, rng: np.random.Generator) -> list[Match]:
    if name == "human-pairwise":
        others = [other for other in item.video.items() if other.script != item.script]
        return [measure_script(item, np.flatnonzero(other.summary)) for other in others]
    chance = rng.random(item.n_steps)
    if name == "uniform":
        count = len(rules.choose(chance))
        return [measure_script(item, np.unique(np.linspace(0, item.n_steps - 1, count).astype(np.int64)))]
    return [measure_script(item, rules.choose(chance + item.summary * (name == "oracle")))]
