import socket
import subprocess
import sys

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.pipelines.collect import from_files
from clipit_lightning.pipelines.extraction import Process, own_device, this_process
from clipit_lightning.pipelines.preparation import make_store
from clipit_lightning.pipelines.settings import Settings
from tests.support.videos import write_video

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def test_two_processes_of_torchrun_write_the_same_store_as_one(tmp_path):
    """Three good videos and a bad one: each by one process, the bad one named by the first, the store equal."""
    for number, name in enumerate(("ball", "cat", "dog")):
        write_video(tmp_path / f"{name}.mp4", 60, first=60 * number, audio=None)
    (tmp_path / "bad.mp4").write_text("no video")
    make_store(from_files([tmp_path], "mine"), tmp_path / "one/mine.h5", Settings("hsv"))
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1"]
    words += [f"--master-port={free_port()}", "--module", "clipit_lightning.cli.main"]
    words += ["prepare", ".", "--to=two/mine.h5", "--encoder=hsv"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 1, ran.stderr  # a video was skipped
    lines = [line.split(":")[0] + line.split(":")[1] for line in ran.stdout.splitlines() if line.startswith("process")]
    assert sorted(lines) == [
        "process 1 [1/2] bad",
        "process 1 [2/2] cat",
        "process 2 [1/2] ball",
        "process 2 [2/2] dog",
    ]
    assert ran.stderr.count("1 videos were skipped") == 1
    assert (tmp_path / "two/mine.h5").read_bytes() == (tmp_path / "one/mine.h5").read_bytes()


def test_a_process_knows_which_it_is(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert this_process() == Process(0, 1, 0)
    assert this_process(3) == Process(0, 3, 0)
    monkeypatch.setenv("LOCAL_RANK", "2")  # as in a process that Lightning starts
    assert this_process(3) == Process(2, 3, 2)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert this_process() == Process(5, 8, 1)
    with pytest.raises(UserError, match="torchrun starts the processes already"):
        this_process(2)
    with pytest.raises(UserError, match="0 processes"):
        this_process(0)


def test_processes_of_one_machine_take_a_gpu_each(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [own_device("auto", Process(rank, 3, rank)) for rank in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert own_device("auto", Process()) == "auto"
    assert own_device("cpu", Process(0, 2, 0)) == "cpu"
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert own_device("auto", Process(1, 2, 1)) == "auto"
