"""Results as rows: ours, one a configuration and protocol over its seeds; published ones; floors and ceilings."""

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import check_is_file, read_typed, write_text
from clipit_lightning.data import BENCHMARKS, has_queries
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.training.result import RunResult, read_result

VIDEOS = tuple(video for benchmark in BENCHMARKS.values() for video in benchmark.videos)
"""Videos whose own F1 is a column: benchmarks with queries have four videos, and the field prints each."""
_NAMES = ("method", "dataset", "setting", "supervision", "features", "data")
COLUMNS = (
    *_NAMES,
    *METRICS,
    *(f"{name}_std" for name in METRICS),
    *VIDEOS,
    *("folds", "seeds", "selection", "protocol", "run", "correlation", "kind", "mark", "source"),
)
GROUP = ["dataset", "setting", "data", "correlation"]
"""Columns that rows of one group share: what stands under one heading."""
MARKS = {"best-on-test": "best epoch on the test fold", "unknown": "selection unknown"}
"""Marks of rows whose choice of the epoch makes their number too good, or may."""
_PUBLISHED_RULES = {
    "per-annotator": "per-annotator",
    "binary-summary": "binary-summary",
    "per-annotator all frames": "all-frames",
    "mean-annotator all frames": "mean-annotator-all-frames",
}
_PUBLISHED_METRICS = ["f1", "kendall_tau", "spearman_rho"]


def result_folders(runs: Path = Path("runs"), kept: Path = Path("experiments/results")) -> list[Path]:
    """Where results lie, for `make_board`: of what lies twice, the first one counts.

    First the folder of the runs, then the folders of grids in it, the one with the latest result first, without those
    of ``--quick``, whose runs are too short to stand beside others; last the results that are committed.
    """
    grids = [folder for folder in sorted(runs.glob("*")) if not folder.name.endswith("-quick")]
    times = {
        folder: max((path.stat().st_mtime for path in folder.glob("*/result.json")), default=0) for folder in grids
    }
    return [runs, *sorted(filter(times.get, times), key=lambda folder: -times[folder]), kept]


def find_results(folders: Iterable[Path]) -> list[RunResult]:
    """Read every ``result.json`` of the runs under the folders, and every ``*.json`` of a folder of results.

    A run that lies in two folders counts once, as the first of them has it. It is the same run where protocol (which
    knows the data), configuration, folds and seed are. Trials of a search, which test nothing, are omitted.
    """
    results: dict[tuple[str, ...], RunResult] = {}
    for folder in folders:
        for path in sorted([*folder.glob("*/result.json"), *folder.glob("*.json")]):
            result = read_result(path)
            if result.metrics:
                results.setdefault((*_trained(result), str(result.seed)), result)
    return list(results.values())


def _trained(result: RunResult) -> tuple[str, ...]:
    """What was trained and how it was measured, without the seed; repetitions have the same."""
    folds = ",".join(str(fold.fold) for fold in result.folds)
    names = (getattr(result, name) for name in _NAMES)
    return *names, result.protocol.identifier, result.config_hash, folds


def make_board(folders: Iterable[Path], published: Path | None = None, floors: Path | None = None) -> pd.DataFrame:
    """All rows, grouped by data set, setting, data and correlation rule; best first within a group.

    A mean of ours is over seeds of the means over folds; a standard deviation (sample) is over all folds of all
    seeds, and blank where there is one only; that of a random floor is over its draws. F1 in percent.

    ``published`` is the CSV file of the field's printed results, ``floors`` the folder of ``clipit baselines --keep``,
    from which each group of real data takes its rule's rows.

    Raises:
        UserError: A file cannot be read.
    """
    groups: dict[tuple[str, ...], list[RunResult]] = {}
    for result in sorted(find_results(folders), key=lambda result: (result.seed, result.run)):
        groups.setdefault(_trained(result), []).append(result)
    rows = [_row(results) for results in groups.values()]
    rows += _published_rows(published) if published and published.exists() else []
    rows += _floor_rows(rows, floors) if floors and floors.is_dir() else []
    board = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in board.select_dtypes(exclude="number"):
        board[name] = [_safe(str(value)) for value in board[name].fillna("")]
    order = [*GROUP, "kendall_tau", "f1", "method", "features", "run"]
    directions = [name not in ("data", "kendall_tau", "f1") for name in order]  # "real" stands above "mini"
    return board.sort_values(order, ascending=directions, ignore_index=True)


def _row(results: list[RunResult]) -> dict[str, Any]:
    first = results[0]
    row: dict[str, Any] = {name: getattr(first, name) for name in _NAMES}
    for name, metric in METRICS.items():
        measured = [result.measured[name] for result in results if name in result.measured]
        folds = [value for values in measured for value in values.folds]
        row[name] = round(spread([values.mean for values in measured], metric.factor)[0], 4)
        row[f"{name}_std"] = round(spread(folds, metric.factor)[1], 4)
    for video in VIDEOS:
        key = f"{first.dataset}/{video}"
        f1 = [fold.per_video[key]["f1"] for result in results for fold in result.folds if key in fold.per_video]
        row[video] = round(spread(f1, METRICS["f1"].factor)[0], 4)
    return row | {
        "folds": len(first.folds),
        "seeds": len({result.seed for result in results}),
        "selection": first.selection,
        "protocol": first.protocol.identifier,
        "run": " ".join(result.run for result in results),
        "correlation": first.protocol.correlation,
        "kind": "ours",
        "mark": MARKS.get(first.selection, ""),
    }


def spread(values: Sequence[float], factor: float) -> tuple[float, float]:
    """Mean and sample standard deviation, both times a factor; NaN where there are too few values."""
    mean = factor * float(np.mean(values)) if values else math.nan
    return mean, factor * float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _published_rows(path: Path) -> list[dict[str, Any]]:
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


def _floor_rows(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
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
                floors += [_floor_row({**row.model_dump(), **unknown}, kept, setting, rule) for row in shown]
    return floors


def _floor_row(row: dict[str, Any], kept: _Floors, setting: str, rule: str) -> dict[str, Any]:
    metrics = METRICS | dict.fromkeys(VIDEOS, METRICS["f1"])
    names = {name: round(metric.factor * row[name], 4) for name, metric in metrics.items() if name in row}
    drawn = {f"{name}_std": metric.factor * row.get(f"{name}_std", math.nan) for name, metric in METRICS.items()}
    spread = {name: round(value, 4) for name, value in drawn.items()} if np.nansum([*drawn.values()]) else {}
    return {
        "method": f"[{row['name']}]",
        "dataset": kept.dataset,
        "setting": setting,
        "supervision": "none",
        "features": "-",
        "data": "real",
        **names,
        **spread,
        "selection": "none",
        "correlation": rule,
        "kind": "floor or ceiling",
        "source": f"clipit baselines, annotations {kept.annotations_hash}, {kept.draws} draws",
    }


def _safe(text: str) -> str:
    """A text that a spreadsheet does not take for a formula (OWASP: CSV injection); a lone dash is none."""
    return f"'{text}" if text != "-" and text[:1] in tuple("=+-@\t\r") else text


def write_board(board: pd.DataFrame, path: Path) -> None:
    """Write the rows as CSV, atomically."""
    write_text(path, board.to_csv(index=False, lineterminator="\n"))
