"""What a second process costs and gains: a run on one process, on two that share batches, on two with a fold each.

    python experiments/benchmark_scaling.py --config configs/tvsum.yaml --root data --repeats 3

Times are of whole commands, start-up included, and of the training alone as `result.json` says it, in one run on one
machine; ratios are what carries over. Each process has one thread, so that one process uses one core.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = {
    "1 process": ["trainer.devices=1"],
    "2 processes, shared batches": ["trainer.devices=2"],
    "2 processes, a fold each": ["trainer.devices=2", "trainer.parallel=folds"],
}


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--config", default="configs/tvsum.yaml")
    parser.add_argument("--root", default="data")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("words", nargs="*", help="further key=value")
    options = parser.parse_args()
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(options.repeats):
            for number, (name, words) in enumerate(WAYS.items()):  # in turn, so that a busy machine slows all
                output = Path(folder) / f"{repeat}-{number}"
                seconds[name].append(
                    _time([options.config, f"data.root={options.root}", *options.words, *words], output)
                )
    base_all, base_training = (statistics.median(column) for column in zip(*seconds["1 process"], strict=True))
    for name, times in seconds.items():
        whole, training = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"{name:30} whole {whole:6.1f} s ({whole / base_all:.2f} of one process), "
            f"folds {training:6.1f} s ({training / base_training:.2f})"
        )


def _time(words: list[str], output: Path) -> tuple[float, float]:
    """Seconds of the whole command, and of its folds."""
    command = [
        sys.executable,
        "-m",
        "clipit_lightning.cli.main",
        "train",
        *words,
        f"output={output}",
        "trainer.accelerator=cpu",
    ]
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return time.monotonic() - begun, json.loads((output / "result.json").read_text())["wall_seconds"]


if __name__ == "__main__":
    main()
