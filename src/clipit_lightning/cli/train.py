"""`clipit train`."""

import gc
import shutil
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from clipit_lightning.core.errors import UserError


class KeyHelp(TyperCommand):
    """Adds to a command's help every configuration key, its default, what it takes and its sentence."""

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401 - a class of the context that typer does not export
        """The help of the command, then the keys."""
        from clipit_lightning.core.config_files import describe_keys

        keys = [f"  {name}={default}  ({allowed})\n      {text}" for name, default, allowed, text in describe_keys()]
        return "\n".join([super().get_help(ctx), "", "Keys, their defaults, and what they take:", *keys])


def train(
    context: typer.Context,
    words: list[str] | None = typer.Argument(
        None, metavar="[FILE.yaml|key=value]...", help="Files, merged in order, and keys."
    ),
) -> None:
    """Train and test all folds of a configuration.

    Files are merged in order; keys win over them. An interrupted run continues with the same command.
    """
    if not words:
        print(context.get_help())
        raise UserError("train: name what to train, such as `clipit train configs/tvsum.yaml seed=1`")

    from clipit_lightning.core.config_files import load_config

    files = [word for word in words if word.endswith((".yaml", ".yml")) and "=" not in word]
    config = load_config(files, [word for word in words if word not in files])

    gc.disable()  # what is imported stays: it is not looked through again, here and in the processes of folds
    from clipit_lightning.studies.leaderboard import lies_in_runs, update_board
    from clipit_lightning.studies.run_table import end_of_run
    from clipit_lightning.training.ranks import is_first
    from clipit_lightning.training.run import RUNS
    from clipit_lightning.training.train import run

    gc.freeze()
    gc.enable()
    result = run(config)
    if is_first():
        folder = Path(config.output) if config.output else RUNS / result.run
        if result.measured and lies_in_runs(folder):
            update_board()
        print(f"\n{end_of_run(result, folder, min(100, shutil.get_terminal_size((100, 24)).columns))}")
