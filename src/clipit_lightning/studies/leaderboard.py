"""Results as rows: ours, one a configuration and protocol over its seeds; published ones; floors and ceilings."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipit_lightning.core.files import write_text
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.studies.reference_rows import MARKS, VIDEOS, floor_rows, published_rows
from clipit_lightning.training.result import RunResult, read_result

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
    rows += published_rows(published) if published and published.exists() else []
    rows += floor_rows(rows, floors) if floors and floors.is_dir() else []
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


def _safe(text: str) -> str:
    """A text that a spreadsheet does not take for a formula (OWASP: CSV injection); a lone dash is none."""
    return f"'{text}" if text != "-" and text[:1] in tuple("=+-@\t\r") else text


def write_board(board: pd.DataFrame, path: Path) -> None:
    """Write the rows as CSV, atomically."""
    write_text(path, board.to_csv(index=False, lineterminator="\n"))
