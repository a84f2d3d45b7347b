import hashlib
import http.server
import io
import re
import shutil
import socket
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS, download, find_source, sources
from clipit_lightning.data.benchmark import Benchmark, RemoteFile, Source
from clipit_lightning.data.download import fetch, unpack

CONTENT = np.random.default_rng(0).bytes(900_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the local server does, and what it was asked."""

    address: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """For each answer: the bytes after which the connection is closed."""
    statuses: list[int] = field(default_factory=list)
    """For each answer: an error to give instead."""
    asked: list[str | None] = field(default_factory=list)
    """Range of each request."""


def answer(handler, site):
    site.asked.append(handler.headers["Range"])
    if site.statuses:
        handler.send_error(site.statuses.pop(0))
        return
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    first = int(wanted[1]) if wanted and site.ranges else 0
    handler.send_response(206 if first else 200)
    handler.send_header("Content-Length", str(len(site.content) - first))
    handler.end_headers()
    body = site.content[first:]
    handler.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "*")
    local = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self, local)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield local
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def get(site, monkeypatch, tmp_path):
    """Fetches a file of the site as a benchmark's own."""

    def run(name="file.bin", size=900_000, sha256=SHA256, to=tmp_path, address=None):
        file = RemoteFile(url=f"{address or site.address}/{name}", name=name, size=size, sha256=sha256)
        source = Source(name="ours", title="A title", licence="a licence", how_to_get="what to do next", files=(file,))
        ours = Benchmark(name="ours", title="", kind="annotated", n_videos=1, how_to_get="", sources=(source,))
        monkeypatch.setitem(BENCHMARKS, "ours", ours)
        (path,) = fetch("ours", to)
        return path

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def check_error(call, match):
    """The call ends with one line."""
    with pytest.raises(UserError, match=match) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_whole_file_comes_verified_and_nothing_else_stays(site, get, tmp_path, caplog):
    path = get(to=tmp_path / "deep" / "folder")
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["file.bin"]
    assert "a licence" in caplog.messages[0]
    assert "what to do next" in caplog.messages[-1]
    assert any("100 % of 0.9 MB" in line for line in caplog.messages)


def test_what_is_there_and_right_is_not_fetched_again(site, get, tmp_path):
    get()
    get()
    assert len(site.asked) == 1
    (tmp_path / "file.bin").write_text("the user's own")
    check_error(get, "move it away")
    assert (tmp_path / "file.bin").read_text() == "the user's own"


def test_a_cut_connection_is_resumed_where_it_stopped(site, get, caplog):
    site.cuts = [300_000, 100_000]
    assert get().read_bytes() == CONTENT
    assert site.asked == [None, "bytes=262144-", "bytes=327680-"]
    assert any("cut at 262144 of 900000" in line for line in caplog.messages)


def test_a_later_call_resumes_what_an_earlier_one_left(site, get, tmp_path):
    site.cuts = [100_000] * download.ATTEMPTS
    check_error(get, r"file\.bin\.part is kept")
    assert len(site.asked) == download.ATTEMPTS
    assert names(tmp_path) == ["file.bin.part"]
    assert get().read_bytes() == CONTENT
    assert site.asked[-1] == "bytes=327680-"
    assert names(tmp_path) == ["file.bin"]


def test_a_server_without_ranges_sends_it_all_again(site, get):
    site.ranges, site.cuts = False, [300_000]
    assert get().read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("size", "sha256", "match"), [(None, "0" * 64, f"sha256 {SHA256}, not 0000"), (17, None, "900000 bytes, not 17")]
)
def test_wrong_content_is_named_and_removed(get, tmp_path, size, sha256, match):
    check_error(lambda: get(size=size, sha256=sha256), match)
    assert names(tmp_path) == []


def test_a_web_page_instead_of_the_file_is_no_file(site, get, caplog):
    get("unknown.bin", size=None, sha256=None)
    assert any(SHA256 in line for line in caplog.messages), "where no checksum is published, the one obtained is logged"
    site.content = b"\n<!DOCTYPE HTML><title>Log in</title>"
    check_error(lambda: get(size=None, sha256=None), "web page")


