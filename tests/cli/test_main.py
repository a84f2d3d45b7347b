import subprocess
import sys
import time

import pandas as pd
import pytest

from clipit_lightning.cli.main import main

pytestmark = pytest.mark.slow


def clipit(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "clipit_lightning.cli.main", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["data", "--help"], ["benchmark", "--help"]])
def test_help_imports_nothing_heavy(words):
    code = f"""
import sys
from clipit_lightning.cli.main import main
try:
    main({words!r})
finally:
    print("heavy", sorted({{"torch", "lightning", "h5py", "pandas"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("usage: clipit")
    assert done.stdout.endswith("heavy []\n")


def test_train_help_lists_every_key():
    done = clipit("train", "--help")
    assert "data.setting=canonical" in done.stdout
    assert "Peak learning rate." in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "optim.lrr=1"], "clipit: optim.lrr: no such key. Did you mean: 'lr'?"),
        (["train", "nowhere.yaml"], "clipit: nowhere.yaml: no such configuration file"),
        (["train", "tvsum"], "clipit: tvsum: neither a YAML file nor key=value"),
        (["train", "data.root=nowhere"], "clipit: missing: nowhere/tvsum.h5"),
        (["data", "import", "nowhere"], "clipit: nowhere: no such file or folder"),
        (["data", "check", "--root", "nowhere"], "clipit: nowhere: no stores here"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(words, said, tmp_path):
    done = clipit(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep", "mine.yaml", "--trials", "1", "optim.lrr=1"], "mine.yaml: no such sweep file"),
        (["benchmark", "--workers", "2", "mine.yaml"], "mine.yaml: no such grid"),
        (["benchmark", "mine.yaml", "--quick", "a=1", "--workers", "2", "other.yaml"], "other.yaml: a second grid"),
        (["benchmark", "mine.yaml", "--quick", "seed=1", "--report"], "mine.yaml: no such grid"),
    ],
)
def test_words_may_stand_after_options(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"clipit: {said}")


@pytest.mark.parametrize("words", [["report", "run", "--to", "a", "x"], ["sweep", "mine.yaml", "--trials", "1", "-x"]])
def test_words_that_no_command_knows_are_refused(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as status:
        main(words)
    assert status.value.code == 2
    assert f"unrecognized arguments: {words[-1]}" in capsys.readouterr().err


def test_import_then_check_then_train_then_leaderboard(distributed_files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "import", str(distributed_files)]) == 0
    assert "google_pool5 (8)" in capsys.readouterr().out
    assert main(["data", "check"]) == 0
    assert capsys.readouterr().out.count("sound") == 5
    words = ["optim.epochs=1", "data.fold=0", "model.width=8", "model.heads=2", "trainer.accelerator=cpu"]
    assert main(["train", *words]) == 0
    assert "Kendall tau" in capsys.readouterr().out
    assert main(["leaderboard"]) == 0
    board = pd.read_csv("experiments/leaderboard.csv")
    assert board["method"].tolist() == ["clip-it+"]
    assert board["data"].tolist() == ["real"]
    assert main(["train", *words]) == 0
    assert "already finished" in capsys.readouterr().out


def test_check_lists_what_is_wrong_and_fails(stores, tmp_path, capsys):
    import shutil

    import h5py

    shutil.copy(stores / "ovp.h5", tmp_path)
    with h5py.File(tmp_path / "ovp.h5", "a") as file:
        del file["video_2/picks"]
    assert main(["data", "check", "--root", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert "video_2: has no picks" in printed.out
    assert "1 of 1 stores" in printed.err


def test_ctrl_c_is_a_clean_stop(tmp_path, distributed_files):
    import signal

    clipit("data", "import", str(distributed_files), cwd=tmp_path)
    command = [sys.executable, "-u", "-m", "clipit_lightning.cli.main", "train", "optim.epochs=2000", "output=run"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/folds/0/last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in errors
    assert "Traceback" not in errors
