"""The runs of a grid as processes of their own, several at once; what is finished stays, what was cut off continues."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.locks import HELD, is_held
from clipit_lightning.core.log import log
from clipit_lightning.core.processes import Ended, Pool
from clipit_lightning.evaluation.names import METRICS, printed
from clipit_lightning.studies.grid import GridRun, roots_of
from clipit_lightning.studies.tables import MAIN
from clipit_lightning.training.run import Run

_TRAIN = (sys.executable, "-m", "clipit_lightning.cli.main", "train")


@dataclass
class _Progress:
    """What is left to do, what runs, and what came of the rest."""

    folder: Path
    total: int
    waiting: list[GridRun]
    running: dict[str, tuple[GridRun, int | None]] = field(default_factory=dict)
    """By name, with the time at which the result of each had been written before."""
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    trained: int = 0
    """Without what was finished before, and only looked into."""
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> str:
        """How many of all runs ended, for a line."""
        return f"[{self.total - len(self.waiting) - len(self.running)}/{self.total}]"

    def time_left(self) -> str:
        """By the mean of what was trained since the start."""
        left = len(self.waiting) + len(self.running)
        if not left or not self.trained:
            return ""
        minutes = (time.monotonic() - self.started) / self.trained * left / 60
        return f", {minutes:.0f} min left" if minutes >= 1 else ", less than 1 min left"


def default_workers(runs: Sequence[GridRun]) -> int:
    """How many runs have a GPU each, or where there is none or they take none, a core each."""
    gpus = 0 if all(run.config.trainer.accelerator == "cpu" for run in runs) else torch.cuda.device_count()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, (gpus or cores) // max(run.config.trainer.processes for run in runs))


def run_grid(runs: Sequence[GridRun], folder: Path, workers: int) -> dict[str, str]:
    """Train and test what is not finished yet, each run in a folder of its name.

    ``workers`` processes run at once, each with one thread; GPUs are shared out among them.

    Returns:
        Names of the runs that failed, each with the last line of its log.

    Raises:
        UserError: The folder cannot be written to.
        KeyboardInterrupt: Interrupted; the runs are stopped, and continue with the same call.
    """
    roots = roots_of(runs)
    skip = _skipping(folder, roots)
    with Pool(workers, folder / "logs") as pool:
        progress = _Progress(folder, len(runs), [run for run in runs if not skip(run)])
        finished = len(runs) - len(progress.waiting)
        log.info(f"benchmark {folder}: {len(runs)} runs, {finished} of them finished, {workers} at a time")
        while progress.waiting or pool.running:
            for run in list(progress.waiting):
                if pool.running < workers:
                    _start(progress, pool, run, skip)
            for ended in pool.wait():
                _end(progress, ended)
    return progress.failed


def _skipping(folder: Path, roots: dict[str | None, str]) -> Callable[[GridRun], bool]:
    """Whether a run need not be started. Where stores are newer than a result, the run itself looks into them."""
    newest = {
        root: max((path.stat().st_mtime for path in Path(stores).glob("*.h5")), default=0.0)
        for root, stores in roots.items()
    }

    def skip(run: GridRun) -> bool:
        root, result = run.config.data.root, folder / run.name / "result.json"
        try:
            return result.stat().st_mtime >= newest[root] and run.is_finished(folder / run.name, roots[root])
        except (OSError, UserError):
            return False  # the run says what is wrong with its folder

    return skip


def _start(progress: _Progress, pool: Pool, run: GridRun, skip: Callable[[GridRun], bool]) -> None:
    """Start a run; what another command runs is left to it, and looked at again."""
    folder = progress.folder / run.name
    if is_held(folder):
        if run.name not in progress.elsewhere:
            progress.elsewhere.add(run.name)
            log.info(f"{run.name}: runs elsewhere, waiting for it")
        return
    progress.waiting.remove(run)
    if run.name in progress.elsewhere and skip(run):
        _log_result(progress, run.name, " (by another command)")
        return
    progress.running[run.name] = (run, _written(folder))
    command = [*_TRAIN, *run.files, *run.words, f"output={folder}", "trainer.progress=false"]
    pool.start(run.name, command, all_gpus=run.config.trainer.processes > 1)


def _end(progress: _Progress, ended: Ended) -> None:
    """Log what came of a run that ended."""
    run, before = progress.running.pop(ended.name)
    written = _written(progress.folder / run.name)
    if ended.status == 0:
        progress.trained += written != before
        if written is not None:  # where stores were newer than a result that was there, they are looked into now
            (progress.folder / run.name / "result.json").touch()
        _log_result(progress, run.name)
    elif ended.status == 2 and HELD in ended.reason:  # another command was quicker
        progress.waiting.append(run)
    else:
        _fail(progress, run.name, ended.reason)


def _written(folder: Path) -> int | None:
    """When a run's result was written, in nanoseconds; None where there is none."""
    try:
        return (folder / "result.json").stat().st_mtime_ns
    except OSError:
        return None


def _fail(progress: _Progress, name: str, reason: str) -> None:
    progress.failed[name] = reason
    log.info(f"{progress.done} {name} FAILED: {reason}")


def _log_result(progress: _Progress, name: str, note: str = "") -> None:
    """Log what a run measured; a result that cannot be read is a failure of this run, and stops no other."""
    try:
        metrics = Run(progress.folder / name).result().measured
    except UserError as error:
        _fail(progress, name, str(error))
        return
    shown = [f"{METRICS[key].column} {printed(key, metrics[key].mean)}" for key in MAIN if key in metrics]
    log.info(f"{progress.done} {name}: {'  '.join(shown)}{progress.time_left()}{note}")
