"""What took time is not lost: killed, told to stop, started twice."""

import json
import os
import pkgutil
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.processes import CAN_FORK
from clipit_lightning.training.train import run
from tests.support.commands import PATIENCE, QUICK, environment, start, train_here

pytestmark = pytest.mark.distributed
WORDS = ["optim.epochs=6", "model.dropout=0.5", "model.input_dropout=0.2"]
APART = ["trainer.devices=2", "trainer.parallel=folds"]
KILLS = 10
KILLED = """
import json
import os
import signal
import sys
from pathlib import Path
from clipit_lightning.cli.main import main
from clipit_lightning.training import train  # once for all processes

folder, moments, words = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
run, killed = 0, 0
while killed < len(moments):
    output = Path(folder, str(run))
    if os.fork() == 0:
        signal.setitimer(signal.ITIMER_VIRTUAL, moments[killed])
        os._exit(main([*words, f"output={output}"]))
    status = os.waitstatus_to_exitcode(os.wait()[1])
    assert status in (0, -signal.SIGVTALRM), status
    if status:
        killed += 1
    else:
        run += 1
        moments[killed] /= 2  # a fast machine ends before it
"""
"""Trains again and again in processes that the system kills after so many seconds of their own computing."""
RANK_KILLED = """
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from clipit_lightning.cli.main import main
from clipit_lightning.training import train  # once for all processes

folder, kills, ranks, words = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
draw, killed = random.Random(ranks), []
for kill in range(kills):
    command, errors = os.fork(), folder / f"{kill}.txt"
    if command == 0:
        os.dup2(os.open(errors, os.O_CREAT | os.O_WRONLY), 2)
        os._exit(main([*words, f"output={folder / str(kill)}", f"trainer.devices={ranks}"]))
    children = []
    while len(children) < ranks:
        children = [int(child) for child in Path(f"/proc/{command}/task/{command}/children").read_text().split()]
    time.sleep(draw.uniform(0, 4))
    os.kill(draw.choice(children), signal.SIGKILL)
    began = time.monotonic()
    status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    left = [child for child in children if Path(f"/proc/{child}").exists()]
    killed.append([status, time.monotonic() - began, left, errors.read_text()])
Path(folder, "killed.json").write_text(json.dumps(killed))
"""
"""Trains again and again by several ranks, one of which is killed at a drawn moment, and writes down how that ends."""


@pytest.fixture(scope="module")
def undisturbed(stores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    train_here(stores, folder, *WORDS)
    return folder


@pytest.fixture
def begin():
    """Start `clipit`; it does not outlive the test."""
    processes = []

    def call(*words, **options):
        processes.append(start(*words, **options))
        return processes[-1]

    yield call
    for process in processes:
        process.kill()
        process.communicate()


def wait_for_an_epoch(folder, process):
    """Wait until a run has saved its first epoch."""
    until = time.monotonic() + PATIENCE
    while not (folder / "folds/0/last.ckpt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def compared(folder):
    """Everything that a result says of numbers."""
    result = json.loads((folder / "result.json").read_text())
    return {name: result[name] for name in ("metrics", "folds", "validation", "protocol", "parameters")}


def test_killed_at_ten_moments_it_ends_with_the_same_results(undisturbed, stores, tmp_path):
    moments = [random.Random(kill).uniform(0, 1.2) for kill in range(KILLS)]
    words = ["train", *QUICK, *WORDS, f"data.root={stores}"]
    subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), json.dumps(moments), *words], env=environment(), check=True
    )
    folders = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        train_here(stores, folder, *WORDS)
        assert compared(folder) == compared(undisturbed)
        for name in ("per_video.csv", "scores.json"):
            assert (folder / name).read_bytes() == (undisturbed / name).read_bytes()
        for fold in (0, 1):
            ours, theirs = (pd.read_csv(path / f"folds/{fold}/metrics.csv") for path in (folder, undisturbed))
            assert ours["epoch"].tolist() == theirs["epoch"].tolist(), "curves are whole"


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGTERM, []), (signal.SIGINT, []), (signal.SIGTERM, APART), (signal.SIGINT, APART)]
)
def test_told_to_stop_it_says_so_and_continues_later(undisturbed, stores, tmp_path, begin, number, words):
    process = begin("train", *QUICK, *WORDS, *words, f"data.root={stores}", f"output={tmp_path / 'run'}")
    wait_for_an_epoch(tmp_path / "run", process)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    assert said.strip().splitlines()[-1] == "clipit: interrupted; the same command continues where it stopped"
    assert "Traceback" not in said
    train_here(stores, tmp_path / "run", *WORDS)
    assert compared(tmp_path / "run") == compared(undisturbed)


