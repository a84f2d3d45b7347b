"""Sound, motion and times of captions: from raw videos to a store, to a run, to summaries by its checkpoint."""

import json

import h5py
import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.store import Store
from clipit_lightning.pipelines import load_run, prepare
from clipit_lightning.pipelines.run_streams import streams_beside
from clipit_lightning.video.audio_model import load_audio_model
from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.extract import extract_features
from tests.support.commands import train_here
from tests.support.tiny_models import clip_model, wav2vec2_model
from tests.support.videos import write_video

pytestmark = pytest.mark.slow

NAMES = ("ball", "cat", "dog", "hen", "owl")
TIMED = "model.name=tests.support.batches:TimedScorer"


def write_srt(path, starts):
    cues = [f"00:00:0{start},000 --> 00:00:0{start + 1},500\nline {start}\n" for start in starts]
    path.write_text("\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five videos, all but the last with sound and subtitles, and their labels."""
    folder = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(NAMES):
        audio = {"audio": None} if name == "owl" else {"audio_seconds": 1.5}
        write_video(folder / f"{name}.mp4", 100 + 20 * number, first=40 * number, **audio)
        if name != "owl":
            write_srt(folder / f"{name}.srt", [0, 2, 3][: 1 + number])
    lines = [f"{name},anna,{start},{start + 1}" for start, name in enumerate(NAMES[:4])] + ["owl,anna,0,2"]
    (folder / "labels.csv").write_text("video,annotator,start,end\n" + "\n".join(lines) + "\n")
    return folder


def test_a_store_has_the_streams_and_the_times_of_subtitles(folder, tmp_path, capsys):
    words = [folder, "--to", tmp_path / "mine.h5", "--encoder=hsv", "--streams", "motion,audio", "--subtitles"]
    assert main(["prepare", *map(str, words)]) == 0
    assert "no subtitles of 1 of 5 videos: owl" in capsys.readouterr().out
    store = Store(tmp_path / "mine.h5")
    assert store.check() == []
    assert list(store.streams.items()) == [("visual", 297), ("audio", 64), ("motion", 32)]
    for video in store.read():
        path = folder / f"{video.name}.mp4"
        made = extract_features(path, make_encoder("hsv"), streams=("audio", "motion"))
        expected = [made.features, made.streams["audio"], made.streams["motion"]]
        np.testing.assert_array_equal(video.features, np.hstack(expected))
        assert video.features[:, 297 + 63].sum() == (0 if video.name == "owl" else 3)
        assert (video.features[:, -1] == 1).all()
        assert video.fps == pytest.approx(25)
        if video.name == "owl":
            assert (video.captions, video.text_spans) == ((), None)
        else:
            starts = [int(text.split()[1]) for text in video.captions]
            ends = [min(start + 1.5, video.n_frames / 25) for start in starts]
            np.testing.assert_allclose(video.text_spans, np.stack([starts, ends], axis=1), atol=1e-6)
    before = (tmp_path / "mine.h5").read_bytes()
    assert main(["prepare", *map(str, words), "--force"]) == 0
    assert (tmp_path / "mine.h5").read_bytes() == before
    assert main(["prepare", *map(str, words[:4]), "--subtitles"]) == 2
    assert "(streams is visual:297, audio:64, motion:32, not not recorded)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--streams=smell"], "--streams: no stream 'smell'; there are audio, motion"),
        (["--subtitles", "--captions=a.srt"], "--captions: is not allowed with subtitles; give one of them"),
        (["--subtitles"], "--subtitles: none of the videos has any; put owl.srt beside it, or omit it"),
    ],
)
def test_what_cannot_be_is_one_line(folder, tmp_path, words, problem, capsys):
    given = ["prepare", str(folder / "owl.mp4"), "--to", str(tmp_path / "a.h5"), "--encoder=hsv", *words]
    assert main(given) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("scorer", [(TIMED,), ("transcript",)])
