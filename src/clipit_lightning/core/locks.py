"""One process at a time in a run's folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from clipit_lightning.core.errors import UserError

HELD = "runs in this folder"
"""Part of the line that says that another process holds a lock."""


class HeldError(UserError):
    """Another process holds the lock."""


@contextmanager
def run_lock(folder: Path, patience: float = 0.2) -> Iterator[None]:
    """Hold the folder's lock; the system releases it when the process ends, however it ends.

    The lock is a file beside the folder, so that an empty or a foreign folder stays as it is. ``patience`` are seconds
    to wait while another process holds it; by default enough for `is_held`, which holds it for a moment.

    Raises:
        HeldError: Another process holds it.
        UserError: The file cannot be made or locked.
    """
    path = folder.with_name(f".{folder.name}.lock")
    lock = FileLock(path, timeout=patience)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(poll_interval=0.02)
    except Timeout as error:
        holder = ""
        with suppress(OSError):
            holder = path.read_text(encoding="utf-8", errors="replace")[:100].strip()
        message = f"{folder}: another process ({holder or 'unknown'}) {HELD}; wait, or give output=FOLDER"
        raise HeldError(message) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {path}: {reason}; free space or choose another folder") from error
    try:
        with suppress(OSError):  # a full disk: the lock holds without a name
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        path.unlink(missing_ok=True)  # before the release, so that nobody else holds it by then
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder's lock just now; a lock that cannot be looked at counts as free."""
    if not folder.with_name(f".{folder.name}.lock").exists():
        return False
    try:
        with run_lock(folder, patience=0):
            return False
    except UserError as error:
        return isinstance(error, HeldError)
