"""Download a benchmark's files: resumable, verified, atomic, with the standard library.

A download goes to ``NAME.part`` beside its target, with ``NAME.part.json``, which says what it is a part of. A cut
connection is taken up again where it stopped, in the same call and in later ones, if the server still has the same file
(HTTP Range with If-Range); otherwise it starts anew. Only a complete file of the right size and checksum takes its
name. One with wrong content is removed: it is of no use. Archives stay, and are unpacked beside themselves.
"""

import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json, write_json
from clipit_lightning.data.archives import extract, folder_name, is_archive
from clipit_lightning.data.sources import SOURCES, RemoteFile, Source, find_source

Say = Callable[[str], None]

ATTEMPTS = 5
"""Connections tried for a file in one call."""
FIRST_PAUSE = 1.0
"""Seconds before the second attempt; doubled before each further one."""
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""
SECONDS_BETWEEN_LINES = 1.0
"""Progress is said at most this often, and only every 10 % where the output is no terminal."""

_BLOCK = 2**18
_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # answers that another attempt may change


class _CutError(Exception):
    """The connection failed in a way that another attempt may mend."""


def fetch(name: str, to: Path, say: Say = print, sources: Sequence[Source] = SOURCES) -> list[Path]:
    """Download a source's files into a folder, verify them, and unpack archives.

    What is there already and right is not downloaded again. A source without files is not an error: what is said tells
    where its authors distribute it.

    Args:
        name: Name of the source.
        to: Folder for the files; made where it is missing.
        say: Takes a line of progress or advice.
        sources: The table to look in.

    Returns:
        A path for each file: the file, or the folder that it was unpacked to. Empty for a source without files.

    Raises:
        UserError: The name is unknown, the server or the connection fails, a file has the wrong content, an archive is
            damaged or hostile, or the folder cannot be written. What was received stays for the next call, unless it
            is wrong.
    """
    source = find_source(name, sources)
    say(f"{source.title}; licence: {source.licence}")
    if not source.files:
        say(f"not downloaded, it has no stable public address: {source.how_to_get}")
        return []
    found = [_fetch_file(file, to, say) for file in source.files]
    say(f"next: {source.how_to_get}")
    return found


def _fetch_file(file: RemoteFile, to: Path, say: Say) -> Path:
    target, folder = to / file.name, to / folder_name(file.name)
    if is_archive(file.name) and folder.is_dir() and not target.exists():
        say(f"{folder} is there already, unpacked; remove it to fetch {file.name} again")
        return folder
    with _disk(target):
        if target.exists():
            _verify(target, file, say, "is there, but", "move it away and run the command again")
            say(f"{target} is there already; nothing to download")
        else:
            to.mkdir(parents=True, exist_ok=True)
            _download(file, target, say)
    if not is_archive(file.name):
        return target
    if folder.exists():
        say(f"{folder} is there already, unpacked")
    else:
        say(f"unpacking {file.name} to {folder}")
        extract(target, folder)
        say(f"unpacked; {file.name} may be removed")
    return folder


