"""One process at a time in a run's folder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from clipit_lightning.core.errors import UserError

HELD = "runs in this folder"
"""Of the line that says that another process holds a lock."""
_POLL = 0.02  # seconds


class HeldError(UserError):
    """Another process holds the lock."""


@contextmanager
def run_lock(folder: Path, patience: float = 0.2) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it ends.

    The lock is a file beside the folder, so that an empty or a foreign folder stays as it is.

    Args:
        folder: What is locked.
        patience: Seconds to go on trying while another process holds it; by default enough for `is_held`, which holds
            it for a moment.

    Raises:
        HeldError: Another process holds it.
        UserError: The file cannot be made or locked.
    """
    path, until = _file_of(folder), time.monotonic() + patience
    while (handle := _locked(path)) is None:
        if time.monotonic() >= until:
            raise HeldError(f"{folder}: another process ({_holder(path)}) {HELD}; wait for it, or give output=FOLDER")
        time.sleep(_POLL)
    with ExitStack() as stack:
        stack.callback(os.close, handle)
        stack.callback(path.unlink, missing_ok=True)  # before it is closed, so that nobody else holds it by then
        with _one_line(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()}".encode(), 0)
        yield


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder's lock just now; what cannot be looked at is not, as far as one can see."""
    with suppress(OSError):
        handle = os.open(_file_of(folder), os.O_RDWR)
        try:
            return not _flock(handle)
        finally:
            os.close(handle)
    return False


def _file_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def _locked(path: Path) -> int | None:
    """Open and lock the file; None where another process holds it."""
    while True:
        with ExitStack() as unless_locked, _one_line(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            unless_locked.callback(os.close, handle)
            if not _flock(handle):
                return None
            if _is_at(handle, path):  # else its last holder removed it meanwhile
                unless_locked.pop_all()
                return handle


def _flock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")[:100].strip() or "unknown"
    return "unknown"


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Say in one line why the file cannot be used."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
