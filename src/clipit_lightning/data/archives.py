"""Unpack downloaded archives without trusting them: zip, and tar with or without compression.

Every member is read and written here, not by the libraries' ``extractall`` (whose filters differ between the Pythons
that we support): only plain files and folders are made, below a temporary folder that takes its name when all is there.
Links, devices, absolute names, ``..``, encrypted members, names that collide on file systems that ignore case, and
archives above the limits below are refused. Permissions and owners are not taken over. What macOS adds (``__MACOSX``,
``._*``) is left out: its ``._x.mat`` are no annotations.
"""

import os
import shutil
import stat
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path
from typing import IO

from clipit_lightning.core.errors import UserError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""Ends of names that are taken for archives."""

MAX_FILES = 100_000
"""Files and folders at most; SumMe has about 100."""
MAX_BYTES = 64 * 2**30
"""Unpacked bytes at most; SumMe has about 2.3 GB."""
MAX_RATIO = 100
"""Unpacked bytes a packed byte at most; videos have 1, text up to 20, a bomb a thousand and more."""
FREE_BYTES = 64 * 2**20
"""Unpacked bytes that are never too many, whatever the ratio: a small file of zeros is no bomb."""
MAX_NAME, MAX_PATH = 255, 1024
"""Bytes of a file's name, and of its path inside the archive, at most: what common file systems hold."""

# What the libraries raise on damaged input; RuntimeError and its NotImplementedError on methods they do not know.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class _Member:
    """A file or folder in an archive."""

    name: str
    size: int
    is_folder: bool
    problem: str
    """Why it is refused; empty where it is not."""
    open: Callable[[], IO[bytes] | None]


def is_archive(name: str) -> bool:
    """Whether a file of this name is taken for an archive."""
    return name.lower().endswith(SUFFIXES)


def folder_name(name: str) -> str:
    """Name of the folder that an archive is unpacked to: its own without the suffix."""
    suffixes = [each for each in SUFFIXES if name.lower().endswith(each)]
    return name[: -len(max(suffixes, key=len))] if suffixes else name


def extract(archive: Path, to: Path) -> Path:
    """Unpack an archive into a new folder, which appears when it is complete, or not at all.

    Args:
        archive: Zip or tar file.
        to: The folder to make; it must not be there yet.

    Returns:
        ``to``.

    Raises:
        UserError: The archive is damaged, encrypted, or hostile (see the module), the folder is there, or the disk is
            full or cannot be written.
    """
    if to.exists():
        raise UserError(f"{to} is there already; remove it to unpack {archive.name} again")
    temporary: Path | None = None
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}."))
        folder = temporary / "unpacked"  # mkdtemp makes private folders; data are for sharing
        folder.mkdir()
        _unpack(archive, folder)
        folder.rename(to)
    except (*_DAMAGED, OSError) as error:
        # Compression libraries report damage as OSError without a number, the operating system always with one.
        if isinstance(error, OSError) and error.errno is not None:
            reason = f"cannot be unpacked to {to}: {error.strerror}; free space or choose another folder"
        else:
            reason = f"damaged or cut short ({str(error).partition(chr(10))[0]}); remove it and fetch it again"
        raise UserError(f"{archive}: {reason}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return to


def _unpack(archive: Path, folder: Path) -> None:
    """Check all members, then write them."""
    allowed = min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * archive.stat().st_size))
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            _write(_checked(archive, _zip_members(packed), allowed), folder)
    else:
        with tarfile.open(archive) as tar:
            _write(_checked(archive, _tar_members(tar), allowed), folder)


def _zip_members(packed: zipfile.ZipFile) -> Iterator[_Member]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        problem = "is encrypted" if info.flag_bits & 0x1 else ""
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):  # 0: made where files have no Unix mode
            problem = "is a link or device"
        # orig_filename still has the backslashes and zero bytes that the library takes out.
        is_folder = info.orig_filename.endswith("/")
        yield _Member(info.orig_filename, info.file_size, is_folder, problem, partial(packed.open, info))


