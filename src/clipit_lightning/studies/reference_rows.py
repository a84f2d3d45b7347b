"""Rows that stand beside ours on the leaderboard: the field's printed results, floors and ceilings."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import check_is_file, read_typed
from clipit_lightning.data import BENCHMARKS, has_queries
from clipit_lightning.data.fold_files import load_family
from clipit_lightning.evaluation.best_possible import ceiling
from clipit_lightning.evaluation.names import METRICS

VIDEOS = tuple(video for benchmark in BENCHMARKS.values() for video in benchmark.videos)
"""Videos whose own F1 is a column: benchmarks with queries have four videos, and the field prints each."""
MARKS = {
    "best-on-test": "best epoch on the test fold",
    "unknown": "selection unknown",
    "settings-on-test": "settings chosen on the test videos",
}
"""Marks of rows whose choice of the epoch or the settings makes their number too good, or may."""
ABOVE_CEILING = "F1 above [best-possible] on its folds' test videos (all where unknown): other shots, rules or videos"
"""Mark of published rows that no summary of whole shots within the budget reaches under our rules."""
BEST_POSSIBLE = "[best-possible]"
"""The row that stands above all others of its group: the exact ceiling of F1."""
OTHER_ANNOTATIONS = "measured on other annotations or shots than this run"
"""Mark of our kept rows beside a run on a store that differs from theirs."""
_PUBLISHED_RULES = {
    "per-annotator": "per-annotator",
    "importance": "importance",
    "binary-summary": "binary-summary",
    "per-annotator all frames": "all-frames",
    "mean-annotator all frames": "mean-annotator-all-frames",
}
_PUBLISHED_METRICS = ["f1", "kendall_tau", "spearman_rho", "map50", "map15"]
"""Columns of the table of published results; it may do without the last two."""


def published_rows(path: Path, kept: Sequence["Floors"] = ()) -> list[dict[str, Any]]:
    """The field's printed results, without those that nobody confirmed; a UserError where the file is none of them.

    Those above the ceiling that ``kept`` floors have of their data set are marked.
    """
    names = ("note", "correlation_protocol", "folds", "confirmed")
    types = dict.fromkeys(names, "str") | dict.fromkeys(_PUBLISHED_METRICS, "float64")
    try:
        check_is_file(path)
        table = pd.read_csv(path, dtype=types, keep_default_na=True)
        table = table.assign(**{name: math.nan for name in _PUBLISHED_METRICS[3:] if name not in table})
        if np.isinf(table[_PUBLISHED_METRICS].to_numpy()).any():
            raise ValueError("a number is infinite")
        rows = table.to_dict("records")
        return [_published_row(row, kept) for row in rows if row.get("confirmed") != "memory"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not the table of published results ({first_line(error)}); restore it with git"
        ) from error


def _published_row(row: dict[Any, Any], kept: Sequence["Floors"]) -> dict[str, Any]:
    untrained = row["selection"] in ("-", "none") or str(row["note"]).startswith("zero-shot")
    supervision = "none" if untrained else "supervised"
    if str(row["note"]).startswith("unsupervised"):
        supervision = "unsupervised"
    queries = has_queries(row["dataset"])
    marks = [MARKS.get(row["selection"], ""), ABOVE_CEILING if _is_above(row, kept) else ""]
    return {
        "method": f"{row['method']} ({row['year']})",
        "dataset": row["dataset"],
        "setting": "canonical" if queries else row["setting"],  # leaving one video out is the canonical setting there
        "supervision": supervision,
        "features": row["features"],
        "data": "real",
        **{name: row[name] for name in _PUBLISHED_METRICS},
        **(_published_videos(row) if queries else {}),
        "selection": row["selection"],
        "correlation": "none" if queries else _PUBLISHED_RULES.get(str(row["correlation_protocol"]), "unknown"),
        "kind": "published",
        "mark": "; ".join(filter(None, marks)),
        "source": row["source"],
    }


def _is_above(row: dict[Any, Any], kept: Sequence["Floors"]) -> bool:
    """Whether a published F1 is above the best possible one of its convention, over the videos that its folds test."""
    for floors in kept:
        if floors.dataset == row["dataset"] and floors.best_possible:
            best = {video: value.f1 for video, value in floors.best_possible.items()}
            tested = [tuple(best)]
            if isinstance(family := row.get("folds"), str):
                tested = [fold.test for fold in load_family(family, floors.dataset, row["setting"]).folds]
            if best.keys() >= {video for fold in tested for video in fold}:
                return bool(row["f1"] > METRICS["f1"].factor * ceiling(best, tested))
    return False


def _published_videos(row: dict[Any, Any]) -> dict[str, float]:
    """F1 of each video, which the note lists in the order of the benchmark, where the paper prints them."""
    with suppress(ValueError):
        return dict(zip(BENCHMARKS[row["dataset"]].videos, map(float, str(row["note"]).split()), strict=True))
    return {}


class _FloorRow(BaseModel, strict=True, extra="allow"):
    """The metrics of a floor or ceiling, and of each the standard deviation, such as ``f1_std``."""

    __pydantic_extra__: dict[str, Annotated[float, Field(ge=-1, le=1)]] = Field(init=False)
    name: str


class _Best(BaseModel, strict=True):
    """The best possible F1 of a video by the data set's convention."""

    f1: Annotated[float, Field(ge=0, le=1)]


