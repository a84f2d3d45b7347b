"""Stores of one's own, from training to the leaderboard, and what must not pass for a benchmark."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.annotated import AnnotatedDataModule
from clipit_lightning.data.own import find_benchmark
from clipit_lightning.evaluation.evaluate import evaluate_scores
from tests.support.synthetic import ANNOTATORS, write_field_file

QUICK = ("model.name=mlp", "optim.epochs=1", "data.folds=2", "trainer.accelerator=cpu", "trainer.devices=1")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, which is the home too, with a store of eight videos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_field_file(tmp_path / "data/mine.h5", 8)
    return tmp_path


def give(path, *keys, **attributes):
    """Give videos of a store, by default all, ratings; and the file attributes."""
    with h5py.File(path, "a") as file:
        file.attrs.update(attributes)
        for key in keys:
            file[key]["user_scores"] = np.ones((ANNOTATORS, len(file[key]["picks"])))


@pytest.mark.slow
def test_a_store_trains_and_is_measured_shown_and_resumed_under_its_name(here, capsys):
    words = ["train", "data/mine.h5", *QUICK]
    assert main(words) == 0
    (run,) = Path("runs").glob("mlp-mine-*")
    protocol, result = (json.loads((run / name).read_text()) for name in ("protocol.json", "result.json"))
    assert [protocol[name] for name in ("dataset", "f1", "correlation", "budget")] == [
        "mine",
        "mean",
        "mean-annotator",
        0.15,
    ]
    assert (result["dataset"], result["protocol"]["dataset"]) == ("mine", "mine")
    shown = capsys.readouterr().out
    assert "mine, canonical, data=real, correlation mean-annotator" in shown
    assert "[human-pairwise]" in shown
    assert main(words) == 0
    assert "already finished" in capsys.readouterr().out
    for dataset, root in (("data/mine.h5", "nowhere"), ("mine", "data")):
        again = evaluate_scores(run / "scores.json", dataset, root, folds="kfold", draws=2)
        measured = {row["video"]: row["kendall_tau"] for row in again["per_video"]}
        assert measured == pd.read_csv(run / "per_video.csv").set_index("video")["kendall_tau"].to_dict()
    assert main(["evaluate", str(run / "scores.json"), "--dataset", "data/mine.h5", "--draws", "2"]) == 0
    assert capsys.readouterr().out.startswith("mine, 8 videos, folds all, protocol default: F1 mean over annotators")
    assert main(["baselines", "--dataset", "mine", "--draws", "2", "--keep", "floors"]) == 0
    assert main(["report", str(run)]) == 0
    assert "MLP on mine" in (run / "report.html").read_text()
    assert main(["score", str(run), "data/mine.h5", "--to", "scores.json"]) == 0
    assert main(["leaderboard", "--floors", "floors"]) == 0
    board = pd.read_csv("runs/leaderboard.csv").query("dataset == 'mine'")
    assert board["run"].dropna().tolist() == [run.name]
    assert "[random]" in board["method"].tolist()


@pytest.mark.slow
def test_stores_of_one_name_are_not_one_and_names_may_have_spaces(here, capsys):
    write_field_file(here / "other place/mine.h5", 8, seed=1)
    shutil.copy("data/mine.h5", "data/my trip, 2.h5")
    for words in (["data.dataset=mine"], ["data.dataset=~/other place/mine.h5"], ["~/data/my trip, 2.h5"]):
        assert main(["train", *QUICK, "data.fold=0", *words]) == 0
    assert len(list(Path("runs").glob("mlp-mine-*"))) == 2
    assert len(list(Path("runs").glob("mlp-my_trip_2-*"))) == 1
    board = pd.read_csv("runs/leaderboard.csv").query("kind == 'ours'")
    names = [name.partition(" (")[0] for name in board["dataset"]]
    assert names == ["mine", "mine", "my trip, 2"]
    assert board["dataset"].nunique() == 3
    assert main(["compare", *(f"runs/{name}" for name in board["run"][:2])]) == 2
    assert "annotations_hash: " in capsys.readouterr().err


def test_conventions_are_those_that_the_store_declares(here):
    def conventions(name="mine"):
        benchmark = find_benchmark(name, "data")
        return benchmark.f1_convention, benchmark.correlation

    assert conventions() == ("mean", "mean-annotator")
    give("data/mine.h5", "video_1")
    assert conventions() == ("mean", "mean-annotator")  # one rated video is not all
    give("data/mine.h5", *(f"video_{number}" for number in range(2, 9)), f1="max")
    assert conventions() == ("max", "per-annotator")
    write_field_file(here / "data/summe_hsv.h5", 3)
    give("data/summe_hsv.h5", dataset="summe")
    assert conventions("summe_hsv") == ("max", "mean-annotator")
    assert conventions("summe") == ("max", "mean-annotator")
    give("data/mine.h5", f1="median")
    with pytest.raises(UserError, match=r"^data/mine.h5: its attribute f1 is 'median'; it must be one of mean, max$"):
        find_benchmark("mine", "data")


def test_a_store_may_train_beside_others(here, stores):
    shutil.copy("data/mine.h5", "data/more.h5")
    shutil.copy(stores / "tvsum.h5", "data")
    module = AnnotatedDataModule(setting="transfer", sources=["more", "tvsum"], target="mine")
    module.setup()
    assert {video.split("/")[0] for video in module.folds[0].train} == {"more", "tvsum"}
    assert len(module.folds[0].test) == 8
    assert AnnotatedDataModule(setting="augmented", target="tvsum").sources == ("summe", "ovp", "youtube")
    with pytest.raises(
        ValueError, match=r"target is 'yours'; there are 'tvsum', 'summe', .*, 'youtube', 'mine', 'more'"
    ):
        AnnotatedDataModule(target="yours")


def test_folds_of_ones_own_call_videos_by_their_keys(here):
    with h5py.File("data/mine.h5", "a") as file:
        file.move("video_8", "the last")
    Path("mine.json").write_text(json.dumps([{"train": [1, "mine/video_2", "video_3"], "test": ["the last"]}]))
    module = AnnotatedDataModule(target="mine", family="mine.json", validation=0)
    module.setup()
    assert module.folds[0].test == ("mine/the last",)
    assert module.folds[0].train == ("mine/video_1", "mine/video_2", "mine/video_3")


@pytest.mark.slow
def test_a_grid_takes_a_store(here):
    short = {"trainer.accelerator": "cpu", "trainer.devices": 1, "optim.epochs": 1, "data.folds": 2}
    scorers = {name: {"set": {"model.name": name, **short}} for name in ("mlp", "linear")}
    Path("grid.yaml").write_text(
        json.dumps({"runs": [{"files": ["data/mine.h5"]}], "scorers": scorers, "candidate": "mlp"})
    )
    command = ["benchmark", "grid.yaml", "--to", "runs", "--leaderboard", "board.csv"]
    assert main(command) == 0
    table = pd.read_csv("runs/benchmark.csv")
    assert sorted(zip(table["cell"], table["dataset"], table["scorer"], strict=True)) == [
        ("mine-canonical", "mine", "linear"),
        ("mine-canonical", "mine", "mlp"),
    ]
    Path("runs/leaderboard.csv").unlink()  # as after a kill between the last run and its row
    assert main(command) == 0
    assert Path("runs/leaderboard.csv").exists()


@pytest.mark.parametrize("path", ["data/mine.h5", "~/data/mine.h5"])
def test_a_path_is_a_name_and_a_folder_in_the_configuration(here, path):
    for config in (load_config([path]), load_config([], [f"data.dataset={path}"])):
        assert (config.data.dataset, Path(config.data.root).resolve()) == ("mine", here / "data")


def edit(change):
    """A store of one video less, or changed, as ``data/bad.h5``."""

    def make():
        shutil.copy("data/mine.h5", "data/bad.h5")
        with h5py.File("data/bad.h5", "a") as file:
            change(file)

    return make


def unlabel(file):
    for group in file.values():
        group.attrs["annotations"] = "none"
        for name in ("gtscore", "gtsummary", "user_summary"):
            del group[name]


def keep_one(file):
    for number in range(2, 9):
        del file[f"video_{number}"]


def has_queries(file):
    file.attrs["layout"] = "queries"


def drop_picks(file):
    del file["video_3/picks"]


@pytest.mark.parametrize(
    ("make", "words", "said"),
    [
        (edit(unlabel), ["data/bad.h5"], "bad/video_1 has no annotations; train without labels"),
        (edit(keep_one), ["data/bad.h5"], "data.folds=5 needs at least 5 videos, the data set has 1"),
        (edit(drop_picks), ["data/bad.h5"], "data/bad.h5: video_3: has no picks; run `clipit data check --root data`"),
        (edit(has_queries), ["data/bad.h5"], "data/bad.h5: its videos have queries"),
        (lambda: Path("data/bad.h5").write_text("no"), ["data/bad.h5"], "data/bad.h5: not a readable HDF5 file"),
        (
            dict,
            ["data/yours.h5"],
            "data.dataset: Invalid value 'yours', expected one of "
            "['tvsum', 'summe', 'qfvs', 's-videoxum', 's-newsvsum', 'mrhisum', 'mosu', 'mine']",
        ),
        (dict, ["data/mine.h5", "data.root=data"], "data.root: is data, and data.dataset=data/mine.h5 names a file"),
        (dict, ["data/mine.h5", "data.family=csta"], "data.family=csta: no canonical folds of mine are published"),
        (
            dict,
            ["data/mine.h5", "data.folds=9"],
            "data.folds=9 needs at least 9 videos, the data set has 8; say data.folds=8",
        ),
        (
            lambda: shutil.copy("data/mine.h5", "data/SumMe.h5"),
            ["data/SumMe.h5"],
            "data.dataset: Invalid value 'SumMe', expected one of",
        ),
    ],
)
def test_a_store_that_cannot_train_is_one_line(here, capsys, make, words, said):
    make()
    assert main(["train", *words, "model.name=linear", "trainer.accelerator=cpu", "trainer.devices=1"]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("name", ["summe", "tvsum"])
def test_a_store_that_is_called_as_a_benchmark_and_holds_other_videos_is_no_result_on_it(here, capsys, name):
    Path("data/mine.h5").rename(f"data/{name}.h5")
    Path("scores.json").write_text("{}")
    said = f"data/{name}.h5: is called {name}, but 8 of its 8 videos are not "
    for words in (["train", name], ["evaluate", "scores.json", "--dataset", name], ["baselines", "--dataset", name]):
        assert main(words) == 2
        assert said in capsys.readouterr().err
    assert main(["data", "check"]) == 2
    assert "give the file a name of its own" in capsys.readouterr().out