def test_a_missing_file_is_one_line_without_another_attempt(site, get):
    site.statuses = [404]
    check_error(get, "the server answers 404")
    assert len(site.asked) == 1


def test_a_busy_server_is_asked_again(site, get, tmp_path):
    site.statuses = [503, 429, 500]
    assert get().read_bytes() == CONTENT
    site.statuses = [503] * 100
    check_error(lambda: get(to=tmp_path / "other"), "503.*try later")


def test_without_a_network_it_is_one_line(get):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        check_error(lambda: get(address=address), "no connection .*refused.*is there a network")
    check_error(lambda: get(address="http://nowhere.invalid"), "no connection .*nowhere.invalid.*is there a network")


def test_a_full_disk_is_one_line_and_keeps_what_came(site, get, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        check_error(get, "1 MB to come, 0 MB free; free space")

    class Full(io.FileIO):
        def write(self, block):
            if self.tell() + len(block) > 400_000:
                raise OSError(28, "No space left on device")
            return super().write(block)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode="r", **_: Full(path, mode.replace("b", "")))
        check_error(get, "No space left on device; free space")
    assert get().read_bytes() == CONTENT
    assert site.asked[-1] == "bytes=393216-"


def packed(path, *members):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members:
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_is_unpacked_once_and_may_then_be_removed(site, get, tmp_path, caplog):
    site.content = packed(tmp_path / "x.zip", ("a", b"one"), ("deep/b", b"two")).read_bytes()
    to = tmp_path / "to"
    folder = get("Set.zip", None, None, to)
    assert (folder / "deep" / "b").read_bytes() == b"two"
    assert names(to) == ["Set", "Set.zip"]
    (to / "Set.zip").unlink()
    assert get("Set.zip", None, None, to) == folder
    assert any("already, unpacked" in line for line in caplog.messages)
    assert len(site.asked) == 1


@pytest.mark.parametrize("name", ["x.zip", "x.tgz"])
@pytest.mark.parametrize("member", ["../out", "a/../../out", "/etc/out"])
def test_names_that_lead_out_of_the_folder_are_not_unpacked(tmp_path, name, member):
    archive = packed(tmp_path / name, ("good", b"1"), (member, b"2"))
    check_error(lambda: unpack(archive, tmp_path / "to"), "leads out of the folder")
    assert names(tmp_path) == [name]


def test_a_link_out_of_the_folder_is_not_unpacked(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    check_error(lambda: unpack(tmp_path / "x.tar", tmp_path / "to"), "not to be trusted")
    assert names(tmp_path) == ["x.tar"]


@pytest.mark.parametrize("name", ["x.zip", "x.tgz"])
@pytest.mark.parametrize("size", [0, 900_000])
def test_a_truncated_archive_leaves_nothing(tmp_path, name, size):
    archive = packed(tmp_path / name, ("a", CONTENT), ("b", CONTENT))
    archive.write_bytes(archive.read_bytes()[:size])
    check_error(lambda: unpack(archive, tmp_path / "to"), "damaged")
    assert names(tmp_path) == [name]


def test_what_is_larger_than_the_disk_is_not_unpacked(tmp_path, monkeypatch):
    archive = packed(tmp_path / "x.tgz", ("zeros", bytes(5_000_000)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    check_error(lambda: unpack(archive, tmp_path / "to"), "unpacks to 5 MB, 2 MB are free")


def test_a_source_without_files_says_where_to_get_it(tmp_path, caplog):
    assert fetch("qfvs", tmp_path / "data") == []
    assert "https://www.aidean-sharghi.com/cvpr2017" in " ".join(caplog.messages)
    assert not (tmp_path / "data").exists()


def test_every_file_comes_by_https_and_has_a_checksum_where_one_is_published():
    files = [file for source in sources().values() for file in source.files]
    assert all(file.url.startswith("https://") for file in files)
    # The authors publish none of these; `clipit data fetch` logs the one that came.
    assert {file.name for file in files if not file.sha256} == {"SumMe.zip", "tvsum50_ver_1_1.tgz"}


def test_an_unknown_name_is_answered_with_the_known_ones():
    check_error(lambda: find_source("sume"), r"did you mean summe\? There are tvsum, tvsum-videos, summe, qfvs")
