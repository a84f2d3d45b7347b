"""One process at a time in a run's folder, or at a store."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from clipit_lightning.core.errors import UserError

HELD = "works there"
"""Part of the line that says that another process holds a lock."""


class HeldError(UserError):
    """Another process holds the lock."""


@contextmanager
def run_lock(path: Path, patience: float = 0.2, way_out: str = "give output=FOLDER") -> Iterator[None]:
    """Hold the lock of a folder or a file; the system releases it when the process ends, however it ends.

    The lock is a file beside it, so that an empty or a foreign folder stays as it is. ``patience`` are seconds to wait
    while another process holds it; by default enough for `is_held`, which holds it for a moment. ``way_out`` says what
    to do where one need not wait.

    Raises:
        HeldError: Another process holds it.
        UserError: The file cannot be made or locked, or is a file of somebody else.
    """
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file, timeout=patience)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(poll_interval=0.02)
    except Timeout as error:
        holder = ""
        with suppress(OSError):
            holder = file.read_text(encoding="utf-8", errors="replace")[:100].strip()
        message = f"{path}: another process ({holder or 'unknown'}) {HELD}; wait, or {way_out}"
        raise HeldError(message) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {file}: {reason}; free space or choose another folder") from error
    try:
        _sign(file)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)  # before the release, so that nobody else holds it by then
    finally:
        lock.release()


def _sign(file: Path) -> None:
    """Write into a lock's file who holds it; raise a UserError where it is somebody else's, which is left as it is."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with suppress(OSError), os.fdopen(os.open(file, flags), "r+b") as opened:  # a full disk: it holds without a name
        if not re.fullmatch(rb"(process \d+ on .*)?", opened.read(1000)):
            raise UserError(f"{file}: in the place of a lock there is a file of other content; move it elsewhere")
        opened.seek(0)
        opened.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        opened.truncate()


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder's lock just now; a lock that cannot be looked at counts as free.

    The file of one that nobody holds, as a killed process leaves it, is removed.
    """
    if not folder.with_name(f".{folder.name}.lock").exists():
        return False
    try:
        with run_lock(folder, patience=0):
            return False
    except UserError as error:
        return isinstance(error, HeldError)