def test_a_summary_reads_what_its_run_was_trained_on(folder, tmp_path, capsys, scorer):
    clip_model(tmp_path / "clip")
    encoder = f"hf:{tmp_path}/clip"
    options = {"labels": folder / "labels.csv", "subtitles": True, "streams": ("audio", "motion"), "device": "cpu"}
    prepare(folder, tmp_path / "mine.h5", encoder, **options)
    words = ("data.dataset=mine", "data.captions=2", "data.fold=0", "optim.epochs=1", "data.crop=5", *scorer)
    train_here(tmp_path, tmp_path / "run", *words, "data.validation=0", "selection=last")
    run = load_run(tmp_path / "run")
    assert run.beside == ("audio", "motion")
    expected = run.score(tmp_path / "mine.h5")
    for key, name in (("video_1", "ball"), ("video_2", "cat")):
        words = ["summarize", folder / f"{name}.mp4", "--checkpoint", tmp_path / "run", "--encoder", encoder]
        words += ["--captions", folder / f"{name}.srt", "--to", tmp_path / name, "--device=cpu"]
        for _ in range(2):  # the second time by the features that are kept
            assert main([*map(str, words)]) == 0
            steps = json.loads((tmp_path / name / "summary.json").read_text())["steps"]
            np.testing.assert_allclose([step["score"] for step in steps], expected[key], atol=1e-4)
        assert "features as in" in capsys.readouterr().out


def test_a_stream_that_a_raw_video_cannot_give_is_one_line(tmp_path):
    assert streams_beside(tmp_path, {"visual": 8}, {}) == ()
    made = {"audio": "by another program"}
    for streams in ({"visual": 8, "depth": 4}, {"visual": 8, "audio": 64}, {"visual": 8, "motion": 3}):
        with pytest.raises(UserError, match=r"was trained on a stream '\w+' of \d+ features, which is not made of raw"):
            streams_beside(tmp_path, streams, made)


def test_an_older_working_folder_with_other_streams_is_not_taken(folder, tmp_path):
    to = tmp_path / "mine.h5"
    prepare(folder / "cat.mp4", to, "hsv", keep=True)
    prepare(folder / "cat.mp4", to, "hsv", keep=True, force=True, streams="audio")
    with h5py.File(to) as file:
        assert file["video_1/features"].shape[1] == 297 + 64


def test_sound_as_a_model_hears_it_is_stored_trained_on_and_made_again(folder, tmp_path, capsys):
    wav2vec2_model(tmp_path / "ears")
    clip_model(tmp_path / "clip")
    to, encoder, stream = tmp_path / "mine.h5", f"hf:{tmp_path}/clip", f"audio:{tmp_path}/ears"
    options = {"labels": folder / "labels.csv", "subtitles": True, "device": "cpu"}
    prepare(folder, to, encoder, streams=f"motion,{stream}", **options)
    store = Store(to)
    assert store.check() == []
    assert list(store.streams.items()) == [("visual", 24), ("audio", 33), ("motion", 32)]
    assert store.attributes["audio_model"] == f"{tmp_path}/ears"
    assert {"audio", "audio_weights_sha256", "audio_libraries", "motion"} < store.attributes.keys()
    ears = load_audio_model(str(tmp_path / "ears"), "cpu")
    for video in store.read():
        made = extract_features(folder / f"{video.name}.mp4", make_encoder("hsv"), streams=(ears,))
        np.testing.assert_allclose(video.features[:, 24:57], made.streams["audio"], atol=1e-6)
        assert video.features[:, 56].sum() == (0 if video.name == "owl" else 3)
    with pytest.raises(UserError, match=r"holds other features \(streams is visual:24, audio:33, motion:32, not"):
        prepare(folder, to, encoder, streams="motion,audio", **options)

    words = ("data.dataset=mine", "data.captions=2", "data.fold=0", "optim.epochs=1", "data.crop=5", TIMED)
    train_here(tmp_path, tmp_path / "run", *words, "data.validation=0", "selection=last")
    run = load_run(tmp_path / "run")
    assert run.beside == (stream, "motion")
    words = ["summarize", folder / "ball.mp4", "--checkpoint", tmp_path / "run", "--encoder", encoder]
    words += ["--captions", folder / "ball.srt", "--to", tmp_path / "ball", "--device=cpu"]
    assert main([*map(str, words)]) == 0
    steps = json.loads((tmp_path / "ball/summary.json").read_text())["steps"]
    np.testing.assert_allclose([step["score"] for step in steps], run.score(to)["video_1"], atol=1e-4)
    wav2vec2_model(tmp_path / "ears", seed=1)
    capsys.readouterr()
    assert main([*map(str, words)]) == 2
    assert "and it hears otherwise now (another audio_weights_sha256)" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"holds other features \(audio_weights_sha256 is"):
        prepare(folder, to, encoder, streams=f"motion,{stream}", **options)
