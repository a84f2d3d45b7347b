import shutil

import h5py
import numpy as np
import pytest

from clipit_lightning.data.store import Store


def damage(group, name, change):
    array = np.array(group[name])
    del group[name]
    if (changed := change(array)) is not None:
        group[name] = changed


def with_value(row, value):
    def change(array):
        array = array.astype(float)
        array[row] = value
        return array

    return change


DAMAGES = [
    ("features", lambda array: None, "has no features"),
    ("features", lambda array: array[:-1], "features have shape"),
    ("features", with_value(3, np.nan), "features have NaN or infinite values, first in row 3"),
    ("gtscore", with_value(0, 1.5), "expected values from 0 to 1"),
    ("gtsummary", with_value(0, 0.5), "gtsummary has values other than 0 and 1"),
    ("picks", lambda array: array[::-1], "picks do not increase"),
    ("picks", lambda array: array + 100_000, "out of the video's"),
    ("picks", lambda array: array[:0], "picks have shape (0,)"),
    ("n_frames", lambda array: np.int64(0), "n_frames is 0, expected 1 to"),
    ("change_points", lambda array: array[:-1], "shots cover frames 0 to"),
    ("change_points", lambda array: array + np.array([[0, 1]]), "overlap"),
    ("change_points", lambda array: np.delete(array, 1, axis=0), "there is a gap between shots 0 and 1"),
    ("change_points", lambda array: array[:, ::-1], "ends before it starts"),
    ("user_summary", lambda array: array[:, :-1], "user_summary has shape"),
    ("caption_features", lambda array: array[:-1], "caption_features have shape"),
]


@pytest.fixture
def store(stores, tmp_path):
    shutil.copy(stores / "tvsum.h5", tmp_path / "tvsum.h5")
    return Store(tmp_path / "tvsum.h5")


@pytest.mark.parametrize(("name", "change", "said"), DAMAGES, ids=[said[:30] for _, _, said in DAMAGES])
def test_every_fault_is_named_with_the_video(store, name, change, said):
    with h5py.File(store.path, "a") as file:
        damage(file["video_4"], name, change)
    problems = store.check()
    assert any(line.startswith("video_4: ") and said in line for line in problems), problems
    assert all(line.startswith("video_4: ") for line in problems)


def test_truncated_empty_and_foreign_files_are_named(store, tmp_path):
    store.path.write_bytes(store.path.read_bytes()[:-5000])
    assert store.check()
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    assert Store(tmp_path / "empty.h5").check() == ["the file holds no video"]
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["numbers"] = [1, 2]
    assert "not the group of a video" in Store(tmp_path / "foreign.h5").check()[0]


def test_features_of_different_sizes_are_named(store):
    with h5py.File(store.path, "a") as file:
        damage(file["video_2"], "features", lambda array: array[:, :3])
    assert "features differ in size between videos: [3, 8], first in video_2" in store.check()


def test_a_video_that_says_that_nobody_annotated_it_needs_no_importance(store):
    with h5py.File(store.path, "a") as file:
        for name in ("gtscore", "gtsummary", "user_summary", "user_scores"):
            del file["video_4"][name]
    assert store.check() == ["video_4: has no gtscore, gtsummary"]
    with h5py.File(store.path, "a") as file:
        file["video_4"].attrs["annotations"] = "none"
        file["video_5"].attrs["annotations"] = "none"
    said = "is marked as not annotated (annotations=none), but has gtscore, gtsummary, user_summary, user_scores"
    assert store.check() == [f"video_5: {said}"]
    (video,) = store.read(["video_4"])
    assert not video.is_annotated
    assert np.isnan(video.gtscore).all()
    assert video.gtscore.shape == video.gtsummary.shape == (video.n_steps,)


def test_damage_in_an_array_that_no_table_lists_is_named(store):
    with h5py.File(store.path, "a") as file:
        array = file["video_4"].create_dataset("extra", data=np.arange(1000), compression="gzip")
        at, size = array.id.get_chunk_info(0).byte_offset, array.id.get_chunk_info(0).size
    content = bytearray(store.path.read_bytes())
    content[at : at + size] = bytes(size)
    store.path.write_bytes(content)
    (problem,) = store.check()
    assert problem.startswith("video_4: cannot be read: Can't synchronously read data (")