def test_a_fold_whose_process_is_killed_ends_the_others_and_the_run_continues(undisturbed, stores, tmp_path, begin):
    process = begin("train", *QUICK, *WORDS, *APART, f"data.root={stores}", f"output={tmp_path / 'run'}")
    wait_for_an_epoch(tmp_path / "run", process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=PATIENCE)  # ends only when all who hold the pipes have ended
    assert process.returncode == 2
    assert said.startswith("clipit: fold ")
    assert "killed by signal 9 (memory?), see " in said
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    train_here(stores, tmp_path / "run", *WORDS)
    assert compared(tmp_path / "run") == compared(undisturbed)


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_rank_that_is_killed_ends_the_others_at_once_with_one_line(stores, tmp_path, ranks):
    kills = 10 if os.environ.get("CRASH") == "all" else 1
    words = ["train", *QUICK, "optim.epochs=500", f"data.root={stores}"]
    command = [sys.executable, "-c", RANK_KILLED, str(tmp_path), str(kills), str(ranks), *words]
    subprocess.run(command, env=environment(), check=True, timeout=kills * PATIENCE)
    killed = json.loads((tmp_path / "killed.json").read_text())
    assert len(killed) == kills
    for status, seconds, left, said in killed:
        assert (status, left) == (1, [])
        assert seconds < 20
        assert re.fullmatch(r"clipit: rank \d: killed by signal 9 .*the same command continues\n", said), said


@pytest.mark.skipif(not CAN_FORK, reason="what is patched is patched in copies alone")
@pytest.mark.parametrize(
    "moment",
    ["train.check_scorer", "task.SummarizationTask.training_step", "fold.fold_line"],
    ids=["start", "epoch", "end"],
)
def test_an_error_of_one_rank_ends_the_others_with_one_line(stores, tmp_path, monkeypatch, capfd, moment):
    name = f"clipit_lightning.training.{moment}"
    function = pkgutil.resolve_name(name)

    def fail(*given):
        if os.environ.get("LOCAL_RANK") == "1":
            raise ValueError("a bug")
        return function(*given)

    monkeypatch.setattr(name, fail)
    words = [*QUICK, "trainer.devices=2", "data.fold=0", f"data.root={stores}", f"output={tmp_path / 'run'}"]
    began = time.monotonic()
    assert main(["train", *words]) == 1
    assert time.monotonic() - began < 60
    said = capfd.readouterr().err
    log = re.fullmatch(r"clipit: rank 1: ValueError: a bug, see (\S+); .*the same command continues\n", said)
    assert log, said
    assert ", in fail" in Path(log[1]).read_text()
    shutil.rmtree(Path(log[1]).parent)


def test_a_disk_that_fills_up_is_one_line_and_the_run_continues_when_there_is_room(
    undisturbed, stores, tmp_path, begin
):
    """No file may grow beyond 20 kB: what is written first fits, a checkpoint does not."""
    words = ["train", *QUICK, *WORDS, f"data.root={stores}", f"output={tmp_path / 'run'}"]
    process = begin(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert said.startswith("clipit: cannot write ")
    assert said.count("\n") == 1
    assert "best.ckpt: File too large; free space or choose another folder" in said
    assert not list(tmp_path.rglob(".*ckpt*")), "nothing half-written stays"
    train_here(stores, tmp_path / "run", *WORDS)
    assert compared(tmp_path / "run") == compared(undisturbed)


def test_a_second_process_in_the_same_folder_is_refused_and_the_first_goes_on(stores, tmp_path, begin, capsys):
    words = [*QUICK, "optim.epochs=500", "data.fold=0", f"data.root={stores}", f"output={tmp_path / 'run'}"]
    first = begin("train", *words)
    wait_for_an_epoch(tmp_path / "run", first)
    assert main(["train", *words]) == 2
    assert f"run: another process (process {first.pid} on " in capsys.readouterr().err
    assert first.poll() is None
    first.kill()
    first.communicate()
    epochs = []

    def stop(fold, epoch, validation):
        epochs.append(epoch)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # the lock went with its holder
        run(load_config([], words), watch=stop)
    assert epochs


def test_a_group_that_is_told_to_stop_leaves_nobody_behind(stores, tmp_path, begin):
    words = [*QUICK, "optim.epochs=500", f"data.root={stores}", f"output={tmp_path / 'run'}", "trainer.devices=2"]
    process = begin("train", *words, start_new_session=True)
    wait_for_an_epoch(tmp_path / "run", process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)  # ends only when all who hold the pipes have ended
    assert process.returncode == 130
    assert said == "clipit: interrupted; the same command continues where it stopped\n"
