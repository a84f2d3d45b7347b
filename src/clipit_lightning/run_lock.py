"""One process at a time in a run's folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clipit_lightning.errors import UserError

HELD = "runs in this folder"
"""Of the line that says that another process holds a lock."""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it ends.

    The lock is a file beside the folder, so that an empty or a foreign folder stays as it is.

    Raises:
        UserError: Another process holds it, or the file cannot be made.
    """
    path = _file_of(folder)
    handle = _open(path)
    try:
        while not _locked(handle, path, folder):  # its last holder removed it meanwhile
            os.close(handle)
            handle = _open(path)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}".encode(), 0)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder's lock just now."""
    with suppress(FileNotFoundError):
        handle = os.open(_file_of(folder), os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
    return False


def _file_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error


def _locked(handle: int, path: Path, folder: Path) -> bool:
    """Take the lock; False where the file that was locked is no longer the one at its place."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 100, 0).decode("utf-8", "replace").strip() or "unknown"
        raise UserError(f"{folder}: another process ({holder}) {HELD}; wait for it, or give output=FOLDER") from error
    return path.exists() and os.fstat(handle).st_ino == path.stat().st_ino
