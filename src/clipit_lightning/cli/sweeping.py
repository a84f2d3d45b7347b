"""`clipit sweep`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import print_log

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_sweep(commands: Commands) -> None:
    """Add `clipit sweep`."""
    sweep = commands.add_parser(
        "sweep",
        help="search over configurations by validation, here or with Weights & Biases",
        description="Search over configurations by what validation reaches; test folds are never seen. The file is in "
        "wandb's format. Without --online the trials run here; an interrupted search continues with the same command.",
    )
    sweep.add_argument(
        "file", type=Path, metavar="FILE.yaml", help="a sweep file, such as experiments/sweeps/tvsum.yaml"
    )
    sweep.add_argument("words", nargs="*", metavar="key=value", help="keys of every trial, such as data.root=FOLDER")
    sweep.add_argument(
        "--trials",
        type=_positive,
        help="how many are to be finished, those before included (default: the file's run_cap, a whole grid, or 20)",
    )
    sweep.add_argument("--workers", type=_positive, default=1, help="trials at a time (default: 1)")
    sweep.add_argument(
        "--storage",
        metavar="URL",
        help="database of the study, for several machines: postgresql://user@host/name, with the password in ~/.pgpass "
        "(default: a file in the folder)",
    )
    sweep.add_argument("--name", help="of the study (default: the file's name)")
    sweep.add_argument("--to", type=Path, metavar="FOLDER", help="where it goes (default: runs/sweeps/NAME)")
    sweep.add_argument("--online", action="store_true", help="register it with Weights & Biases and start its agents")
    sweep.set_defaults(function=_sweep)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"is {word}; at least 1 is needed")
    return number


def _sweep(options: argparse.Namespace) -> int:
    from clipit_lightning.studies.sweep_file import read_sweep

    for word in options.words:
        if "=" not in word:
            raise UserError(f"{word}: not key=value, such as data.root=FOLDER")
    sweep = read_sweep(options.file, options.words)
    print_log()
    if options.online:
        for name in ("storage", "name", "to"):
            if getattr(options, name) is not None:
                raise UserError(f"--{name}: is for sweeps without a server; leave --online away")
        from clipit_lightning.studies.sweep_online import run_online

        return run_online(sweep, options.trials, options.workers)
    from clipit_lightning.studies.sweep import run_sweep

    run_sweep(sweep, options.trials, options.workers, options.storage, options.name, options.to)
    return 0
