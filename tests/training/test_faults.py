"""What took time is not lost: killed, told to stop, started twice."""

import json
import random
import resource
import signal
import time

import pandas as pd
import pytest

from tests.support.commands import QUICK, clipit, start, train

pytestmark = pytest.mark.distributed
WORDS = ["optim.epochs=6", "model.dropout=0.5", "model.input_dropout=0.2"]
KILLS = 10


@pytest.fixture(scope="module")
def undisturbed(stores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    begun = time.monotonic()
    train(stores, folder, *WORDS)
    return folder, time.monotonic() - begun


def told_to_start(process):
    """Wait until the run has begun."""
    for line in process.stdout:
        if line.startswith("run "):
            return


def compared(folder):
    """Everything that a result says of numbers."""
    result = json.loads((folder / "result.json").read_text())
    return {name: result[name] for name in ("metrics", "folds", "validation", "protocol", "parameters")}


def test_killed_at_ten_moments_it_ends_with_the_same_results(undisturbed, stores, tmp_path):
    expected, _ = undisturbed
    moments = random.Random(0)
    words = ["train", *QUICK, *WORDS, f"data.root={stores}"]
    killed, attempt = 0, 0
    while killed < KILLS:
        folder = tmp_path / f"run{attempt}"
        while killed < KILLS and not (folder / "result.json").exists():
            process = start(*words, f"output={folder}")
            told_to_start(process)
            time.sleep(moments.uniform(0, 1.2))
            killed += process.poll() is None
            process.kill()
            process.communicate()
        train(stores, folder, *WORDS)
        assert compared(folder) == compared(expected)
        for name in ("per_video.csv", "scores.json"):
            assert (folder / name).read_bytes() == (expected / name).read_bytes()
        for fold in (0, 1):
            ours, theirs = (pd.read_csv(path / f"folds/{fold}/metrics.csv") for path in (folder, expected))
            assert ours["epoch"].tolist() == theirs["epoch"].tolist(), "curves are whole"
        attempt += 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_says_so_and_continues_later(undisturbed, stores, tmp_path, number):
    expected, _ = undisturbed
    process = start("train", *QUICK, *WORDS, f"data.root={stores}", f"output={tmp_path / 'run'}")
    told_to_start(process)
    time.sleep(0.3)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip().splitlines()[-1] == "clipit: interrupted; the same command continues where it stopped"
    assert "Traceback" not in said
    train(stores, tmp_path / "run", *WORDS)
    assert compared(tmp_path / "run") == compared(expected)


def test_a_disk_that_fills_up_is_one_line_and_the_run_continues_when_there_is_room(undisturbed, stores, tmp_path):
    """No file may grow beyond 20 kB: what is written first fits, a checkpoint does not."""
    expected, _ = undisturbed
    words = ["train", *QUICK, *WORDS, f"data.root={stores}", f"output={tmp_path / 'run'}"]
    process = start(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("clipit: cannot write ")
    assert said.count("\n") == 1
    assert "best.ckpt: File too large; free space or choose another folder" in said
    assert not list(tmp_path.rglob(".*ckpt*")), "nothing half-written stays"
    train(stores, tmp_path / "run", *WORDS)
    assert compared(tmp_path / "run") == compared(expected)


def test_a_second_process_in_the_same_folder_is_refused_and_the_first_goes_on(stores, tmp_path):
    words = ["train", *QUICK, "optim.epochs=200", "data.fold=0", f"data.root={stores}", f"output={tmp_path / 'run'}"]
    first = start(*words)
    told_to_start(first)
    second = clipit(*words)
    assert second.returncode == 2
    assert f"another process (process {first.pid}) runs in this folder" in second.stderr
    assert first.poll() is None
    first.kill()
    first.communicate()
    third = start(*words)  # the lock went with its holder
    told_to_start(third)
    third.kill()
    third.communicate()


def test_a_group_that_is_told_to_stop_leaves_nobody_behind(stores, tmp_path):
    words = [
        "train",
        *QUICK,
        "optim.epochs=500",
        f"data.root={stores}",
        f"output={tmp_path / 'run'}",
        "trainer.devices=2",
    ]
    process = start(*words, start_new_session=True)
    told_to_start(process)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)  # ends only when all who hold the pipes have ended
    assert process.returncode != 0
