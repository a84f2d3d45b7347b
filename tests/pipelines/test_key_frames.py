import csv
import json

import numpy as np
import pytest
from PIL import Image

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import ArgumentError
from clipit_lightning.pipelines import key_frames as module
from clipit_lightning.pipelines.key_frames import keyframes
from clipit_lightning.video.captioner import Captioner
from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.frames import whole_frames
from tests.support.commands import invoke
from tests.support.videos import NOT_VIDEOS, ODD_VIDEOS, TURNS, write_video

pytestmark = pytest.mark.slow
HSV = make_encoder("hsv")
SCENE = 60  # frames


def scene(number, width, height):
    """Squares of random colours, others in each scene; the third is black, the fourth flat, the fifth as the first."""
    which = {2: None, 3: None, 4: 0}.get(number // SCENE, number // SCENE)
    if which is None:
        return np.full((height, width, 3), (0, 120)[number // SCENE - 2], np.uint8)
    rng = np.random.default_rng(which)
    squares = rng.integers(0, 256, (6, 8, 3)) * 0.7 + rng.integers(0, 70, 3)
    shade = 8 * np.sin(number / 9)  # steps of a scene are alike, not equal
    return np.kron(squares + shade, np.ones((height // 6, width // 8, 1))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_video(path, 6 * SCENE, 96, 72, fps=20, audio=None, draw=scene)


def rows(folder):
    return list(csv.DictReader((folder / "key-frames.csv").read_text().splitlines()))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_scene_worth_seeing_has_one_picture(film, tmp_path, caplog):
    made = keyframes(film, tmp_path / "to", HSV)
    shown = [frame // SCENE for frame in made.frames.tolist()]
    assert sorted(0 if number == 4 else number for number in shown) == [0, 1, 5], "nothing black, flat or twice"
    table = rows(tmp_path / "to")
    assert [int(row["frame"]) for row in table] == made.frames.tolist()
    np.testing.assert_allclose([float(row["seconds"]) for row in table], made.frames / 20, atol=1e-6)
    assert [row["file"] for row in table] == [path.name for path in made.files]
    assert names(tmp_path / "to") == sorted(["key-frames.csv", "key-frames.jpg", *(path.name for path in made.files)])
    for sample, path in zip(whole_frames(film, made.frames.tolist()), made.files, strict=True):
        picture = np.asarray(Image.open(path), float)
        assert picture.shape == (72, 96, 3)
        assert np.abs(picture - sample.image).mean() < 6
    assert Image.open(tmp_path / "to" / "key-frames.jpg").width > 96
    assert caplog.messages[-1] == f"{tmp_path / 'to'}: 3 key frames of 36 steps; look at {tmp_path}/to/key-frames.jpg"
    assert sum("colour and structure alone; there are no captions" in line for line in caplog.messages) == 1


def test_the_same_command_writes_the_same_bytes(film, tmp_path):
    for name in ("one", "two"):
        assert invoke("keyframes", film, "--encoder", "hsv", "--count", 5, "--to", tmp_path / name) == 0
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert names(tmp_path / "one") == names(tmp_path / "two")


def test_another_count_removes_what_the_table_named_and_nothing_else(film, tmp_path):
    to = tmp_path / "to"
    first = keyframes(film, to, HSV)
    for name in ("key-frame-999999.jpg", "notes.txt"):
        (to / name).write_text("mine")
    with (to / "key-frames.csv").open("a") as table:
        table.write("1,2,notes.txt\n1,2,../to/notes.txt\n")
    second = keyframes(film, to, HSV, count=1)
    assert len(second.files) == 1
    assert second.frames[0] in first.frames
    mine = ["key-frame-999999.jpg", "notes.txt"]
    assert names(to) == sorted([*mine, "key-frames.csv", "key-frames.jpg", second.files[0].name])
    assert [(to / name).read_text() for name in mine] == ["mine", "mine"]


def test_more_than_there_are_is_said(film, tmp_path, caplog):
    made = keyframes(film, tmp_path / "to", HSV, count=1000)
    assert 3 <= len(made.frames) < 36, "those that differ"
    assert any("1000 were asked for" in line for line in caplog.messages)
    with pytest.raises(ArgumentError, match="count"):
        keyframes(film, tmp_path / "to", HSV, count=0)


class Reader:
    """An encoder whose text "N" has the feature N; of frames it is that of colours."""

    name, preprocessing, feature_dim = "reader", HSV.preprocessing, HSV.feature_dim
    encode_images, provenance = HSV.encode_images, HSV.provenance

    def encode_texts(self, texts):
        return np.eye(self.feature_dim, dtype=np.float32)[[int(text) for text in texts]]


def modalities_of(monkeypatch):
    """What the rule is given, filled as it is called."""
    given, rule = [], module.key_steps

    def watched(modalities, *more):
        given.append(modalities)
        return rule(modalities, *more)

    monkeypatch.setattr(module, "key_steps", watched)
    return given


def test_captions_are_the_third_modality(film, tmp_path, caplog, monkeypatch):
    given = modalities_of(monkeypatch)
    captions = tmp_path / "film.json"
    captions.write_text(json.dumps([{"time": 2.0, "text": "1"}, {"time": 9.2, "text": "2"}]))
    keyframes(film, tmp_path / "to", Reader(), captions=captions)
    assert "colour, structure and captions" in caplog.text
    times = np.arange(36) / 2
    assert given[0][2].argmax(1).tolist() == np.where(times < 9.2, 1, 2).tolist()
    keyframes(film, tmp_path / "to", HSV, captions=captions)
    assert len(given[1]) == 2
    assert "colour and structure alone; the encoder has no language" in caplog.text


def test_a_captioner_captions_every_step(film, tmp_path, monkeypatch):
    given = modalities_of(monkeypatch)
    captioner = Captioner("mean", "", "", lambda frames: [str(int(frame.mean())) for frame in frames])
    keyframes(film, tmp_path / "to", Reader(), captioner=captioner)
    expected = [int(sample.image.mean()) for sample in whole_frames(film, range(0, 6 * SCENE, 10))]
    assert given[0][2].argmax(1).tolist() == expected
    with pytest.raises(ArgumentError, match="captions"):
        keyframes(film, tmp_path / "to", Reader(), captioner=captioner, captions=tmp_path / "film.json")


@pytest.mark.parametrize("name", ODD_VIDEOS)
def test_odd_videos_have_key_frames_upright(name, tmp_path):
    video = ODD_VIDEOS[name](tmp_path / name)
    made = keyframes(video, tmp_path / "to", HSV, rate=4)
    assert len(made.frames)
    for sample, path in zip(whole_frames(video, made.frames.tolist()), made.files, strict=True):
        assert Image.open(path).size == sample.image.shape[1::-1]
    if name.removeprefix("turned_").removesuffix(".mp4") in TURNS:
        assert Image.open(made.files[0]).size == (64, 48)
    if name == "single_frame.mp4":
        assert made.frames.tolist() == [0]


@pytest.mark.parametrize("name", NOT_VIDEOS)
def test_what_is_no_video_is_one_line_and_status_2(name, tmp_path, capsys):
    path = NOT_VIDEOS[name](tmp_path / name)
    assert main(["keyframes", str(path), "--encoder", "hsv", "--to", str(tmp_path / "to")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert name in error
    assert not (tmp_path / "to").exists()


def test_a_folder_that_cannot_be_is_one_line_before_the_work(film, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    link = tmp_path / "linked"
    link.mkdir()
    (link / "key-frames.jpg").symlink_to(film)
    for to in (tmp_path / "file", link):
        assert main(["keyframes", str(film), "--encoder", "nothing of that name", "--to", str(to)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_an_interruption_leaves_the_folder_as_it_was(film, tmp_path, monkeypatch):
    to = tmp_path / "to"
    keyframes(film, to, HSV, count=1)
    before = {path.name: path.read_bytes() for path in to.iterdir()}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "contact_sheet", interrupted)
    assert main(["keyframes", str(film), "--encoder", "hsv", "--to", str(to)]) == 130
    assert {path.name: path.read_bytes() for path in to.iterdir()} == before
