"""Summaries by a script, on a video whose frames show their number and an encoder that reads it."""

import csv
import json

import av
import numpy as np
import pytest

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini_scripts import make_script_videos
from clipit_lightning.data.store_file import write_store
from clipit_lightning.models.zero_shot import sentence_scores
from clipit_lightning.pipelines import summarizer as module
from clipit_lightning.pipelines.scenes import read_script
from clipit_lightning.pipelines.summaries import summarize, summarize_all
from clipit_lightning.pipelines.summary import FILES
from clipit_lightning.pipelines.trained_run import load_run
from clipit_lightning.summary.script import parse_script
from clipit_lightning.training.train import run as train
from clipit_lightning.video.encoders import HsvEncoder
from tests.support.browser import browser, needs_browser
from tests.support.commands import invoke
from tests.support.videos import shown_number, write_video

pytestmark = pytest.mark.slow
FPS = 25


class Finder(HsvEncoder):
    """An encoder of the seconds of a video, whose text "... N." is second N."""

    name = "finder"

    def __init__(self, feature_dim=12):
        super().__init__()
        self.feature_dim = feature_dim

    def encode_images(self, frames):
        return np.stack([self._feature(shown_number(frame) // FPS) for frame in frames])

    def encode_texts(self, texts):
        return np.stack([self._feature(int(text.split()[-1].rstrip("."))) for text in texts])

    def _feature(self, second):
        feature = np.full(self.feature_dim, 0.2, np.float32)
        feature[second] = 1.0
        return feature / np.linalg.norm(feature)


def frames_of(path):
    with av.open(str(path)) as file:
        return [shown_number(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def read(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Ten seconds with sound and with subtitles of their own."""
    path = write_video(tmp_path_factory.mktemp("source") / "holiday.mp4", 250)
    path.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:09,000\nSpoken.\n")
    return path


STORY = "Here is second 2. Then 7.\n[0.6 s] At the end 9.\n"


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "story.txt"
    path.write_text(STORY)
    return path


def made_by(source, story, to, order="time", budget="2.6s"):
    options = {"script": story, "order": order, "budget": budget, "rate": 10.0, "max_shot": 1.0}
    return summarize(source, to, Finder(), contact_sheet=True, **options)


@pytest.fixture(scope="module")
def made(source, story, tmp_path_factory):
    return made_by(source, story, tmp_path_factory.mktemp("made"))


def test_each_sentence_is_shown_for_its_length_and_in_its_order(made):
    shown = np.array(frames_of(made.folder / "summary.mp4")) // FPS
    assert len(shown) <= 2.6 * FPS
    scenes = [shown[round(scene.begin * FPS) : round(scene.end * FPS)] for scene in made.scenes]
    assert sum(map(len, scenes)) == len(shown)
    for second, room, scene in zip((2, 7, 9), (1.0, 1.0, 0.6), scenes, strict=True):
        assert 0 < len(scene) <= room * FPS
        assert (scene == second).mean() >= 0.8
    assert [scene.sentence.text for scene in made.scenes] == ["Here is second 2.", "Then 7.", "At the end 9."]


def test_json_subtitles_chapters_and_cut_lists_tell_the_same(made):
    script = read(made.folder)["script"]
    assert (script["file"], script["order"]) == ("story.txt", "time")
    texts = [sentence["text"] for sentence in script["sentences"]]
    times = [(sentence["start_seconds"], sentence["end_seconds"]) for sentence in script["sentences"]]
    cues = [cue.split("\n") for cue in (made.folder / "summary.srt").read_text().split("\n\n")]
    assert [cue[2] for cue in cues] == texts == ["Here is second 2.", "Then 7.", "At the end 9."]
    assert cues[1][1] == " --> ".join(f"00:00:{time:06.3f}".replace(".", ",") for time in times[1])
    with av.open(str(made.folder / "summary.mp4")) as file:
        chapters = [(each["start"] / 1000, each["end"] / 1000, each["metadata"]["title"]) for each in file.chapters()]
        packets = [packet for packet in file.demux(file.streams.subtitles[0]) if packet.size > 2]
        spans = [
            (float(each.pts * each.time_base), float((each.pts + each.duration) * each.time_base)) for each in packets
        ]
    assert [title for *_, title in chapters] == [bytes(packet)[2:].decode() for packet in packets] == texts
    assert np.allclose([chapter[:2] for chapter in chapters], times, atol=0.0011)
    assert np.allclose(spans, times, atol=1e-4)
    rows = list(csv.DictReader((made.folder / "cuts.csv").open()))
    chosen = [shot for shot in read(made.folder)["shots"] if shot["chosen"]]
    assert [int(row["start_frame"]) for row in rows] == [shot["start_frame"] for shot in chosen]
    assert [row["sentence"] for row in rows] == [texts[shot["sentence"]] for shot in chosen]


def test_the_page_shows_each_sentence_beside_its_clip(made):
    page = (made.folder / "summary.html").read_text()
    scenes = page.partition('<ol class="script">')[2].partition("</ol>")[0].split("<li>")[1:]
    for scene, shown in zip(made.scenes, scenes, strict=True):
        assert f'<p dir="auto">{scene.sentence.text}</p>' in shown
        assert f'data-time="{scene.spans[0][0]:.3f}"' in shown
        assert shown.count("data:image/jpeg") == 1
    assert '<ul class="gallery">' not in page


def test_in_free_order_the_summary_follows_the_script(source, tmp_path):
    story = tmp_path / "story.txt"
    story.write_text("At last 8.\nAt first 1.\n")
    made = made_by(source, story, tmp_path / "free", "free", "2s")
    shown = np.array(frames_of(made.folder / "summary.mp4")) // FPS
    assert (shown[:20] == 8).all()
    assert (shown[-20:] == 1).all()
    assert read(made.folder)["script"]["order"] == "free"
    rows = list(csv.DictReader((made.folder / "cuts.csv").open()))
    assert [row["sentence"] for row in rows] == ["At last 8.", "At first 1."]
    made_by(source, story, tmp_path / "time", budget="2s")
    assert frames_of(tmp_path / "time" / "summary.mp4") == sorted(frames_of(tmp_path / "time" / "summary.mp4"))


def test_the_same_again_gives_the_same_bytes_and_another_script_decodes_nothing(
    made, source, story, tmp_path, monkeypatch
):
    again = made_by(source, story, tmp_path)
    for name in (*FILES, "summary.srt", "contact-sheet.jpg"):
        if name != "summary.html":  # it and the lists name the source by its path from the folder
            same = (again.folder / name).read_bytes() == (made.folder / name).read_bytes()
            assert same or name in ("cuts.otio", "cuts.xml", "cuts.fcpxml"), name
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(module, "extract_features", None)
    made_by(source, story, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    made_by(source, parse_script("Only 4."), tmp_path)
    assert [sentence["text"] for sentence in read(tmp_path)["script"]["sentences"]] == ["Only 4."]
    summarize(source, tmp_path, Finder(), query="4", rate=10.0)
    assert "script" not in read(tmp_path)
    assert "Spoken." in (tmp_path / "summary.srt").read_text()


def test_a_script_tells_several_videos_and_one_that_has_fewer_shots_is_named(source, tmp_path):
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "short.mp4", 12)
    options = {"script": parse_script("First 2. Then 7."), "rate": 10.0, "max_shot": 1.0, "budget": "0.4s"}
    both = summarize_all([source, tmp_path / "videos"], tmp_path / "to", Finder(), **options)
    assert [summary.folder.name for summary in both.made] == ["holiday"]
    assert "2 sentences, but the video fewer shots that do not repeat, 1" in both.failures["short"]
    assert "First 2." in both.page.read_text()


def test_what_a_scorer_holds_for_important_counts_beside_the_sentence():
    encoder = Finder()
    features = encoder.encode_texts([f"{step // 10}." for step in range(120)])
    text = encoder.encode_texts(["Second 3.", "Second 8."])
    alone, early = sentence_scores(features, text), sentence_scores(features, text, np.linspace(1, 0, 120))
    assert alone.argmax(axis=1).tolist() == pytest.approx([35, 85], abs=5)
    assert (early[:, :20] > alone[:, :20] + 0.1).all()
    assert (early[:, -20:] < alone[:, -20:] - 0.1).all()


def test_a_run_of_sd_vsum_takes_the_sentences_for_its_script(source, tmp_path):
    videos = [video for number, video in enumerate(make_script_videos()) if number % 8 == 0]
    write_store(tmp_path / "s-videoxum.h5", videos, {"dataset": "s-videoxum", "features": "mini", "data": "mini"})
    words = [f"data.root={tmp_path}", f"output={tmp_path / 'run'}", "model.name=sd-vsum", "optim.epochs=1"]
    words += ["model.width=8", "model.heads=2", "trainer.accelerator=cpu"]
    train(load_config(["s-videoxum"], words))
    run = load_run(tmp_path / "run")
    encoder = Finder(run.feature_dim)
    with pytest.raises(UserError, match="was trained to summarize by a script; give one with --script"):
        summarize(source, tmp_path / "to", encoder, run=run)
    options = {"script": parse_script("Second 2. Second 7."), "run": run, "rate": 10.0, "max_shot": 1.0}
    made = summarize(source, tmp_path / "to", encoder, **options)
    expected = run.score(made.video.features, encoder.encode_texts(["Second 2.", "Second 7."]))
    both = sentence_scores(made.video.features, encoder.encode_texts(["Second 2.", "Second 7."]), expected)
    inside = [(made.video.picks >= first) & (made.video.picks <= last) for first, last in made.shots]
    for sentence, steps in zip(made.cut.sentences[made.cut.played], inside, strict=True):
        np.testing.assert_allclose(made.scores[steps], both[sentence, steps], atol=1e-6)
    assert made.scorer.endswith("and run run, fold 0")


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("A dog.", ["--query", "a dog"], "script: is not allowed with query"),
        ("A dog.", ["--captions", "a.srt"], "script: is not allowed with captions"),
        ("A dog.", ["--shots", "3"], "script: is not allowed with shots"),
        ("A dog.", ["--one"], "script: is not allowed with one"),
        ("A dog.", ["--padding", "1"], "script: is not allowed with padding"),
        (" \n", [], r"story\.txt: it holds no sentence"),
        ("A dog.\n[5] A cat.", [], r"story\.txt: line 2: .*write it as \[5 s\]"),
        ("A\0", [], r"story\.txt: not a text file; save it as UTF-8 text"),
        ("A dog.", [], "hsv has no language"),
    ],
)
def test_what_cannot_be_told_is_one_line_and_writes_nothing(text, words, message, source, tmp_path):
    (tmp_path / "story.txt").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        invoke(
            "summarize", source, "--encoder", "hsv", "--script", tmp_path / "story.txt", *words, "--to", tmp_path / "to"
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "to").exists()


def test_an_order_without_a_script_and_a_file_that_is_none_are_one_line(source, tmp_path):
    for words, message in (
        (["--order", "free"], "order: is for a script"),
        (["--script", tmp_path / "no.txt"], "cannot read"),
    ):
        with pytest.raises(UserError, match=message):
            invoke("summarize", source, "--encoder", "hsv", *words, "--to", tmp_path / "to")
    (tmp_path / "latin.txt").write_bytes("Ein Vogel fällt.".encode("latin-1"))
    (tmp_path / "wide.txt").write_bytes("Ein Vogel fällt.".encode("utf-16"))
    assert read_script(tmp_path / "latin.txt").texts == read_script(tmp_path / "wide.txt").texts == ["Ein Vogel fällt."]
    with pytest.raises(UserError, match=r"scripts are read from \.txt, not from \.pdf"):
        read_script(tmp_path / "story.pdf")


@needs_browser
def test_in_the_browser_a_sentence_plays_its_clip_in_any_order(source, tmp_path):
    made_by(source, parse_script("At last 8. At first 1.", order="free"), tmp_path / "free", budget="2s")
    with browser(tmp_path / "profile") as window:
        window.open(tmp_path / "free" / "summary.html")
        window.wait("document.querySelector('video').readyState >= 1")
        first, second = (f"document.querySelectorAll('.script li > button')[{number}]" for number in (0, 1))
        window.run(f"{second}.click()")
        window.wait("document.querySelector('video').currentTime > 0.5")
        assert window.run("return document.querySelector('video').getAttribute('src')").endswith("summary.mp4")
        window.wait(f"{second}.classList.contains('now') && !{first}.classList.contains('now')")
        window.run(f"{first}.click()")
        window.wait("document.querySelector('video').currentTime < 0.1")
        window.wait(f"{first}.classList.contains('now') && !{second}.classList.contains('now')")
