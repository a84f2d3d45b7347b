import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import AnnotatedDataModule, shard_files
from clipit_lightning.data.batches import shuffled
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.shard_files import write_shards
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from tests.support.synthetic_scripts import write_s_videoxum

pytestmark = pytest.mark.usefixtures("small_shards")
ATTRIBUTES = {"dataset": "mine", "features": "mini", "data": "mini"}


@pytest.fixture
def sharded(videos, tmp_path):
    """A store of 10 videos in 3 shards, and the same as a single file."""
    marked = [replace(video, split="test" if number > 7 else "train") for number, video in enumerate(videos)]
    write_shards(tmp_path / "mine.h5", marked, ATTRIBUTES, [])
    write_store(tmp_path / "file" / "mine.h5", marked, ATTRIBUTES)
    return Store(tmp_path / "mine.h5"), Store(tmp_path / "file" / "mine.h5")


def test_a_store_in_shards_reads_as_a_single_file(sharded):
    shards, file = sharded
    assert sorted(path.name for path in shards.path.iterdir()) == ["0000.h5", "0001.h5", "0002.h5", "index.json"]
    assert shards.check() == file.check() == []
    for one, other in zip(shards.read(), file.read(), strict=True):
        for name in vars(one):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert shards.attributes == file.attributes
    for ask in (
        lambda store: store.video_keys(),
        lambda store: store.splits(),
        lambda store: store.not_annotated(),
        lambda store: [store.all_have(name) for name in ("user_scores", "memorability")],
        lambda store: [store.example(name) for name in ("caption_features", "query_features")],
        lambda store: store.notes(),
    ):
        assert ask(shards) == ask(file)
    assert shards.nbytes() == pytest.approx(file.nbytes(), rel=0.01)  # but for texts
    assert shards.shards() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    with pytest.raises(UserError, match="no video video_99; it holds 10 videos"):
        shards.read(["video_99"])


def test_features_are_one_compressed_chunk_a_video_in_shards_alone(videos, tmp_path):
    few_values = [replace(video, features=np.tile(video.features, 64).round(1)) for video in videos]
    write_shards(tmp_path / "mine.h5", few_values, ATTRIBUTES, [])
    write_store(tmp_path / "file.h5", few_values, ATTRIBUTES)
    with h5py.File(tmp_path / "mine.h5/0000.h5") as shard, h5py.File(tmp_path / "file.h5") as file:
        packed, plain = shard["video_1/features"], file["video_1/features"]
        assert packed.chunks == packed.shape
        assert packed.id.get_storage_size() < packed.nbytes / 2
        assert plain.chunks is None
    for one, other in zip(Store(tmp_path / "mine.h5").read(), few_values, strict=True):
        np.testing.assert_array_equal(one.features, other.features)


def test_hashes_are_of_the_content_whatever_the_shards(sharded, videos, tmp_path, monkeypatch):
    shards, _ = sharded
    monkeypatch.setattr(shard_files, "VIDEOS", 3)
    again = [replace(video, split="test" if number > 7 else "train") for number, video in enumerate(videos)]
    write_shards(tmp_path / "again" / "mine.h5", again, ATTRIBUTES, [])
    assert Store(tmp_path / "again" / "mine.h5").content_hash() == shards.content_hash()
    before = shards.content_hash(), shards.annotations_hash()
    status = (shards.path / "0001.h5").stat()
    with h5py.File(shards.path / "0001.h5", "a") as file:
        file["video_5/features"][0, 0] += 1
    os.utime(shards.path / "0001.h5", ns=(status.st_atime_ns, status.st_mtime_ns))  # a change that hides its time
    assert shards.content_hash() != before[0]
    assert shards.annotations_hash() == before[1]


def test_what_did_not_change_is_not_read_again(sharded, monkeypatch):
    shards, _ = sharded
    opened = []
    real = h5py.File.__init__

    def counting(self, name, *args, **kwargs):
        opened.extend([Path(name).name] if isinstance(name, str | os.PathLike) else [])
        real(self, name, *args, **kwargs)

    monkeypatch.setattr(h5py.File, "__init__", counting)
    assert shards.check() == []
    assert (shards.content_hash(), shards.nbytes(), shards.splits(), opened)[-1] == []
    os.utime(shards.path / "0002.h5")
    assert shards.check() == []
    assert opened == ["0002.h5"]
    assert shards.check() == []
    assert opened == ["0002.h5"]
    shards.read(["video_6"])
    assert opened == ["0002.h5", "0001.h5"]


def test_damage_is_said_by_shard(sharded):
    shards, _ = sharded
    with h5py.File(shards.path / "0001.h5", "a") as file:
        file["video_5/gtscore"][0] = 7
    assert shards.check() == ["0001.h5: video_5: gtscore runs from 0.25 to 7, expected values from 0 to 1"]
    assert shards.check() == ["0001.h5: video_5: gtscore runs from 0.25 to 7, expected values from 0 to 1"]
    (shards.path / "0001.h5").write_bytes(b"x")
    assert "0001.h5: cannot be read" in shards.check()[0]
    (shards.path / "0001.h5").unlink()
    assert "0001.h5: cannot be read" in shards.check()[0]
    shutil.copy(shards.path / "0000.h5", shards.path / "0001.h5")
    assert shards.check()[0] == "video_1 lies in 0000.h5 and in 0001.h5"


def test_shards_that_differ_are_refused(sharded):
    shards, _ = sharded
    with h5py.File(shards.path / "0001.h5", "a") as file:
        file.attrs["features"] = "others"
        for group in file.values():
            features = group["features"][:, :5]
            del group["features"]
            group["features"] = features
    assert shards.check() == [
        "0000.h5 and 0001.h5 differ in their attribute features",
        "features differ in size between shards: [5, 8]",
    ]


