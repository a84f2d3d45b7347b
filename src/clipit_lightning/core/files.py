"""Atomic writes: a reader sees the old file or the whole new one, never a part."""

import glob
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clipit_lightning.core.errors import UserError

if TYPE_CHECKING:
    from pydantic import ValidationError

Typed = TypeVar("Typed")
STORE = ".h5"
"""How the name of a store's file ends."""
_FAULTS = {
    "missing": "is missing",
    "extra_forbidden": "is no key",
    "too_short": "is empty",
    "list_type": "a list is needed",
    "string_pattern_mismatch": "letters, digits, + - _ . are possible",
    **dict.fromkeys(
        ("dict_type", "model_type", "model_attributes_type", "dataclass_type"), "keys and values are needed"
    ),
}
"""Pydantic's kinds of faults in our words."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place, synced to disk, when the block ends well.

    Raises:
        UserError: The folder cannot be made or written to.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{path.name}.{socket.gethostname()[-20:]}-"
        _remove_left(path.parent, prefix)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{prefix}{os.getpid()}-")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes private files; results are for sharing
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {path}: {reason}; free space or choose another folder") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _remove_left(folder: Path, prefix: str) -> None:
    """Remove temporary files whose names begin so, then have a process, and which that left because it was killed."""
    for left in folder.glob(f"{glob.escape(prefix)}*"):
        process = left.name.removeprefix(prefix).partition("-")[0]
        with suppress(OSError, ValueError):  # others' processes and files, and names that are not ours
            if not _runs(int(process)):
                left.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def split_store(path: str) -> tuple[str, Path]:
    """The name of a store, and the folder that it lies in, from the path of its file."""
    file = Path(path).expanduser()
    return file.name.removesuffix(STORE), file.parent


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write ``value`` to ``path`` as indented JSON, atomically; a ValueError for NaN, which no result holds."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read the JSON file ``path``.

    Raises:
        UserError: It is missing, damaged or no file, names a key twice, or holds NaN, which JSON does not have.
    """
    try:
        check_is_file(path)
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=named_once, parse_constant=_reject)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {path}: {error}; restore the file or remove it") from error


def read_typed(path: Path, kind: type[Typed], problem: str, way_out: str) -> Typed:
    """Read the JSON file ``path`` as a value of a type that pydantic knows, such as a model or a dataclass.

    Raises:
        UserError: The file cannot be read, or holds something else: ``problem``, the first wrong value, ``way_out``.
    """
    return check_typed(read_json(path), kind, path, problem, way_out)


def write_typed(path: Path, value: object) -> None:
    """Write a dataclass as JSON that `read_typed` reads, atomically."""
    from pydantic import TypeAdapter

    write_bytes(path, TypeAdapter(type(value)).dump_json(value))


def check_typed(content: object, kind: type[Typed], path: Path, problem: str, way_out: str) -> Typed:
    """Make a value of a type from JSON content that was read from ``path``; raises as `read_typed` does."""
    from pydantic import TypeAdapter, ValidationError  # takes a tenth of a second to import

    try:
        return TypeAdapter(kind).validate_json(json.dumps(content))  # strict types take lists for tuples in JSON only
    except ValidationError as error:
        where, reason = first_fault(error)
        raise UserError(f"{path}: {problem} ({f'{where!r}: ' if where else ''}{reason}); {way_out}") from error


def first_fault(error: "ValidationError") -> tuple[str, str]:
    """Which value pydantic refuses first, such as ``runs.0.name``, and why, in plain words; unknown keys come first."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    fault = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    where = ".".join(str(name) for name in fault["loc"] if name != "[key]")
    message = fault["msg"].removeprefix("Value error, ").partition(" or instance of")[0]
    return where, _FAULTS.get(fault["type"], message.replace("Input", "the value"))


def check_is_file(path: Path) -> None:
    """Raise a ValueError for what would be read for ever: a pipe, a device."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("it is not a file")


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a ValueError for a name that stands twice, whose first value would be lost in silence."""
    named = dict(pairs)
    if len(named) < len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"{twice[:80]!r} stands twice")
    return named


def _reject(constant: str) -> None:
    raise ValueError(f"it holds {constant}")
