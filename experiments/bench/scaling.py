"""What a second process costs and gains: whole commands, each process with as many threads as are named."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.bench.runner import Options, Table
from experiments.bench.whole_run import CONFIG, train

WAYS = {
    "1 process": ["trainer.devices=1"],
    "2 processes, shared batches": ["trainer.devices=2", "trainer.parallel=batch"],
    "2 processes, a fold each": ["trainer.devices=2", "trainer.parallel=folds"],
}


def tables(options: Options) -> Iterator[Table]:
    """All ways of one configuration."""
    with TemporaryDirectory() as folder:
        variants = {
            name: train(options, Path(folder) / str(number), "trainer.accelerator=cpu", *words, threads=options.threads)
            for number, (name, words) in enumerate(WAYS.items())
        }
        yield Table(f"processes of clipit train {CONFIG}", variants, warm=False)
