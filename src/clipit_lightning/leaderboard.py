"""Results of runs as rows: one a configuration and protocol, over its seeds."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipit_lightning.errors import UserError
from clipit_lightning.files import read_json, write_text

METRICS = {"f1": 100.0, "f1_mean": 100.0, "f1_max": 100.0, "kendall_tau": 1.0, "spearman_rho": 1.0}
"""Metrics and the factor they are printed with: F1 in percent, as the field prints it."""
_NAMES = ("method", "dataset", "setting", "supervision", "features", "data")
COLUMNS = (
    *_NAMES,
    *METRICS,
    *(f"{name}_std" for name in METRICS),
    "folds",
    "seeds",
    "selection",
    "protocol",
    "run",
)


def find_results(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Read every ``result.json`` of the runs under the folders, and every ``*.json`` of a folder of results.

    A run that is found twice, as under ``runs`` and copied to ``experiments/results``, counts once.

    Raises:
        UserError: A result cannot be read.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for folder in folders:
        for path in sorted([*folder.glob("*/result.json"), *folder.glob("*.json")]):
            result = read_json(path)
            try:
                found.setdefault((result["run"], result["protocol"]["identifier"]), result)
            except (KeyError, TypeError) as error:
                raise UserError(f"{path}: not a result of clipit train ({error} is missing); remove it") from error
    return list(found.values())


def make_board(folders: Iterable[Path]) -> pd.DataFrame:
    """One row a configuration and protocol, sorted; the same results give the same rows in any order.

    A mean is over seeds of the means over folds; a standard deviation (sample) is over all folds of all seeds, and
    blank where there is one only. F1 in percent.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for result in find_results(folders):
        folds = ",".join(str(fold["fold"]) for fold in result["folds"])
        key = (
            *(str(result[name]) for name in _NAMES),
            result["protocol"]["identifier"],
            result["config_hash"],
            folds,
        )
        groups.setdefault(key, []).append(result)
    rows = [_row(sorted(results, key=lambda result: (result["seed"], result["run"]))) for results in groups.values()]
    board = pd.DataFrame(rows, columns=list(COLUMNS))
    order = ["dataset", "setting", "data", "features", "protocol", "kendall_tau", "method", "run"]
    ascending = [name != "kendall_tau" for name in order]
    return board.sort_values(order, ascending=ascending, ignore_index=True)


def _row(results: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {name: results[0][name] for name in _NAMES}
    for name, factor in METRICS.items():
        metrics = [result["metrics"][name] for result in results if result["metrics"][name]]
        folds = [value for metric in metrics for value in metric["folds"]]
        row[name] = round(factor * float(np.mean([metric["mean"] for metric in metrics])), 4) if metrics else math.nan
        row[f"{name}_std"] = round(factor * float(np.std(folds, ddof=1)), 4) if len(folds) > 1 else math.nan
    row |= {
        "folds": len(results[0]["folds"]),
        "seeds": len({result["seed"] for result in results}),
        "selection": results[0]["selection"],
        "protocol": results[0]["protocol"]["identifier"],
        "run": _safe(" ".join(result["run"] for result in results)),
    }
    return row


def _safe(name: str) -> str:
    """A name that a spreadsheet does not take for a formula (OWASP: CSV injection)."""
    return f"'{name}" if name[:1] in tuple("=+-@\t\r") else name


def write_board(board: pd.DataFrame, path: Path) -> None:
    """Write the rows as CSV, atomically."""
    write_text(path, board.to_csv(index=False, lineterminator="\n"))


def format_board(board: pd.DataFrame) -> str:
    """The rows as a table for a terminal: means with their deviations."""
    if board.empty:
        return "no results yet: `make train DATASET=tvsum` makes one"
    shown = board[["dataset", "setting", "data", "method", "supervision", "features"]].copy()
    for name, label in {
        "kendall_tau": "tau",
        "spearman_rho": "rho",
        "f1": "F1",
        "f1_mean": "F1 mean",
        "f1_max": "F1 max",
    }.items():
        digits = 1 if name.startswith("f1") else 3
        shown[label] = [_cell(*pair, digits) for pair in zip(board[name], board[f"{name}_std"], strict=True)]
    shown[["folds", "seeds", "selection"]] = board[["folds", "seeds", "selection"]]
    return shown.to_string(index=False)


def _cell(mean: float, std: float, digits: int) -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:.{digits}f}" if math.isnan(std) else f"{mean:.{digits}f} ±{std:.{digits}f}"


def result_table(result: dict[str, Any]) -> str:
    """One result as a few lines for a terminal."""
    metrics = result["metrics"]
    what = f"{result['setting']}, {result['supervision']}, data={result['data']}, folds {len(result['folds'])}"
    lines = [f"{result['method']} on {result['dataset']} ({what})"]
    labels: Sequence[tuple[str, str]] = (
        ("kendall_tau", "Kendall tau"),
        ("spearman_rho", "Spearman rho"),
        ("f1", "F1 %"),
        ("f1_mean", "F1 % mean over annotators"),
        ("f1_max", "F1 % best annotator"),
    )
    for name, label in labels:
        if metrics[name] is not None:
            factor, digits = METRICS[name], 1 if name.startswith("f1") else 3
            spread = metrics[name]["std"]
            lines.append(
                f"  {label:28}{factor * metrics[name]['mean']:.{digits}f}"
                + ("" if spread is None else f" ±{factor * spread:.{digits}f}")
            )
    protocol = result["protocol"]["identifier"]
    lines.append(f"  protocol {protocol}, selection {result['selection']}, {result['wall_seconds']:.0f} s")
    return "\n".join(lines)
