"""Download a benchmark's files: resumed where they were cut, verified, unpacked, and named only when they are whole.

A download goes to ``NAME.part`` beside its target, which the next attempt or call resumes. A file that was changed at
its source meanwhile is noticed by its checksum, or by those inside an archive. Archives are unpacked beside themselves.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.data import find_source
from clipit_lightning.data.benchmark import RemoteFile

ATTEMPTS = 5
"""Connections tried for a file in one call."""
PAUSE = 1.0
"""Seconds before another attempt; doubled each time while a server is busy."""
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""
_BUSY = (408, 429, 500, 502, 503, 504)
_BLOCK = 2**16  # what is lost of a cut connection, at most
_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


def fetch(name: str, to: Path) -> list[Path]:
    """Download a source's files into a folder, verify them, and unpack archives.

    What is there already and right is not downloaded again. A source without files is not an error: the log says where
    its authors distribute it. Gives a path for each file: the file, or the folder that it was unpacked to.

    Raises:
        UserError: The name is unknown, the server or the connection fails, a file has the wrong content, an archive is
            damaged or hostile, or the folder cannot be written. What was received and is not wrong stays.
    """
    source = find_source(name)
    log.info(f"{source.title}; licence: {source.licence}")
    if not source.files:
        log.info(f"not downloaded, it has no stable public address: {source.how_to_get}")
        return []
    paths = [_fetch_file(file, to) for file in source.files]
    log.info(f"next: {source.how_to_get}")
    return paths


def _fetch_file(file: RemoteFile, to: Path) -> Path:
    target = to / file.name
    suffix = next((suffix for suffix in _SUFFIXES if file.name.endswith(suffix)), "")
    folder = to / file.name.removesuffix(suffix)
    if suffix and folder.exists():
        log.info(f"{folder} is there already, unpacked; remove it to fetch {file.name} again")
        return folder
    try:
        to.mkdir(parents=True, exist_ok=True)
        if target.exists():
            _verify(target, file, "is there, but", "move it away and run the command again")
            log.info(f"{target} is there already; nothing to download")
        else:
            _download(file, target)
        if suffix:
            log.info(f"unpacking {file.name} to {folder}")
            unpack(target, folder)
            log.info(f"unpacked; {file.name} may be removed")
    except OSError as error:
        advice = "free space or choose another folder, what came is kept"
        raise UserError(f"{target}: {error.strerror or error}; {advice}") from error
    return folder


def _download(file: RemoteFile, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    retries = Retry(ATTEMPTS - 1, connect=1, status_forcelist=_BUSY, raise_on_status=False, backoff_factor=PAUSE)
    with requests.Session() as session:
        session.adapters.update(dict.fromkeys(("https://", "http://"), HTTPAdapter(max_retries=retries)))
        try:
            for _ in range(ATTEMPTS):
                if _receive(session, file, part):
                    break
                time.sleep(PAUSE)
            else:
                raise UserError(f"{file.url}: cut {ATTEMPTS} times; {part} is kept and the same command resumes it")
        except requests.RequestException as error:
            reason = getattr(error.args[0] if error.args else error, "reason", error)
            raise UserError(f"{file.url}: no connection ({reason}); is there a network? Try later") from error
    try:
        _verify(part, file, "came, but", "it was removed; run the command again, or fetch it by hand")
    except UserError:
        part.unlink()
        raise
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(target)
    log.info(f"{target}: complete")


def _receive(session: requests.Session, file: RemoteFile, part: Path) -> bool:
    """Receive what is missing over one connection; False where that is cut."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with session.get(file.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if file.url.startswith("https:") and not response.url.startswith("https:"):
            raise UserError(f"{file.url}: leads to {response.url[:200]}, which is not https; not downloaded")
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return True  # nothing is missing; whether it is the right file is checked next
        if not response.ok:
            answer = f"the server answers {response.status_code} {response.reason}"
            raise UserError(f"{file.url}: {answer}; try later, or look for it on its authors' page")
        have = have if response.status_code == requests.codes.partial_content else 0
        to_come, free = int(response.headers.get("Content-Length", 0)), shutil.disk_usage(part.parent).free
        if to_come > free:
            raise UserError(f"{file.name}: {to_come / 1e6:.0f} MB to come, {free / 1e6:.0f} MB free; free space")
        size = have + to_come
        shown = have * 10 // max(size, 1)
        with part.open("ab" if have else "wb") as content:
            try:
                for block in response.iter_content(_BLOCK):
                    content.write(block)
                    have += len(block)
                    if to_come and have * 10 // size > shown:
                        shown = have * 10 // size
                        log.info(f"{file.name}: {shown * 10} % of {size / 1e6:.1f} MB")
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                log.info(f"{file.name}: connection cut at {have} of {size} bytes; resuming")
                return False
    return True


def _verify(path: Path, file: RemoteFile, state: str, remedy: str) -> None:
    """Check a complete file; log its checksum where none was published to compare it with."""
    with path.open("rb") as content:
        head = content.read(512).lstrip().lower()
        content.seek(0)
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = content.tell()
    problems = {
        "is a web page instead of the file": head.startswith((b"<!doctype html", b"<html")),
        f"has {size} bytes, not {file.size}": size != (file.size or size),
        f"has the sha256 {digest}, not {file.sha256}": digest != (file.sha256 or digest),
    }
    for problem in [words for words, holds in problems.items() if holds]:
        raise UserError(f"{path} {state} {problem}; {remedy}")
    if file.sha256 is None:
        log.info(f"{file.name}: {size} bytes, sha256 {digest} (none is published to compare with: note it)")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar file into a new folder, which appears when it is complete, or not at all.

    Raises:
        UserError: The archive is damaged, leads out of the folder, or is larger than the free disk.
        OSError: The folder cannot be written.
    """
    is_zip = archive.suffix == ".zip"
    try:
        with zipfile.ZipFile(archive) if is_zip else tarfile.open(archive) as packed:
            if isinstance(packed, zipfile.ZipFile):
                members = [(info.filename, info.file_size) for info in packed.infolist()]
            else:
                members = [(info.name, info.size) for info in packed]
        size, free = sum(size for _, size in members), shutil.disk_usage(archive.parent).free
        if out := [name for name, _ in members if name.startswith("/") or ".." in PurePosixPath(name).parts]:
            raise UserError(f"{archive}: {out[0][:100]!r} leads out of the folder; do not trust this file")
        if size > free:
            raise UserError(f"{archive}: unpacks to {size / 1e6:.0f} MB, {free / 1e6:.0f} MB are free; free space")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
            unpacked = Path(temporary) / "unpacked"  # the temporary folder itself is private
            shutil.unpack_archive(archive, unpacked, filter=None if is_zip else "data")
            unpacked.rename(folder)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the operating system; libraries report damage without a number
        reason = str(error).partition("\n")[0]
        raise UserError(f"{archive}: damaged or not to be trusted ({reason}); remove it and fetch it again") from error
