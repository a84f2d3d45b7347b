"""The distributed files of S-VideoXum and S-NewsVSum, to stores."""

import json
import re

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.distributed import read_splits
from clipit_lightning.data.fold_files import load_family
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.s_videoxum import SPLITS
from clipit_lightning.data.store import Store
from tests.support.synthetic_scripts import PARTS, STEPS, write_s_newsvsum, write_s_videoxum


def imported(folder, to, dataset):
    (row,) = (row for row in import_distributed([folder], to) if row.dataset == dataset)
    return row


@pytest.mark.parametrize(
    ("summaries", "split"),
    [("gtsummaries", "script_videoxum_splits.json"), ("gtscores", "script_videoxum_split.json")],
    ids=["as the README says", "as the loader reads"],
)
def test_s_videoxum_becomes_a_store(tmp_path, summaries, split):
    row = imported(write_s_videoxum(tmp_path / "downloads", summaries, split), tmp_path, "s-videoxum")
    assert row.videos == "7"
    assert row.features == "clip (6)"
    assert row.annotations == "a summary for each script; train 3, validation 2, test 2"
    assert "validation has 2 of 1707 videos" in row.result
    assert "1 videos are in no part" in row.result
    store = Store(tmp_path / "s-videoxum.h5")
    assert store.check() == []
    videos = {video.key: video for video in store.read_scripts()}
    assert {key: video.split for key, video in videos.items()} == {
        name: part for part, names in zip(SPLITS, PARTS.values(), strict=True) for name in names
    }
    with h5py.File(tmp_path / "downloads" / "script_videoxum.h5") as file:
        np.testing.assert_array_equal(videos["v_f"].features, file["v_f/video_embeddings"])
        np.testing.assert_array_equal(videos["v_f"].summaries, file[f"v_f/{summaries}"])
        np.testing.assert_array_equal(videos["v_b"].items()[7].text(), file["v_b/text_embeddings"][7, :2])
    assert videos["v_f"].script_texts[3] == "The 3th summary. It ends."
    assert videos["v_a"].script_texts == ()


def test_a_script_without_a_sentence_is_no_item_and_others_keep_their_numbers(tmp_path):
    imported(write_s_videoxum(tmp_path / "downloads"), tmp_path, "s-videoxum")
    (video,) = Store(tmp_path / "s-videoxum.h5").read_scripts(["v_f"])
    assert [item.id for item in video.items()] == [f"s-videoxum/v_f/{script}" for script in range(10) if script != 4]


def test_s_newsvsum_becomes_a_store_and_its_folds_come_with_the_package(tmp_path):
    row = imported(write_s_newsvsum(tmp_path), tmp_path / "stores", "s-newsvsum")
    assert (row.videos, row.annotations) == ("45", "a summary and its script for each video")
    (video,) = Store(tmp_path / "stores" / "s-newsvsum.h5").read_scripts(["video_9"])
    assert video.script_features.shape == (1, 3, 6)
    assert (video.step_seconds, video.n_steps, video.split) == (0.5, STEPS, "")
    folds = load_family("official", "s-newsvsum", "canonical").folds
    numbers = [sorted(int(id.rpartition("_")[2]) for id in fold.test) for fold in folds]
    assert numbers == [list(range(first, first + 9)) for first in range(1, 46, 9)]
    assert all({*fold.train, *fold.test} == {f"s-newsvsum/video_{n}" for n in range(1, 46)} for fold in folds)


def _of_other_length(file):
    del file["v_c/gtsummaries"]
    file["v_c/gtsummaries"] = np.zeros((10, STEPS + 1))


def _of_no_binary(file):
    file["v_c/gtsummaries"][0, 0] = 0.5


def _without_text(file):
    del file["v_c/text_embeddings"]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_of_other_length, r"v_c cannot be read \(shapes of features, sentences and summaries do not fit: \(20, 6\)"),
        (_of_no_binary, r"v_c cannot be read \(gtsummaries has values other than 0 and 1\)"),
        (_without_text, r"v_c cannot be read \(has no text_embeddings\)"),
    ],
)
def test_a_damaged_video_is_one_line_and_nothing_is_written(tmp_path, damage, problem):
    folder = write_s_videoxum(tmp_path / "downloads")
    with h5py.File(folder / "script_videoxum.h5", "a") as file:
        damage(file)
    with pytest.raises(UserError, match=rf"script_videoxum\.h5: {problem}") as error:
        import_distributed([folder], tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s-videoxum.h5").exists()


def test_features_without_parts_are_named_as_such(tmp_path):
    folder = write_s_videoxum(tmp_path / "downloads")
    (folder / "script_videoxum_splits.json").unlink()
    assert imported(folder, tmp_path, "s-videoxum").result.startswith("missing (script_videoxum_split.json)")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"train": ["v_a"], "val": ["v_a"]}, "'v_a' stands in train and again in validation"),
        ({"training": ["v_a"]}, "not lists of videos by train, val and test"),
        (["v_a"], "not lists of videos by train, val and test"),
    ],
)
def test_other_parts_are_refused(tmp_path, content, problem):
    (tmp_path / "split.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=problem):
        read_splits(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("split", "dev", r"split is 'dev', expected train, validation or test"),
        ("step_seconds", 0.0, "step_seconds is not a number above 0"),
        ("summaries", np.full((10, STEPS), 2), "summaries have values other than 0 and 1"),
        ("summaries", np.zeros((9, STEPS)), r"summaries have shape \(9, 20\), expected \(10, 20\)"),
        ("script_features", np.zeros((10, 3, 6)), "no script has a sentence"),
    ],
)
def test_a_store_with_a_fault_is_told(tmp_path, name, value, problem):
    imported(write_s_videoxum(tmp_path / "downloads"), tmp_path, "s-videoxum")
    with h5py.File(tmp_path / "s-videoxum.h5", "a") as file:
        del file["v_a"][name]
        file["v_a"][name] = value
    (line,) = Store(tmp_path / "s-videoxum.h5").check()
    assert line.startswith("v_a: ")
    assert re.search(problem, line)
