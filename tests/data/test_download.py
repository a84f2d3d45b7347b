import hashlib
import http.server
import io
import json
import os
import re
import socket
import threading
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import download as fetching
from clipit_lightning.data.download import fetch
from clipit_lightning.data.sources import SOURCES, RemoteFile, Source

CONTENT = np.random.default_rng(0).bytes(900_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the local server does, and what it was asked."""

    address: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    etag: str = '"one"'
    cuts: list[int] = field(default_factory=list)
    """For each answer: the bytes after which the connection is closed."""
    statuses: list[int] = field(default_factory=list)
    """For each answer: an error to give instead."""
    headers: dict[str, str] = field(default_factory=dict)
    says_length: bool = True
    ignores_if_range: bool = False
    shift: int = 0
    """Bytes by which partial answers start beside what was asked for."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each request."""


def answer(handler, site):
    site.asked.append((handler.path, handler.headers["Range"]))
    if site.statuses:
        handler.send_error(site.statuses.pop(0))
        return
    if handler.path == "/loop":
        handler.send_response(302)
        handler.send_header("Location", "/loop")
        handler.end_headers()
        return
    if handler.path.startswith("/to/"):
        handler.send_response(302)
        handler.send_header("Location", handler.path.removeprefix("/to/"))
        handler.end_headers()
        return
    first = 0
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    if wanted and site.ranges and (site.ignores_if_range or handler.headers["If-Range"] in (None, site.etag)):
        first = int(wanted[1]) + site.shift
        if first >= len(site.content):
            handler.send_error(416)
            return
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{len(site.content) - 1}/{len(site.content)}")
    else:
        handler.send_response(200)
    if site.says_length:
        handler.send_header("Content-Length", str(len(site.content) - first))
    for name, value in {"ETag": site.etag, **site.headers}.items():
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    body = site.content[first:]
    handler.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)


