"""The runs of a grid as processes of their own, several at once; what is finished stays, what was cut off continues."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch

from clipit_lightning import __version__
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.locks import HELD, is_held
from clipit_lightning.core.log import log
from clipit_lightning.core.processes import Ended, Pool
from clipit_lightning.data.shot_scores import choose_judge
from clipit_lightning.data.store import Store
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
    running: dict[str, GridRun] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    trained: int = 0
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

    Runs that read a judge's scores are omitted, and named, where the store has none of that judge.

    Returns:
        Names of the runs that failed, each with the last line of its log.

    Raises:
        UserError: The folder cannot be written to, or no run is left.
        KeyboardInterrupt: Interrupted; the runs are stopped, and continue with the same call.
    """
    roots = roots_of(runs)
    runs = _judged(runs, roots)
    skip = _skipping(folder, roots)
    with Pool(workers, folder / "logs") as pool:
        progress = _Progress(folder, len(runs), [run for run in runs if not skip(run)])
        finished = [run for run in runs if run not in progress.waiting]
        log.info(f"benchmark {folder}: {len(runs)} runs, {len(finished)} of them finished, {workers} at a time")
        _log_versions(finished, folder)
        for run in finished:
            is_held(folder / run.name)  # for it removes the lock of a process that was killed at its very end
        while progress.waiting or pool.running:
            for run in list(progress.waiting):
                if pool.running < workers:
                    _start(progress, pool, run, skip)
            for ended in pool.wait():
                _end(progress, ended)
    return progress.failed


def _judged(runs: Sequence[GridRun], roots: dict[str | None, str]) -> list[GridRun]:
    """The runs whose stores have the scores of the judge that they name, if they name one; the others are logged."""
    left, reasons = [], []
    for run in runs:
        data = run.config.data
        try:
            if data.judge is not None:
                choose_judge(Store(Path(roots[data.root]) / f"{data.dataset}.h5"), data.judge)
            left.append(run)
        except UserError as error:
            reasons.append(f"{run.name} is omitted: {error}")
            log.info(f"NOTE: {reasons[-1]}")
    if not left:
        raise UserError(reasons[-1])
    return left


def _skipping(folder: Path, roots: dict[str | None, str]) -> Callable[[GridRun], bool]:
    """Whether a run need not be started. Of folds in a file the run itself sees whether they are the same."""
    content_hash = cache(Store.content_hash)  # a store is read once, not for each run

    def skip(run: GridRun) -> bool:
        try:
            finished = run.is_finished(folder / run.name, roots[run.config.data.root], content_hash)
        except Exception:  # the run says what is wrong with its folder or its stores
            return False
        return finished and not Path(run.config.data.family).suffix

    return skip


def _log_versions(runs: Iterable[GridRun], folder: Path) -> None:
    """Log where another version of this package finished runs."""
    versions = {Run(folder / run.name).result().version for run in runs} - {__version__}
    if versions:
        log.info(f"NOTE: of another version ({'; '.join(sorted(versions))}) are some that were finished before")


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
    progress.running[run.name] = run
    command = [*_TRAIN, *run.files, *run.words, f"output={folder}", "trainer.progress=false"]
    pool.start(run.name, command, all_gpus=run.config.trainer.processes > 1)


def _end(progress: _Progress, ended: Ended) -> None:
    """Log what came of a run that ended."""
    run = progress.running.pop(ended.name)
    if ended.status == 0:
        progress.trained += 1
        _log_result(progress, run.name)
    elif ended.status == 2 and HELD in ended.reason:  # another command was quicker
        progress.waiting.append(run)
    else:
        _fail(progress, run.name, ended.reason)


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
