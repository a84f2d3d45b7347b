import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.annotated import TVSumDataModule
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.data.streams import format_streams, parse_streams
from tests.support.timed_store import STREAMS, write_timed


@pytest.fixture
def store(stores, tmp_path):
    write_timed(stores / "tvsum.h5", tmp_path / "tvsum.h5")
    return Store(tmp_path / "tvsum.h5")


@pytest.mark.parametrize(
    ("text", "streams"),
    [("", {}), ("visual:384", {"visual": 384}), ("visual:8,audio:3 , motion:2", STREAMS)],
)
def test_widths_are_read_in_order(text, streams):
    assert list(parse_streams(text).items()) == list(streams.items())
    assert parse_streams(format_streams(streams)) == streams


@pytest.mark.parametrize(
    "text", ["visual", "visual:0", "visual:-1", "Visual:3", "a:1,", "a:1, a:2", "a:99999999999", "audio:3"]
)
def test_what_names_no_streams_is_one_line(text):
    with pytest.raises(ValueError, match=r"^streams (is|names) .*; write names and widths, such as visual:384"):
        parse_streams(text)


def test_a_store_says_its_streams_and_is_valid(store, stores):
    assert store.check() == []
    assert store.streams == STREAMS
    assert Store(stores / "tvsum.h5").streams == {}


@pytest.mark.parametrize(
    ("streams", "problem"),
    [
        ("visual:8, audio:3", "its streams (visual:8, audio:3) have 11 features together, and its steps have 13"),
        ("visual:8; audio:5", "its attribute streams is 'visual:8; audio:5'; write names and widths"),
        ("audio:8, visual:5", "video_1: stream audio: its last column is not 1 where it is there and 0 where it is"),
    ],
)
def test_streams_that_are_none_are_named(stores, tmp_path, streams, problem):
    write_timed(stores / "tvsum.h5", tmp_path / "tvsum.h5", streams)
    assert Store(tmp_path / "tvsum.h5").check()[0].startswith(problem)


def test_what_is_missing_has_to_be_0(store):
    with h5py.File(store.path, "a") as file:
        file["video_1/features"][3, 9] = 0.5
    assert store.check() == ["video_1: stream audio: is not 0 where its last column says that it is missing"]


def test_a_datamodule_has_the_streams_of_its_store_or_what_is_seen_alone(store, stores):
    for root, streams in ((store.path.parent, STREAMS), (stores, {"visual": 8})):
        module = TVSumDataModule(root)
        module.setup()
        assert list(module.streams.items()) == list(streams.items())


def test_stores_of_several_streams_are_one_line(store, stores):
    root = store.path.parent
    write_timed(stores / "summe.h5", root / "summe.h5", "visual:8, motion:5")
    with h5py.File(root / "summe.h5", "a") as file:
        for video in file.values():
            video["features"][:, 12] = 1
    with pytest.raises(UserError, match=r"stores differ in streams: tvsum .*motion:2; summe visual:8, motion:5; make"):
        TVSumDataModule(root, setting="augmented", sources=["summe"]).setup()
    write_timed(stores / "summe.h5", root / "summe.h5", "")
    with pytest.raises(UserError, match=r"stores differ in streams: tvsum .*; summe none; make all of them") as error:
        TVSumDataModule(root, setting="augmented", sources=["summe"]).setup()
    assert "\n" not in str(error.value)


def test_captions_of_shots_have_no_room_beside_streams(tmp_path):
    mini = Store(ensure_mini(tmp_path / "mini") / "tvsum.h5")
    streams = f"visual:{mini.read()[0].features.shape[1]}"
    write_store(tmp_path / "tvsum.h5", mini.read(), mini.attributes | {"streams": streams})
    with pytest.raises(UserError, match=r"data\.shot_captions: the streams of .*tvsum\.h5 \(visual:\d+\) have no room"):
        TVSumDataModule(tmp_path, shot_captions=True).setup()


def test_an_import_keeps_streams_and_times(store, tmp_path):
    source = tmp_path / "source/tvsum_mine.h5"
    source.parent.mkdir()
    shutil.copy(store.path, source)
    with h5py.File(source, "a") as file:
        del file.attrs["dataset"]
    import_distributed([source], tmp_path / "again")
    again = Store(tmp_path / "again/tvsum.h5")
    assert again.streams == STREAMS
    for ours, theirs in zip(again.read(), store.read(), strict=True):
        np.testing.assert_array_equal(ours.text_spans, theirs.text_spans)
        assert ours.fps == theirs.fps


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fps": None}, "has text_spans, but no fps, by which their seconds are frames"),
        ({"fps": 0.0}, "fps is 0, expected frames a second, above 0"),
        ({"text_spans": [-1, 1]}, "text_spans begin at -1 s, expected seconds from 0"),
        ({"text_spans": [2, 1]}, "text_spans: caption 1 ends before it starts"),
        ({"text_spans": [1e4, 1e5]}, "text_spans begin at 10000 s, after the video's end at "),
        ({"text_spans": [1, np.inf]}, "text_spans have NaN or infinite values, first in row 1"),
        ({"captions": ("one",), "caption_features": None}, "text_spans have shape"),
    ],
)
def test_faults_of_times_are_named(store, changes, problem):
    first, *others = store.read()
    if row := changes.get("text_spans"):
        changes = {"text_spans": np.vstack([first.text_spans[:1], [row], first.text_spans[2:]])}
    write_store(store.path, [replace(first, **changes), *others], store.attributes)
    (line,) = store.check()
    assert line.startswith(f"video_1: {problem}")
