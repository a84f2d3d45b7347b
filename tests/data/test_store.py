import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store


def test_what_is_written_is_read(stores, tmp_path):
    store = Store(stores / "tvsum.h5")
    videos = store.read()
    assert [video.key for video in videos] == [f"video_{number}" for number in range(1, 11)]
    write_store(tmp_path / "tvsum.h5", videos, {"dataset": "tvsum"})
    again = Store(tmp_path / "tvsum.h5").read()
    for one, other in zip(videos, again, strict=True):
        for name in vars(one):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_annotations_are_read_without_features(stores, tmp_path):
    whole, bare = (Store(stores / "tvsum.h5").read(["video_3"], features)[0] for features in (True, False))
    assert bare.features.shape == (whole.n_steps, 0)
    for name in vars(whole).keys() - {"features"}:
        np.testing.assert_array_equal(getattr(whole, name), getattr(bare, name), err_msg=name)


def test_official_parts_are_kept(stores, tmp_path):
    videos = Store(stores / "tvsum.h5").read(["video_1", "video_2"])
    write_store(tmp_path / "x.h5", [replace(videos[0], split="test"), videos[1]], {"dataset": "x"})
    assert Store(tmp_path / "x.h5").splits() == {"video_1": "test", "video_2": ""}
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["video_2"]["split"] = "exam"
    assert Store(tmp_path / "x.h5").check() == ["video_2: split is 'exam', expected train, validation or test"]


def test_content_hash_is_of_the_content(stores, tmp_path):
    path = tmp_path / "tvsum.h5"
    shutil.copy(stores / "tvsum.h5", path)
    before = Store(path).content_hash()
    assert before == Store(stores / "tvsum.h5").content_hash()
    with h5py.File(path, "a") as file:
        file["video_1/features"][0, 0] += 1
    assert Store(path).content_hash() != before


def test_reading_names_the_file_and_the_key(stores, tmp_path):
    with pytest.raises(UserError, match=r"no video video_99; it holds 10 videos"):
        Store(stores / "tvsum.h5").read(["video_99"])
    with pytest.raises(UserError, match="no such store; make it with"):
        Store(tmp_path / "tvsum.h5").read()
    (tmp_path / "cut.h5").write_bytes((stores / "tvsum.h5").read_bytes()[:3000])
    with pytest.raises(UserError, match=r"cut\.h5: not a readable HDF5 file"):
        Store(tmp_path / "cut.h5").read()


def test_writing_is_atomic(stores, tmp_path):
    path = tmp_path / "tvsum.h5"
    shutil.copy(stores / "tvsum.h5", path)
    before = path.read_bytes()

    def broken():
        yield from Store(stores / "tvsum.h5").read(["video_1"])
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError, match="plug"):
        write_store(path, broken(), {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
