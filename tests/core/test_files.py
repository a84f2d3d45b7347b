import os
import socket
import subprocess
import sys

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import atomic_path, read_json, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_half()
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_what_a_killed_write_left_is_removed_by_the_next_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host, ours = socket.gethostname()[-20:], os.getpid()
    kept = [f".x.{host}-{ours}-a", ".x.other", ".x.elsewhere-1-a", f".y.{host}-{ended.pid}-a"]
    for name in (f".x.{host}-{ended.pid}-a", *kept):
        (tmp_path / name).touch()
    write_text(tmp_path / "x", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["x", *kept])


def test_json_holds_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    write_json(tmp_path / "x.json", {"value": 1.5})
    assert read_json(tmp_path / "x.json") == {"value": 1.5}


def test_unreadable_and_unwritable_are_one_line(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read .*broken\.json"):
        read_json(tmp_path / "broken.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_text(tmp_path / "file" / "below.txt", "x")


def test_files_can_be_shared(tmp_path):
    write_text(tmp_path / "x", "x")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~mask