class Floors(BaseModel, strict=True):
    """The file of ``clipit baselines --keep``."""

    dataset: str
    annotations_hash: str
    draws: int
    rules: Annotated[dict[str, list[_FloorRow]], Field(min_length=1)]
    """The rows by correlation rule."""
    best_possible: dict[str, _Best] = {}
    """By id of the video; none of a benchmark with queries."""


def read_floors(folder: Path) -> list[Floors]:
    """Read what ``clipit baselines --keep`` wrote to a folder."""
    problem, way_out = "not floors of clipit baselines", "make them again or remove it"
    return [read_typed(path, Floors, problem, way_out) for path in sorted(folder.glob("*.json"))]


def floor_rows(rows: list[dict[str, Any]], kept: Sequence[Floors]) -> list[dict[str, Any]]:
    """Floors and ceilings for each group of real data; F1 alone where the group's correlation rule is unknown."""
    groups = sorted({(row["dataset"], row["setting"], row["correlation"]) for row in rows if row["data"] == "real"})
    board = []
    for floors in kept:
        any_rule = next(iter(floors.rules.values()))
        for dataset, setting, rule in groups:
            if dataset == floors.dataset:
                unknown = {} if rule in floors.rules else dict.fromkeys(("kendall_tau", "spearman_rho"), math.nan)
                shown = floors.rules.get(rule, any_rule)  # F1 is the same under each
                place = {"dataset": dataset, "setting": setting, "data": "real", "correlation": rule}
                source = floors_source(floors.annotations_hash, floors.draws)
                board += [floor_row({**row.model_dump(), **unknown}, place, source) for row in shown]
    return board


def floors_source(annotations_hash: str, draws: int) -> str:
    """Where a floor or ceiling comes from: the annotations that it was measured on."""
    return f"clipit baselines, annotations {annotations_hash}, {draws} draws"


def floor_row(row: Mapping[Any, Any], place: dict[str, str], source: str) -> dict[str, Any]:
    """A row of `floors` or `query_floors` on the board; ``place`` has the values of the group that it stands in."""
    metrics = METRICS | dict.fromkeys(VIDEOS, METRICS["f1"])
    names = {name: round(metric.factor * row[name], 4) for name, metric in metrics.items() if name in row}
    drawn = {f"{name}_std": metric.factor * row.get(f"{name}_std", math.nan) for name, metric in METRICS.items()}
    spread = {name: round(value, 4) for name, value in drawn.items()} if np.nansum([*drawn.values()]) else {}
    return {
        "method": f"[{row['name']}]",
        "variant": "",
        "supervision": "none",
        "features": "-",
        **place,
        **names,
        **spread,
        "selection": "none",
        "kind": "floor or ceiling",
        "mark": "",
        "source": source,
    }
