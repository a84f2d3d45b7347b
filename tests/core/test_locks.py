"""The lock of a run's folder: one process at a time, and no refusal for less."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.locks import HELD, HeldError, is_held, run_lock

HOLD = """
import sys, time
from pathlib import Path
from clipit_lightning.core.locks import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "mine"


def test_one_process_at_a_time_and_a_killed_one_releases_it(folder):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        assert is_held(folder)
        with pytest.raises(HeldError, match=rf"mine: another process \(process {process.pid} on .+\) {HELD}; "):
            run_lock(folder).__enter__()
    finally:
        process.kill()
        process.communicate()
    assert not is_held(folder)
    with run_lock(folder):
        assert is_held(folder)
    assert not is_held(folder)
    assert list(folder.parent.iterdir()) == []


def test_whoever_only_looks_does_not_stop_a_run_that_starts(folder, monkeypatch):
    folder.parent.mkdir(parents=True)
    looking = os.open(folder.with_name(".mine.lock"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_EX)
    monkeypatch.setattr("time.sleep", lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
    with run_lock(folder, patience=5):
        assert is_held(folder)
    os.close(looking)


def test_a_disk_without_locks_is_not_said_to_be_another_process(folder, monkeypatch):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=r"cannot write .*mine\.lock: No locks available"):
        run_lock(folder).__enter__()
    assert not is_held(folder)


def test_a_folder_in_the_place_of_the_lock_is_one_line(folder):
    folder.with_name(".mine.lock").mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write .*mine\.lock: Is a directory"):
        run_lock(folder).__enter__()


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "file"])
def test_a_file_of_the_users_in_the_place_of_the_lock_is_left_as_it_is(folder, kind):
    folder.parent.mkdir(parents=True)
    thesis, lock = folder.with_name("thesis.txt"), folder.with_name(".mine.lock")
    thesis.write_text("process of writing")
    {"symbolic link": os.symlink, "hard link": os.link, "file": shutil.copyfile}[kind](thesis, lock)
    with pytest.raises(UserError, match=r"mine\.lock"):
        run_lock(folder).__enter__()
    assert not is_held(folder)
    assert thesis.read_text() == lock.read_text() == "process of writing"
