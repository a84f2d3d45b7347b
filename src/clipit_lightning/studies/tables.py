"""Leaderboard, results and comparisons as text: for a terminal, for Markdown, for a spreadsheet."""

import math
from typing import Any

import pandas as pd

from clipit_lightning.evaluation.names import METRICS, SHOWN, metric_name
from clipit_lightning.studies.leaderboard import GROUP
from clipit_lightning.studies.reference_rows import MARKS, VIDEOS
from clipit_lightning.training.result import RunResult

MAIN = ("kendall_tau", "spearman_rho", "f1")
"""The metrics of a grid's lines and tables; F1 in percent."""
_SIGNS = dict(zip(MARKS.values(), ("†", "‡"), strict=True))
_LEGEND = (
    "±: sample standard deviation over all folds of all seeds, of [random] over its draws; "
    + "; ".join(f"{sign} {text}" for text, sign in _SIGNS.items())
    + "; [...] floors and ceilings, over all videos"
)


def format_board(board: pd.DataFrame, form: str = "table") -> str:
    """The board as ``table``, ``markdown`` or ``csv``; tables stand under a heading for each group.

    Rows of ours that only their configurations tell apart, as those of ablations, have the name of their first run.
    """
    if form == "csv":
        return board.to_csv(index=False, lineterminator="\n").rstrip()
    if board.empty:
        return "no results yet: `make train DATASET=tvsum` makes one"
    blocks = []
    for (dataset, setting, data, rule), group in board.groupby(GROUP, sort=False):
        heading = f"{dataset}, {setting}, data={data}" + (f", correlation {rule}" if rule != "none" else "")
        measured = [name for name in (*SHOWN, *VIDEOS) if group[name].notna().any()]
        same = group.duplicated(["kind", "method", "supervision", "features", "selection"], keep=False)
        runs = group["run"].map(lambda run: str(run).partition(" ")[0].removesuffix("-seed0"))
        named = group.assign(method=group["method"].where(~same | (group["kind"] != "ours"), runs))
        shown = pd.DataFrame([_cells(row, measured) for row in named.to_dict("records")])
        if form == "table":
            blocks.append(f"{heading}\n{shown.to_string(index=False)}")
        else:
            blocks.append(f"## {heading}\n\n{markdown_table(shown)}")
    return "\n\n".join([*blocks, _LEGEND])


def _cells(row: dict[Any, Any], measured: list[str]) -> dict[str, str]:
    sign = _SIGNS.get(row["mark"], "")
    cells = {"method": f"{row['method']} {sign}".rstrip()}
    cells |= {name: str(row[name]) for name in ("supervision", "features")}
    for name in measured:
        metric = metric_name(name)
        cells[metric.column] = mean_and_std(row[name], row.get(f"{name}_std", math.nan), metric.digits)
    ours = row["kind"] == "ours"
    cells |= {name: f"{row[name]:.0f}" if ours else "" for name in ("folds", "seeds")}
    return cells | {"selection": str(row["selection"])}


def markdown_table(table: pd.DataFrame) -> str:
    """A Markdown table; pandas' own needs another package for it."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def mean_and_std(mean: float, std: float, places: int) -> str:
    """A mean with its standard deviation, where there is one."""
    if math.isnan(mean):
        return "-"
    return f"{mean:.{places}f}" if math.isnan(std) else f"{mean:.{places}f} ±{std:.{places}f}"


def result_table(result: RunResult) -> str:
    """One result as a few lines for a terminal."""
    what = f"{result.setting}, {result.supervision}, data={result.data}, folds {len(result.folds)}"
    lines = [f"{result.method} on {result.dataset} ({what})"]
    for name in SHOWN:
        if reached := result.measured.get(name):
            metric = METRICS[name]
            std = math.nan if reached.std is None else metric.factor * reached.std
            lines.append(f"  {metric.label:28}{mean_and_std(metric.factor * reached.mean, std, metric.digits)}")
    mark = MARKS.get(result.selection)
    marked = f" (MARKED: {mark}, for comparison only)" if mark else ""
    protocol = result.protocol.identifier
    lines.append(f"  protocol {protocol}, selection {result.selection}{marked}, {result.wall_seconds:.0f} s")
    return "\n".join(lines)


def format_comparison(table: pd.DataFrame) -> str:
    """A comparison as a table; F1 in percent."""
    rows = []
    for row in table.to_dict("records"):
        metric = METRICS[str(row["metric"])]
        names = ("one", "other", "difference", "low", "high")
        cells = {name: f"{metric.factor * row[name]:.{metric.digits + 1}f}" for name in names}
        interval = f"[{cells.pop('low')}, {cells.pop('high')}]"
        rows.append({"metric": metric.column, **cells, "95 % interval": interval, "p": f"{row['p']:.4f}"})
    pairs = f"{table['pairs'].iloc[0]} {table['what'].iloc[0]}"
    note = f"paired over {pairs}: bootstrap interval, two-sided sign-flip permutation p; difference = one - other"
    return f"{pd.DataFrame(rows).to_string(index=False)}\n{note}"
