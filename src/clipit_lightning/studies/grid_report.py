"""The tables of a benchmark: a row a scorer and cell, and the paired differences of one scorer from all others."""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_text
from clipit_lightning.core.log import log
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.studies.compare import compare_runs
from clipit_lightning.studies.grid import Grid, GridRun, roots_of
from clipit_lightning.studies.kept import KeptRun, has_tables, open_run
from clipit_lightning.studies.leaderboard import spread
from clipit_lightning.studies.tables import MAIN, markdown_table, mean_and_std

_CELL = ["cell", "dataset", "setting", "supervision", "data"]
_SPREADS = [f"{name}{end}" for name in MAIN for end in ("", "_std", "_folds_std")]
COLUMNS = [*_CELL, "scorer", "seeds", *_SPREADS, "parameters", "minutes"]
PAIRED_COLUMNS = [
    *("cell", "supervision", "candidate", "other", "best", "metric"),
    *("difference", "low", "high", "p", "pairs", "what"),
]
_NOTE = (
    "±: sample standard deviation over seeds, in brackets over all folds of all seeds. Differences are paired over "
    "videos, each side the mean over its own seeds: 95 % bootstrap interval, two-sided sign-flip permutation p. * best "
    "other of the cell"
)


def finished_runs(grid: Grid, folder: Path) -> list[GridRun]:
    """The runs of a grid that are finished, as the grid describes them now; those that are damaged are named.

    They lie in the folder, or are kept in its tables (`keep_runs`).
    """
    # The column of the data says what is made of the miniature. Tables need no stores.
    roots = {} if has_tables(folder) else roots_of(grid.runs, announce=False)
    finished = []
    for run in grid.runs:
        try:
            finished += [run] if _is_finished(run, folder, roots) else []
        except UserError as error:  # one damaged run does not cost the tables
            log.info(f"NOTE: {run.name} is omitted: {error}")
    return finished


def _is_finished(run: GridRun, folder: Path, roots: Mapping[str | None, str]) -> bool:
    if roots:
        return run.is_finished(folder / run.name, roots[run.config.data.root])
    kept = open_run(folder / run.name)
    if not isinstance(kept, KeptRun):
        return False
    result = kept.result()
    return (result.config_hash, result.seed) == (run.hash, run.config.seed)


def benchmark_table(runs: Sequence[GridRun], folder: Path) -> pd.DataFrame:
    """A row a cell and scorer, best first in a cell.

    A mean is over seeds of the means over folds, ``*_std`` the sample standard deviation of these means, and
    ``*_folds_std`` that of all folds of all seeds; blank where there is one only. F1 in percent.
    """
    rows = []
    for (cell, supervision, scorer), group in _groups(runs).items():
        results = [open_run(folder / run.name).result() for run in group]
        row = {"cell": cell, "supervision": supervision, "scorer": scorer, "seeds": len(group)}
        row |= {name: getattr(results[0], name) for name in ("dataset", "setting", "data")}
        for name in MAIN:
            measured = [result.measured[name] for result in results if name in result.measured]
            mean, over_seeds = spread([metric.mean for metric in measured], METRICS[name].factor)
            _, over_folds = spread([value for metric in measured for value in metric.folds], METRICS[name].factor)
            row |= {name: mean, f"{name}_std": over_seeds, f"{name}_folds_std": over_folds}
        row |= {"parameters": results[0].parameters}
        rows.append(row | {"minutes": round(sum(result.wall_seconds for result in results) / 60, 2)})
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["order"] = table.groupby(["cell", "supervision"], sort=False).ngroup()
    order = ["order", "kendall_tau", "f1", "scorer"]
    return table.sort_values(order, ascending=[True, False, False, True], ignore_index=True)[COLUMNS]


def _groups(runs: Sequence[GridRun]) -> dict[tuple[str, str, str], list[GridRun]]:
    """The runs of each cell and scorer, which in a grid follow one another."""
    return {key: list(group) for key, group in groupby(runs, lambda run: (*run.cell, run.scorer))}


