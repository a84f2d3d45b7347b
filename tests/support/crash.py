"""Commands that are killed, or whose disk fails, at one of the operations by which they change files.

``python -m tests.support.crash LIBRARY FILE`` serves them: each runs in a copy of a process that has imported
everything, with ``crash.c`` preloaded. What a command starts is a copy, too, so that nothing is imported again.
"""

import ctypes
import gc
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

COMPILER = shutil.which("cc")
SOURCE = Path(__file__).with_suffix(".c")
PATIENCE = 120
"""Seconds after which a command is taken for hanging, and killed."""
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


@dataclass(frozen=True)
class Ended:
    """A command that ended, with all processes that it left."""

    status: int
    """Negative where a signal killed it."""
    operations: int
    """How many there were below its folder."""
    at: str
    """The operation that failed, or at which a process was killed; empty where there was none of that number."""
    printed: str
    """On standard output and error."""


class Server:
    """Runs commands one after another in copies of one process."""

    def __init__(self, folder):
        library = folder / "crash.so"
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        variables = {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", __name__, str(library), str(folder / "printed.txt")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=os.environ | variables, cwd=SOURCE.parents[2], **pipes)

    def run(self, words, folder, at=0, error=0):
        """Run `clipit` in a folder; its operation number ``at`` there fails with an error, or kills where that is 0."""
        self.process.stdin.write(json.dumps([words, str(folder), at, error]) + "\n")
        self.process.stdin.flush()
        return Ended(*json.loads(self.process.stdout.readline()))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve(library, printed):
    """Run what standard input says."""
    crash = ctypes.CDLL(library)
    crash.crash_at.restype = ctypes.c_char_p
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)  # what a killed command leaves is waited for
    imported = set()
    for line in sys.stdin:
        words, folder, at, error = json.loads(line)
        Path(folder).mkdir(exist_ok=True)
        printed.with_suffix(".names").write_text("")
        gc.freeze()  # its pages stay shared
        crash.crash_plan(folder.encode(), at, error)
        child = os.fork()
        if child == 0:
            _run(words, folder, printed)
        status = _wait(child)
        ended = (status, crash.crash_count(), os.fsdecode(crash.crash_at()), printed.read_text("utf-8", "replace"))
        crash.crash_plan(b"", 0, 0)
        for name in set(printed.with_suffix(".names").read_text().split()) - imported:
            imported.add(name)
            with suppress(Exception):
                importlib.import_module(name)  # the next copy has it
        print(json.dumps(ended), flush=True)


def _wait(child):
    """Wait until a process and all that it left have ended; returns its status."""
    statuses, until = {}, time.monotonic() + PATIENCE
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return statuses[child]
        statuses[ended] = os.waitstatus_to_exitcode(status)
        if not ended and time.monotonic() > until:
            for orphan in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(orphan), signal.SIGKILL)
        time.sleep(0 if ended else 0.002)


def _run(words, folder, printed):
    from clipit_lightning.cli.main import main

    before = set(sys.modules)
    output = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    status = main(words)
    sys.stdout.flush()
    printed.with_suffix(".names").write_text("\n".join(set(sys.modules) - before))
    os._exit(status)


def _train(words):
    from clipit_lightning.cli.main import main

    sys.exit(main(words))


def _start_copies():
    """Let everything that starts processes fork them, and take dead trials for dead sooner."""
    from clipit_lightning.core.processes import Pool
    from clipit_lightning.studies import run_table, sweep

    Pool.call = Pool.fork
    Pool.start = lambda pool, name, command, **_: pool.fork(name, _train, list(command[3:]))
    sweep.Search = partial(sweep.Search, beat=1, grace=4)
    run_table.end_of_run = lambda *_: ""  # changes no file, and takes a third of the time


if __name__ == "__main__":
    _start_copies()
    serve(sys.argv[1], Path(sys.argv[2]))
