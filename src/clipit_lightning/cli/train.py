"""`clipit train`."""

import gc
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log, show
from clipit_lightning.core.shipped import CONFIGS, HOME, shipped_files


class KeyHelp(TyperCommand):
    """Adds to a command's help every configuration key, its default, what it takes and its sentence."""

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401 - a class of the context that typer does not export
        """The help of the command, then the shipped files and the keys."""
        from clipit_lightning.core.config_files import describe_keys

        lines = [super().get_help(ctx), "", "Shipped files:"]
        for folder in CONFIGS:
            names = ", ".join(shipped_files((folder,)))
            lines.append(textwrap.fill(f"  {names}", 78, subsequent_indent="  ", break_on_hyphens=False))
        lines += [f"  They lie in {HOME / CONFIGS[0]}", "", "Keys, their defaults, and what they take:"]
        for name, default, allowed, text in describe_keys():
            lines += [f"  {name}={default}  ({allowed})", f"      {text}"]
        return "\n".join(lines)


def train(
    context: typer.Context,
    words: list[str] | None = typer.Argument(
        None,
        metavar="[FILE|STORE.h5|key=value]...",
        help="Your files (NAME.yaml) or shipped ones (tvsum), a store of yours, and keys.",
    ),
) -> None:
    """Train and test all folds of a configuration.

    Files are merged in order; keys win over them. An interrupted run continues with the same command.
    """
    if not words:
        print(context.get_help())
        raise UserError("train: name what to train, such as `clipit train tvsum seed=1`")

    from clipit_lightning.core.config_files import load_config

    files = [word for word in words if "=" not in word]
    config = load_config(files, [word for word in words if "=" in word])

    gc.disable()  # what is imported stays: it is not looked through again, here and in the processes of folds
    from clipit_lightning.studies.leaderboard import lies_in_runs, update_board
    from clipit_lightning.studies.run_table import end_of_run
    from clipit_lightning.training.ranks import is_first
    from clipit_lightning.training.run import RUNS
    from clipit_lightning.training.train import run

    gc.freeze()
    gc.enable()
    if is_first():
        _note_defaults(files, config.data.dataset)
    result = run(config)
    if is_first():
        folder = Path(config.output) if config.output else RUNS / result.run
        if result.measured and lies_in_runs(folder):
            update_board()
        show(f"\n{end_of_run(result, folder, min(100, shutil.get_terminal_size((100, 24)).columns))}")


def _note_defaults(files: Sequence[str], dataset: str) -> None:
    """Log that no file says anything of the data set, where settings made for it are shipped."""
    from clipit_lightning.data import BENCHMARKS

    if dataset in shipped_files(CONFIGS) and not any(file in BENCHMARKS or Path(file).suffix for file in files):
        log.info(f"NOTE: {dataset} with plain defaults; `clipit train {dataset} ...` takes the settings made for it")