def paired_table(runs: Sequence[GridRun], folder: Path, candidate: str, table: pd.DataFrame) -> pd.DataFrame:
    """The candidate's differences from every other scorer of its cell; ``best`` marks the best of these by mean tau."""
    groups, rows = _groups(runs), []
    for (cell, supervision, scorer), group in groups.items():
        ours = groups.get((cell, supervision, candidate))
        if scorer == candidate or ours is None:
            continue
        others = table.query("cell == @cell and supervision == @supervision and scorer != @candidate")
        one, other = ([folder / run.name for run in side] for side in (ours, group))
        names = {"cell": cell, "supervision": supervision, "candidate": candidate, "other": scorer}
        names |= {"best": "*" if others["scorer"].iloc[0] == scorer else ""}  # the table is sorted
        try:
            differences = {str(row["metric"]): row for row in compare_runs(one, other).to_dict("records")}
        except UserError as error:  # does not cost the others
            log.info(f"NOTE: {candidate} and {scorer} in {cell} are not compared: {error}")
            continue
        for metric in (name for name in MAIN if name in differences):
            row = differences[metric]
            scaled = {name: METRICS[metric].factor * float(row[name]) for name in ("difference", "low", "high")}
            rows.append(names | {"metric": metric, **scaled, **{name: row[name] for name in ("p", "pairs", "what")}})
    return pd.DataFrame(rows, columns=PAIRED_COLUMNS)


def write_report(grid: Grid, folder: Path, failed: Collection[str] = ()) -> None:
    """Write ``benchmark.csv``, ``paired.csv`` and ``benchmark.md`` into the folder, and print the tables.

    Runs in ``failed`` are omitted: what lies there is a result on other data than now.

    Raises:
        UserError: No run is finished.
    """
    runs = [run for run in finished_runs(grid, folder) if run.name not in failed]
    if not runs:
        raise UserError(f"{folder}: no finished run of {grid.path.name} here; run it without --report")
    table = benchmark_table(runs, folder)
    paired = paired_table(runs, folder, grid.candidate, table)
    write_text(folder / "benchmark.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_text(folder / "paired.csv", paired.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    shown = {"Means": shown_means(table), f"Differences of {grid.candidate} from the others": shown_pairs(paired)}
    head = f"{len(runs)} of {len(grid.runs)} runs of {grid.path.name}"
    sections = [f"## {title}\n\n{markdown_table(rows)}" for title, rows in shown.items()]
    write_text(folder / "benchmark.md", "\n\n".join([f"# Benchmark: {head}", *sections, _NOTE]) + "\n")
    for title, rows in shown.items():
        if len(rows):
            log.info(f"\n{title}\n{rows.to_string(index=False)}")
    log.info(f"\n{_NOTE}\n{head}: {folder}/benchmark.csv, paired.csv, benchmark.md")


def shown_means(table: pd.DataFrame) -> pd.DataFrame:
    """Make texts of `benchmark_table`: mean ± deviation over seeds [over folds]."""
    rows = []
    for row in table.to_dict("records"):
        cells = {name: str(row[name]) for name in ("cell", "supervision", "data", "scorer", "seeds")}
        for name in MAIN:
            places = METRICS[name].digits
            mean, seeds, folds = (row[f"{name}{end}"] for end in ("", "_std", "_folds_std"))
            over = "" if math.isnan(folds) else f" [{folds:.{places}f}]"
            cells[METRICS[name].column] = mean_and_std(mean, seeds, places) + over
        rows.append(cells | {"parameters": str(row["parameters"]), "minutes": f"{row['minutes']:.1f}"})
    return pd.DataFrame(rows)


def shown_pairs(paired: pd.DataFrame) -> pd.DataFrame:
    """Make texts of `paired_table`, a row a pair; what a pair was not measured by is a dash."""
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    measured = [METRICS[name].column for name in MAIN if name in set(paired["metric"])]
    blank = {cell: "-" for label in measured for cell in (label, f"p({label})")}  # a cell may lack what another has
    for row in paired.to_dict("records"):
        key = (row["cell"], row["supervision"], row["other"])
        start = {"cell": key[0], "supervision": key[1], "other": f"{key[2]} *" if row["best"] else key[2]}
        cells = rows.setdefault(key, start | {"pairs": f"{row['pairs']} {row['what']}"} | blank)
        places, label = METRICS[row["metric"]].digits, METRICS[row["metric"]].column
        low, high = (f"{row[name]:+.{places}f}" for name in ("low", "high"))
        cells[label] = f"{row['difference']:+.{places}f} [{low}, {high}]"
        cells[f"p({label})"] = f"{row['p']:.4f}"
    return pd.DataFrame(list(rows.values()))
