import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pandas as pd
import pytest

from clipit_lightning import __version__
from clipit_lightning.cli.main import main
from clipit_lightning.core.locks import run_lock
from clipit_lightning.data.store import Store

pytestmark = pytest.mark.slow
COMMANDS = [
    *(
        "",
        "train",
        "sweep",
        "benchmark",
        "prepare",
        "summarize",
        "judge",
        "keyframes",
        "evaluate",
        "baselines",
        "compare",
        "leaderboard",
    ),
    *("report", "data", "data fetch", "data import", "data join", "data check", "data folds", "data mini"),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help(words, capsys):
    assert main([*words.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: clipit {words}".strip())


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"clipit {__version__}\n"


def test_help_imports_nothing_heavy():
    code = """
import sys
from clipit_lightning.cli.main import main
main(["--help"])
print("heavy", sorted({"torch", "lightning", "h5py", "pandas", "numpy", "omegaconf", "pydantic"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("heavy []\n")


def test_train_without_words_prints_every_key_and_what_it_takes(capsys):
    assert main(["train"]) == 2
    printed = capsys.readouterr()
    assert "data.setting=canonical  (one of canonical, augmented, transfer)" in printed.out
    assert "Peak learning rate." in printed.out
    assert "unsupervised" in printed.out.partition("Keys")[0]
    assert printed.err == "clipit: train: name what to train, such as `clipit train tvsum seed=1`\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train optim.lrr=1", "optim.lrr: no such key; did you mean optim.lr?"),
        ("train nowhere.yaml", "nowhere.yaml: no such configuration file"),
        ("train tvsun", "tvsun: neither a file of your own (NAME.yaml) nor a shipped one; did you mean tvsum?"),
        ("sweep tvsun", "tvsun: neither a file of your own (NAME.yaml) nor a shipped one; did you mean tvsum?"),
        (
            "benchmark mine",
            "mine: neither a file of your own (NAME.yaml) nor a shipped one; there are ablations-qfvs, ablations, ",
        ),
        ("train tvsum data.root=nowhere", "missing: nowhere/tvsum.h5"),
        ("data import nowhere", "nowhere: no such file or folder"),
        ("data check --root nowhere", "nowhere: no stores here"),
        ("data folds mine.json --dataset qfvs", "--dataset: qfvs is unknown; there are tvsum, summe"),
        ("evaluate mine.json --dataset ovp", "Invalid value for '--dataset': ovp is unknown; there are tvsum"),
        ("evaluate mine.json --dataset tvsum --protocol default mine", "--protocol: mine is unknown"),
        ("evaluate mine.json --protocol csta default --dataset tvsum", "missing: data/tvsum.h5"),
        ("prepare a.mp4 --encoder hsv --stride 3 --rate 2", "--stride: is not allowed with rate"),
        ("sweep mine.yaml --trials 1 optim.lrr=1", "mine.yaml: no such sweep file"),
        ("benchmark mine.yaml --quick a=1 --workers 2 other.yaml", "other.yaml: a second grid"),
        ("report run --to a x", "Got unexpected extra argument(s) (x) (see `clipit report --help`)"),
        ("nothing", "No such command 'nothing'"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"clipit: {message}")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_import_then_check_then_train_then_leaderboard(distributed_files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["data", "import", str(distributed_files)]) == 0
    assert "google_pool5 (8)" in capsys.readouterr().out
    other_shots = "10 of 10 videos have other shots than the official ones"
    monkeypatch.setattr(Store, "notes", lambda _: [other_shots])
    assert main(["data", "check"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("valid") == 5
    assert printed.count(f"\n  note: {other_shots}") == 5
    words = ["optim.epochs=1", "data.fold=0", "model.width=8", "model.heads=2", "trainer.accelerator=cpu"]
    assert main(["train", *words]) == 0
    name = "clip-it+-tvsum-defaults-width-8-heads-2-epochs-1-seed0-fold0"
    printed = capsys.readouterr().out
    assert "NOTE: tvsum with plain defaults" in printed
    assert f"NOTE: data/tvsum.h5: {other_shots}" in printed
    assert "> clip-it+ defaults width-8 heads-2 e" in printed
    assert printed.endswith(f"next      clipit report runs/{name}\n")
    written = Path("runs/leaderboard.csv").read_text()
    assert main(["leaderboard"]) == 0
    assert Path("runs/leaderboard.csv").read_text() == written
    board = pd.read_csv("runs/leaderboard.csv").query("kind == 'ours'")
    assert board[["method", "data", "run"]].to_numpy().tolist() == [["clip-it+", "real", name]]
    assert not Path("experiments").exists()
    capsys.readouterr()
    assert main(["train", *words]) == 0
    assert "already finished" in capsys.readouterr().out


def test_check_lists_what_is_wrong_and_fails(stores, tmp_path, capsys):
    shutil.copy(stores / "ovp.h5", tmp_path)
    with h5py.File(tmp_path / "ovp.h5", "a") as file:
        del file["video_2/picks"]
    assert main(["data", "check", "--root", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert "video_2: has no picks" in printed.out
    assert "1 of 1 stores" in printed.err


def test_two_imports_never_write_one_folder_at_once(tmp_path, capsys):
    with run_lock(tmp_path / "to"):
        assert main(["data", "import", str(tmp_path), "--to", str(tmp_path / "to")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"clipit: {tmp_path / 'to'}: another process (")
    assert error.endswith("; wait, or give another folder with --to\n")
