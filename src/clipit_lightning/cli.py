"""The ``clipit`` command: one thin function a subcommand. Heavy imports are inside, so that ``--help`` is quick."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clipit_lightning import __version__
from clipit_lightning.errors import UserError


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
    _add_leaderboard(commands)
    return parser


Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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


def _add_data(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    mini = data.add_parser("mini", help="make the miniature benchmarks")
    mini.add_argument("--to", type=Path, default=Path("data/mini"), help="folder of the stores (default: data/mini)")
    mini.set_defaults(function=_mini)


def _add_leaderboard(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    board = commands.add_parser("leaderboard", help="gather results into a CSV file and print them as a table")
    board.add_argument(
        "folders", nargs="*", type=Path, help="folders with results (default: runs and experiments/results)"
    )
    board.add_argument("--to", type=Path, default=Path("experiments/leaderboard.csv"), help="the CSV file")
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

    from clipit_lightning.leaderboard import result_table
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
    from clipit_lightning.leaderboard import format_board, make_board, write_board

    board = make_board(options.folders or [Path("runs"), Path("experiments/results")])
    write_board(board, options.to)
    print(format_board(board))
    print(f"{len(board)} rows in {options.to}")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _print_table(rows: list[dict[str, str]]) -> None:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in rows[0]}, *rows]:
        print("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())


if __name__ == "__main__":
    sys.exit(main())
