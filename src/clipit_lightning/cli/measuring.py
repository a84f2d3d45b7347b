"""`clipit evaluate`, `baselines`, `compare` and `leaderboard`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning.core.errors import UserError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_evaluate(commands: Commands) -> None:
    """Add `clipit evaluate`."""
    evaluate = commands.add_parser("evaluate", help="measure anybody's scores, with floors and ceiling beside them")
    evaluate.add_argument(
        "scores",
        type=Path,
        help=".json, .npz or .h5: video key, name or YouTube id to step scores or frame scores; qfvs: .json, video to "
        'query to shot scores or {"shots": [numbers from 1]}',
    )
    _add_dataset(evaluate)
    evaluate.add_argument(
        "--protocol",
        nargs="+",
        default=["default"],
        metavar="NAME",
        help="default, pglsum, vasnet, dsnet, csta, msva, clip-it",
    )
    evaluate.add_argument(
        "--folds", help="kfold, a published family, a file of folds, or all (default: the protocol's)"
    )
    evaluate.add_argument("--draws", type=int, help="draws of the random row (default: 20, for hour-long videos 5)")
    evaluate.add_argument("--per-video", action="store_true", help="a row for every video (qfvs: query), too")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of tables")
    evaluate.set_defaults(function=_evaluate)


def add_baselines(commands: Commands) -> None:
    """Add `clipit baselines`."""
    baselines = commands.add_parser("baselines", help="floors and ceilings of a data set under every rule")
    _add_dataset(baselines)
    baselines.add_argument("--draws", type=int, default=100, help="random draws (default: 100)")
    baselines.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep them for the leaderboard, as experiments/floors"
    )
    baselines.set_defaults(function=_baselines)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, choices=("tvsum", "summe", "qfvs"))
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of the stores (default: data)")


def add_compare(commands: Commands) -> None:
    """Add `clipit compare`."""
    compare = commands.add_parser(
        "compare", help="two runs, paired over videos, each the mean over its seeds: difference, interval, p-value"
    )
    for name in ("one", "other"):
        compare.add_argument(name, help="folder of a run, or of its seeds: runs/a-seed0,runs/a-seed1")
    compare.set_defaults(function=_compare)


def add_leaderboard(commands: Commands) -> None:
    """Add `clipit leaderboard`."""
    board = commands.add_parser("leaderboard", help="gather results into a CSV file and print them as a table")
    board.add_argument(
        "folders",
        nargs="*",
        type=Path,
        help="folders with results, of which the first counts where they hold the same run (default: runs, the folders "
        "of grids in it but for --quick, experiments/results)",
    )
    board.add_argument("--to", type=Path, default=Path("experiments/leaderboard.csv"), help="the CSV file")
    board.add_argument("--published", type=Path, default=Path("experiments/published.csv"), help="published rows")
    board.add_argument(
        "--floors", type=Path, default=Path("experiments/floors"), help="rows of `clipit baselines --keep`"
    )
    board.add_argument("--ours", action="store_true", help="print only groups that hold a run of ours")
    board.add_argument("--format", choices=("table", "csv", "markdown"), default="table", help="how it is printed")
    board.set_defaults(function=_leaderboard)


def _evaluate(options: argparse.Namespace) -> int:
    if options.draws is not None and options.draws < 2:
        raise UserError(f"--draws: is {options.draws}; a standard deviation needs at least 2")
    from clipit_lightning.data import has_queries
    from clipit_lightning.evaluation.evaluate import evaluate_scores, format_evaluation
    from clipit_lightning.evaluation.presets import PRESETS

    queries = has_queries(options.dataset)
    for name, is_given in (("--protocol", options.protocol != ["default"]), ("--folds", options.folds is not None)):
        if queries and is_given:
            raise UserError(f"{name}: is for benchmarks with annotators; omit it for {options.dataset}")
    for name in options.protocol:
        if name not in PRESETS:
            raise UserError(f"--protocol: {name} is unknown; there are {', '.join(PRESETS)}")
    evaluations = [
        evaluate_scores(options.scores, options.dataset, options.root, name, options.folds, options.draws)
        for name in options.protocol
    ]
    if options.json:
        print(json.dumps(evaluations[0] if queries else evaluations, indent=2))
    else:
        print("\n\n".join(format_evaluation(evaluation, options.per_video) for evaluation in evaluations))
    return 0


def _baselines(options: argparse.Namespace) -> int:
    if options.draws < 2:
        raise UserError(f"--draws: is {options.draws}; a standard deviation needs at least 2")
    from clipit_lightning.evaluation.evaluate import baseline_tables, format_baselines

    tables = baseline_tables(options.dataset, options.root, options.draws, options.keep)
    print(format_baselines(tables, options.draws))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from clipit_lightning.studies.compare import compare_runs
    from clipit_lightning.studies.tables import format_comparison

    one, other = ([Path(folder) for folder in text.split(",")] for text in (options.one, options.other))
    print(format_comparison(compare_runs(one, other)))
    return 0


def _leaderboard(options: argparse.Namespace) -> int:
    from clipit_lightning.studies.leaderboard import GROUP, make_board, result_folders, write_board
    from clipit_lightning.studies.tables import format_board

    board = make_board(options.folders or result_folders(), options.published, options.floors)
    write_board(board, options.to)
    shown = board[board.groupby(GROUP)["kind"].transform(lambda kinds: "ours" in set(kinds))] if options.ours else board
    print(format_board(shown, options.format))
    if options.format == "table":
        print(f"{len(board)} rows in {options.to}")
    return 0
