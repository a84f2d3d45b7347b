"""`clipit train`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_train(commands: Commands) -> None:
    """Add `clipit train`."""
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


class _KeyHelp(argparse.HelpFormatter):
    """Adds every configuration key, its default and its sentence to ``clipit train --help``."""

    def format_help(self) -> str:
        from clipit_lightning.core.config_files import describe_keys

        lines = [f"  {key}={default}\n      {sentence}" for key, default, sentence in describe_keys()]
        return super().format_help() + "\nkeys and their defaults:\n" + "\n".join(lines) + "\n"


def _train(options: argparse.Namespace) -> int:
    from clipit_lightning.core.config_files import load_config

    files = [word for word in options.words if word.endswith((".yaml", ".yml")) and "=" not in word]
    config = load_config(files, [word for word in options.words if word not in files])

    from clipit_lightning.core.log import print_log
    from clipit_lightning.studies.tables import result_table
    from clipit_lightning.training.ranks import is_first
    from clipit_lightning.training.train import run

    print_log()
    result = run(config)
    if is_first():
        print(result_table(result))
    return 0
