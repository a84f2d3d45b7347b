"""The runs of a grid as processes of their own, several at once; what is finished stays, what was cut off goes on."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.locks import HELD, is_held
from clipit_lightning.core.processes import devices
from clipit_lightning.evaluation.names import METRICS, printed
from clipit_lightning.studies.grid import GridRun, roots_of
from clipit_lightning.studies.tables import MAIN
from clipit_lightning.training.build import Say
from clipit_lightning.training.run import Run

_POLL = 0.2  # seconds
_PATIENCE = 10  # seconds for a run to end by itself
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG, prctl(2)


@dataclass(frozen=True)
class _Running:
    """A run that was started."""

    run: GridRun
    process: "subprocess.Popen[bytes]"
    place: int
    """Which of the workers it takes."""
    before: int | None
    """When its result had been written, as of `_written`."""


@dataclass
class _Progress:
    """What is left to do, what runs, and what came of the rest."""

    folder: Path
    total: int
    waiting: list[GridRun]
    devices: list[str | None]
    """For each worker the GPU that its runs see; None for all."""
    running: dict[str, _Running] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    trained: int = 0
    """Without what was finished before, and only looked into."""
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> int:
        return self.total - len(self.waiting) - len(self.running)

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
    return max(1, (gpus or cores) // max(run.config.trainer.devices for run in runs))


def run_grid(runs: Sequence[GridRun], folder: Path, workers: int, say: Say) -> dict[str, str]:
    """Train and test what is not finished yet.

    Args:
        runs: What is to be finished in the end.
        folder: Each run has a folder of its name in it.
        workers: Processes at once, each with one thread; GPUs are shared out among them.
        say: Takes a line a finished run.

    Returns:
        Names of the runs that failed, each with the last line that it said.

    Raises:
        UserError: The folder cannot be written to.
        KeyboardInterrupt: Interrupted; the runs are stopped, and go on with the same call.
    """
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}; give --to FOLDER") from error
    roots = roots_of(runs)
    skip = _skipping(folder, roots)
    progress = _Progress(folder, len(runs), [run for run in runs if not skip(run)], devices(workers))
    say(f"benchmark {folder}: {len(runs)} runs, {progress.done} of them finished, {workers} at a time")
    with _stopping(progress):
        while progress.waiting or progress.running:
            _start_some(progress, skip, say)
            time.sleep(_POLL)
            for name in [name for name, each in progress.running.items() if each.process.poll() is not None]:
                _end(progress, name, say)
    return progress.failed


def _skipping(folder: Path, roots: dict[str | None, str]) -> Callable[[GridRun], bool]:
    """Whether a run need not be started. Where stores are newer than a result, the run itself looks into them."""
    newest = {
        root: max((path.stat().st_mtime for path in Path(place).glob("*.h5")), default=0.0)
        for root, place in roots.items()
    }

    def skip(run: GridRun) -> bool:
        root, result = run.config.data.root, folder / run.name / "result.json"
        try:
            return result.stat().st_mtime >= newest[root] and run.is_finished(folder / run.name, roots[root])
        except (OSError, UserError):
            return False  # the run says what is wrong with its folder

    return skip


def _start_some(progress: _Progress, skip: Callable[[GridRun], bool], say: Say) -> None:
    """Start what can be started; what another command runs is left to it, and looked at again."""
    for run in list(progress.waiting):
        free = set(range(len(progress.devices))) - {each.place for each in progress.running.values()}
        if not free:
            return
        if is_held(progress.folder / run.name):
            if run.name not in progress.elsewhere:
                progress.elsewhere.add(run.name)
                say(f"{run.name}: runs elsewhere, waiting for it")
            continue
        progress.waiting.remove(run)
        if run.name in progress.elsewhere and skip(run):
            _say_found(progress, run.name, say, " (by another command)")
            continue
        place, before = min(free), _written(progress.folder / run.name)
        # A run that shares itself between several devices needs to see them.
        device = progress.devices[place] if run.config.trainer.devices == 1 else None
        progress.running[run.name] = _Running(run, _start(run, progress.folder, device), place, before)


def _start(run: GridRun, folder: Path, device: str | None) -> "subprocess.Popen[bytes]":
    """Start a run in a session of its own: of Ctrl-C the parent hears alone, and ends its runs in order."""
    command = [sys.executable, "-m", "clipit_lightning.cli.main", "train", *run.files, *run.words]
    command += [f"output={folder / run.name}", "trainer.progress=false"]
    with _log(folder, run.name).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | ({} if device is None else {"CUDA_VISIBLE_DEVICES": device}),
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """A parent that is killed cannot end its runs; Linux tells them. Elsewhere they finish, held by their lock."""
    if _LIBC is not None:
        _LIBC.prctl(_DIES_WITH_PARENT, signal.SIGTERM)


def _log(folder: Path, name: str) -> Path:
    return folder / "logs" / f"{name}.txt"


def _end(progress: _Progress, name: str, say: Say) -> None:
    """Say what came of a run that ended."""
    ended = progress.running.pop(name)
    status, written = ended.process.returncode, _written(progress.folder / name)
    if status == 0:
        progress.trained += written != ended.before
        if written is not None:  # where stores were newer than a result that was there, they are looked into now
            (progress.folder / name / "result.json").touch()
        _say_found(progress, name, say)
        return
    last = _last_line(_log(progress.folder, name), status)
    if status == 2 and HELD in last:  # another command was quicker
        progress.waiting.append(ended.run)
        return
    _fail(progress, name, last, say)


def _written(folder: Path) -> int | None:
    """When a run's result was written, in nanoseconds; None where there is none."""
    try:
        return (folder / "result.json").stat().st_mtime_ns
    except OSError:
        return None


def _fail(progress: _Progress, name: str, why: str, say: Say) -> None:
    progress.failed[name] = why
    say(f"[{progress.done}/{progress.total}] {name} FAILED: {why}")


def _say_found(progress: _Progress, name: str, say: Say, note: str = "") -> None:
    """A result that cannot be read is a failure of this run, and stops no other."""
    try:
        say(_line(progress, name) + note)
    except UserError as error:
        _fail(progress, name, str(error), say)


def _line(progress: _Progress, name: str) -> str:
    metrics = Run(progress.folder / name).result().measured
    shown = [f"{METRICS[key].column} {printed(key, metrics[key].mean)}" for key in MAIN if key in metrics]
    return f"[{progress.done}/{progress.total}] {name}: {'  '.join(shown)}{progress.time_left()}"


def _last_line(log: Path, status: int) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if status < 0:
        return f"killed by signal {-status} (memory?)"
    return (said.removeprefix("clipit: ") or f"exit status {status}")[:300]


@contextmanager
def _stopping(progress: _Progress) -> Iterator[None]:
    """Leave no run behind: tell them to end, then make them; a run survives both."""
    try:
        yield
    finally:
        processes = [each.process for each in progress.running.values()]
        for process in processes:
            process.terminate()
        until = time.monotonic() + _PATIENCE
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
            process.kill()
            process.wait()