@pytest.fixture
def site():
    found = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self, found)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # the client may leave in the middle

    server = Server(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_PAUSE", 0.001)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def remote(site, path="/file.bin", size=900_000, sha256=SHA256):
    return RemoteFile(url=site.address + path, name=path.rpartition("/")[2], size=size, sha256=sha256)


def source(*files):
    return [Source("ours", "A title", "a licence", "what to do next", files)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def get(file, to):
    """Fetch one file, and return its path and the lines that were said."""
    lines = []
    (path,) = fetch("ours", to, lines.append, source(file))
    return path, lines


def refused(file, to, match):
    """Fetch one file that is refused in one line."""
    with pytest.raises(UserError, match=match) as error:
        get(file, to)
    assert "\n" not in str(error.value)


def test_a_whole_file_comes_verified_and_nothing_else_stays(site, tmp_path):
    path, lines = get(remote(site), tmp_path / "deep" / "folder")
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["file.bin"]
    assert "a licence" in lines[0]
    assert "what to do next" in lines[-1]
    assert site.asked == [("/file.bin", None)]


def test_what_is_there_and_right_is_not_fetched_again(site, tmp_path):
    get(remote(site), tmp_path)
    _, lines = get(remote(site), tmp_path)
    assert any("already" in line for line in lines)
    assert len(site.asked) == 1


def test_a_file_of_the_user_with_other_content_is_left_alone(site, tmp_path):
    (tmp_path / "file.bin").write_text("mine")
    refused(remote(site), tmp_path, "move it away")
    assert (tmp_path / "file.bin").read_text() == "mine"
    assert site.asked == []


def test_a_cut_connection_is_continued_where_it_stopped(site, tmp_path):
    site.cuts = [300_000, 100_000]
    path, lines = get(remote(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [span for _, span in site.asked] == [None, "bytes=300000-", "bytes=400000-"]
    assert any("cut at 300000 of 900000" in line for line in lines)


def test_a_later_call_continues_what_an_earlier_one_left(site, tmp_path):
    site.cuts = [100_000] * fetching.ATTEMPTS
    refused(remote(site), tmp_path, r"file\.bin\.part is kept")
    assert len(site.asked) == fetching.ATTEMPTS
    assert names(tmp_path) == ["file.bin.part", "file.bin.part.json"]
    path, _ = get(remote(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert site.asked[-1] == ("/file.bin", "bytes=500000-")
    assert names(tmp_path) == ["file.bin"]


def test_a_server_without_ranges_sends_it_all_again(site, tmp_path):
    site.ranges, site.cuts = False, [300_000]
    path, _ = get(remote(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert len(site.asked) == 2


@pytest.mark.parametrize("ignores_if_range", [False, True])
@pytest.mark.parametrize("length", [900_000, 950_000])
def test_a_file_that_changed_between_attempts_is_not_mixed(site, tmp_path, ignores_if_range, length):
    file = remote(site, size=None, sha256=None)
    site.cuts = [300_000] * fetching.ATTEMPTS
    site.ranges = False
    refused(file, tmp_path, "is kept")
    site.ranges, site.etag, site.ignores_if_range = True, '"two"', ignores_if_range
    site.content = np.random.default_rng(1).bytes(length)
    path, _ = get(file, tmp_path)
    assert path.read_bytes() == site.content


def test_a_partial_answer_from_another_place_is_not_joined(site, tmp_path):
    site.cuts, site.shift = [300_000], -7
    path, lines = get(remote(site, size=None, sha256=None), tmp_path)
    assert path.read_bytes() == CONTENT
    assert any("starting anew" in line for line in lines)


def test_a_file_that_became_shorter_than_our_part_starts_anew(site, tmp_path):
    file = remote(site, size=None, sha256=None)
    site.ranges, site.cuts = False, [300_000] * fetching.ATTEMPTS
    refused(file, tmp_path, "is kept")
    site.ranges, site.content = True, CONTENT[:1000]
    assert get(file, tmp_path)[0].read_bytes() == CONTENT[:1000]


def test_without_anything_to_tell_versions_apart_it_starts_anew(site, tmp_path):
    site.etag, site.cuts = "", [300_000]
    get(remote(site, size=None, sha256=None), tmp_path)
    assert [span for _, span in site.asked] == [None, None]


def test_a_weak_etag_is_not_used_and_the_date_is(site, tmp_path):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    site.etag, site.headers, site.cuts = 'W/"weak"', {"Last-Modified": date}, [300_000] * fetching.ATTEMPTS
    refused(remote(site), tmp_path, "is kept")
    assert json.loads((tmp_path / "file.bin.part.json").read_text())["validator"] == date


def test_a_part_of_another_address_is_not_continued(site, tmp_path):
    site.cuts = [100_000] * fetching.ATTEMPTS
    refused(remote(site), tmp_path, "is kept")
    site.asked.clear()
    get(replace(remote(site), url=f"{site.address}/moved/file.bin"), tmp_path)
    assert site.asked == [("/moved/file.bin", None)]


def test_a_damaged_note_means_a_new_start(site, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 10)
    (tmp_path / "file.bin.part.json").write_text("[")
    assert get(remote(site), tmp_path)[0].read_bytes() == CONTENT


def test_a_complete_part_is_only_verified(site, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    note = {"url": f"{site.address}/file.bin", "validator": "", "size": len(CONTENT)}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    assert get(remote(site), tmp_path)[0].read_bytes() == CONTENT
    assert site.asked == []


def test_a_wrong_checksum_is_named_and_the_file_removed(site, tmp_path):
    refused(remote(site, sha256="0" * 64), tmp_path, f"sha256 {SHA256}, not 0000")
    assert names(tmp_path) == []


def test_a_wrong_size_is_named_before_anything_comes(site, tmp_path):
    refused(remote(site, size=17, sha256=None), tmp_path, "900000 bytes, not 17")
    assert names(tmp_path) == []


def test_without_a_length_more_than_expected_is_not_received(site, tmp_path):
    site.says_length = False
    refused(remote(site, size=17, sha256=None), tmp_path, f"has {2**18} bytes, not 17")  # one block, then it stops
    assert names(tmp_path) == []


def test_without_a_length_the_known_size_tells_a_cut(site, tmp_path):
    site.says_length, site.cuts = False, [300_000]
    assert get(remote(site), tmp_path)[0].read_bytes() == CONTENT
    assert site.asked[1] == ("/file.bin", "bytes=300000-")


def test_where_no_checksum_is_known_the_one_obtained_is_said(site, tmp_path):
    _, lines = get(remote(site, size=None, sha256=None), tmp_path)
    assert any(SHA256 in line for line in lines)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_error_of_the_server_is_one_line_without_a_second_try(site, tmp_path, status):
    site.statuses = [status]
    refused(remote(site), tmp_path, str(status))
    assert len(site.asked) == 1


def test_a_busy_server_is_asked_again(site, tmp_path):
    site.statuses = [503, 429, 500]
    assert get(remote(site), tmp_path)[0].read_bytes() == CONTENT


def test_a_server_that_stays_busy_is_given_up(site, tmp_path):
    site.statuses = [503] * 100
    refused(remote(site), tmp_path, "503.*try later")
    assert len(site.asked) == fetching.ATTEMPTS


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_instead_of_the_file_is_refused(site, tmp_path, kind):
    site.content, site.headers = b"\n<!DOCTYPE HTML><title>Log in</title>", {"Content-Type": kind}
    refused(remote(site, size=None, sha256=None), tmp_path, "web page")
    assert names(tmp_path) == []


def test_redirects_are_followed(site, tmp_path):
    path, _ = get(replace(remote(site), url=f"{site.address}/to//file.bin"), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_redirect_loop_ends(site, tmp_path):
    refused(remote(site, "/loop"), tmp_path, "redirects")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x"])
def test_addresses_and_redirects_of_other_kinds_are_refused(site, tmp_path, address):
    refused(replace(remote(site), url=address), tmp_path, "not http")
    assert site.asked == []
    refused(replace(remote(site), url=f"{site.address}/to/{address}"), tmp_path, "not http|redirects")
    assert names(tmp_path) == []


def test_no_redirect_leads_from_https_to_http():
    with pytest.raises(UserError, match="not https"):
        fetching._check_url("http://example.org/x", "https://example.org/x")


def test_a_refused_connection_is_one_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound, but nobody listens
        refused(remote(Site(address)), tmp_path, "refuses the connection")


def test_an_unknown_server_is_one_line(tmp_path, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused(remote(Site("http://nowhere.invalid")), tmp_path, "is there a network")


def test_a_silent_server_counts_as_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(
            remote(Site(f"http://127.0.0.1:{silent.getsockname()[1]}")), tmp_path, "timed out.*, 5 times; try later"
        )


def test_a_file_in_place_of_the_folder_is_one_line(site, tmp_path):
    (tmp_path / "data").write_text("")
    refused(remote(site), tmp_path / "data", "choose another folder")


def test_a_disk_too_small_is_said_before_the_download(site, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    refused(remote(site), tmp_path, "free space")


def test_a_disk_that_fills_up_keeps_what_came(site, tmp_path, monkeypatch):
    real_open, limit = Path.open, 400_000

    def open_on_a_small_disk(path, mode="r", *args, **kwargs):
        file = real_open(path, mode, *args, **kwargs)
        if mode != "ab":
            return file

        class Small(io.BufferedWriter):
            def write(self, block):
                if self.tell() + len(block) > limit:
                    raise OSError(28, "No space left on device")
                return super().write(block)

        return Small(file.detach())

    monkeypatch.setattr(Path, "open", open_on_a_small_disk)
    refused(remote(site), tmp_path, "No space left on device")
    monkeypatch.undo()
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[: 2**18]
    get(remote(site), tmp_path)
    assert site.asked[-1] == ("/file.bin", f"bytes={2**18}-")


def test_an_interruption_leaves_only_the_part_and_its_note(site, tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "SECONDS_BETWEEN_LINES", 0)
    with pytest.raises(KeyboardInterrupt):
        fetch("ours", tmp_path, lambda line: interrupt(line) if "%" in line else None, source(remote(site)))
    assert names(tmp_path) == ["file.bin.part", "file.bin.part.json"]
    assert 0 < (tmp_path / "file.bin.part").stat().st_size < len(CONTENT)
    assert get(remote(site), tmp_path)[0].read_bytes() == CONTENT
    assert site.asked[-1][1] is not None


@pytest.mark.parametrize(("terminal", "most"), [(False, 10), (True, 100)])
def test_progress_has_percents_and_is_no_flood(site, tmp_path, monkeypatch, terminal, most):
    monkeypatch.setattr(fetching, "SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr(fetching, "_BLOCK", 1000)
    monkeypatch.setattr(fetching.sys, "stdout", SimpleNamespace(isatty=lambda: terminal))
    _, lines = get(remote(site), tmp_path)
    percents = [int(line.split(" %")[0].split()[-1]) for line in lines if " %" in line]
    assert percents == list(range(100 // most, 101, 100 // most))


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_an_archive_is_unpacked_once_and_may_then_be_removed(site, tmp_path):
    site.content = zipped(a="one", b="two")
    file = remote(site, "/Set.zip", size=None, sha256=None)
    folder, _ = get(file, tmp_path)
    assert folder == tmp_path / "Set"
    assert (folder / "a").read_text() == "one"
    assert names(tmp_path) == ["Set", "Set.zip"]
    assert get(file, tmp_path)[0] == folder
    (tmp_path / "Set.zip").unlink()
    _, lines = get(file, tmp_path)
    assert any("already, unpacked" in line for line in lines)
    assert len(site.asked) == 1


def test_a_hostile_archive_writes_nothing(site, tmp_path):
    site.content = zipped(**{"../outside": "x"})
    refused(remote(site, "/Set.zip", size=None, sha256=None), tmp_path / "data", "leads out")
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == ["Set.zip"]


def test_a_source_without_files_says_where_to_get_it(tmp_path):
    lines = []
    assert fetch("qfvs", tmp_path / "data", lines.append) == []
    assert "https://www.aidean-sharghi.com/cvpr2017" in " ".join(lines)
    assert not (tmp_path / "data").exists()


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"did you mean summe\?.*tvsum"):
        fetch("sume", tmp_path)


def test_names_in_the_table_are_unique():
    assert len({each.name for each in SOURCES}) == len(SOURCES)
    files = [file.name for each in SOURCES for file in each.files]
    assert len(set(files)) == len(files)


@pytest.mark.parametrize("entry", SOURCES, ids=lambda entry: entry.name)
def test_entries_of_the_table_are_well_formed(entry):
    for text in (entry.name, entry.title, entry.licence, entry.how_to_get):
        assert text
        assert "\n" not in text
    assert entry.files or "http" in entry.how_to_get
    for file in entry.files:
        assert file.url.startswith("https://")
        assert Path(file.name).name == file.name == file.url.rpartition("/")[2]
        assert file.size is None or file.size > 0
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
