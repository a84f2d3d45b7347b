"""A trained run in use: its results, and scores of arrays, tensors and files."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation import evaluate_scores
from clipit_lightning.pipelines import load_run
from tests.support.commands import train_here

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(stores, tmp_path_factory):
    """A run on TVSum with captions, two folds."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train_here(stores, folder, "optim.epochs=1")
    return folder


@pytest.fixture(scope="module")
def videos(stores):
    return Store(stores / "tvsum.h5").read()


def test_a_run_says_how_it_was_trained_and_what_it_reached(folder):
    run = load_run(str(folder))
    assert run.config.data.dataset == run.protocol.dataset == "tvsum"
    assert run.result.run == "run"
    pd.testing.assert_frame_equal(run.results, pd.read_csv(folder / "per_video.csv"))


def test_a_file_gets_the_scores_of_its_test_by_the_fold_that_did_not_train_on_it(folder, stores):
    run, tested = load_run(folder), json.loads((folder / "scores.json").read_text())
    by_fold = {fold: run.score(stores / "tvsum.h5", fold=fold) for fold in (0, 1)}
    for row in run.results.to_dict("records"):
        scores = by_fold[row["fold"]][row["video"].rpartition("/")[2]]
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, tested[row["video"]], atol=1e-6)
    mean = run.score(str(stores / "tvsum.h5"))
    for name, scores in mean.items():
        np.testing.assert_allclose(scores, np.mean([by_fold[fold][name] for fold in (0, 1)], axis=0), atol=1e-6)


@pytest.mark.parametrize("option", ["data.caption_source=shots", "data.shot_captions=true"])
def test_a_run_on_captions_of_shots_scores_a_store_as_in_training(tmp_path, option):
    root = ensure_mini(tmp_path / "mini")
    train_here(root, tmp_path / "run", "optim.epochs=1", "data.folds=2", "data.fold=0", option)
    run, tested = load_run(tmp_path / "run"), json.loads((tmp_path / "run/scores.json").read_text())
    scores = run.score(root / "tvsum.h5")
    for video, expected in tested.items():
        np.testing.assert_allclose(scores[video.rpartition("/")[2]], expected, atol=1e-6)


def test_arrays_lists_and_tensors_get_the_same_scores(folder, videos, stores):
    run, video = load_run(folder), videos[0]
    scores = run.score(video.features, video.caption_features)
    assert scores.shape == (video.n_steps,)
    for make in (np.ndarray.tolist, torch.tensor, lambda array: torch.tensor(array, requires_grad=True)):
        np.testing.assert_array_equal(run.score(make(video.features), make(video.caption_features)), scores)
    assert not np.array_equal(run.score(video.features), scores), "captions count"
    np.testing.assert_array_equal(load_run(folder, fold=1).score(video.features), run.score(video.features, fold=1))


