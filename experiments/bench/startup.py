"""Commands that do nothing, and imports: what a user waits for before anything happens."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.bench.runner import Options, Table, command

CLIPIT = ("-m", "clipit_lightning.cli.main")
IMPORTS = ("numpy", "torch", "clipit_lightning.training.train")


def tables(options: Options) -> Iterator[Table]:
    """Everything beside a Python that does nothing."""
    with TemporaryDirectory() as folder:
        board = command(*CLIPIT, "leaderboard", "--to", str(Path(folder) / "board.csv"))
        yield Table(
            "start-up",
            {
                "python": command("-c", "pass"),
                "clipit --help": command(*CLIPIT, "--help"),
                "clipit train --help": command(*CLIPIT, "train", "--help"),
                "clipit leaderboard": board,
                **{f"import {name}": command("-c", f"import {name}") for name in IMPORTS},
            },
        )
