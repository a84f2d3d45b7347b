import csv
import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.pipelines import summarizer as module
from clipit_lightning.pipelines.collect import from_files, with_captions
from clipit_lightning.pipelines.labels import read_labels
from clipit_lightning.pipelines.preparation import make_store
from clipit_lightning.pipelines.settings import Settings
from clipit_lightning.pipelines.summaries import summarize
from clipit_lightning.pipelines.summary import FILES
from clipit_lightning.pipelines.summary_extras import OPTIONAL_FILES, write_gif
from clipit_lightning.pipelines.trained_run import load_run
from clipit_lightning.summary.budget import Budget, parse_budget
from clipit_lightning.summary.choice import choose
from clipit_lightning.summary.key_shots import select_shots
from clipit_lightning.training.train import run as train
from clipit_lightning.video.encoders import HsvEncoder, make_encoder
from clipit_lightning.video.extract import extract_features
from tests.support.commands import invoke
from tests.support.tiny_models import clip_model
from tests.support.videos import shown_number, write_video

pytestmark = pytest.mark.slow
FPS = 25
HSV = make_encoder("hsv")


class Finder(HsvEncoder):
    """An encoder of the frames' numbers, whose text "N" is the frames from N on, for a second."""

    name = "finder"
    feature_dim = 12

    def encode_images(self, frames):
        return np.stack([self._feature(shown_number(frame) // FPS) for frame in frames])

    def encode_texts(self, texts):
        return np.stack([self._feature(int(text) // FPS) for text in texts])

    def encode_and_name(self, frames):
        return self.encode_images(frames), [(f"second {shown_number(frame) // FPS}", "a & b") for frame in frames]

    def _feature(self, second):
        feature = np.full(self.feature_dim, 0.2, np.float32)
        feature[second] = 1.0
        return feature / np.linalg.norm(feature)


def command(*words):
    return invoke("summarize", *words)


def read(folder):
    return json.loads((folder / "summary.json").read_text())


def chosen(folder):
    return [shot for shot in read(folder)["shots"] if shot["chosen"]]


def seconds_of(path):
    """Seconds of each stream of a written file, by PyAV alone."""
    with av.open(str(path)) as file:
        return {stream.type: float(stream.duration * stream.time_base) for stream in file.streams}


def frames_of(path):
    with av.open(str(path)) as file:
        return [shown_number(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def described(lengths, times=None):
    """What is known of a video with shots of so many frames, and a step every fifth."""
    borders = np.cumsum([0, *lengths])
    times = np.arange(borders[-1]) / FPS if times is None else times
    shots = np.stack([borders[:-1], borders[1:] - 1], axis=1)
    picks = np.arange(0, borders[-1], 5)
    return SimpleNamespace(picks=picks, change_points=shots, frame_times=times, duration=float(times[-1] + 1 / FPS))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Ten seconds with sound."""
    return write_video(tmp_path_factory.mktemp("source") / "holiday.mp4", 250)


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    """Its summary, by its colours."""
    to = tmp_path_factory.mktemp("made")
    summarize(source, to, HSV, budget="15%")
    return to


# --- the choice of shots


def choose_shots(scores, video, budget, value="sum", omitted=None, **options):
    shots, times = video.change_points, video.frame_times
    return choose(scores, video.picks, shots, times, video.duration, budget, value, omitted, **options)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("budget", [Budget(share=0.3), Budget(seconds=3)])
def test_so_many_shots_share_the_budget(count, budget):
    video = described([40, 10, 30, 20, 25, 25])
    scores = np.random.default_rng(count).uniform(0.1, 1, len(video.picks))
    lengths = shot_frames(choose_shots(scores, video, budget, count=count))
    assert len(lengths) == min(count, 6)
    assert max(lengths) <= 45 // count if budget.share else 75 // count


@pytest.mark.parametrize("padding", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("budget", [Budget(share=0.5), Budget(seconds=6)])
@pytest.mark.parametrize("steady", [True, False])
def test_padding_is_within_the_budget_and_shows_what_is_around(padding, budget, steady):
    lengths, generator = [40, 10, 30, 20, 25, 75], np.random.default_rng(3)
    times = np.cumsum(generator.uniform(0.01, 0.09, sum(lengths)))
    video = described(lengths, None if steady else times - times[0])
    scores = generator.uniform(0.1, 1, len(video.picks))
    cut = choose_shots(scores, video, budget, padding=padding)
    frames = sum(shot_frames(cut))
    ends = np.append(video.frame_times[1:], video.duration)
    seconds = sum(ends[last] - video.frame_times[first] for first, last in cut.shots[cut.chosen])
    assert 0 < frames <= (0.5 * sum(lengths) if budget.share else len(times))
    assert seconds <= (budget.seconds or video.duration) + 1e-6
    assert cut.shots[0, 0] == 0
    assert cut.shots[-1, 1] == sum(lengths) - 1
    np.testing.assert_array_equal(cut.shots[1:, 0], cut.shots[:-1, 1] + 1)


def test_padding_that_fills_the_budget_is_one_line():
    video = described([50, 50])
    with pytest.raises(ArgumentError, match="padding: 2 s leave no room for shots in the budget of 3 s"):
        choose_shots(np.ones(len(video.picks)), video, Budget(seconds=3), padding=2.0)


def test_padding_that_meets_joins_shots():
    video = described([50, 10, 10, 10, 50])
    scores = np.where((video.picks >= 50) & (video.picks < 60) | (video.picks >= 70) & (video.picks < 80), 1.0, 0.0)
    cut = choose_shots(scores, video, Budget(seconds=3), padding=0.28)
    assert cut.shots[cut.chosen].tolist() == [[43, 86]]


def shot_frames(cut):
    return (cut.shots[cut.chosen][:, 1] - cut.shots[cut.chosen][:, 0] + 1).tolist()


def test_omitted_shots_are_never_chosen_though_the_budget_is_not_used_up():
    video = described([10, 10, 10, 80])
    cut = choose_shots(
        np.ones(len(video.picks)), video, Budget(share=0.5), omitted=np.array([False, True, False, True])
    )
    assert cut.shots[cut.chosen].tolist() == [[0, 9], [20, 29]]


@pytest.mark.parametrize("budget", [0.1, 0.15, 0.29, 0.5, 1.0])
def test_with_the_evaluations_value_the_choice_is_the_evaluations(budget):
    generator = np.random.default_rng(1)
    video = described(generator.integers(5, 12, size=20).tolist())
    scores = generator.uniform(0.01, 1, size=len(video.picks))
    cut = choose_shots(scores, video, Budget(share=budget), "mean")
    frames = np.zeros(len(video.frame_times))
    for first, last in cut.shots[cut.chosen]:
        frames[first : last + 1] = 1
    expected = select_shots(scores, video.change_points, len(frames), video.picks, budget)
    np.testing.assert_array_equal(frames, expected)
    assert not cut.within_shot


def test_the_best_scene_wins_over_more_scenes_that_are_shorter():
    video = described([25, 50, 25, 25])
    scores = np.repeat([0.5, 0.8, 0.5, 0.5], [5, 10, 5, 5])
    assert choose_shots(scores, video, Budget(seconds=2.0)).chosen.tolist() == [False, True, False, False]
    assert choose_shots(scores, video, Budget(seconds=2.0), "mean").chosen.tolist() != [False, True, False, False]


def test_of_a_shot_that_is_too_long_the_best_part_is_taken():
    video = described([100, 100])
    scores = np.full(40, 0.2)
    scores[26:30] = 0.9  # frames 130 to 149
    cut = choose_shots(scores, video, Budget(share=0.1))
    assert cut.within_shot
    assert cut.shots[cut.chosen].tolist() == [[130, 149]]
    assert cut.shots[0, 0] == 0
    np.testing.assert_array_equal(cut.shots[1:, 0], cut.shots[:-1, 1] + 1)
    assert cut.shots[-1, 1] == 199


@pytest.mark.parametrize("budget", [Budget(share=0.3), Budget(seconds=1.7), Budget(seconds=0.9), Budget(share=0.07)])
@pytest.mark.parametrize("seed", range(4))
def test_the_budget_is_kept_where_frames_last_differently_long(budget, seed):
    generator = np.random.default_rng(seed)
    times = np.concatenate([[0.0], np.cumsum(generator.uniform(0.01, 0.12, size=119))])
    video = described(generator.multinomial(120, np.ones(9) / 9).tolist(), times=times)
    cut = choose_shots(generator.uniform(size=len(video.picks)), video, budget)
    ends = np.append(times[1:], video.duration)
    rows = cut.shots[cut.chosen]
    length = sum(ends[last] - times[first] for first, last in rows)
    assert 0 < length <= (budget.seconds or budget.share * video.duration) + 1e-6
    if budget.share:
        assert (rows[:, 1] - rows[:, 0] + 1).sum() <= budget.share * 120


def test_the_rest_of_a_divided_shot_is_never_chosen():
    video = described([54, 46])
    scores = np.repeat([0.5, 0.9], [11, 9])
    cut = choose_shots(scores, video, Budget(seconds=2.0))  # there is room for 4 frames more
    assert cut.shots.tolist() == [[0, 49], [50, 53], [54, 99]]
    assert cut.chosen.tolist() == [False, False, True]
    assert not cut.within_shot


def test_a_budget_beyond_the_video_takes_all_of_it():
    video = described([30, 20])
    for budget in (Budget(share=1.0), Budget(seconds=2.0), Budget(seconds=1e300)):
        assert choose_shots(np.full(10, 0.5), video, budget).chosen.all()


def test_a_budget_is_a_share_or_a_time():
    for text, share in {"0.15": 0.15, ".5": 0.5, "1": 1.0, "15%": 0.15}.items():
        assert parse_budget(text) == Budget(share=share)
    for text, seconds in {"30s": 30, "2m": 120, "1m30s": 90, "1h0.5S": 3600.5}.items():
        assert parse_budget(text) == Budget(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0s", "1.5", "30", "101%", "-1", "abc", "s", "nan", "1s30m", "9" * 400 + "s"])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(UserError, match=r"budget.*write a share such as 0\.15"):
        parse_budget(text)


# --- what is written


def test_the_video_holds_the_chosen_shots_within_the_budget(made, source):
    shots, summary = chosen(made), read(made)["summary"]
    length = sum(shot["end_seconds"] - shot["start_seconds"] for shot in shots)
    written = seconds_of(made / "summary.mp4")
    assert written["video"] <= 0.15 * seconds_of(source)["video"] + 1e-6
    assert abs(written["video"] - length) <= len(shots) / FPS
    assert abs(written["video"] - written["audio"]) <= 1 / FPS
    assert summary["duration"] == pytest.approx(written["video"], abs=1e-4)
    numbers = [n for shot in shots for n in range(shot["start_frame"], shot["end_frame"] + 1)]
    assert frames_of(made / "summary.mp4") == numbers
    assert summary["n_frames"] == len(numbers) <= 37


def test_the_json_says_what_was_scored_and_how(made):
    written = read(made)
    assert (written["video"]["file"], written["video"]["n_frames"]) == ("holiday.mp4", 250)
    assert written["provenance"]["encoder"] == "hsv"
    assert written["budget"] == {"share": 0.15, "seconds": None}
    assert written["query"] is None
    assert len(written["steps"]) == 20
    assert all(0 < step["score"] < 1 for step in written["steps"])
    shots = written["shots"]
    assert [shot["start_frame"] for shot in shots[1:]] == [shot["end_frame"] + 1 for shot in shots[:-1]]
    assert shots[-1]["end_frame"] == 249


def test_the_cut_lists_hold_the_chosen_shots(made):
    rows = list(csv.DictReader((made / "cuts.csv").open()))
    assert [(int(row["start_frame"]), int(row["end_frame"])) for row in rows] == [
        (shot["start_frame"], shot["end_frame"]) for shot in chosen(made)
    ]
    assert (made / "cuts.edl").read_text().count("FROM CLIP NAME:  holiday.mp4") == len(rows)
    assert read(made)["cut_lists"] == {"frames_per_second": "25", "start_timecode": None}
    assert "25 frames per second" in (made / "summary.html").read_text()


def test_the_page_plays_both_videos_and_shows_the_shots(made, source):
    page = (made / "summary.html").read_text()
    assert 'data-summary="./summary.mp4"' in page
    (whole,) = re.findall(r'data-whole="([^"]+)"', page)
    assert (made / whole).samefile(source)
    assert page.count("data:image/jpeg") == len(chosen(made))
    assert re.search(rf"{len(chosen(made))} of {len(read(made)['shots'])} shots chosen", page)


def test_the_same_again_gives_the_same_bytes(made, source, tmp_path):
    to = made.parent / f"{made.name}-again"
    summarize(source, to, HSV, budget="15%")
    before = {name: (to / name).read_bytes() for name in FILES}
    (to / "notes.txt").write_text("mine")
    summarize(source, to, HSV, budget="15%")
    assert {name: (to / name).read_bytes() for name in FILES} == before
    assert (to / "notes.txt").read_text() == "mine"
    for name in FILES[:-1]:
        assert (made / name).read_bytes() == before[name]


def test_every_option_of_the_look_gives_the_same_bytes_twice_and_nothing_stale(tmp_path):
    video = write_video(tmp_path / "talk.mkv", 250, languages=("eng", "deu"))
    (tmp_path / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:10,000\nHello\n")
    before = {}
    for to in (tmp_path / "one", tmp_path / "two"):
        words = ["--encoder", "hsv", "--fade", "0.1", "--audio", "2", "--gif", "--contact-sheet"]
        assert command(video, *words, "--to", to) == 0
        content = {path.name: path.read_bytes() for path in to.iterdir() if path.name != "summary.html"}
        assert content == (before or content)
        before = content
    assert set(before) == {*FILES, *OPTIONAL_FILES} - {"summary.html"}
    assert read(to)["summary"]["audio_tracks"] == ["2 (deu)"]
    duration = read(to)["summary"]["duration"]
    assert float(seconds_of(to / "summary.mp4")["video"]) == pytest.approx(duration, abs=1e-4)
    with Image.open(to / "summary.gif") as image:
        assert (image.format, image.size) == ("GIF", (64, 48))
        assert image.n_frames == pytest.approx(10 * duration, abs=2)
    for name in ("thumbnail.jpg", "contact-sheet.jpg"):
        with Image.open(to / name) as image:
            assert image.format == "JPEG"
    assert (to / "summary.srt").read_text().splitlines()[2] == "Hello"
    (tmp_path / "talk.srt").unlink()
    assert command(video, "--encoder", "hsv", "--to", to) == 0
    assert {path.name for path in to.iterdir()} == set(FILES)


def test_a_gif_of_a_long_summary_shows_the_beginning_of_each_shot(tmp_path):
    video = write_video(tmp_path / "long.mp4", 200, fps=5, audio=None)  # two shots of 25 and 15 seconds
    write_gif(video, [25.0, 15.0], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        numbers, lasts = [], []
        for index in range(image.n_frames):
            image.seek(index)
            numbers.append(shown_number(np.asarray(image.convert("RGB"))))
            lasts.append(image.info["duration"])
    assert numbers == [*range(47), *range(125, 154)]  # 9.4 and 5.6 of 15 seconds
    assert sum(lasts) / 1000 == pytest.approx(15, abs=0.3)


# --- a query


@pytest.mark.parametrize("second", [1, 4, 8])
def test_the_scene_that_fits_the_query_is_chosen(source, tmp_path, second):
    summarize(source, tmp_path, Finder(), query=str(second * FPS), budget=Budget(seconds=1.0), rate=10.0)
    shown = frames_of(tmp_path / "summary.mp4")
    inside = [number for number in shown if second * FPS <= number < (second + 1) * FPS]
    assert len(inside) >= 0.8 * len(shown) > 0
    assert read(tmp_path)["query"] == str(second * FPS)
    assert f'<q dir="auto">{second * FPS}</q>' in (tmp_path / "summary.html").read_text()


def test_what_is_seen_in_key_frames_is_on_the_page_and_in_the_json(source, made, tmp_path):
    summarize(source, tmp_path, Finder(), query="100", budget=Budget(seconds=1.0), rate=10.0)
    (key_frame,) = read(tmp_path)["key_frames"]
    assert key_frame["names"] == [f"second {key_frame['frame'] // FPS}", "a & b"] == ["second 4", "a & b"]
    page = (tmp_path / "summary.html").read_text()
    assert ">second 4, a &amp; b</span>" in page
    assert "what finder sees" in page
    assert "key_frames" not in read(made)
    assert "recognises" not in (made / "summary.html").read_text()


def test_hsv_has_no_language_for_a_query(source, tmp_path):
    with pytest.raises(UserError, match=r"hsv has no language.*open_clip:MODEL/PRETRAINED, hf:NAME_OR_FOLDER, conse"):
        summarize(source, tmp_path / "to", HSV, query="a dog")
    assert not (tmp_path / "to").exists()


# --- from Python


def test_a_short_video_has_a_summary_that_can_be_followed(source, tmp_path, caplog):
    command(source, "--encoder", "hsv", "--to", tmp_path)
    assert read(tmp_path)["budget"] == {"share": None, "seconds": 2.0}
    assert read(tmp_path)["summary"]["duration"] <= 2.0
    assert "lasts 10.0 s, so its summary has 2 s" in caplog.text
    whole = write_video(tmp_path / "second.mp4", 25)
    summarize(whole, tmp_path / "whole", HSV)
    assert read(tmp_path / "whole")["summary"]["n_frames"] == 25


@pytest.mark.parametrize(
    ("words", "longest", "count"),
    [
        (["--shots", "3"], 1.0, 3),
        (["--one"], 3.0, 1),
        (["--max-shot", "0.5"], 0.56, 6),
        (["--min-shot", "1", "--padding", "0.2"], 3.0, None),
    ],
)
def test_shots_are_as_asked_for(words, longest, count, source, tmp_path):
    command(source, "--encoder", "hsv", "--budget", "3s", "--to", tmp_path, *words)
    lengths = [shot["end_seconds"] - shot["start_seconds"] for shot in chosen(tmp_path)]
    assert count is None or len(lengths) == count
    assert max(lengths) <= longest + 1e-6
    assert 1.5 <= read(tmp_path)["summary"]["duration"] <= 3.0


def test_plain_arguments_are_enough_and_the_result_says_what_was_made(source, made, tmp_path):
    summary = summarize(str(source), str(tmp_path / "to"), "hsv", budget="15%")
    assert summary.page == tmp_path / "to" / "summary.html"
    assert summary.page.exists()
    assert summary.shots.tolist() == [[shot["start_frame"], shot["end_frame"]] for shot in chosen(made)]
    assert summary.scores.shape == summary.video.picks.shape == (20,)
    assert (tmp_path / "to" / "summary.json").read_bytes() == (made / "summary.json").read_bytes()
    for wrong, message in (
        ({"budget": 1.5}, "budget: 1.5 is not between"),
        ({"fold": 1}, "fold: is for a trained run"),
        ({"stride": 5, "rate": 2.0}, "stride: is not allowed with rate"),
        ({"shots": 0}, "shots: 0 is no number"),
        ({"shots": 2, "one": True}, "one: is one shot as long as the budget; omit shots"),
        ({"min_shot": 3.0, "max_shot": 4.0}, "max_shot: 4 s must be at least twice"),
        ({"padding": -1.0}, "padding: -1 is no length"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            summarize(source, tmp_path / "other", **{"encoder": "hsv", **wrong})


# --- a trained run


def trained_on(root, encoder, epochs, captions=None):
    lines = ["video,annotator,start,end,score"]
    for number in range(6):
        write_video(root / f"v{number}.mp4", 100, first=20 * number, audio=None)
        lines += [f"v{number},ann,0,1,1", f"v{number},ben,0.5,1.5,1"]
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    collection = from_files([root], "mine", read_labels(root / "labels.csv"))
    collection = with_captions(collection, captions) if captions else collection
    make_store(collection, root / "mine.h5", Settings(encoder, rate=5.0))
    words = [f"data.dataset={root / 'mine.h5'}", f"output={root / 'run'}", "data.folds=2"]
    words += ["trainer.progress=false", "trainer.accelerator=cpu", "model.width=8", "model.heads=2"]
    train(load_config([], [*words, f"optim.epochs={epochs}"]))
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a small store of hsv features at five frames a second, and its root."""
    return trained_on(tmp_path_factory.mktemp("trained"), "hsv", epochs=2)


def scores(folder):
    return np.array([step["score"] for step in read(folder)["steps"]])


def test_a_run_scores_with_its_own_encoder_and_sampling(trained, source, tmp_path):
    assert command(source, "--checkpoint", trained / "run", "--to", tmp_path / "all") == 0
    written = read(tmp_path / "all")
    assert written["scorer"] == "run run, mean of folds 0, 1"
    assert written["provenance"]["encoder"] == "hsv"
    assert len(written["steps"]) == 50
    for fold in (0, 1):
        command(source, "--checkpoint", trained / "run", "--encoder=auto", "--fold", fold, "--to", tmp_path / str(fold))
    apart = [scores(tmp_path / str(fold)) for fold in (0, 1)]
    assert not np.array_equal(*apart)
    np.testing.assert_allclose(scores(tmp_path / "all"), np.mean(apart, axis=0), atol=2e-6)


def test_a_run_gives_a_video_of_its_benchmark_the_scores_of_its_test(trained, tmp_path):
    tested = json.loads((trained / "run" / "scores.json").read_text())
    folds = [json.loads((trained / "run" / "folds" / str(n) / "result.json").read_text()) for n in (0, 1)]
    for key, row in tested.items():
        fold = next(n for n in (0, 1) if key in folds[n]["scores"])
        video = trained / f"v{int(key.rpartition('_')[2]) - 1}.mp4"
        to = tmp_path / key.replace("/", "-")
        summarize(video, to, HSV, run=load_run(trained / "run", fold), rate=5.0, budget=Budget(share=0.5))
        np.testing.assert_allclose(scores(to), row, atol=2e-6)


def test_shots_are_worth_what_they_are_to_the_runs_protocol(trained, source, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "choose", lambda *of: seen.append(of[6]) or choose(*of))
    summarize(source, tmp_path, run=trained / "run")
    summarize(source, tmp_path, HSV)
    assert seen == ["mean", "sum"]


def test_a_run_refuses_features_of_another_encoder(trained, source, tmp_path):
    run = load_run(trained / "run")
    with pytest.raises(UserError, match=r"was trained on features 'hsv'; finder gives others .*give --encoder hsv"):
        summarize(source, tmp_path, Finder(), run=run)
    other = Finder()
    other.feature_dim = HSV.feature_dim
    other.fingerprint = "another"
    with pytest.raises(UserError, match=r"gives others .other definition."):
        summarize(source, tmp_path, other, run=run)


def test_a_run_without_language_refuses_a_query(trained, source, tmp_path):
    with pytest.raises(UserError, match="was trained without language, so that a query has no effect"):
        command(source, "--checkpoint", trained / "run", "--query", "a dog", "--to", tmp_path)
    (tmp_path / "story.txt").write_text("A dog.")
    with pytest.raises(UserError, match="was trained without language, so that a script has no effect"):
        command(source, "--checkpoint", trained / "run", "--script", tmp_path / "story.txt", "--to", tmp_path)


@pytest.fixture(scope="module")
def asked(stores, tmp_path_factory):
    """A run on QFVS, whose store does not say how its 12 features a shot were made."""
    folder = tmp_path_factory.mktemp("asked") / "run"
    words = [f"data.root={stores}", f"output={folder}", "optim.epochs=1", "model.width=8", "model.heads=2"]
    config = Path(__file__).parents[2] / "configs" / "qfvs.yaml"
    train(load_config([config], [*words, "trainer.accelerator=cpu"]))
    return load_run(folder)


def test_a_run_on_queries_scores_by_the_query(asked, source, tmp_path, caplog):
    for query in ("50", "175"):
        summarize(source, tmp_path / query, Finder(), query=query, run=asked)
    assert not np.array_equal(scores(tmp_path / "50"), scores(tmp_path / "175"))
    assert "does not say which encoder made them" in caplog.text
    found = extract_features(source, Finder())
    expected = asked.score(found.features, Finder().encode_texts(["50"]))
    np.testing.assert_allclose(scores(tmp_path / "50"), expected, atol=1e-6)


def test_a_run_on_queries_takes_the_phrases_that_it_was_trained_with(asked):
    assert asked.texts("a dog") == ["a dog"]
    assert asked.texts("a dog and a cat") == ["a dog", "a cat"]


def test_a_run_on_queries_wants_one(asked, source, tmp_path):
    with pytest.raises(UserError, match="was trained to summarize by a query; give one with --query"):
        summarize(source, tmp_path, Finder(), run=asked)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    """A run on features and captions of a small CLIP."""
    root = tmp_path_factory.mktemp("captioned")
    clip_model(root / "model")
    (root / "captions").mkdir()
    for number in range(6):
        cues = [{"time": 0.5, "text": "a cat"}, {"time": 2, "text": f"a dog {'x' * number}"}]
        (root / "captions" / f"v{number}.json").write_text(json.dumps(cues))
    return trained_on(root, f"hf:{root / 'model'}", 1, root / "captions")


def test_a_run_with_language_reads_captions_or_a_query(captioned, source, tmp_path, caplog):
    file = captioned / "captions" / "v1.json"
    ways = {"captions": ["--captions", file], "query": ["--query", "a cat"], "none": []}
    for name, words in ways.items():
        assert command(source, "--checkpoint", captioned / "run", *words, "--to", tmp_path / name) == 0
        assert ("was trained with captions; here it has none" in caplog.text) == (name == "none")
        caplog.clear()
    rows = [scores(tmp_path / name) for name in ways]
    assert not any(np.array_equal(rows[one], rows[other]) for one, other in ((0, 1), (0, 2), (1, 2)))
    assert [each["text"] for each in read(tmp_path / "captions")["captions"]] == ["a cat", "a dog x"]
    assert read(tmp_path / "query")["query"] == "a cat"


def test_a_run_with_language_reads_the_sentences_of_a_script(captioned, source, tmp_path):
    (tmp_path / "story.txt").write_text("A cat. A dog.")
    words = ["--script", tmp_path / "story.txt", "--max-shot", 1.0]
    assert command(source, "--checkpoint", captioned / "run", *words, "--to", tmp_path / "run") == 0
    encoder = f"hf:{captioned / 'model'}"
    assert command(source, "--encoder", encoder, "--rate", 5.0, *words, "--to", tmp_path / "without") == 0
    assert read(tmp_path / "run")["scorer"].endswith("and run run, mean of folds 0, 1")
    assert not np.array_equal(scores(tmp_path / "run"), scores(tmp_path / "without"))
    texts = [[each["text"] for each in read(tmp_path / name)["script"]["sentences"]] for name in ("run", "without")]
    assert texts == [["A cat.", "A dog."]] * 2


def test_a_run_refuses_other_weights_of_the_same_name(captioned, source, tmp_path):
    clip_model(tmp_path / "model", seed=1)
    words = ("--checkpoint", captioned / "run", "--encoder", f"hf:{tmp_path / 'model'}", "--to", tmp_path / "to")
    with pytest.raises(UserError, match=r"gives others .other weights.; give --encoder hf:.*with the weights of then"):
        command(source, *words)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "result.json").unlink(), "not finished; `clipit train"),
        (lambda run: [each.unlink() for each in run.glob("folds/*/best.ckpt")], "no trained scorer"),
        (lambda run: (run / "folds/0/best.ckpt").write_bytes(b"PK"), "not a checkpoint that can be read"),
    ],
)
def test_a_damaged_run_is_one_line(trained, source, tmp_path, spoil, message):
    shutil.copytree(trained / "run", tmp_path / "run")
    spoil(tmp_path / "run")
    with pytest.raises(UserError, match=message) as error:
        command(source, "--checkpoint", tmp_path / "run", "--to", tmp_path / "to")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "to").exists()


# --- refusals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--encoder", "hvs"], "no encoder 'hvs': did you mean hsv"),
        (["--encoder", "hsv", "--budget", "30"], "budget: 30 is not between"),
        (["--encoder", "hsv", "--fold", "0"], "fold: is for a trained run"),
        (["--encoder", "hsv", "--query", " "], "query: is empty"),
        (["--encoder", "hsv", "--rate", "0"], "rate 0.0"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(words, message, source, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        command(source, *words, "--to", tmp_path / "to")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "to").exists()


def test_a_budget_of_less_than_a_frame_is_one_line_and_costs_no_features(source, tmp_path):
    with pytest.raises(UserError, match=r"the budget of 0.01 s is less than a frame"):
        command(source, "--encoder", "hsv", "--budget", "0.01s", "--to", tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["features.h5"]


def test_the_video_itself_is_never_replaced(tmp_path):
    video = write_video(tmp_path / "summary.mp4")
    before = video.read_bytes()
    with pytest.raises(UserError, match="is the video itself"):
        summarize(video, tmp_path, HSV)
    with pytest.raises(UserError, match="is a file; name a folder"):
        summarize(video, video, HSV)
    assert video.read_bytes() == before


def test_the_subtitles_of_the_video_are_never_replaced(tmp_path):
    video = write_video(tmp_path / "summary.mkv")
    for words in ((), ("--captions", tmp_path / "summary.srt")):
        (tmp_path / "summary.srt").write_text("1\n00:00:00,000 --> 00:00:10,000\nHello\n")
        with pytest.raises(UserError, match=r"summary\.srt is the subtitles of the video and would be replaced"):
            command(video, "--encoder", "hsv", *words, "--to", tmp_path)
        video = video.rename(tmp_path / "other.mkv")


def test_the_folder_is_named_by_the_video(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(source, "--encoder", "hsv") == 0
    assert sorted(each.name for each in (tmp_path / "holiday-summary").iterdir()) == sorted(FILES)


def test_odd_names_are_shown_and_break_nothing(tmp_path):
    video = write_video(tmp_path / os.fsdecode(b'a "b" <c>\n\xff.mp4'), 50, audio=None)
    summarize(video, tmp_path / "to", HSV, budget=Budget(share=0.5))
    assert "<c>" not in (tmp_path / "to" / "summary.html").read_text()
    assert len((tmp_path / "to" / "cuts.edl").read_text().splitlines()) == 3 + 2 * len(chosen(tmp_path / "to"))
