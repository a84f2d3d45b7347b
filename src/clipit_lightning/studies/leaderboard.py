"""Results as rows: ours, one a configuration and protocol over its seeds; published ones; floors and ceilings."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import check_is_file, write_text
from clipit_lightning.core.log import log
from clipit_lightning.core.shipped import HOME
from clipit_lightning.data import BENCHMARKS, has_queries
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.studies.kept import KeptRun, runs_in
from clipit_lightning.studies.reference_rows import (
    BEST_POSSIBLE,
    MARKS,
    VIDEOS,
    floor_rows,
    published_rows,
    read_floors,
)
from clipit_lightning.training.result import RunResult
from clipit_lightning.training.run import RUNS, Run

T = TypeVar("T")
_NAMES = ("method", "dataset", "setting", "supervision", "features", "data")
COLUMNS = (
    "method",
    "variant",
    *_NAMES[1:],
    *METRICS,
    *(f"{name}_std" for name in METRICS),
    *VIDEOS,
    *("folds", "all_folds", "seeds", "selection", "protocol", "run", "correlation", "kind", "mark", "source"),
)
_SAME = [name for name in COLUMNS if name not in ("selection", "protocol", "run", "mark", "variant")]
"""What is equal in two rows of a scorer that does not train, of which one is enough."""
BOARD = HOME / "experiments/leaderboard.csv"
"""The board that comes with the package."""
PUBLISHED, FLOORS = HOME / "experiments/published.csv", HOME / "experiments/floors"
USER_BOARD = RUNS / "leaderboard.csv"
"""Where the rows of a user's runs are written."""
GROUP = ["dataset", "setting", "data", "correlation"]
"""Columns that rows of one group share: what stands under one heading."""


def result_folders(runs: Path = RUNS) -> list[Path]:
    """Where the results of a user lie, for `make_board`: of what lies twice, the first one counts.

    First the folder of the runs, then the folders of grids in it, the one with the latest result first, without those
    of ``--quick``, whose runs are too short to stand beside others.
    """
    grids = [folder for folder in sorted(runs.glob("*")) if not folder.name.endswith("-quick")]
    times = {
        folder: max((path.stat().st_mtime for path in folder.glob("*/result.json")), default=0) for folder in grids
    }
    return [runs, *sorted(filter(times.get, times), key=lambda folder: -times[folder])]


def find_runs(folders: Iterable[Path], damaged: list[str] | None = None) -> list[tuple[Run | KeptRun, RunResult]]:
    """Find the runs in the folders, in folders of their own or in tables (`keep_runs`), and read their results.

    A run that lies in two folders counts once, as the first of them has it. It is the same run where protocol (which
    knows the data), configuration, folds and seed are. Trials of a search, which test nothing, are omitted. What is
    wrong with a file that cannot be read is added to ``damaged`` where that is given, and is a UserError elsewhere.
    """
    runs: dict[tuple[str, ...], tuple[Run | KeptRun, RunResult]] = {}
    for folder in folders:
        for run in _readable(folder, partial(runs_in, folder), damaged) or ():
            result = _readable(run.path, run.result, damaged)
            if result is not None and result.metrics:
                runs.setdefault((*_trained(result), str(result.seed)), (run, result))
    return list(runs.values())


def _readable(path: Path, read: Callable[[], T], damaged: list[str] | None) -> T | None:
    """What a function reads of a path; None where it cannot, with the reason added to ``damaged`` if that is given."""
    try:
        return read()
    except (OSError, UserError) as error:
        if damaged is None:
            raise
        damaged.append(str(error) if isinstance(error, UserError) else f"{path}: {error.strerror or error}")
        return None


def _trained(result: RunResult) -> tuple[str, ...]:
    """What was trained and how it was measured, without the seed; repetitions have the same."""
    folds = ",".join(str(fold.fold) for fold in result.folds)
    names = (getattr(result, name) for name in _NAMES)
    return *names, result.protocol.identifier, result.config_hash, folds


