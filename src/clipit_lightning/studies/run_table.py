"""The end of a run, for a terminal: its row among those to compare it with, where everything lies, what comes next."""

import math
import shlex
import textwrap
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.data import BENCHMARKS, has_queries, has_scripts
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.baselines import as_rows, floors, query_floors
from clipit_lightning.evaluation.best_steps import ScriptRules, items_of_test_part, script_floors
from clipit_lightning.evaluation.matching import QueryRules
from clipit_lightning.evaluation.names import HIGHLIGHT_METRICS, METRICS, metric_name, printed
from clipit_lightning.evaluation.odd import odd_lines
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.evaluation.rules import Rules
from clipit_lightning.evaluation.tested import tested_videos
from clipit_lightning.studies.leaderboard import BOARD, COLUMNS, GROUP, USER_BOARD, lies_in_runs, read_board, row_of
from clipit_lightning.studies.reference_rows import BEST_POSSIBLE, OTHER_ANNOTATIONS, floor_row, floors_source
from clipit_lightning.studies.tables import MAIN, folds_of, is_part, legend, mean_and_std, row_name
from clipit_lightning.training.result import RunResult
from clipit_lightning.training.run import Run

_ROWS, _PUBLISHED = 20, 6  # rows at most, published ones among them at least
_NAME, _SHORT_NAME = 36, 18  # letters of a row's name at most, also where lines are short
_DRAWS = 5  # of a floor that is measured at the end of a run
_CEILINGS = (BEST_POSSIBLE, "[mean-annotator]", "[oracle]")


def run_table(result: RunResult, board: pd.DataFrame, width: int = 100) -> str:
    """The run's row among floors, humans, ceiling, our kept rows and published ones; at most 27 lines.

    These are rows of its data set, setting and data. Those of its correlation rule are ranked, the run among them
    where it is of all folds; published ones of other rules stand below. Lines are ``width`` letters long at most, which
    costs the column of rho where a terminal is narrow.
    """
    own = pd.DataFrame([row_of([result]) | {"kind": "this run", "source": ""}], columns=board.columns)
    first = own.iloc[0]
    same = board[(board[["dataset", "setting", "data"]] == first[["dataset", "setting", "data"]]).all(axis=1)]
    same = same[same["selection"] != "-"]  # the field's own floors and humans; ours are measured here
    of_rule = same["correlation"] == first["correlation"]
    by = "kendall_tau" if not math.isnan(first["kendall_tau"]) else "f1"
    ranked, elsewhere = _chosen(same[of_rule], same[~of_rule & (same["kind"] == "published")], by)
    ranked = pd.concat([_sorted(ranked, by), own]) if is_part(own).any() else _sorted(pd.concat([own, ranked]), by)
    shown = pd.concat([ranked, elsewhere])
    metrics = [name for name in (*MAIN, *HIGHLIGHT_METRICS, *_videos(result)) if shown[name].notna().any()]
    fewer = [name for name in metrics if name != "spearman_rho"]
    for names, letters in ((metrics, _NAME), (fewer, _NAME), (fewer, _SHORT_NAME)):
        lines = _lines(ranked, elsewhere, names, letters)
        if max(map(len, lines)) <= width:
            break
    left = len(same[of_rule | (same["kind"] == "published")]) + 1 - len(shown)
    notes = [f"{left} more rows: `clipit leaderboard` prints all"] if left else []
    notes += ["data=mini: made-up videos, whose numbers say nothing about real ones"] if result.data == "mini" else []
    signs = textwrap.wrap("; ".join(legend(shown)), width)
    return "\n".join([_title(result), *lines, *notes, *signs])


def _title(result: RunResult) -> str:
    rule = "" if result.protocol.correlation == "none" else f", correlation {result.protocol.correlation}"
    return f"{result.dataset}, {result.setting}, data={result.data}{rule}"


def _videos(result: RunResult) -> tuple[str, ...]:
    """Videos whose own F1 is a column."""
    return BENCHMARKS[result.dataset].videos if has_queries(result.dataset) else ()


def _chosen(ranked: pd.DataFrame, elsewhere: pd.DataFrame, by: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of rows that can be ranked with the run, and published ones of other rules, as many as fit."""
    kinds = {kind: _sorted(rows, by) for kind, rows in ranked[~is_part(ranked)].groupby("kind")}
    none = ranked.iloc[:0]
    chance, ours, published = (kinds.get(kind, none) for kind in ("floor or ceiling", "ours", "published"))
    room = _ROWS - 1 - len(chance)
    ours = ours.sort_values("variant", key=lambda names: names.fillna("") != "", kind="stable")  # ablations last
    ours = ours.head(room - min(_PUBLISHED, len(published) + len(elsewhere)))
    published = published.head(room - len(ours))
    others = _sorted(elsewhere, by).head(max(0, room - len(ours) - len(published) - 1))  # a line for their heading
    return pd.concat([chance, ours, published]), others


def _sorted(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Best first, below the ceiling of F1, which has no correlation."""
    ceiling = rows.assign(ceiling=rows["method"] == BEST_POSSIBLE)
    return ceiling.sort_values(["ceiling", by, "f1"], ascending=False, kind="stable")[list(COLUMNS)]


def _lines(ranked: pd.DataFrame, elsewhere: pd.DataFrame, metrics: list[str], letters: int) -> list[str]:
    """A line a row, columns one under the other."""
    rows = [
        [_name(row, letters), *_values(row, metrics), what(row)]
        for what, part in ((_what, ranked), (_rule, elsewhere))
        for row in part.to_dict("records")
    ]
    heads = ["  method", *(metric_name(name).column for name in metrics), ""]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        f"{cells[0]:<{widths[0]}}  {'  '.join(map(str.rjust, cells[1:-1], widths[1:-1]))}  {cells[-1]}".rstrip()
        for cells in (heads, *rows)
    ]
    heading = ["published by other correlation rules, whose tau and rho cannot be compared:"] if len(elsewhere) else []
    return [*lines[: len(ranked) + 1], *heading, *lines[len(ranked) + 1 :]]


