"""The ``clipit`` command: one thin function a subcommand. Heavy imports are inside, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning import __version__
from clipit_lightning.errors import UserError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 when all went well; 2, after one line on standard error, for an error that the user can mend; 130 when
        interrupted.
    """
    options = _parser().parse_args(words)
    try:
        status: int = options.function(options)
        return status
    except UserError as error:
        print(f"clipit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("clipit: interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nothing to say to nobody
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clipit", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.description = "Language-guided video summarization: train, evaluate, compare (CLIP-It)."
    parser.add_argument("--version", action="version", version=f"clipit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)
    _add_data(commands)
    _add_evaluate(commands)
    _add_baselines(commands)
    _add_compare(commands)
    _add_leaderboard(commands)
    return parser


def _add_train(commands: Commands) -> None:
    train = commands.add_parser(
        "train",
        help="train and test all folds of a configuration",
        description="Train and test all folds of a configuration. An interrupted run continues with the same command.",
        formatter_class=_KeyHelp,
    )
    train.add_argument(
        "words",
        nargs="*",
        metavar="FILE.yaml|key=value",
        help="configuration files, merged in order, and keys that win over them",
    )
    train.set_defaults(function=_train)


def _add_data(commands: Commands) -> None:
    data = commands.add_parser("data", help="import distributed files, check stores").add_subparsers(
        required=True, metavar="COMMAND"
    )
    imports = data.add_parser("import", help="find the benchmarks' distributed files and join them into stores")
    imports.add_argument("sources", nargs="+", metavar="SRC", type=Path, help="files, or folders searched to any depth")
    imports.add_argument("--to", type=Path, default=Path("data"), help="folder of the stores (default: data)")
    imports.add_argument("--features", help="which features, where a benchmark has several files")
    imports.add_argument("--force", action="store_true", help="replace stores that hold other features")
    imports.set_defaults(function=_import)
    check = data.add_parser("check", help="say in plain words what is wrong with the stores")
    check.add_argument("--root", type=Path, default=Path("data"), help="folder of the stores (default: data)")
    check.set_defaults(function=_check)
    folds = data.add_parser("folds", help="read a file of folds, say what it holds, convert it")
    folds.add_argument("file", type=Path, help="JSON, YAML or txt in a published layout or a simple one")
    folds.add_argument("--dataset", required=True, choices=("tvsum", "summe"))
    folds.add_argument(
        "--setting", choices=("canonical", "augmented", "transfer"), help="refuse folds of another setting"
    )
    folds.add_argument(
        "--root", type=Path, default=Path("data"), help="folder of the stores, for names (default: data)"
    )
    folds.add_argument("--name", help="name of the family")
    folds.add_argument("--to", type=Path, help="write them as JSON, for data.family=FILE")
    folds.set_defaults(function=_folds)
    mini = data.add_parser("mini", help="make the miniature benchmarks")
    mini.add_argument("--to", type=Path, default=Path("data/mini"), help="folder of the stores (default: data/mini)")
    mini.set_defaults(function=_mini)


def _add_evaluate(commands: Commands) -> None:
    evaluate = commands.add_parser("evaluate", help="measure anybody's scores, with floors and ceiling beside them")
    evaluate.add_argument(
        "scores", type=Path, help=".json, .npz or .h5: video key, name or YouTube id to step scores or frame scores"
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
    evaluate.add_argument("--per-video", action="store_true", help="a row for every video, too")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of tables")
    evaluate.set_defaults(function=_evaluate)


def _add_baselines(commands: Commands) -> None:
    baselines = commands.add_parser("baselines", help="random, uniform, human and mean annotator under every rule")
    _add_dataset(baselines)
    baselines.add_argument("--draws", type=int, default=100, help="random draws (default: 100)")
    baselines.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep them for the leaderboard, as experiments/floors"
    )
    baselines.set_defaults(function=_baselines)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, choices=("tvsum", "summe"))
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of the stores (default: data)")


def _add_compare(commands: Commands) -> None:
    compare = commands.add_parser(
        "compare", help="two runs, paired over videos and seeds: difference, interval, p-value"
    )
    for name in ("one", "other"):
        compare.add_argument(name, help="folder of a run, or of its seeds: runs/a-seed0,runs/a-seed1")
    compare.set_defaults(function=_compare)


def _add_leaderboard(commands: Commands) -> None:
    board = commands.add_parser("leaderboard", help="gather results into a CSV file and print them as a table")
    board.add_argument(
        "folders", nargs="*", type=Path, help="folders with results (default: runs and experiments/results)"
    )
    board.add_argument("--to", type=Path, default=Path("experiments/leaderboard.csv"), help="the CSV file")
    board.add_argument("--published", type=Path, default=Path("experiments/published.csv"), help="published rows")
    board.add_argument(
        "--floors", type=Path, default=Path("experiments/floors"), help="rows of `clipit baselines --keep`"
    )
    board.add_argument("--ours", action="store_true", help="print only groups that hold a run of ours")
    board.add_argument("--format", choices=("table", "csv", "markdown"), default="table", help="how it is printed")
    board.set_defaults(function=_leaderboard)


class _KeyHelp(argparse.HelpFormatter):
    """Adds every configuration key, its default and its sentence to ``clipit train --help``."""

    def format_help(self) -> str:
        from clipit_lightning.config_files import describe_keys

        lines = [f"  {key}={default}\n      {sentence}" for key, default, sentence in describe_keys()]
        return super().format_help() + "\nkeys and their defaults:\n" + "\n".join(lines) + "\n"


def _train(options: argparse.Namespace) -> int:
    from clipit_lightning.config_files import load_config

    files = [word for word in options.words if word.endswith((".yaml", ".yml")) and "=" not in word]
    config = load_config(files, [word for word in options.words if word not in files])

    from clipit_lightning.board_format import result_table
    from clipit_lightning.train import run

    result = run(config, say=_say)
    print(result_table(result))
    return 0


def _import(options: argparse.Namespace) -> int:
    from clipit_lightning.data.importers import import_distributed

    rows = import_distributed(options.sources, options.to, options.features, options.force)
    _print_table([vars(row) for row in rows])
    return 0


def _check(options: argparse.Namespace) -> int:
    from clipit_lightning.data.store import Store

    paths = sorted(options.root.glob("*.h5"))
    if not paths:
        raise UserError(
            f"{options.root}: no stores here; make them with `clipit data import FOLDER --to {options.root}`"
        )
    unsound = 0
    for path in paths:
        problems = Store(path).check()
        unsound += bool(problems)
        print(f"{path}: {'sound' if not problems else f'{len(problems)} problems'}")
        for problem in problems:
            print(f"  {problem}")
    if unsound:
        raise UserError(
            f"{unsound} of {len(paths)} stores under {options.root} have problems; import or copy them again"
        )
    return 0


def _mini(options: argparse.Namespace) -> int:
    from clipit_lightning.data.mini import ensure_mini

    print(f"miniature benchmarks under {ensure_mini(options.to)}: synthetic, seeded, labelled data=mini")
    return 0


def _leaderboard(options: argparse.Namespace) -> int:
    from clipit_lightning.board_format import format_board
    from clipit_lightning.leaderboard import GROUP, make_board, write_board

    folders = options.folders or [Path("runs"), Path("experiments/results")]
    board = make_board(folders, options.published, options.floors)
    write_board(board, options.to)
    shown = board[board.groupby(GROUP)["kind"].transform(lambda kinds: "ours" in set(kinds))] if options.ours else board
    print(format_board(shown, options.format))
    if options.format == "table":
        print(f"{len(board)} rows in {options.to}")
    return 0


def _folds(options: argparse.Namespace) -> int:
    from clipit_lightning.data.fold_files import convert_fold_file
    from clipit_lightning.data.store import Store

    store = Store(options.root / f"{options.dataset}.h5")
    names = {video.name: video.key for video in store.read() if video.name} if store.path.exists() else {}
    print(convert_fold_file(options.file, options.dataset, options.setting, options.name, names, options.to))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from clipit_lightning.evaluation import evaluate_scores, format_evaluation
    from clipit_lightning.protocol import PRESETS

    for name in options.protocol:
        if name not in PRESETS:
            raise UserError(f"--protocol: {name} is unknown; there are {', '.join(PRESETS)}")
    if options.draws is not None and options.draws < 2:
        raise UserError(f"--draws: is {options.draws}; a standard deviation needs at least 2")
    found = [
        evaluate_scores(options.scores, options.dataset, options.root, name, options.folds, options.draws)
        for name in options.protocol
    ]
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join(format_evaluation(each, options.per_video) for each in found))
    return 0


def _baselines(options: argparse.Namespace) -> int:
    from clipit_lightning.evaluation import baseline_tables, format_baselines

    if options.draws < 2:
        raise UserError(f"--draws: is {options.draws}; a standard deviation needs at least 2")
    print(format_baselines(baseline_tables(options.dataset, options.root, options.draws, options.keep)))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from clipit_lightning.board_format import format_comparison
    from clipit_lightning.compare import compare_runs

    one, other = ([Path(folder) for folder in text.split(",")] for text in (options.one, options.other))
    print(format_comparison(compare_runs(one, other)))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _print_table(rows: list[dict[str, str]]) -> None:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in rows[0]}, *rows]:
        print("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())


if __name__ == "__main__":
    sys.exit(main())
