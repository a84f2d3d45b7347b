"""Results of many runs kept in three tables, from which every row and every comparison can be made again.

``runs.csv`` has a row a run: all of its `RunResult` but the folds, with dotted names, and the ``configuration`` as
words of `clipit train`. ``folds.csv`` has a row a fold, ``per_video.csv.gz`` a row a tested video, or query. Texts
stand as they are, everything else as JSON: None is ``null``, and a blank cell no value.
"""

import csv
import gzip
import json
import shlex
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pandas as pd

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import flatten
from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import atomic_path, check_is_file, check_typed
from clipit_lightning.core.shipped import HOME
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training.result import FoldSummary, RunResult
from clipit_lightning.training.run import Run, what_stays

KEPT = HOME / "experiments/results"
"""The tables of a checkout; an installed package has the leaderboard alone."""
_RUNS, _FOLDS, _PER_VIDEO = "runs.csv", "folds.csv", "per_video.csv.gz"
_ROW = ("video", "query", "fold", *METRICS)
_TEXTS = {
    *("protocol.identifier", "protocol.evaluation", "validation.monitor", "configuration"),
    *(name for name, field in RunResult.model_fields.items() if field.annotation is str),
    *(f"protocol.{field.name}" for field in fields(Protocol) if field.type is str),
}
"""Columns that hold texts."""
_RESTORE = "restore the folder with git"


_Cells = list[dict[str, Any]]


class KeptRun:
    """A run in the tables of a folder, read as `Run` reads one in a folder of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The folder of the tables and, as if it were a folder there, the name of the run."""
        self.per_video_file = path.parent / _PER_VIDEO

    def result(self) -> RunResult:
        """Read the result; a UserError where the tables are damaged."""
        name, table = self.path.name, self.path.parent / _RUNS
        problem = f"not the result of {name}"
        try:
            (row,) = _rows(table)[name]
            content = _content(row)
            folds = [{"validation": {}, **_content(row)} for row in _rows(self.path.parent / _FOLDS)[name]]
            for part in ("metrics", "validation"):
                for metric, value in content[part].items():
                    if isinstance(value, dict):
                        value["folds"] = [fold[part][metric] for fold in folds]
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise UserError(f"{table}: {problem} ({reason}); {_RESTORE}") from error
        return check_typed(content | {"folds": folds}, RunResult, table, problem, _RESTORE)

    def configuration(self) -> str:
        """Read the words of `clipit train` that make its configuration; empty where nobody kept them."""
        return _rows(self.path.parent / _RUNS)[self.path.name][0].get("configuration", "")

    def rows(self) -> pd.DataFrame:
        """Read the metrics of every tested video, or query, as `Run.rows` does."""
        name, rows = self.path.name, _rows(self.per_video_file).get(self.path.name)
        if rows is None:
            raise UserError(f"{self.per_video_file}: has no rows of {name}; run it again and keep that")
        try:
            table = pd.DataFrame([{name: cell for name, cell in row.items() if cell} for row in rows])
            names = [name for name in METRICS if name in table]
            table = table.astype({"fold": "int64", **dict.fromkeys(names, "float64")})
            if table[["video", *names]].isna().any(axis=None):
                raise ValueError("a value is missing")
        except (LookupError, ValueError) as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise UserError(f"{self.per_video_file}: not the rows of {name} ({reason}); {_RESTORE}") from error
        return table.drop(columns="run")


def open_run(path: Path) -> Run | KeptRun:
    """A run by its folder, by ``FOLDER/NAME`` where tables lie in the folder, or by the name of one in `KEPT`."""
    if not path.exists():
        for folder in (path.parent, *([KEPT] if str(path) == path.name else [])):
            if has_tables(folder) and path.name in _rows(folder / _RUNS):
                return KeptRun(folder / path.name)
    return Run(path)


def has_tables(folder: Path) -> bool:
    """Whether runs are kept as tables in a folder."""
    return (folder / _RUNS).exists()


def runs_in(folder: Path) -> list[Run | KeptRun]:
    """The runs that have a result in a folder: itself, or those of its tables and those with a folder of their own."""
    if (folder / "result.json").exists():
        return [Run(folder)]
    kept = [KeptRun(folder / name) for name in _rows(folder / _RUNS)] if has_tables(folder) else []
    return [*kept, *(Run(path.parent) for path in sorted(folder.glob("*/result.json")))]


