"""Judges' scores of shots: from their files into stores, and from there beside the features of steps."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from clipit_lightning import TVSumDataModule
from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.shot_scores import choose_judge, with_judge, with_scores_of, with_shot_scores
from clipit_lightning.data.store import Store

FEATURES = "eccv16_dataset_tvsum_google_pool5.h5"


@pytest.fixture(scope="module")
def source(distributed_files, tmp_path_factory):
    """Features with two judges: one of three videos, by id, key and with a shot too many; one of all."""
    folder = tmp_path_factory.mktemp("source")
    for name in (FEATURES, "ydata-tvsum50.mat"):
        shutil.copy(distributed_files / name, folder)
    with h5py.File(folder / FEATURES) as file:
        shots = {key: len(file[key]["change_points"]) for key in file}
    some = {"id-video_1": {"0": 88.0, "2": 100}, "video_2": {"1": 0}, "id-video_3": {str(shots["video_3"]): 5}}
    (folder / "tvsum_shot_scores_one.json").write_text(json.dumps(some))
    every = {key: {str(shot): 10 * (shot % 10) for shot in range(count)} for key, count in shots.items()}
    (folder / "tvsum_shot_scores_all.json").write_text(json.dumps(every))
    return folder


@pytest.fixture(scope="module")
def imported(source, tmp_path_factory):
    """Folder of the store, and what the table says of it."""
    to = tmp_path_factory.mktemp("imported")
    return to, import_distributed([source], to)[0]


@pytest.fixture
def store(imported, tmp_path):
    (tmp_path / "to").mkdir()
    return Store(Path(shutil.copy(imported[0] / "tvsum.h5", tmp_path / "to")))


def test_they_are_joined_by_id_or_key_where_there_are_as_many_shots(imported, store):
    assert imported[1].captions.endswith("; shots scored by all, one (2 of 10 videos)")
    assert store.check() == []
    one, two, three, *_ = store.read()
    assert (one.judges, two.judges, three.judges) == (("all", "one"), ("all", "one"), ("all",))
    assert one.shot_scores.dtype == np.float32
    assert one.shot_scores[1, :4].tolist() == [88, -1, 100, -1]
    assert two.shot_scores[:, :3].tolist() == [[0, 10, 20], [-1, 0, -1]]
    assert three.shot_scores.shape == (1, len(three.change_points))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cannot read"),
        ('{"video_1": [5]}', "not a file of scores of shots"),
        ('{"video_1": {"first": 5}}', "not a file of scores of shots"),
        ('{"video_1": {"0": "high"}}', "not a file of scores of shots"),
        ('{"video_1": {"0": 101}}', "a score of video 1 is not from 0 to 100"),
        ('{"video_1": {"0": NaN}}', "it holds NaN"),
    ],
)
def test_a_damaged_file_is_one_line(content, problem, stores, tmp_path):
    path = tmp_path / "tvsum_shot_scores_one.json"
    path.write_text(content)
    with pytest.raises(UserError, match=problem) as caught:
        with_shot_scores(Store(stores / "tvsum.h5").read(["video_1"]), [path])
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("shot_scores", lambda array: np.full_like(array, 101), "shot_scores are not all from 0 to 100, or -1"),
        ("shot_scores", lambda array: np.full_like(array, -0.5), "shot_scores are not all from 0 to 100, or -1"),
        ("shot_scores", lambda array: np.full_like(array, np.nan), "NaN"),
        ("shot_scores", lambda array: array[:, 1:], "shot_scores have shape"),
        ("shot_scores", lambda array: array[:1], "shot_scores have shape"),
        ("shot_scores", None, "judges and shot_scores are there only together"),
        ("judges", None, "judges and shot_scores are there only together"),
        ("judges", lambda _: ["all", "all"], "judges have a name that cannot be printed, or that stands twice"),
        ("judges", lambda _: ["all", "a\nb"], "judges have a name that cannot be printed, or that stands twice"),
    ],
)
def test_what_is_wrong_in_a_store_is_said(name, value, problem, store):
    with h5py.File(store.path, "a") as file:
        array = file["video_1"][name][()]
        del file["video_1"][name]
        if value is not None:
            file["video_1"][name] = value(array)
    assert [line for line in store.check() if problem in line]


def test_a_judge_is_the_only_one_or_named(store, stores):
    assert choose_judge(store, "one") == "one"
    with pytest.raises(UserError, match=r"data\.judge: .* has scores of several judges; there are all, one"):
        choose_judge(store)
    with pytest.raises(UserError, match=r"data\.judge: two scored no shot of .*; there are all, one"):
        choose_judge(store, "two")
    with pytest.raises(UserError, match=r"has no scores of shots; add them with `clipit judge"):
        choose_judge(Store(stores / "tvsum.h5"))


def test_a_step_has_the_number_of_its_shot_and_its_score_last(store):
    video = store.read(["video_1"])[0]
    wide = with_judge(video, "one")
    assert wide.features.shape == (video.n_steps, video.features.shape[1] + 2)
    for pick, (shot, score) in zip(video.picks, wide.features[:, -2:], strict=True):
        first, last = video.change_points[int(shot)]
        assert first <= pick <= last
        assert score == {0: 88, 2: 100}.get(int(shot), -1)
    assert (with_judge(video, "nobody").features[:, -1] == -1).all()


def test_later_scores_of_a_judge_replace_earlier_ones(store):
    video = store.read(["video_1"])[0]
    scores = np.full(len(video.change_points), 7, np.float32)
    again = with_scores_of(with_scores_of(video, "one", scores), "new", scores)
    assert again.judges == ("all", "one", "new")
    assert again.shot_scores[0].tolist() == video.shot_scores[0].tolist()
    assert (again.shot_scores[1:] == 7).all()
    first = with_scores_of(replace(video, judges=(), shot_scores=None), "new", scores)
    assert (first.judges, first.shot_scores.shape) == (("new",), (1, len(scores)))


def test_the_datamodule_appends_them_and_the_scorer_is_tested_without_training(store, tmp_path, monkeypatch):
    data = TVSumDataModule(store.path.parent, judge="all")
    data.setup()
    assert data.feature_dim == store.read(["video_1"])[0].features.shape[1] + 2
    stack = data.batch(next(iter(data.test_dataloader().sampler))).stacks[0]
    assert stack.features.shape[-1] == data.feature_dim
    monkeypatch.chdir(tmp_path)
    words = ["train", "tvsum", "prompts-to-summaries", f"data.root={store.path.parent}", "trainer.devices=1"]
    assert main([*words, "data.judge=all", "output=all"]) == 0
    assert main([*words, "data.judge=one", "output=one"]) == 0
    scores = [json.loads((tmp_path / name / "scores.json").read_text()) for name in ("all", "one")]
    assert len(scores[0]) == 10
    assert scores[0] != scores[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tvsum", "model.name=prompts-to-summaries"], "data.judge: "),
        (["tvsum", "model.name=mlp", "data.judge=one"], "data.judge: mlp reads no scores of judges; omit it"),
        (["qfvs", "model.name=prompts-to-summaries"], "model.name: prompts-to-summaries reads a judge's scores"),
    ],
)
def test_a_wrong_choice_is_one_line(words, message, store, tmp_path, capsys):
    assert main(["train", *words, f"data.root={store.path.parent}", f"output={tmp_path / 'run'}"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"clipit: {message}")
    assert printed.count("\n") == 1
