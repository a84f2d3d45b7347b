"""The default run, start to end, as a user waits for it; beside that of another checkout where one is named."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.bench.runner import REPOSITORY, Call, Options, Table, command

CONFIG = "configs/tvsum.yaml"


def tables(options: Options) -> Iterator[Table]:
    """The other checkout is the baseline, with its own configuration."""
    trees = {"the other checkout": options.against} if options.against else {}
    with TemporaryDirectory() as folder:
        variants = {
            name: train(options, Path(folder) / name, tree=tree)
            for name, tree in (trees | {"this checkout": REPOSITORY}).items()
        }
        yield Table(f"clipit train {CONFIG}", variants, warm=False)


def train(options: Options, folder: Path, *words: str, tree: Path = REPOSITORY, threads: int | None = None) -> Call:
    """A call that trains and tests all folds anew, and returns nothing."""
    given = [f"data.root={options.root}", *options.words, *words]
    numbers = count()

    def run() -> None:
        output = f"output={folder}-{next(numbers)}"
        command("-m", "clipit_lightning.cli.main", "train", CONFIG, *given, output, tree=tree, threads=threads)()

    return run