def _name(row: Mapping[Any, Any], letters: int) -> str:
    words = ["unsupervised"] if row["supervision"] == "unsupervised" else []
    name = row_name({**row, "variant": " ".join(filter(None, [*words, row["variant"]]))})
    sign = ">" if row["kind"] == "this run" else " "
    return f"{sign} {name if len(name) <= letters else f'{name[: letters - 1]}…'}"


def _values(row: Mapping[Any, Any], metrics: list[str]) -> list[str]:
    return [mean_and_std(row[key], row.get(f"{key}_std", math.nan), metric_name(key).digits) for key in metrics]


def _what(row: Mapping[Any, Any]) -> str:
    """What a ranked row is."""
    if row["kind"] == "floor or ceiling":
        human = "human" if row["method"].startswith("[human") else "floor"
        return "ceiling" if row["method"] in _CEILINGS else human
    if row["kind"] == "published":
        return "published"
    if row["kind"] == "this run":
        return f"this run, {folds_of(row)} fold{'s' if row['all_folds'] > 1 else ''}"
    return f"kept, {row['seeds']:.0f} seed{'s' if row['seeds'] > 1 else ''}"


def _rule(row: Mapping[Any, Any]) -> str:
    return "rule unknown" if row["correlation"] == "unknown" else str(row["correlation"])


def end_of_run(result: RunResult, folder: Path, width: int = 100) -> str:
    """What `clipit train` prints of a finished run: the table, where everything lies, and the next command."""
    path = shlex.quote(str(folder))
    lines = {"protocol": f"{result.protocol.identifier}, {result.wall_seconds:.0f} s", "run": str(folder)}
    if not result.measured:
        reached = [
            f"{METRICS[name].column} {printed(name, over.mean)}" for name, over in result.validation.metrics.items()
        ]
        lines["next"] = f"clipit train {path}/config.yaml test=true"
        return "\n".join([f"{_title(result)}: not tested; validation {'  '.join(reached)}", *_aligned(lines)])
    lines[""] = "scores.json, per_video.csv, config.yaml, and checkpoints in folds/"
    if lies_in_runs(folder):
        lines["rows"] = f"{USER_BOARD} has all your runs (`clipit leaderboard`)"
    lines["next"] = f"clipit report {path}"
    board = with_own_floors(_shipped_board(), result, Run(folder))
    notes = [row for line in odd_lines(result.odd) for row in textwrap.wrap(line, width)]
    return "\n".join([run_table(result, board, width), *notes, "", *_aligned(lines)])


def with_own_floors(board: pd.DataFrame, result: RunResult, run: Run) -> pd.DataFrame:
    """The board with floors and ceilings of the annotations that a run was measured against, by its rules.

    Those of the board stay where they are of the same annotations. Where they are of others, so are our kept rows,
    which are marked.
    """
    protocol, of_dataset = result.protocol, board["dataset"] == result.dataset
    is_floor = of_dataset & (board["kind"] == "floor or ceiling")
    if board.loc[is_floor, "source"].str.contains(protocol.annotations_hash, regex=False).any():
        return board
    others = board[~is_floor].copy()
    others.loc[of_dataset & (others["kind"] == "ours") & (others["data"] == "real"), "mark"] = OTHER_ANNOTATIONS
    try:
        store = Store(Path(run.config().data.root or "data") / f"{result.dataset}.h5")
        if store.annotations_hash() != protocol.annotations_hash:
            return others
        table = _floors(store, protocol)
    except (OSError, UserError):  # the store went away, or has too few annotators for floors
        return others
    place = {name: str(getattr(protocol, name)) for name in GROUP}
    source = floors_source(protocol.annotations_hash, _DRAWS)
    rows = [floor_row(row, place, source) for row in as_rows(table)]
    return pd.DataFrame([*others.to_dict("records"), *rows], columns=board.columns)


def _floors(store: Store, protocol: Protocol) -> pd.DataFrame:
    unlike_annotators = QueryRules if has_queries(protocol.dataset) else Rules
    kind = ScriptRules if has_scripts(protocol.dataset) else unlike_annotators
    rules = kind(**{field.name: getattr(protocol, field.name) for field in fields(kind)})
    if isinstance(rules, QueryRules):
        return query_floors(store.read_queries(), rules, _DRAWS)
    if isinstance(rules, ScriptRules):
        return script_floors(items_of_test_part(store.read_scripts()), rules, _DRAWS)
    return floors(tested_videos(store, protocol.dataset), rules, _DRAWS)


def _aligned(lines: Mapping[str, str]) -> list[str]:
    return [f"{name:<8}  {line}" for name, line in lines.items()]


def _shipped_board() -> pd.DataFrame:
    try:
        return read_board(BOARD)
    except UserError as error:
        log.info(f"NOTE: no rows beside this run: {error}")
        return pd.DataFrame(columns=list(COLUMNS))
