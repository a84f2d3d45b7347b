"""Stores of several machines become one; `tests/pipelines/test_parts.py` has those that `clipit prepare` makes."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.joining import join_stores
from clipit_lightning.data.shard_files import write_one_by_one, write_shards
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store

pytestmark = pytest.mark.usefixtures("small_shards")
ATTRIBUTES = {"features": "mini", "data": "mini", "encoder": "hsv"}


@pytest.fixture
def parts(videos, tmp_path):
    """Ten videos: every second one in a store of its own, a file of four and a folder of shards of six."""
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    write_store(one, videos[0:8:2], {**ATTRIBUTES, "dataset": "one", "inputs": "1", "annotations_sha256": "x"})
    attributes = {**ATTRIBUTES, "dataset": "two", "inputs": "2", "annotations_sha256": "x"}
    write_shards(two, [*videos[1:8:2], *videos[8:]], attributes, [])
    return one, two


def change(path, **attributes):
    with h5py.File(path, "a") as file:
        file.attrs.update(attributes)


def test_parts_become_the_store_of_all(parts, videos, tmp_path, capsys):
    before = [path.read_bytes() for path in (parts[0], parts[1] / "0000.h5", parts[1] / "0001.h5")]
    to = tmp_path / "data" / "mine.h5"
    assert main(["data", "join", *map(str, parts), "--to", str(to)]) == 0
    assert capsys.readouterr().out == f"{to}: 10 videos in 3 shards, valid\n"
    assert sorted(path.name for path in to.iterdir()) == ["0000.h5", "0001.h5", "0002.h5", "index.json"]
    assert [path.name for path in to.parent.iterdir()] == ["mine.h5"]
    assert [path.read_bytes() for path in sorted(to.glob("*.h5"))] == before
    assert [path.read_bytes() for path in (parts[0], parts[1] / "0000.h5", parts[1] / "0001.h5")] == before
    write_shards(tmp_path / "whole" / "mine.h5", videos, {**ATTRIBUTES, "dataset": "mine"}, [])
    whole, store = Store(tmp_path / "whole" / "mine.h5"), Store(to)
    assert store.check() == []
    assert store.content_hash() == whole.content_hash()
    assert store.annotations_hash() == whole.annotations_hash()
    assert [video.key for video in store.read()] == [video.key for video in videos]
    assert store.attributes == {**ATTRIBUTES, "annotations_sha256": "x"}  # what only a part has is none of the whole's
    join_stores([to], tmp_path / "again.h5")
    assert Store(tmp_path / "again.h5").content_hash() == whole.content_hash()


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (lambda one: change(one, encoder="conse"), r"one.h5 and .*two.h5/0000.h5 differ in their attribute encoder; "),
        (
            lambda one: change(one, streams="visual:8"),
            r"differ in their attribute streams; make parts with equal",
        ),
        (lambda one: change(one, dataset="tvsum"), "differ in their attribute dataset"),
        (lambda one: None, r"video_1 lies in .*one.h5 and in .*same.h5; "),
    ],
    ids=["encoder", "streams", "dataset", "key"],
)
def test_contradictions_are_refused_and_leave_nothing(parts, videos, tmp_path, fault, line):
    fault(parts[0])
    write_store(tmp_path / "same.h5", videos[:1], ATTRIBUTES)
    with pytest.raises(UserError, match=line):
        join_stores([*parts, tmp_path / "same.h5"], tmp_path / "mine.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5", "same.h5", "two.h5"]


def test_other_sizes_and_damage_are_refused(parts, videos, tmp_path):
    small = [replace(video, features=video.features[:, :5], caption_features=None) for video in videos[8:]]
    write_store(tmp_path / "small.h5", small, ATTRIBUTES)
    with pytest.raises(UserError, match=r"features differ in size between shards: \[5, 8\]; make parts"):
        join_stores([parts[0], tmp_path / "small.h5"], tmp_path / "mine.h5")
    with h5py.File(parts[0], "a") as file:
        file["video_3/gtscore"][0] = 7
    with pytest.raises(UserError, match=r"one.h5: video_3: gtscore runs from .* \(nothing was written\)"):
        join_stores(parts, tmp_path / "mine.h5")
    assert not (tmp_path / "mine.h5").exists()


def test_what_cannot_be_joined_is_one_line(parts, tmp_path, capsys):
    (tmp_path / "text.h5").write_text("x")
    (parts[1] / "0001.h5").rename(tmp_path / "elsewhere.h5")
    words = ["--to", str(tmp_path / "mine.h5")]
    for stores, line in (
        ([parts[0], "--to", "mine"], "--to: name the store, such as data/mine.h5; its name ends with .h5"),
        ([parts[0], "--to", parts[0]], "is one of the stores that are to be joined"),
        ([tmp_path / "none.h5", *words], "none.h5: no such store"),
        ([tmp_path / "text.h5", *words], "text.h5: not a readable HDF5 file"),
        ([*parts, *words], f"two.h5/0001.h5: is missing, though {parts[1]} names it"),
        ([parts[0], "--to", tmp_path / "tvsum.h5"], "it says that it is the store of 'one', its name says tvsum"),
        ([parts[0], "--to", tmp_path / "elsewhere.h5"], "elsewhere.h5: is there already; give another file with --to"),
    ):
        assert main(["data", "join", *map(str, stores)]) == 2
        shown = capsys.readouterr().err
        assert line in shown
        assert shown.count("\n") == 1
    before = Store(parts[0]).read()
    join_stores([parts[0]], tmp_path / "elsewhere.h5", force=True)
    for ours, theirs in zip(Store(tmp_path / "elsewhere.h5").read(), before, strict=True):
        np.testing.assert_array_equal(ours.features, theirs.features)


def test_a_store_is_a_file_or_a_folder_by_its_size(videos, tmp_path):
    path = tmp_path / "mine.h5"
    for count, is_folder in ((3, False), (4, False), (5, True), (10, True), (3, False)):
        write_one_by_one(path, iter(videos[:count]), {**ATTRIBUTES, "dataset": "mine"})
        assert path.is_dir() == is_folder
        assert Store(path).check() == []
        assert [video.key for video in Store(path).read()] == [video.key for video in videos[:count]]
        assert [file.name for file in tmp_path.iterdir()] == ["mine.h5"]
    write_store(tmp_path / "same.h5", videos[:3], {**ATTRIBUTES, "dataset": "mine"})
    assert path.read_bytes() == (tmp_path / "same.h5").read_bytes()

    def failing():
        yield from videos[:6]
        raise UserError("no more")

    unsound = [*videos[:5], replace(videos[5], gtscore=videos[5].gtscore + 9)]
    for source, line in ((failing(), "no more"), (unsound, r"video_6: gtscore .* \(the store was not written\)")):
        with pytest.raises(UserError, match=line):
            write_one_by_one(path, source, ATTRIBUTES)
        assert path.read_bytes() == (tmp_path / "same.h5").read_bytes()
        assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.h5", "same.h5"]