def _tar_members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar:
        problem = "" if info.isfile() or info.isdir() else "is a link or device"
        yield _Member(info.name, info.size, info.isdir(), problem, partial(tar.extractfile, info))
    _check_end(tar)


def _check_end(tar: tarfile.TarFile) -> None:
    """Refuse what the library takes for the end in silence: a damaged header, a missing end, gzip's checksum."""
    file = tar.fileobj
    file.seek(tar.offset)
    block = file.read(tarfile.BLOCKSIZE)
    if not block or block.strip(b"\0"):
        raise tarfile.ReadError("a header is damaged, or the end is missing")
    for _ in range(FREE_BYTES // 2**16):  # reading to the end makes the decompressor compare its checksum
        if not file.read(2**16):
            return
    raise tarfile.ReadError("more data behind its end")


def _checked(archive: Path, members: Iterable[_Member], allowed: int) -> list[tuple[_Member, str]]:
    """All members with their paths, or the first reason not to unpack the archive."""
    found: list[tuple[_Member, str]] = []
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    total = 0
    for count, member in enumerate(members, start=1):
        total += member.size
        if count > MAX_FILES:
            raise UserError(f"{archive}: more than {MAX_FILES} files; not unpacked, do not trust it")
        if total > allowed:
            raise UserError(
                f"{archive}: unpacks to far more than its size, above {allowed} bytes; not unpacked, do not trust it"
            )
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if problem := member.problem or _problem_of_name(member.name, parts):
            raise UserError(f"{archive}: {member.name[:100]!r} {problem}; not unpacked, do not trust this file")
        if not parts or parts[0] == "__MACOSX" or parts[-1].startswith("._"):
            continue
        key = _folded("/".join(parts))
        above = {_folded("/".join(parts[:depth])) for depth in range(1, len(parts))}
        clash = files.get(key) or next((files[each] for each in above if each in files), None)
        if clash or (not member.is_folder and key in folders):
            raise UserError(
                f"{archive}: {member.name[:100]!r} and {(clash or folders[key])[:100]!r} have one name; not unpacked"
            )
        folders.update(dict.fromkeys(above | ({key} if member.is_folder else set()), member.name))
        if not member.is_folder:
            files[key] = member.name
        found.append((member, "/".join(parts)))
    return found


def _folded(path: str) -> str:
    """What file systems that ignore case, or the way an accent is written, take for the same path."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _problem_of_name(name: str, parts: list[str]) -> str:
    if name.startswith("/") or name[1:2] == ":" or "\\" in name:
        return "is an absolute or Windows path"
    if ".." in parts:
        return "leads out of the folder"
    if any(ord(each) < 32 for each in name):
        return "has control characters in its name"
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:  # a tar name that is not UTF-8
        return "has a name that cannot be read"
    return "has too long a name" if max(lengths, default=0) > MAX_NAME or sum(lengths) > MAX_PATH else ""


def _write(members: list[tuple[_Member, str]], folder: Path) -> None:
    for member, path in members:
        target = folder / path
        (target if member.is_folder else target.parent).mkdir(parents=True, exist_ok=True)
        if member.is_folder:
            continue
        source = member.open()
        if source is None:
            raise EOFError(f"{path} cannot be read")
        with source, target.open("xb") as file:
            _copy(source, file, member)
            file.flush()
            os.fsync(file.fileno())


def _copy(source: IO[bytes], file: IO[bytes], member: _Member) -> None:
    """Copy a member, and refuse one that is not as long as the archive says: limits were checked on that length."""
    written = 0
    while block := source.read(min(2**20, member.size - written + 1)):
        written += len(block)
        if written > member.size:
            break
        file.write(block)
    if written != member.size:
        raise EOFError(f"{member.name} has another length than the archive says")
