"""The pool of processes: what each sees, what is known of its end, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
import torch

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.processes import CAN_FORK, Pool, interrupt

pytestmark = pytest.mark.slow

BEGIN = [Pool.call, Pool.fork] if CAN_FORK else [Pool.call]
SLEEP = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
PARENT = """
import sys
from pathlib import Path
from clipit_lightning.core.processes import Pool
from tests.core.test_processes import STARTS
with Pool(1, Path(sys.argv[1])) as pool:
    STARTS[sys.argv[2]](pool, "child")
    while True:
        pool.wait()
"""


def sleep():
    """Do what `SLEEP` does."""
    print(os.getpid(), flush=True)
    time.sleep(600)


STARTS = {"start": lambda pool, name: pool.start(name, SLEEP), "fork": lambda pool, name: pool.fork(name, sleep)}
if not CAN_FORK:
    del STARTS["fork"]


def pid_of(log):
    """What a process that sleeps wrote into its log."""
    while not log.exists() or not log.read_text().endswith("\n"):
        time.sleep(0.02)
    return int(log.read_text())


def end(pool):
    """Wait for all processes of a pool; returns what is known of their ends by name."""
    ended = []
    while pool.running:
        ended += pool.wait(0.02)
    return {process.name: process for process in ended}


def fail(kind):
    """End in one of several ways."""
    print("working")
    if kind == "error":
        raise UserError("no such data; make them")
    if kind == "bug":
        raise ValueError("a bug")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("begin", BEGIN)
def test_how_a_process_ended_is_known_from_its_log(tmp_path, begin):
    with Pool(4, tmp_path / "logs") as pool:
        for kind in ("error", "bug", "killed", "well"):
            begin(pool, kind, fail, kind)
        ended = end(pool)
    assert {name: (process.status, process.reason) for name, process in ended.items()} == {
        "error": (2, "no such data; make them"),
        "bug": (1, "ValueError: a bug"),
        "killed": (-signal.SIGKILL, "killed by signal 9 (memory?)"),
        "well": (0, "working"),
    }
    assert "Traceback" not in (tmp_path / "logs/error.txt").read_text()


@pytest.mark.parametrize(
    ("size", "all_gpus", "seen"),
    [(3, False, ["0", "1", "0"]), (1, False, ["None"]), (2, True, ["None", "None"])],
)
def test_processes_share_the_gpus_out(tmp_path, monkeypatch, size, all_gpus, seen):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    script = "import os, sys; print(os.environ.get('CUDA_VISIBLE_DEVICES'), sys.stdin.read())"
    with Pool(size, tmp_path) as pool:
        for number in range(size):
            pool.start(str(number), [sys.executable, "-c", script], b"!", all_gpus=all_gpus)
        ended = end(pool)
    assert [ended[str(number)].reason for number in range(size)] == [f"{gpu} !" for gpu in seen]


def test_a_process_takes_the_gpu_of_one_that_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    script = (
        "import os, sys, time; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(float(sys.argv[1]))"
    )
    with Pool(2, tmp_path) as pool:
        pool.start("long", [sys.executable, "-c", script, "600"])
        for name in ("first", "second"):
            pool.start(name, [sys.executable, "-c", script, "0"])
            while not (ended := pool.wait(0.02)):
                pass
            assert [process.reason for process in ended] == ["7"]


@pytest.mark.parametrize("begin", STARTS)
@pytest.mark.parametrize("problem", [KeyboardInterrupt, UserError])
def test_none_is_left_behind(tmp_path, problem, begin):
    pids = []

    def start_and_fail():
        with Pool(2, tmp_path) as pool:
            for name in ("one", "two"):
                STARTS[begin](pool, name)
                pids.append(pid_of(tmp_path / f"{name}.txt"))
            raise problem

    with pytest.raises(problem):
        start_and_fail()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_interrupt_that_python_ignores_comes_again(capfd):
    class Kept:
        pass

    kept, before = Kept(), signal.signal(signal.SIGTERM, interrupt)
    reference = weakref.ref(kept, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    try:
        del kept
        assert reference() is None
        with pytest.raises(KeyboardInterrupt):
            time.sleep(60)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not capfd.readouterr().err


@pytest.mark.distributed
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
@pytest.mark.parametrize("begin", STARTS)
def test_children_end_when_their_parent_is_killed(tmp_path, begin):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), begin], cwd=Path(__file__).parents[2])
    child = Path(f"/proc/{pid_of(tmp_path / 'child.txt')}/cmdline")
    parent.kill()
    parent.wait()
    until = time.monotonic() + 30
    while child.exists() and child.read_bytes() and time.monotonic() < until:  # a zombie's is empty
        time.sleep(0.02)
    assert not child.exists() or not child.read_bytes()