def test_the_command_writes_scores_that_evaluate_reads(folder, stores, tmp_path, capsys):
    store = stores / "tvsum.h5"
    assert main(["score", str(folder), str(store), "--to", str(tmp_path / "scores.json")]) == 0
    assert "scores.json: scores of 10 videos" in capsys.readouterr().out
    written = json.loads((tmp_path / "scores.json").read_text())
    scores = load_run(folder).score(store)
    assert {name: np.float32(row).tolist() for name, row in written.items()} == written
    assert written == {name: row.tolist() for name, row in scores.items()}
    of_file = evaluate_scores(tmp_path / "scores.json", "tvsum", stores, draws=2)
    assert of_file["rows"] == evaluate_scores(scores, "tvsum", stores, draws=2)["rows"]
    assert main(["score", str(folder), str(store), "--fold", "0"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(written)


def test_what_is_written_takes_the_place_of_no_store_and_of_no_file_of_a_run(folder, stores, capsys):
    store, result = stores / "tvsum.h5", folder / "result.json"
    for words, path, reason in (
        (["score", folder, store], store, "does not end in .json"),
        (["score", folder, store], result, "is a file of a run"),
        (["leaderboard", folder.parent], store, "does not end in .csv"),
        (["leaderboard", folder.parent], folder / "per_video.csv", "is a file of a run"),
        (["report", folder], result, "does not end in .html"),
    ):
        before = path.read_bytes()
        assert main([*map(str, words), "--to", str(path)]) == 2
        assert reason in capsys.readouterr().err
        assert path.read_bytes() == before


def test_a_run_on_queries_scores_every_query_of_a_file(stores, tmp_path):
    words = ["data.dataset=qfvs", "data.family=2/1/1", "data.crop=50", "optim.epochs=1", "data.fold=0"]
    train_here(stores, tmp_path / "run", *words)
    run = load_run(tmp_path / "run")
    scores = run.score(stores / "qfvs.h5")
    tested = json.loads((tmp_path / "run/scores.json").read_text())
    for name, row in tested.items():
        np.testing.assert_allclose(scores[name], row, atol=1e-6)
    assert evaluate_scores(scores, "qfvs", stores, draws=2)["queries"] == len(scores)
    with pytest.raises(ValueError, match="trained to summarize by a query; give its text"):
        run.score(np.zeros((3, run.feature_dim)))
    with pytest.raises(UserError, match="its videos have no queries"):
        run.score(stores / "tvsum.h5")


def test_a_run_without_training_has_results_and_no_scorer(stores, tmp_path):
    train_here(stores, tmp_path / "run", "model.name=random")
    run = load_run(tmp_path / "run")
    assert len(run.results) == 10
    with pytest.raises(UserError, match="holds no trained scorer"):
        run.score(np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("features", "text", "message"),
    [
        (np.zeros((5, 3)), None, r"3 features, but the run was trained on \d+"),
        (np.zeros(5), None, r"features have shape \(5,\)"),
        (None, np.zeros((5, 3)), r"3 text features, but the run was trained on \d+"),
        (np.full((5, 1), np.nan), None, "1 features|must be finite"),
        (np.zeros((0, 8)), None, "there is no step to score"),
        ("features.h5", np.zeros((5, 8)), "text is for an array of features"),
    ],
)
def test_what_does_not_fit_the_run_is_a_value_error_of_one_line(features, text, message, folder):
    run = load_run(folder)
    with pytest.raises(ValueError, match=message) as error:
        run.score(np.zeros((5, run.feature_dim)) if features is None else features, text)
    assert "\n" not in str(error.value)


def write(path, **groups):
    with h5py.File(path, "w") as file:
        for name, arrays in groups.items():
            group = file.create_group(name)
            for key, array in arrays.items():
                group[key] = array
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "no such store"),
        (lambda path: path.write_text("no HDF5") and path, "not a readable HDF5 file"),
        (lambda path: write(path), "the file holds no video"),
        (lambda path: write(path, video_1={"picks": [1]}), "video_1 has no features; name a file of groups"),
        (lambda path: write(path, video_1={"features": ["a"]}), "video_1 features has type object, expected numbers"),
        (lambda path: write(path, video_1={"features": [1.0]}), "video_1: features is no table"),
        (
            lambda path: write(path, video_1={"features": np.ones((4, 3))}),
            "video_1: 3 features, but the run was",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_one_line_and_writes_nothing(make, message, folder, tmp_path, capsys):
    path = make(tmp_path / "features.h5")
    assert main(["score", str(folder), str(path), "--to", str(tmp_path / "scores.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert str(path) in line
    assert not (tmp_path / "scores.json").exists()


def test_a_fold_that_there_is_not_is_one_line(folder, stores, capsys):
    assert main(["score", str(folder), str(stores / "tvsum.h5"), "--fold", "7"]) == 2
    assert f"clipit: --fold: {folder} has 0, 1, not 7" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"^fold: .* has 0, 1, not 7"):
        load_run(folder, fold=7).score(stores / "tvsum.h5")
