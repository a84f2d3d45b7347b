"""Results as rows: ours, one a configuration and protocol over its seeds; published ones; floors and ceilings."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json, refuse_no_file, write_text
from clipit_lightning.data import BENCHMARKS, has_queries
from clipit_lightning.evaluation.measures import FACTORS
from clipit_lightning.training.run import read_result

VIDEOS = tuple(video for benchmark in BENCHMARKS.values() for video in benchmark.videos)
"""Videos whose own F1 is a column: benchmarks with queries have four videos, and the field prints each."""
_NAMES = ("method", "dataset", "setting", "supervision", "features", "data")
COLUMNS = (
    *_NAMES,
    *FACTORS,
    *(f"{name}_std" for name in FACTORS),
    *VIDEOS,
    *("folds", "seeds", "selection", "protocol", "run", "correlation", "kind", "mark", "source"),
)
GROUP = ["dataset", "setting", "data", "correlation"]
"""Columns that rows of one group share: what stands under one heading."""
MARKS = {"best-on-test": "best epoch on the test fold", "unknown": "selection unknown"}
"""What is said of a row whose choice of the epoch makes its number too good, or may."""
_PUBLISHED_RULES = {
    "per-annotator": "per-annotator",
    "binary-summary": "binary-summary",
    "per-annotator all frames": "all-frames",
    "mean-annotator all frames": "mean-annotator-all-frames",
}
_PUBLISHED_COLUMNS = (
    "method",
    "year",
    "features",
    "dataset",
    "setting",
    "f1",
    "kendall_tau",
    "spearman_rho",
    "selection",
)


def result_folders(runs: Path = Path("runs"), kept: Path = Path("experiments/results")) -> list[Path]:
    """Where results lie, for `make_board`: of what lies twice, the first one counts.

    Args:
        runs: Folder of the runs: first itself, then the folders of grids in it, the one with the latest result first;
            without those of ``--quick``, whose runs are too short to stand beside others.
        kept: Folder of the results that are committed; the last.
    """
    latest: dict[Path, float] = {}
    for folder in sorted(runs.glob("*")):
        times = [path.stat().st_mtime for path in folder.glob("*/result.json")]
        if times and not folder.name.endswith("-quick"):
            latest[folder] = max(times)
    return [runs, *sorted(latest, key=lambda folder: -latest[folder]), kept]


def find_results(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Read every ``result.json`` of the runs under the folders, and every ``*.json`` of a folder of results.

    A run that is found twice, as under ``runs`` and copied to ``experiments/results``, or in two grids, counts once, as
    the first of the folders has it. It is the same run where protocol (which knows the data), configuration, folds and
    seed are. Trials of a search, which test nothing, are left out.

    Raises:
        UserError: A result cannot be read.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for folder in folders:
        for path in sorted([*folder.glob("*/result.json"), *folder.glob("*.json")]):
            result = read_result(path)
            if not result["metrics"]:  # of a search, which tests nothing
                continue
            found.setdefault((*_trained(result), str(result["seed"])), result)
    return list(found.values())


def _trained(result: dict[str, Any]) -> tuple[str, ...]:
    """What was trained and how it was measured, but for the seed; repetitions have the same."""
    folds = ",".join(str(fold["fold"]) for fold in result["folds"])
    names = (str(result[name]) for name in _NAMES)
    return *names, result["protocol"]["identifier"], result["config_hash"], folds


def make_board(folders: Iterable[Path], published: Path | None = None, floors: Path | None = None) -> pd.DataFrame:
    """All rows, grouped by data set, setting, data and correlation rule; best first within a group.

    A mean of ours is over seeds of the means over folds; a standard deviation (sample) is over all folds of all
    seeds, and blank where there is one only; that of a random floor is over its draws. F1 in percent. The same results
    give the same rows in any order.

    Args:
        folders: Folders with runs or results, as of `result_folders`.
        published: CSV file of the field's printed results.
        floors: Folder of the files of ``clipit baselines --keep``; each group of real data takes its rule's rows.

    Raises:
        UserError: A file cannot be read.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for result in find_results(folders):
        groups.setdefault(_trained(result), []).append(result)
    rows = [_row(sorted(results, key=lambda result: (result["seed"], result["run"]))) for results in groups.values()]
    rows += _published_rows(published) if published and published.exists() else []
    rows += _floor_rows(rows, floors) if floors and floors.is_dir() else []
    board = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in board.select_dtypes(exclude="number"):
        board[name] = [_safe(str(value)) for value in board[name].fillna("")]
    order = [*GROUP, "kendall_tau", "f1", "method", "features", "run"]
    directions = [name not in ("data", "kendall_tau", "f1") for name in order]  # "real" stands above "mini"
    return board.sort_values(order, ascending=directions, ignore_index=True)