@contextmanager
def _disk(target: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line. Errors of the network never come here: ``_CutError`` is no OSError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{target}: {reason}; free space or choose another folder, what came is kept") from error


@dataclass(frozen=True)
class _Part:
    """A download that is not complete: ``path``, and a note beside it of what it is a part of."""

    path: Path

    @property
    def note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def start(self, url: str, validator: str, size: int | None) -> None:
        """Begin anew. The old bytes go before the note changes, so that the note never speaks of other bytes."""
        self.path.write_bytes(b"")
        write_json(self.note, {"url": url, "validator": validator, "size": size})

    def read_note(self, file: RemoteFile) -> dict[str, Any]:
        """The note, where there is something to continue that can be checked afterwards; empty otherwise."""
        try:
            note = read_json(self.note)
        except UserError:  # none, or damaged: start anew
            return {}
        fits = isinstance(note, dict) and note.get("url") == file.url and {"validator", "size"} <= note.keys()
        there = fits and self.path.is_file() and self.path.stat().st_size > 0
        return note if there and (note["validator"] or file.sha256) else {}

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _download(file: RemoteFile, target: Path, say: Say) -> None:
    """Receive a file in as many attempts as are allowed, verify it, and give it its name."""
    part = _Part(target.with_name(f"{target.name}.part"))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(file, part, say)
            break
        except _CutError as error:
            if attempt == ATTEMPTS:
                kept = f"{part.path} is kept and the same command continues it" if part.path.exists() else "try later"
                raise UserError(f"{file.url}: {error}, {ATTEMPTS} times; {kept}") from error
            pause = FIRST_PAUSE * 2 ** (attempt - 1)
            say(f"{file.name}: {error}; attempt {attempt + 1} of {ATTEMPTS} in {pause:g} s")
            time.sleep(pause)
    try:
        _verify(part.path, file, say, "came, but", "it was removed; run the command again, or fetch it by hand")
    except UserError:
        part.remove()
        raise
    with part.path.open("rb") as written:
        os.fsync(written.fileno())
    part.path.replace(target)
    part.remove()
    say(f"{target}: complete")


def _attempt(file: RemoteFile, part: _Part, say: Say) -> None:
    """Receive what is missing over one connection; ``_CutError`` where another attempt may succeed."""
    note = part.read_note(file)
    have = part.path.stat().st_size if note else 0
    if have and have == note["size"]:
        return
    headers = {"User-Agent": "clipit-lightning", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        headers |= {"If-Range": note["validator"]} if note["validator"] else {}
    with _connection(Request(file.url, headers=headers), part) as response:
        if response.headers.get_content_type() == "text/html":
            raise UserError(f"{file.url}: a web page instead of the file (a login or a notice?); fetch it by hand")
        said, validator = _size(response), _validator(response.headers)
        size = said if said is not None else file.size
        if file.size not in (None, size):
            part.remove()
            raise UserError(f"{file.url}: the file there has {size} bytes, not {file.size}: it was changed there")
        if response.status != 206:
            have = 0
            part.start(file.url, validator, size)
        elif not _continues(response, have, said, validator, note):
            part.remove()
            raise _CutError("the file was changed at its source, starting anew")
        else:
            say(f"{file.name}: continuing at {have / 1e6:.1f} MB")
        room = shutil.disk_usage(part.path.parent).free
        if size is not None and size - have > room:
            raise UserError(f"{file.name}: {(size - have) / 1e6:.0f} MB to come, {room / 1e6:.0f} MB free; free space")
        _receive(response, part, have, size, say)
        if size is not None and part.path.stat().st_size < size:
            raise _CutError(f"connection cut at {part.path.stat().st_size} of {size} bytes")


@contextmanager
def _connection(request: Request, part: _Part) -> Iterator[HTTPResponse]:
    """Open an address, and tell what another attempt may mend from what none will."""
    url = request.full_url
    _check_url(url, url)
    try:
        response = build_opener(_OnlyWeb).open(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # our part is longer than the server's file
            part.remove()
            raise _CutError("the file was changed at its source, starting anew") from error
        if error.code in _AGAIN:
            raise _CutError(f"the server answers {error.code} {error.reason}") from error
        why = "redirects lead nowhere" if 300 <= error.code < 400 else f"the server answers {error.code} {error.reason}"
        raise UserError(f"{url}: {why}; the file may have moved, look for it on its authors' page") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, socket.gaierror):
            raise UserError(f"{url}: the name of the server is not known ({reason}); is there a network?") from error
        if isinstance(reason, ConnectionRefusedError):
            raise UserError(f"{url}: the server refuses the connection; try later, or check the proxy") from error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise UserError(f"{url}: its certificate is not valid ({reason.verify_message}); not downloaded") from error
        raise _CutError(f"no connection ({reason or type(reason).__name__})") from error
    with response:
        yield response


class _OnlyWeb(HTTPRedirectHandler):
    """Follows redirects to http and https only, and never from https back to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _check_url(newurl, req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_url(url: str, asked: str) -> None:
    allowed = ("https",) if urlsplit(asked).scheme == "https" else ("http", "https")
    if urlsplit(url).scheme not in allowed:
        raise UserError(f"{asked}: leads to {url[:200]}, which is not {' or '.join(allowed)}; not downloaded")


def _size(response: HTTPResponse) -> int | None:
    """Bytes of the whole file, where the server says so."""
    partial = response.headers.get("Content-Range", "").rpartition("/")[2]
    said = partial if response.status == 206 else response.headers.get("Content-Length", "")
    return int(said) if said.isdecimal() else None


def _validator(headers: Message) -> str:
    """What If-Range can name this version of the file by: a strong ETag, or the date; empty where there is neither."""
    etag = headers.get("ETag", "")
    return str(etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", ""))


def _continues(response: HTTPResponse, have: int, size: int | None, validator: str, note: dict[str, Any]) -> bool:
    """Whether a partial answer starts where our part ends, in the same version of the file."""
    starts = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    same_size = size is None or note.get("size") in (None, size)
    return starts and same_size and (not validator or validator == note.get("validator"))


def _receive(response: HTTPResponse, part: _Part, have: int, expected: int | None, say: Say) -> None:
    """Append what comes to the part; stop where it gets longer than it should be."""
    stretch, said = _stretch(have, expected), time.monotonic()
    with part.path.open("ab") as file:
        while expected is None or have <= expected:
            try:
                block = response.read(_BLOCK)
            except (OSError, HTTPException) as error:
                raise _CutError(f"connection cut ({error or type(error).__name__})") from error
            if not block:
                return
            file.write(block)
            have += len(block)
            if _stretch(have, expected) > stretch and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
                stretch, said = _stretch(have, expected), time.monotonic()
                share = f"{have * 100 // expected} % of {expected / 1e6:.1f} MB" if expected else f"{have / 1e6:.0f} MB"
                say(f"{part.path.stem}: {share}")


def _stretch(have: int, expected: int | None) -> int:
    """A number that grows with each line worth saying: every 1 % in a terminal, 10 % elsewhere, or 100 MB."""
    return have * (100 if sys.stdout.isatty() else 10) // expected if expected else have // 10**8


def _verify(path: Path, file: RemoteFile, say: Say, state: str, remedy: str) -> None:
    """Check a complete file; say its checksum where none was published to compare it with."""
    try:
        digest = file.verify(path)
    except ValueError as error:
        raise UserError(f"{path} {state} {error}; {remedy}") from error
    if file.sha256 is None:
        say(f"{file.name}: {path.stat().st_size} bytes, sha256 {digest} (none is published to compare with: note it)")
