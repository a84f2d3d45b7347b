import os
import re
import shutil

import h5py
import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.locks import run_lock
from clipit_lightning.core.log import print_log
from clipit_lightning.data.store import Store
from clipit_lightning.pipelines import preparation as module
from clipit_lightning.pipelines.collect import from_benchmark, from_files, with_captions
from clipit_lightning.pipelines.labels import read_labels
from clipit_lightning.pipelines.preparation import make_store, prepare
from clipit_lightning.pipelines.progress import Progress, rough
from clipit_lightning.pipelines.settings import Settings
from clipit_lightning.summary.key_shots import select_shots
from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.extract import extract_features
from tests.support.synthetic import write_summe_ground_truth, write_tvsum_mat
from tests.support.tiny_models import blip_model, clip_model
from tests.support.videos import write_video

pytestmark = pytest.mark.slow

HSV = Settings("hsv", rate=5.0)
FRAMES = {"ball": 160, "cat": 60, "dog": 75}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three small videos, and their store from one undisturbed run."""
    folder = tmp_path_factory.mktemp("videos")
    for number, (name, frames) in enumerate(FRAMES.items()):
        write_video(folder / f"{name}.mp4", frames, first=60 * number, audio=None)
    to = folder / "whole" / "mine.h5"
    make_store(from_files([folder], "mine"), to, HSV)
    return folder, to.read_bytes()


@pytest.fixture
def videos(made, tmp_path):
    """A copy of the videos, with their times of change."""
    for name in FRAMES:
        shutil.copy2(made[0] / f"{name}.mp4", tmp_path / f"{name}.mp4")
    return tmp_path


@pytest.fixture
def extracted(monkeypatch):
    """Call it for the names of the videos that were extracted since the last call."""
    names = []

    def extract(path, *rest):
        names.append(path.stem)
        return extract_features(path, *rest)

    monkeypatch.setattr(module, "extract_features", extract)
    return lambda: [names.pop(0) for _ in range(len(names))]


def run(folder, to=None, settings=HSV, **options):
    return make_store(from_files([folder], "mine"), to or folder / "mine.h5", settings, **options)


def cache(folder):
    return folder / "mine.h5.parts"


# --- what the store holds


def test_a_store_of_raw_videos_is_sound_and_names_where_it_is_from(videos, caplog):
    found = run(videos)
    assert (found.n_videos, found.valid, found.skipped) == (3, True, {})
    store = Store(videos / "mine.h5")
    assert store.check() == []
    assert {video.name: video.n_frames for video in store.read()} == FRAMES
    assert [video.key for video in store.read()] == ["video_1", "video_2", "video_3"]
    for video in store.read():
        direct = extract_features(videos / f"{video.name}.mp4", make_encoder("hsv"), rate=5.0)
        for name in ("features", "picks", "change_points"):
            np.testing.assert_array_equal(getattr(video, name), getattr(direct, name))
    assert (store.attributes["dataset"], store.attributes["data"]) == ("mine", "real")
    assert store.attributes["features"] == store.attributes["encoder"] == "hsv"
    assert "1/5 s" in store.attributes["sampling"]
    assert {"weights_sha256", "preprocessing", "tool", "decoding", "captions"} <= set(store.attributes)
    with h5py.File(videos / "mine.h5") as file:  # nobody annotated them
        assert not any({"gtscore", "gtsummary", "user_summary", "user_scores"} & set(group) for group in file.values())
    assert np.isnan(store.read()[0].gtscore).all()
    assert not cache(videos).exists()
    assert [line.split(":")[0] for line in caplog.messages[1:]] == ["[1/3] ball", "[2/3] cat", "[3/3] dog"]
    assert "160 frames, 32 steps, 2 shots" in caplog.messages[1]


def test_labels_become_summaries_ratings_and_importance(videos, caplog):
    text = "video,annotator,start,end,score\nball,ann,0,2,1\nball,ben,1,3,1\ncat,ann,0,1.2,0.75\ncat,ben,0,2.4,0.25\n"
    (videos / "labels.csv").write_text(text)
    collection = from_files([videos], "mine", read_labels(videos / "labels.csv"))
    make_store(collection, videos / "mine.h5", HSV)
    assert Store(videos / "mine.h5").check() == []
    ball, cat, dog = Store(videos / "mine.h5").read()
    assert [(row.nonzero()[0].min(), row.sum()) for row in ball.user_summary] == [(0, 50), (25, 50)]
    np.testing.assert_array_equal(ball.gtscore, ball.user_summary[:, ball.picks].mean(axis=0))
    assert ball.user_scores is None
    half = cat.picks < 30
    np.testing.assert_array_equal(cat.user_scores, [np.where(half, 4.0, 1.0), np.full(len(half), 2.0)])
    np.testing.assert_allclose(cat.gtscore, np.where(half, 0.5, 0.125))
    expected = select_shots(cat.gtscore, cat.change_points, cat.n_frames, cat.picks)[cat.picks]
    np.testing.assert_array_equal(cat.gtsummary, expected)
    assert not dog.is_annotated
    assert "no labels of 1 of 3 videos" in caplog.text


def test_summe_is_made_and_a_video_of_another_length_is_named(videos):
    summaries = {"Other": 9, "ball": 160, "cat": 60, "dog": 73}
    generator = np.random.default_rng(0)
    rows = {name: (generator.random((4, frames)) < 0.3) * 1.0 for name, frames in summaries.items()}
    write_summe_ground_truth(videos / "GT", rows)
    found = make_store(from_benchmark("summe", videos), videos / "summe.h5", HSV)
    assert list(found.skipped) == ["dog"]
    assert "75 frames" in found.skipped["dog"]
    assert "has 73" in found.skipped["dog"]
    store = Store(videos / "summe.h5")
    (problem,) = store.check()
    assert problem.startswith("is called summe, but 2 of its 2 videos are not SumMe's, such as video_2 of 160 frames; ")
    assert store.attributes["dataset"] == "summe"
    assert {video.key: video.name for video in store.read()} == {"video_2": "ball", "video_3": "cat"}
    for video in store.read():
        np.testing.assert_array_equal(video.user_summary, rows[video.name])
        np.testing.assert_allclose(video.gtscore, rows[video.name][:, video.picks].mean(axis=0), rtol=1e-6)


def test_tvsum_is_made_from_its_ratings(videos):
    (videos / "video").mkdir()
    (videos / "ball.mp4").rename(videos / "video/id-video_1.mp4")
    ratings = np.random.default_rng(0).integers(1, 6, (5, 160)).astype(float)
    write_tvsum_mat(videos / "ydata-tvsum50.mat", {"video_1": ratings})
    make_store(from_benchmark("tvsum", videos), videos / "tvsum.h5", HSV)
    (video,) = Store(videos / "tvsum.h5").read()
    assert (video.key, video.name) == ("video_1", "id-video_1")
    np.testing.assert_array_equal(video.user_scores, ratings[:, video.picks])
    np.testing.assert_allclose(video.gtscore, (ratings[:, video.picks].mean(axis=0) - 1) / 4, rtol=1e-6)
    assert video.user_summary.shape == (5, 160)
    assert [line.partition(",")[0] for line in Store(videos / "tvsum.h5").check()] == ["is called tvsum"]


def test_captions_of_the_user_and_of_a_model_are_embedded_by_the_same_encoder(videos, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    clip_model(models / "clip")
    blip_model(models / "blip")
    clip = Settings(f"hf:{models}/clip", rate=5.0, device="cpu")
    (videos / "texts").mkdir()
    (videos / "texts/cat.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\na cat\n")
    collection = with_captions(from_files([videos], "mine"), videos / "texts")
    make_store(collection, videos / "mine.h5", clip)
    ball, cat, _ = Store(videos / "mine.h5").read()
    assert (ball.captions, ball.caption_features) == ((), None)
    assert cat.captions == ("a cat",)
    np.testing.assert_array_equal(cat.caption_features, make_encoder(clip.encoder, "cpu").encode_texts(["a cat"]))
    assert Store(videos / "mine.h5").attributes["captions"] == "file"

    captioned = Settings(clip.encoder, captioner=f"{models}/blip", n_captions=3, device="cpu")
    run(videos, videos / "more.h5", captioned)
    store = Store(videos / "more.h5")
    assert store.check() == []
    assert {len(video.captions) for video in store.read()} == {3}
    assert {video.caption_features.shape for video in store.read()} == {(3, 24)}
    assert store.attributes["captions"] == "3 frames by model"
    assert len(store.attributes["caption_weights_sha256"]) == 64


def test_file_names_may_be_any_bytes(tmp_path, caplog):
    for name in (b"caf\xe9.mp4", b"bad\xff.mp4"):  # not UTF-8
        path = tmp_path / os.fsdecode(name)
        write_video(tmp_path / "plain.mp4", 30, audio=None).rename(path)
    path.write_text("no video")
    found = run(tmp_path)
    "".join([caplog.text, *found.skipped, *found.skipped.values()]).encode()  # can be printed
    assert list(found.skipped) == ["bad\\udcff"]
    names = [video.name for video in Store(tmp_path / "mine.h5").read()]
    assert names == ["caf\\udce9"]


# --- interrupted, repaired, repeated


def test_an_interrupted_run_continues_and_ends_with_the_same_bytes(videos, made, extracted, caplog, monkeypatch):
    def crash(path, *rest):
        if path.stem == "cat":
            raise RuntimeError("the machine went away")
        return extract_features(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(module, "extract_features", crash)
        with pytest.raises(RuntimeError, match="went away"):
            run(videos)
    assert not (videos / "mine.h5").exists()
    assert [path.suffix for path in cache(videos).iterdir()] == [".h5"]
    run(videos)
    assert extracted() == ["cat", "dog"]
    assert "1 of them extracted before" in caplog.text
    assert (videos / "mine.h5").read_bytes() == made[1]
    assert not cache(videos).exists()


def test_a_finished_store_is_kept_and_by_force_written_again_with_the_same_bytes(videos, made, extracted, caplog):
    run(videos)
    assert run(videos).n_videos == 3
    assert extracted() == ["ball", "cat", "dog"]
    assert "is finished" in caplog.text
    run(videos, force=True)
    assert len(extracted()) == 3
    assert (videos / "mine.h5").read_bytes() == made[1]


def test_what_is_extracted_is_known_by_file_and_settings(videos, extracted):
    run(videos, keep=True)
    assert extracted() == ["ball", "cat", "dog"]
    damaged = min(cache(videos).glob("*.h5"))
    damaged.write_bytes(damaged.read_bytes()[:500])
    run(videos, keep=True, force=True)
    assert len(extracted()) == 1
    stat = (videos / "cat.mp4").stat()
    os.utime(videos / "cat.mp4", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    run(videos, keep=True)
    assert extracted() == ["cat"]
    run(videos, settings=Settings("hsv", stride=15), keep=True, force=True)
    assert extracted() == ["ball", "cat", "dog"]
    assert Store(videos / "mine.h5").read()[0].picks.tolist() == list(range(0, 160, 15))


def test_another_content_of_the_same_size_and_time_is_another_video(videos, extracted):
    path = videos / "cat.mp4"
    content = bytearray(path.read_bytes() + bytes(8 << 20))
    for middle in (content, content[: 4 << 20] + b"x" + content[(4 << 20) + 1 :]):
        path.write_bytes(middle)
        os.utime(path, (0, 0))
        run(videos)
    assert extracted() == ["ball", "cat", "dog"] * 2


def test_two_runs_never_make_one_store_at_once(videos, extracted, capsys):
    words = ["prepare", str(videos), "--to", f"{videos}/mine.h5", "--encoder", "hsv"]
    with run_lock(videos / "mine.h5"):
        assert main(words) == 2
    assert re.search(r"mine\.h5: another process .*; wait, or give another file with --to\n", capsys.readouterr().err)
    assert extracted() == []
    assert main(words) == 0
    assert len(Store(videos / "mine.h5").read()) == 3


def test_only_its_own_files_are_removed_from_the_working_folder(videos):
    (cache(videos) / "captions/ab").mkdir(parents=True)
    mine = [cache(videos) / "thesis.json", cache(videos) / "captions/ab/mine.h5"]
    theirs = [cache(videos) / f".{'0' * 32}.h5.abcdefgh", cache(videos) / f"captions/ab/{'a' * 64}.json"]
    for path in (*mine, *theirs):
        path.write_text("text")
    run(videos)
    assert sorted(path for path in cache(videos).rglob("*") if path.is_file()) == sorted(mine)


def test_other_labels_need_no_video_where_the_features_are_kept(videos, extracted):
    for end, frames in ((1, 25), (2, 50)):
        (videos / "labels.csv").write_text(f"video,annotator,start,end\ncat,ann,0,{end}\n")
        collection = from_files([videos], "mine", read_labels(videos / "labels.csv"))
        make_store(collection, videos / "mine.h5", HSV, keep=True)
        assert Store(videos / "mine.h5").read(["video_2"])[0].user_summary.sum() == frames
    assert extracted() == ["ball", "cat", "dog"]


def test_a_bad_video_is_skipped_and_listed_and_joins_when_it_is_fixed(videos, made, extracted, caplog):
    whole = (videos / "cat.mp4").read_bytes()
    (videos / "cat.mp4").write_bytes(b"no video at all\n" * 100)
    found = run(videos)
    assert list(found.skipped) == ["cat"]
    assert "cat.mp4" in found.skipped["cat"]
    assert "[2/3] cat: skipped: " in caplog.text
    assert [video.name for video in Store(videos / "mine.h5").read()] == ["ball", "dog"]
    assert found.valid
    (videos / "cat.mp4").write_bytes(whole)
    assert run(videos).skipped == {}
    assert extracted() == ["ball", "cat", "dog", "cat"]
    assert (videos / "mine.h5").read_bytes() == made[1]
    assert not cache(videos).exists()


def test_without_any_good_video_the_old_store_stays(videos):
    run(videos)
    before = (videos / "mine.h5").read_bytes()
    for name in FRAMES:
        (videos / f"{name}.mp4").write_text("no video")
    with pytest.raises(UserError, match="none of 3 videos could be prepared; ball: "):
        run(videos)
    assert (videos / "mine.h5").read_bytes() == before


def test_a_store_of_others_is_not_replaced_unasked(videos, extracted):
    run(videos)
    before = (videos / "mine.h5").read_bytes()
    extracted()
    with pytest.raises(UserError, match=r"mine.h5: holds other features \(sampling is .* --force"):
        run(videos, settings=Settings("hsv", rate=2.0))
    with pytest.raises(UserError, match=r"mine.h5: holds ball, which is not among these videos"):
        run(videos / "cat.mp4", videos / "mine.h5")
    with h5py.File(videos / "mine.h5", "a") as file:
        del file.attrs["encoder"], file.attrs["inputs"]  # as of a store that was imported
    with pytest.raises(UserError, match="encoder is not recorded, not hsv"):
        run(videos)
    (videos / "mine.h5").write_bytes(before)
    assert extracted() == []
    run(videos / "cat.mp4", videos / "mine.h5", force=True)
    assert len(Store(videos / "mine.h5").read()) == 1


def test_too_little_memory_ends_the_run_with_one_line(videos, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB\nand more lines")

    monkeypatch.setattr(module, "extract_features", full)
    with pytest.raises(UserError, match=r"^[^\n]*ball.mp4: the memory is too small; choose a smaller --batch-size$"):
        run(videos)


# --- the command


def test_the_command_names_what_it_skipped_with_status_one(videos, capsys):
    (videos / "cat.mp4").write_text("no video")
    assert main(["prepare", str(videos), "--to", f"{videos}/mine.h5", "--encoder", "hsv", "--stride", "15"]) == 1
    shown = capsys.readouterr()
    assert "mine.h5: 2 videos, valid" in shown.out
    assert "1 videos were skipped" in shown.err
    assert "  cat: " in shown.err
    assert "\x1b" not in shown.out + shown.err  # no terminal: no line that counts


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["a.mp4", "--to=mine.h5"], "--encoder: name one: open_clip:MODEL/PRETRAINED, hf:NAME_OR_FOLDER, conse, "),
        (["--encoder=hsv", "--to=mine.h5"], "name videos or folders, or --dataset"),
        (["a.mp4", "--encoder=hsv", "--dataset", "summe", "."], "not both"),
        (["a.mp4", "--encoder=hsv"], "--to: name the store"),
        (["a.mp4", "--encoder=hsv", "--to=mine.hdf"], "ends with .h5"),
        (["a.mp4", "--encoder=hsv", "--to=data/SumMe.h5"], "--to: SumMe is the name of a benchmark"),
        (["--encoder=hsv", "--dataset", "qfvs", "."], "--dataset: qfvs: there are summe, tvsum"),
        (["--encoder=hsv", "--dataset", "summe", ".", "--labels=a.csv"], "--labels: are for your own videos"),
    ],
)
def test_contradictions_are_one_line_before_any_work(words, what, capsys):
    assert main(["prepare", *words]) == 2
    shown = capsys.readouterr().err
    assert what in shown
    assert shown.count("\n") == 1


def test_plain_arguments_are_enough(tmp_path):
    write_video(tmp_path / "cat.mp4", 60)
    (tmp_path / "labels.csv").write_text("video,annotator,start,end\ncat,anna,0,1\n")
    prepared = prepare(str(tmp_path / "cat.mp4"), str(tmp_path / "mine.h5"), "hsv", labels=str(tmp_path / "labels.csv"))
    assert (prepared.path, prepared.n_videos, prepared.valid, prepared.skipped) == (tmp_path / "mine.h5", 1, True, {})
    assert Store(prepared.path).read()[0].user_summary.sum() == 25


def test_a_terminal_shows_a_line_that_counts_and_goes_away(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    print_log()
    with Progress({0: 100}) as progress:
        progress.at("a", 61.0)
        progress.finished(0, "a: done")
    shown = capsys.readouterr()
    assert shown.out == "[1/1] a: done\n"
    assert "[1/1] a: at 1:01" in shown.err
    assert shown.err.endswith("\x1b[2K")  # the line is removed
    with Progress({0: 100}, "process 1: ") as progress:
        progress.at("a", 60.0)
    assert capsys.readouterr().err == ""


def test_time_left_follows_the_bytes(monkeypatch, caplog):
    clock = iter([0.0, 10.0, 40.0])
    monkeypatch.setattr("clipit_lightning.pipelines.progress.time.monotonic", lambda: next(clock))
    progress = Progress({3: 100, 5: 300, 9: 100})
    progress.finished(3, "a: done")
    progress.finished(5, "b: done", "a note")
    progress.finished(9, "c: done")
    lines = ["[1/3] a: done; about 40 s left", "a note", "[2/3] b: done; about 10 s left", "[3/3] c: done"]
    assert caplog.messages == lines
    assert [rough(seconds) for seconds in (0.2, 89, 100, 5000, 7200)] == ["1 s", "89 s", "2 min", "83 min", "2.0 h"]