def _row(results: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {name: results[0][name] for name in _NAMES}
    for name, factor in FACTORS.items():
        metrics = [result["metrics"][name] for result in results if result["metrics"].get(name)]
        folds = [value for metric in metrics for value in metric["folds"]]
        row[name] = round(spread([metric["mean"] for metric in metrics], factor)[0], 4)
        row[f"{name}_std"] = round(spread(folds, factor)[1], 4)
    for video in VIDEOS:
        f1 = [value["f1"] for result in results for value in _of_video(result, video)]
        row[video] = round(spread(f1, FACTORS["f1"])[0], 4)
    return row | {
        "folds": len(results[0]["folds"]),
        "seeds": len({result["seed"] for result in results}),
        "selection": results[0]["selection"],
        "protocol": results[0]["protocol"]["identifier"],
        "run": " ".join(result["run"] for result in results),
        "correlation": results[0]["protocol"]["correlation"],
        "kind": "ours",
        "mark": MARKS.get(results[0]["selection"], ""),
    }


def spread(values: Sequence[float], factor: float) -> tuple[float, float]:
    """Mean and sample standard deviation, both times a factor; NaN where there are too few values."""
    mean = factor * float(np.mean(values)) if values else math.nan
    return mean, factor * float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _of_video(result: dict[str, Any], video: str) -> list[dict[str, float]]:
    """Means over the queries of a video, from every fold that tests it."""
    name = f"{result['dataset']}/{video}"
    return [fold["per_video"][name] for fold in result["folds"] if name in fold.get("per_video", {})]


def _published_rows(path: Path) -> list[dict[str, Any]]:
    numbers = ("f1", "kendall_tau", "spearman_rho")
    types = dict.fromkeys(("note", "correlation_protocol"), "str") | dict.fromkeys(numbers, "float64")
    try:
        refuse_no_file(path)
        table = pd.read_csv(path, dtype=types, keep_default_na=True)
        if np.isinf(table[list(numbers)].to_numpy()).any():
            raise ValueError("a number is infinite")
        rows = table[[*_PUBLISHED_COLUMNS, "correlation_protocol", "source", "note"]].to_dict("records")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not the table of published results ({reason}); restore it with git") from error
    return [_published_row(row) for row in rows]


def _published_row(row: dict[Any, Any]) -> dict[str, Any]:
    unsupervised = str(row["note"]).startswith("unsupervised")
    queries = has_queries(row["dataset"])
    return {
        "method": f"{row['method']} ({row['year']})",
        "dataset": row["dataset"],
        "setting": "canonical" if queries else row["setting"],  # leaving one video out is the canonical setting there
        "supervision": "unsupervised"
        if unsupervised
        else "none"
        if row["selection"] in ("-", "none")
        else "supervised",
        "features": row["features"],
        "data": "real",
        **{name: row[name] for name in ("f1", "kendall_tau", "spearman_rho")},
        **(_published_videos(row) if queries else {}),
        "selection": row["selection"],
        "correlation": "none" if queries else _PUBLISHED_RULES.get(str(row["correlation_protocol"]), "unknown"),
        "kind": "published",
        "mark": MARKS.get(row["selection"], ""),
        "source": row["source"],
    }


def _published_videos(row: dict[Any, Any]) -> dict[str, float]:
    """F1 of each video, which the note lists in the order of the benchmark, where the paper prints them."""
    numbers = str(row["note"]).split()
    videos = BENCHMARKS[row["dataset"]].videos
    if len(numbers) != len(videos) or not all(re.fullmatch(r"\d+(\.\d+)?", each) for each in numbers):
        return {}
    return {video: float(each) for video, each in zip(videos, numbers, strict=True)}


def _floor_rows(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Floors and ceilings for each group of real data; F1 alone where the group's correlation rule is unknown."""
    groups = sorted({(row["dataset"], row["setting"], row["correlation"]) for row in rows if row["data"] == "real"})
    found = []
    for path in sorted(folder.glob("*.json")):
        kept = read_json(path)
        try:
            _refuse_no_floors(kept)
            for dataset, setting, rule in groups:
                if dataset == kept["dataset"]:
                    found += [_floor_row(row, kept, setting, rule) for row in _rule_rows(kept, rule)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path}: not floors of clipit baselines ({error}); make them again or remove it"
            ) from error
    return found


def _refuse_no_floors(kept: Any) -> None:  # noqa: ANN401 - whatever stood in the file
    """Also where no group of the board takes them."""
    if not isinstance(kept["dataset"], str) or not kept["rules"]:
        raise ValueError("no dataset or no rules")
    for rule in kept["rules"]:
        for row in _rule_rows(kept, rule):
            shown = _floor_row(row, kept, "", rule)
            if any(isinstance(value, float) and not math.isfinite(value) for value in shown.values()):
                raise ValueError(f"a number of {row['name']} is infinite")


def _rule_rows(kept: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    if rule in kept["rules"]:
        return list(kept["rules"][rule])
    any_rule = next(iter(kept["rules"].values()))  # F1 is the same under each
    return [{**row, "kendall_tau": math.nan, "spearman_rho": math.nan} for row in any_rule]


def _floor_row(row: dict[str, Any], kept: dict[str, Any], setting: str, rule: str) -> dict[str, Any]:
    factors = {name: factor for name, factor in (FACTORS | dict.fromkeys(VIDEOS, 100.0)).items() if name in row}
    names = {name: round(factor * row[name], 4) for name, factor in factors.items()}
    drawn = {name: FACTORS[name] * row[f"{name}_std"] for name in factors if name in FACTORS}
    spread = {f"{name}_std": round(value, 4) for name, value in drawn.items()} if any(drawn.values()) else {}
    return {
        "method": f"[{row['name']}]",
        "dataset": kept["dataset"],
        "setting": setting,
        "supervision": "none",
        "features": "-",
        "data": "real",
        **names,
        **spread,
        "selection": "none",
        "correlation": rule,
        "kind": "floor or ceiling",
        "source": f"clipit baselines, annotations {kept['annotations_hash']}, {kept['draws']} draws",
    }


def _safe(text: str) -> str:
    """A text that a spreadsheet does not take for a formula (OWASP: CSV injection); a lone dash is none."""
    return f"'{text}" if text != "-" and text[:1] in tuple("=+-@\t\r") else text


def write_board(board: pd.DataFrame, path: Path) -> None:
    """Write the rows as CSV, atomically."""
    write_text(path, board.to_csv(index=False, lineterminator="\n"))