def keep_runs(runs: Iterable[Run | KeptRun], folder: Path) -> None:
    """Write the tables of runs into a folder, in the place of those that it has.

    Raises:
        UserError: There is no run, two have one name, a folder lacks a metric that others of its run have, or a file is
            damaged.
    """
    named: dict[str, Run | KeptRun] = {}
    for run in runs:
        name = run.result().run
        if other := named.get(name):
            raise UserError(f"{run.path} and {other.path} are different runs of the name {name}; omit one of them")
        named[name] = run
    if not named:  # or a mistyped folder would empty the tables
        raise UserError(f"{folder}: there is no run to keep; name folders that hold tested runs")
    tables: tuple[_Cells, _Cells, _Cells] = ([], [], [])
    for name in sorted(named):
        for table, rows in zip(tables, _tables(named[name]), strict=True):
            table += [{"run": name, **row} for row in rows]
    per_run, per_fold, per_video = tables
    _write(folder / _PER_VIDEO, per_video, ["run", *_ROW])
    _write(folder / _FOLDS, per_fold, ["run", *FoldSummary.model_fields, "metrics"])
    _write(folder / _RUNS, per_run, [*RunResult.model_fields, "configuration"])


def _tables(run: Run | KeptRun) -> tuple[_Cells, _Cells, _Cells]:
    """Rows of a run for each of the three tables."""
    content = run.result().content()
    folds = content.pop("folds")
    for value in content["validation"].values():
        if isinstance(value, dict):
            del value["folds"]  # the folds have them
    for name, metric in content["metrics"].items():
        values = metric.pop("folds") if metric else []
        if metric and len(values) < len(folds):
            raise UserError(f"{run.path}: some folds lack {name}, which the tables cannot say; omit the run")
        for fold, value in zip(folds, values, strict=False):
            fold.setdefault("metrics", {})[name] = value
    content["configuration"] = run.configuration() if isinstance(run, KeptRun) else words_of(run.config())
    rows = run.rows()
    per_video = cast(_Cells, rows[[name for name in _ROW if name in rows]].to_dict("records"))
    return [_cells(content, "store", "versions")], [_cells(fold, "per_video") for fold in folds], per_video


def words_of(config: Config) -> str:
    """What differs from the defaults as words for `clipit train`, quoted for a shell, but for where the stores lie."""
    usual, chosen = (flatten(asdict(what_stays(one))) for one in (Config(), config))
    words = {key: value for key, value in chosen.items() if value != usual[key] and key != "data.root"}
    return shlex.join(f"{key}={_cell(value)}" for key, value in words.items())


def _cells(content: Mapping[str, Any], *whole: str) -> dict[str, str]:
    """Content as a row; some dictionaries, whose keys are not ours, stay whole."""
    tree = {name: json.dumps(value) if name in whole else value for name, value in content.items()}
    return {name: _cell(value) for name, value in flatten(tree).items()}


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _content(row: Mapping[str, str]) -> dict[str, Any]:
    """The content that `_cells` made a row of; a ValueError, TypeError or AttributeError where it is none."""
    content: dict[str, Any] = {}
    for name, cell in row.items():
        *above, last = name.split(".")
        if cell or name in _TEXTS:
            inside = content
            for key in above:
                inside = inside.setdefault(key, {})
            inside[last] = cell if name in _TEXTS else json.loads(cell)
    return content


def _write(path: Path, rows: Sequence[Mapping[str, Any]], order: Sequence[str]) -> None:
    """Write rows atomically; columns are in the order of what stands before their first point."""
    names = dict.fromkeys(name for row in rows for name in row) or order
    text = StringIO()
    columns = sorted(names, key=lambda name: order.index(name.partition(".")[0]))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _rows(path: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of a table by the name of their run."""
    try:
        check_is_file(path)
        return _parsed(path.resolve(), path.stat().st_mtime_ns)
    except (OSError, EOFError, KeyError, ValueError, csv.Error, zlib.error) as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UserError(f"{path}: not a table of runs ({reason}); {_RESTORE}") from error


@lru_cache(maxsize=8)
def _parsed(path: Path, written: int) -> dict[str, list[dict[str, str]]]:
    """Parse a table; ``written``, its time, is there so that one which changed is parsed again."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    rows: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(StringIO(text, newline=""), restval="", strict=True):
        if None in row:
            raise ValueError("a row is longer than the first")
        rows.setdefault(row["run"], []).append(row)
    return rows
