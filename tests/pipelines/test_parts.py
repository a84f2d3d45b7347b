"""A collection that several machines prepare in parts, and large ones."""

import shutil

import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.data import shard_files
from clipit_lightning.data.store import Store
from clipit_lightning.pipelines import preparation
from clipit_lightning.pipelines.collect import from_files, part_of
from clipit_lightning.video.extract import extract_features
from tests.support.videos import write_video

pytestmark = pytest.mark.slow
LABELS = "video,annotator,start,end\n" + "".join(f"{name},ann,0,1\n" for name in "abcde")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five videos with labels; stores of more than two of them are in shards."""
    monkeypatch.setattr(shard_files, "VIDEOS", 2)
    (tmp_path / "videos").mkdir()
    for number, name in enumerate("abcde"):
        write_video(tmp_path / "videos" / f"{name}.mp4", 50, first=40 * number, audio=None)
    (tmp_path / "labels.csv").write_text(LABELS)
    return tmp_path


def prepare(folder, to, *words, videos="videos"):
    common = ["--encoder", "hsv", "--labels", str(folder / "labels.csv")]
    return main(["prepare", str(folder / videos), "--to", str(folder / to), *common, *words])


def test_parts_that_are_joined_equal_the_whole(folder, monkeypatch):
    extracted = []

    def extract(path, *rest):
        extracted.append(path.stem)
        return extract_features(path, *rest)

    monkeypatch.setattr(preparation, "extract_features", extract)
    assert prepare(folder, "whole/mine.h5") == 0
    assert extracted == list("abcde")
    shutil.copytree(folder / "videos", folder / "other-machine")
    for name in "ace":
        (folder / "other-machine" / f"{name}.mp4").write_text("")  # names alone are needed of the other parts' videos
    assert prepare(folder, "mine-1.h5", "--part", "1/2") == 0
    assert prepare(folder, "mine-2.h5", "--part=2/2", videos="other-machine") == 0
    assert extracted[5:] == list("acebd")
    assert Store(folder / "mine-1.h5").path.is_dir()
    assert Store(folder / "mine-2.h5").video_keys() == ["video_2", "video_4"]
    parts = [str(folder / f"mine-{part}.h5") for part in (2, 1)]
    assert main(["data", "join", *parts, "--to", str(folder / "joined/mine.h5")]) == 0
    joined, whole = Store(folder / "joined/mine.h5"), Store(folder / "whole/mine.h5")
    assert whole.path.is_dir()
    assert joined.check() == whole.check() == []
    assert joined.content_hash() == whole.content_hash()
    assert joined.annotations_hash() == whole.annotations_hash()
    of_parts = {"dataset", "inputs"}
    assert joined.attributes == {name: text for name, text in whole.attributes.items() if name not in of_parts}
    words = ["model.name=linear", "data.folds=2", "data.validation=0", "selection=last", f"output={folder / 'run'}"]
    assert main(["train", str(folder / "joined/mine.h5"), *words, "trainer.accelerator=cpu"]) == 0


def test_a_joined_store_is_prepared_again_where_it_lies(folder, capsys):
    for part in ("1/2", "2/2"):
        assert prepare(folder, f"mine-{part[0]}.h5", "--part", part) == 0
    assert main(["data", "join", *map(str, sorted(folder.glob("*.h5"))), "--to", str(folder / "data/mine.h5")]) == 0
    joined = Store(folder / "data/mine.h5").content_hash()
    assert prepare(folder, "data/mine.h5", "--part", "1/2") == 2
    assert "mine.h5: holds b, which is not among these videos" in capsys.readouterr().err
    assert prepare(folder, "data/mine.h5") == 0
    assert Store(folder / "data/mine.h5").content_hash() == joined
    assert len(Store(folder / "data/mine.h5").attributes["inputs"]) == 64
    assert prepare(folder, "data/mine.h5") == 0
    assert "is finished" in capsys.readouterr().out


def test_parts_are_disjoint_and_all(tmp_path):
    for number in range(11):
        (tmp_path / f"v{number}.mp4").write_text("")
    whole = from_files([tmp_path], "mine")
    for of in (1, 2, 3, 11):
        parts = [part_of(whole, f"{number}/{of}").sources for number in range(1, of + 1)]
        together = sorted((source for part in parts for source in part), key=whole.sources.index)
        assert tuple(together) == whole.sources
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("part", "line"),
    [
        *((part, f"--part: {part}: give K/N with K from 1 to N, such as 1/4") for part in ("0/2", "3/2", "2", "1/2/3")),
        ("7/7", "--part: 7/7: has no video; there are 5"),
    ],
)
def test_a_part_that_is_none_is_one_line(folder, capsys, part, line):
    assert prepare(folder, "mine.h5", "--part", part) == 2
    assert capsys.readouterr().err == f"clipit: {line}\n"