@pytest.mark.parametrize("content", ["{", "[]", '{"shards": []}', "null"])
def test_an_index_that_is_none_is_one_line(sharded, content):
    shards, _ = sharded
    (shards.path / "index.json").write_text(content)
    assert "index.json" in shards.check()[0]
    with pytest.raises(UserError, match=r"index\.json"):
        shards.read()


def test_an_index_names_no_files_elsewhere(sharded):
    shards, _ = sharded
    index = json.loads((shards.path / "index.json").read_text())
    index["shards"][0]["file"] = "../file/mine.h5"
    (shards.path / "index.json").write_text(json.dumps(index))
    assert "files of other folders" in shards.check()[0]


def test_writing_continues_after_an_interruption(videos, tmp_path):
    path, read = tmp_path / "mine.h5", []

    class Source(list):
        fails = True

        def __getitem__(self, number):
            read.append(number)
            if number == 9 and self.fails:
                raise KeyboardInterrupt
            return super().__getitem__(number)

    source = Source(videos)
    with pytest.raises(KeyboardInterrupt):
        write_shards(path, source, ATTRIBUTES, [])
    assert not path.exists()
    source.fails = False
    write_shards(path, source, ATTRIBUTES, [])
    assert read == [*range(10), 8, 9]
    assert Store(path).check() == []
    assert [file.name for file in tmp_path.iterdir()] == ["mine.h5"]
    write_shards(path, videos[:6], ATTRIBUTES, [])  # over what is there
    assert len(Store(path).video_keys()) == 6
    assert [file.name for file in tmp_path.iterdir()] == ["mine.h5"]


def test_what_was_begun_from_other_files_begins_anew(videos, tmp_path):
    path, source = tmp_path / "mine.h5", tmp_path / "source.json"
    source.write_text("1")
    unsound = [*videos[:5], replace(videos[5], gtscore=videos[5].gtscore + 9)]
    with pytest.raises(UserError, match=r"mine.h5: video_6: gtscore runs from .* \(the store was not written\)"):
        write_shards(path, unsound, ATTRIBUTES, [source])
    assert not path.exists()
    source.write_text("22")
    write_shards(path, videos[4:], ATTRIBUTES, [source])
    assert Store(path).video_keys() == [f"video_{number}" for number in range(5, 11)]


@pytest.mark.parametrize("name", ["thesis.txt", "0000.h5.bak"])
def test_nothing_of_others_is_removed(videos, tmp_path, name):
    (tmp_path / "mine.h5.parts").mkdir()
    (tmp_path / "mine.h5.parts" / name).write_text("mine")
    with pytest.raises(UserError, match=rf"{name}: is in the way, and no part of a store; move it elsewhere"):
        write_shards(tmp_path / "mine.h5", videos, ATTRIBUTES, [])
    assert (tmp_path / "mine.h5.parts" / name).read_text() == "mine"


def test_what_a_killed_process_left_is_removed(sharded, videos):
    shards, _ = sharded
    for name in (".0001.h5.host-9-abc", ".index.json.host-9-abc", ".index.json.lock", ".made_of.json.host-9-abc"):
        (shards.path / name).write_text("x")
    write_shards(shards.path, videos[:5], ATTRIBUTES, [])
    assert sorted(path.name for path in shards.path.iterdir()) == ["0000.h5", "0001.h5", "index.json"]


def test_a_datamodule_reads_shards_when_needed(sharded):
    shards, file = sharded
    parts = {}
    for name, store in (("shards", shards), ("file", file)):
        data = AnnotatedDataModule(store.path.parent, target="mine", preload_mb=0 if name == "shards" else 8000)
        data.setup()
        parts[name] = data
    assert parts["shards"].folds == parts["file"].folds
    for one, other in zip(parts["shards"].train_dataloader(), parts["file"].train_dataloader(), strict=True):
        for ours, theirs in zip(one.stacks, other.stacks, strict=True):
            assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    measured = parts["shards"].annotations(3)
    assert measured.features.shape[1] == 0
    np.testing.assert_array_equal(measured.user_scores, parts["file"].item(3).user_scores)


def test_an_epoch_reads_few_files_at_once():
    files = [number // 10 for number in range(200)]
    order = shuffled(range(200), files, np.random.default_rng(0), at_once=4)
    assert sorted(order) == list(range(200))
    for at in range(0, 200, 40):
        assert len({files[number] for number in order[at : at + 40]}) == 4
    assert order != shuffled(range(200), files, np.random.default_rng(1), at_once=4)
    assert Counter(files[number] for number in order[:40]) == dict.fromkeys({files[n] for n in order[:40]}, 10)
    few = shuffled(range(20), files, np.random.default_rng(0), at_once=4)
    assert few == np.random.default_rng(0).permutation(20).tolist()


def test_a_large_benchmark_is_imported_in_shards(tmp_path):
    folder = write_s_videoxum(tmp_path / "downloads")
    import_distributed([folder], tmp_path / "data")
    store = Store(tmp_path / "data" / "s-videoxum.h5")
    assert store.path.is_dir()
    assert store.check() == []
    monolith = tmp_path / "one" / "s-videoxum.h5"
    write_store(monolith, store.read_scripts(), store.attributes)
    assert Store(monolith).splits() == store.splits()
    before = store.content_hash()
    import_distributed([folder], tmp_path / "data")
    assert store.content_hash() == before