def make_board(
    folders: Iterable[Path],
    published: Path | None = None,
    floors: Path | None = None,
    kept: Path | None = None,
    damaged: list[str] | None = None,
) -> pd.DataFrame:
    """All rows, grouped by data set, setting, data and correlation rule; the ceiling of F1, then the best first.

    Runs of a part of the folds stand below those of all, whatever they reached; of twins that do not train one is left.

    A mean of ours is over seeds of the means over folds; a standard deviation (sample) is over all folds of all
    seeds, and blank where there is one only; that of a random floor is over its draws. F1 in percent.

    ``published`` is the CSV file of the field's printed results, ``floors`` the folder of ``clipit baselines --keep``,
    from which each group of real data takes its rule's rows, ``kept`` a board whose rows of ours are added, with the
    kind ``kept``.

    Raises:
        UserError: A file cannot be read; of results, only where no list is given for the ``damaged``.
    """
    groups: dict[tuple[str, ...], list[RunResult]] = {}
    results = [result for _, result in find_runs(folders, damaged)]
    for result in sorted(results, key=lambda result: (result.seed, result.run)):
        groups.setdefault(_trained(result), []).append(result)
    rows = _apart([results[0] for results in groups.values()], [row_of(results) for results in groups.values()])
    rows += _kept_rows(kept) if kept and kept.exists() else []
    kept_floors = read_floors(floors) if floors and floors.is_dir() else []
    rows += published_rows(published, kept_floors) if published and published.exists() else []
    rows += floor_rows(rows, kept_floors)
    board = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in board.select_dtypes(exclude="number"):
        board[name] = [_safe(str(value)) for value in board[name].fillna("")]
    board = board[~board.duplicated(_SAME) | (board["kind"] != "ours") | (board["supervision"] != "none")]
    board = board.assign(part=board["folds"] < board["all_folds"], below=board["method"] != BEST_POSSIBLE)
    order = [*GROUP, "below", "part", "kendall_tau", "f1", "method", "features", "run"]
    directions = [name not in ("data", "kendall_tau", "f1") for name in order]  # "real" stands above "mini"
    return board.sort_values(order, ascending=directions, ignore_index=True)[list(COLUMNS)]


def row_of(results: Sequence[RunResult]) -> dict[str, Any]:
    """The row of runs that differ only in their seeds."""
    first = results[0]
    row: dict[str, Any] = {name: getattr(first, name) for name in _NAMES}
    row["variant"] = " ".join(word for word in first.variant.split() if word != "unsupervised")
    for name, metric in METRICS.items():
        measured = [result.measured[name] for result in results if name in result.measured]
        folds = [value for values in measured for value in values.folds]
        row[name] = round(spread([values.mean for values in measured], metric.factor)[0], 4)
        row[f"{name}_std"] = round(spread(folds, metric.factor)[1], 4)
    for video in VIDEOS:
        key = f"{first.dataset}/{video}"
        per_fold = [fold.per_video.get(key, {}) for result in results for fold in result.folds]
        f1 = [values["f1"] for values in per_fold if "f1" in values]
        row[video] = round(spread(f1, METRICS["f1"].factor)[0], 4)
    return row | {
        "folds": len(first.folds),
        "all_folds": _all_folds(first),
        "seeds": len({result.seed for result in results}),
        "selection": first.selection,
        "protocol": first.protocol.identifier,
        "run": " ".join(result.run for result in results),
        "correlation": first.protocol.correlation,
        "kind": "ours",
        "mark": MARKS.get(first.selection, ""),
    }


def _apart(results: Sequence[RunResult], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tell stores of one's own of the same name apart, whose results cannot be compared: by their annotations' hash."""
    known = {(one.dataset, one.protocol.annotations_hash) for one in results if one.dataset not in BENCHMARKS}
    times = Counter(dataset for dataset, _ in known)
    for result, row in zip(results, rows, strict=True):
        if times[result.dataset] > 1:
            row["dataset"] = f"{result.dataset} ({result.protocol.annotations_hash})"
    return rows


def _all_folds(result: RunResult) -> int:
    """How many folds there are where this run may have trained one; of queries, one for each video."""
    if has_queries(result.dataset):
        return len(BENCHMARKS[result.dataset].videos)
    number = re.search(r"\d{1,5}$", result.protocol.folds.partition(" seed ")[0])
    return max(len(result.folds), int(number[0]) if number else 1)


def _kept_rows(path: Path) -> list[dict[Any, Any]]:
    board = read_board(path)
    return board[board["kind"] == "ours"].assign(kind="kept").to_dict("records")


def read_board(path: Path) -> pd.DataFrame:
    """Read what `write_board` wrote."""
    texts = dict.fromkeys((*_NAMES, "variant", "selection", "protocol", "run", "correlation", "kind", "mark"), "str")
    try:
        check_is_file(path)
        board = pd.read_csv(path, dtype=texts).reindex(columns=list(COLUMNS))
        return board.fillna(dict.fromkeys(texts, ""))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a leaderboard ({first_line(error)}); restore it with git") from error


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


def lies_in_runs(folder: Path) -> bool:
    """Whether a run lies where `clipit leaderboard` looks by default, outside of a grid."""
    return folder.resolve().parent == RUNS.resolve()


def update_board() -> None:
    """Write the rows of a user's runs anew, beside those that are shipped; what cannot be read is named and omitted."""
    damaged: list[str] = []
    try:
        write_board(make_board(result_folders(), PUBLISHED, FLOORS, BOARD, damaged), USER_BOARD)
    except (OSError, UserError) as error:
        damaged.append(str(error))
    for line in damaged:
        log.info(f"NOTE: {USER_BOARD} is not complete: {line}")
