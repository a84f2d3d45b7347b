"""Several processes at once: GPUs shared out among them, a log file for each, and all of them ended together.

Folds, runs of a grid, workers of a sweep, and the processes that train one model together are started here.
"""

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any, Self, TextIO

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log, print_error, print_log

_PATIENCE = 10  # seconds for a process to end by itself
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
CAN_FORK = sys.platform == "linux"
"""Elsewhere the system's own libraries do not survive it."""


@dataclass(frozen=True)
class Ended:
    """A process that ended."""

    name: str
    status: int
    """Exit status; negative where a signal killed it."""
    reason: str
    """The last line of its log, or the signal."""


class Pool:
    """Starts processes and ends those that still run when its block is left, however that happens.

    Each has a session of its own: of Ctrl-C the parent hears alone, and ends its children in order. On Linux children
    also end when the parent is killed. The GPUs are shared out among ``size`` processes, the most that run at once,
    each with so many threads (None for torch's default). Logs are called ``NAME.txt``; without, the terminal is theirs.
    """

    def __init__(self, size: int, logs: Path | None, threads: int | None = 1) -> None:
        self.size, self.logs, self.threads = size, logs, threads
        self._gpus = _shared_gpus(size)
        self._running: dict[str, tuple[int, subprocess.Popen[bytes] | _Copy]] = {}
        try:
            if logs is not None:
                logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {logs}: {error.strerror or error}; choose another folder") from error

    @property
    def running(self) -> int:
        """How many processes run, or ended since the last `wait`."""
        return len(self._running)

    def call(self, name: str, function: Callable[..., object], *arguments: object, all_gpus: bool = False) -> None:
        """Call an importable function in a new process, with arguments that can be pickled.

        Its exit status is 2 after a `UserError`, whose line is the last of the log, and 130 when it was interrupted.
        """
        self.start(name, [sys.executable, "-m", __name__], pickle.dumps((function, arguments)), all_gpus)

    def fork(self, name: str, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in a copy of this process, which imports nothing anew and shares what lies in memory.

        Ends as `call` does. Only where `CAN_FORK` is true, this process uses no GPU, and torch one thread: the threads
        of others are not copied, and the copy would wait for them for ever.
        """
        number = self._number()
        with nullcontext() if self.logs is None else self._log(name).open("a", 1, "utf-8", "backslashreplace") as log:
            self._running[name] = (number, _Copy(log, function, arguments))

    def start(
        self,
        name: str,
        command: Sequence[str],
        payload: bytes = b"",
        all_gpus: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a process that reads ``payload`` from its standard input, with more variables in its environment.

        With ``all_gpus`` it sees all GPUs, since it shares itself between several.
        """
        number = self._number()
        gpu = None if all_gpus else self._gpus[number]
        variables = os.environ | (environment or {})
        variables |= {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        variables |= {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        with nullcontext() if self.logs is None else self._log(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                env=variables,
                start_new_session=True,
                preexec_fn=None if _LIBC is None else end_with_parent,
            )
        self._running[name] = (number, process)
        if process.stdin is not None:
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(payload)

    def wait(self, seconds: float = 0.2) -> list[Ended]:
        """Sleep so long; returns the processes that ended since the last call."""
        time.sleep(seconds)
        ended = []
        for name, (_, process) in list(self._running.items()):
            status = process.poll()
            if status is not None:
                del self._running[name]
                ended.append(Ended(name, status, self._reason(name, status)))
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        processes = [process for _, process in self._running.values()]
        for process in processes:
            process.terminate()
        until = time.monotonic() + _PATIENCE
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
            process.kill()
            process.wait()
        self._running.clear()

    def _number(self) -> int:
        """Of the next process: the first, from 0, that none has which runs."""
        return min(set(range(self.size)) - {number for number, _ in self._running.values()})

    def _log(self, name: str) -> Path:
        return (self.logs or Path()) / f"{name}.txt"

    def _reason(self, name: str, status: int) -> str:
        if status < 0:
            return f"killed by signal {-status} (memory?)"
        lines = [] if self.logs is None else self._log(name).read_text("utf-8", "replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return (last.removeprefix("clipit: ") or f"exit status {status}")[:300]


class _Copy:
    """A copy of this process that calls a function, with what a pool needs of `subprocess.Popen`."""

    def __init__(self, log: TextIO | None, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self._process = get_context("fork").Process(target=_call_in_copy, args=(log, function, arguments))
        self._process.start()
        self.terminate, self.kill, self.wait = self._process.terminate, self._process.kill, self._process.join

    def poll(self) -> int | None:
        return self._process.exitcode


def _call_in_copy(file: TextIO | None, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """What a process of `Pool.fork` does: all that it prints or logs goes into its log alone, if it has one."""
    os.setsid()
    end_with_parent()
    if file is None:
        sys.exit(_call(function, arguments))
    log.handlers.clear()
    log.propagate = False
    with redirect_stdout(file), redirect_stderr(file):
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.exit(_call(function, arguments))


def _shared_gpus(size: int) -> list[str | None]:
    """For each of several processes the GPU that it may see, in turns; None where there is nothing to share out."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [str(index) for index in range(torch.cuda.device_count())] if named is None else named.split(",")
    return [gpus[index % len(gpus)] if size > 1 and len(gpus) > 1 else None for index in range(size)]


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Let Linux send this process a signal when its parent is killed; elsewhere it goes on to its end."""
    if _LIBC is not None:
        _LIBC.prctl(_PARENT_DEATH_SIGNAL, number)


def keep_memory() -> None:
    """Let freed memory stay with this process and its copies: large tensors of each step are then not mapped anew.

    Only for glibc, whose ``mallopt(3)`` is told; training is some 5 to 10 % faster, and memory does not shrink.
    """
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def interrupt(number: int, frame: FrameType | None) -> None:
    """A signal handler that raises what Ctrl-C raises, once: another signal must not disturb the way out."""
    signal.signal(number, signal.SIG_IGN)
    sys.unraisablehook = partial(_interrupt_again, number, sys.unraisablehook)
    raise KeyboardInterrupt


def _interrupt_again(number: int, hook: Callable[[Any], object], ignored: Any) -> None:  # noqa: ANN401 - not exported
    """Send a signal again whose exception Python ignored, as it does where a weak reference calls back."""
    if ignored.exc_type is KeyboardInterrupt:
        sys.unraisablehook = hook
        signal.signal(number, interrupt)
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()  # not from here, where it would be ignored, too
    else:
        hook(ignored)


def _call(function: Callable[..., object], arguments: Sequence[object]) -> int:
    """Call a function as all that a process does; returns the exit status."""
    signal.signal(signal.SIGTERM, interrupt)
    print_log()
    try:
        function(*arguments)
    except UserError as error:
        print_error(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception:  # a bug; not left to the interpreter, which in a copy prints elsewhere
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_call(*pickle.load(sys.stdin.buffer)))
