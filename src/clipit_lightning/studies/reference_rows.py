"""Rows that stand beside ours on the leaderboard: the field's printed results, floors and ceilings."""

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import check_is_file, read_typed
from clipit_lightning.data import BENCHMARKS, has_queries
from clipit_lightning.evaluation.names import METRICS

VIDEOS = tuple(video for benchmark in BENCHMARKS.values() for video in benchmark.videos)
"""Videos whose own F1 is a column: benchmarks with queries have four videos, and the field prints each."""
MARKS = {"best-on-test": "best epoch on the test fold", "unknown": "selection unknown"}
"""Marks of rows whose choice of the epoch makes their number too good, or may."""
OTHER_ANNOTATIONS = "measured on other annotations or shots than this run"
"""Mark of our kept rows beside a run on a store that differs from theirs."""
_PUBLISHED_RULES = {
    "per-annotator": "per-annotator",
    "binary-summary": "binary-summary",
    "per-annotator all frames": "all-frames",
    "mean-annotator all frames": "mean-annotator-all-frames",
}
_PUBLISHED_METRICS = ["f1", "kendall_tau", "spearman_rho"]


def published_rows(path: Path) -> list[dict[str, Any]]:
    """The field's printed results; a UserError where the file is none of them."""
    types = dict.fromkeys(("note", "correlation_protocol"), "str") | dict.fromkeys(_PUBLISHED_METRICS, "float64")
    try:
        check_is_file(path)
        table = pd.read_csv(path, dtype=types, keep_default_na=True)
        if np.isinf(table[_PUBLISHED_METRICS].to_numpy()).any():
            raise ValueError("a number is infinite")
        return [_published_row(row) for row in table.to_dict("records")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not the table of published results ({first_line(error)}); restore it with git"
        ) from error


def _published_row(row: dict[Any, Any]) -> dict[str, Any]:
    supervision = "none" if row["selection"] in ("-", "none") else "supervised"
    if str(row["note"]).startswith("unsupervised"):
        supervision = "unsupervised"
    queries = has_queries(row["dataset"])
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
        "mark": MARKS.get(row["selection"], ""),
        "source": row["source"],
    }


def _published_videos(row: dict[Any, Any]) -> dict[str, float]:
    """F1 of each video, which the note lists in the order of the benchmark, where the paper prints them."""
    with suppress(ValueError):
        return dict(zip(BENCHMARKS[row["dataset"]].videos, map(float, str(row["note"]).split()), strict=True))
    return {}


class _FloorRow(BaseModel, strict=True, extra="allow"):
    """The metrics of a floor or ceiling, and of each the standard deviation, such as ``f1_std``."""

    __pydantic_extra__: dict[str, Annotated[float, Field(ge=-1, le=1)]] = Field(init=False)
    name: str


class _Floors(BaseModel, strict=True):
    """The file of ``clipit baselines --keep``."""

    dataset: str
    annotations_hash: str
    draws: int
    rules: Annotated[dict[str, list[_FloorRow]], Field(min_length=1)]
    """The rows by correlation rule."""


def floor_rows(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Floors and ceilings for each group of real data; F1 alone where the group's correlation rule is unknown."""
    groups = sorted({(row["dataset"], row["setting"], row["correlation"]) for row in rows if row["data"] == "real"})
    floors = []
    for path in sorted(folder.glob("*.json")):
        kept = read_typed(path, _Floors, "not floors of clipit baselines", "make them again or remove it")
        any_rule = next(iter(kept.rules.values()))
        for dataset, setting, rule in groups:
            if dataset == kept.dataset:
                unknown = {} if rule in kept.rules else dict.fromkeys(("kendall_tau", "spearman_rho"), math.nan)
                shown = kept.rules.get(rule, any_rule)  # F1 is the same under each
                place = {"dataset": dataset, "setting": setting, "data": "real", "correlation": rule}
                source = floors_source(kept.annotations_hash, kept.draws)
                floors += [floor_row({**row.model_dump(), **unknown}, place, source) for row in shown]
    return floors


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
