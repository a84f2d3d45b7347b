"""Leaderboard, results and comparisons as text: for a terminal, for Markdown, for a spreadsheet."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from clipit_lightning.evaluation.names import METRICS, SHOWN, metric_name
from clipit_lightning.studies.leaderboard import GROUP
from clipit_lightning.studies.reference_rows import ABOVE_CEILING, MARKS, OTHER_ANNOTATIONS, VIDEOS

MAIN = ("kendall_tau", "spearman_rho", "f1")
"""The metrics of a grid's lines and tables; F1 in percent."""
_SIGNS = dict(zip((*MARKS.values(), OTHER_ANNOTATIONS, ABOVE_CEILING), ("†", "‡", "°", "§", "¶"), strict=True))


def format_board(board: pd.DataFrame, form: str = "table") -> str:
    """The board as ``table``, ``markdown`` or ``csv``; tables stand under a heading for each group.

    Rows that come with the package, beside those of a user's runs, are marked as kept.
    """
    if form == "csv":
        return board.to_csv(index=False, lineterminator="\n").rstrip()
    if board.empty:
        return "no results yet: `make train DATASET=tvsum` makes one"
    blocks = []
    for (dataset, setting, data, rule), group in board.groupby(GROUP, sort=False):
        heading = f"{dataset}, {setting}, data={data}" + (f", correlation {rule}" if rule != "none" else "")
        measured = [name for name in (*SHOWN, *VIDEOS) if group[name].notna().any()]
        shown = pd.DataFrame([_cells(row, measured) for row in group.to_dict("records")])
        if form == "table":
            blocks.append(f"{heading}\n{shown.to_string(index=False)}")
        else:
            blocks.append(f"## {heading}\n\n{markdown_table(shown)}")
    floors = ["[...] floors and ceilings, over all videos"] if "floor or ceiling" in set(board["kind"]) else []
    return "\n\n".join([*blocks, "; ".join([*legend(board), *floors])]).rstrip()


def legend(rows: pd.DataFrame) -> list[str]:
    """What the signs mean that stand in a table of these rows."""
    marks = {mark for text in rows["mark"] for mark in text.split("; ")}
    signs = [f"{sign} {text}" for text, sign in _SIGNS.items() if text in marks]
    unranked = ["a part of the folds stands below, not ranked"] if is_part(rows).any() else []
    has_spread = rows[[f"{name}_std" for name in METRICS]].notna().any(axis=None)
    spread = (
        ["±: sample standard deviation over all folds of all seeds, of [random] over its draws"] if has_spread else []
    )
    return [*spread, *signs, *unranked]


def is_part(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows are of a part of the folds."""
    return rows["folds"] < rows["all_folds"]


def row_name(row: Mapping[Any, Any]) -> str:
    """What a row is called: its method, of ours what differs from the shipped configuration, and its mark."""
    kept = "(kept)" if row["kind"] == "kept" else ""
    signs = [_SIGNS.get(mark, "") for mark in row["mark"].split("; ")]
    return " ".join(filter(None, (row["method"], row["variant"], kept, *signs)))


def folds_of(row: Mapping[Any, Any]) -> str:
    """How many folds a row of ours is of: ``5``, or ``1 of 5``."""
    part = f" of {row['all_folds']:.0f}" if row["folds"] < row["all_folds"] else ""
    return f"{row['folds']:.0f}{part}"


def _cells(row: dict[Any, Any], measured: list[str]) -> dict[str, str]:
    cells = {"method": row_name(row)}
    cells |= {name: str(row[name]) for name in ("supervision", "features")}
    for name in measured:
        metric = metric_name(name)
        cells[metric.column] = mean_and_std(row[name], row.get(f"{name}_std", math.nan), metric.digits)
    ours = row["kind"] in ("ours", "kept")
    cells |= {"folds": folds_of(row) if ours else "", "seeds": f"{row['seeds']:.0f}" if ours else ""}
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


def format_comparison(table: pd.DataFrame) -> str:
    """A comparison as a table; F1 in percent."""
    rows = []
    for row in table.to_dict("records"):
        metric = METRICS[str(row["metric"])]
        names = ("one", "other", "difference", "low", "high")
        cells = {name: f"{metric.factor * row[name]:.{metric.digits + 1}f}" for name in names}
        interval = f"[{cells.pop('low')}, {cells.pop('high')}]"
        rows.append({"metric": metric.column, **cells, "95 % interval": interval, "p": f"{row['p']:.4f}"})
    first = table.iloc[0]
    pairs = f"{first['pairs']} {first['what']}"
    notes = [f"paired over {pairs}: bootstrap interval, two-sided sign-flip permutation p; difference = one - other"]
    if first["only_one"] or first["only_other"]:
        what = str(first["what"]).partition(",")[0]
        notes.append(f"NOTE: dropped {first['only_one']} {what} that only one has, {first['only_other']} only other")
    if first["across"]:
        notes.append(f"NOTE: compared across protocols that differ in {first['across']}")
    return "\n".join([pd.DataFrame(rows).to_string(index=False), *notes])
