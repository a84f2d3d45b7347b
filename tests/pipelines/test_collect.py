from pathlib import Path

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import Summaries
from clipit_lightning.pipelines.collect import from_benchmark, from_files, with_captions
from clipit_lightning.pipelines.labels import read_labels
from tests.support.synthetic import write_summe_ground_truth, write_tvsum_mat, write_tvsum_tsv


def touch(folder, *names):
    """Files of these names below a folder; what they hold is not read here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def keys_and_names(collection):
    return [(source.key, source.name) for source in collection.sources]


def labels(path, *videos):
    path.write_text("video,annotator,start,end\n" + "".join(f"{video},ann,0,1\n" for video in videos))
    return read_labels(path)


def test_folders_are_searched_and_videos_keep_a_natural_order(tmp_path):
    touch(tmp_path, "b10.mp4", "b2.MKV", "sub/deep/a.webm", "notes.txt", "._b2.mkv", "sub/picture.jpg")
    assert keys_and_names(from_files([tmp_path], "mine")) == [("video_1", "a"), ("video_2", "b2"), ("video_3", "b10")]


@pytest.mark.parametrize("what", ["missing: no such file", "empty: no videos in this folder"])
def test_a_path_without_videos_is_refused_at_once(tmp_path, what):
    touch(tmp_path / "empty", "notes.txt")
    with pytest.raises(UserError, match=what):
        from_files([tmp_path / what.partition(":")[0]], "mine")


def test_a_file_that_is_named_may_have_any_type_and_counts_once(tmp_path):
    touch(tmp_path, "clip.bin", "x.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "x.mp4")
    collection = from_files([tmp_path / "clip.bin", tmp_path / "x.mp4", tmp_path], "mine")
    assert keys_and_names(collection) == [("video_1", "clip"), ("video_2", "x")]


def test_videos_of_one_name_are_told_apart_by_their_paths(tmp_path):
    touch(tmp_path, "a/clip.mp4", "b/clip.mp4", "b/clip.mkv", "c/talk.mp4", "c/talk.avi")
    names = [name for _, name in keys_and_names(from_files([tmp_path], "mine"))]
    assert names == ["a/clip.mp4", "b/clip.mp4", "clip.mkv", "talk.avi", "talk.mp4"]


def test_labels_may_call_a_video_by_its_name_or_file(tmp_path):
    touch(tmp_path, "one.mp4", "two.mp4", "three.mp4")
    collection = from_files([tmp_path], "mine", labels(tmp_path / "labels.csv", "one", "two.mp4"))
    annotations = {source.name: collection.annotate(source, np.arange(9) / 3, 3.0) for source in collection.sources}
    assert annotations.pop("three") is None
    for name, annotation in annotations.items():
        assert isinstance(annotation, Summaries)
        assert (annotation.name, annotation.user_summary.tolist()) == (name, [[1, 1, 1, 0, 0, 0, 0, 0, 0]])
    assert len(collection.annotations_sha256) == 64
    assert collection.notes == (f"{tmp_path / 'labels.csv'}: no labels of 1 of 3 videos: three",)


def test_labels_of_other_videos_are_a_note_where_every_video_has_labels(tmp_path):
    touch(tmp_path, "one.mp4", "two.mp4")
    collection = from_files([tmp_path], "mine", labels(tmp_path / "labels.csv", "one", "two", "three", "four"))
    assert collection.notes == (f"{tmp_path / 'labels.csv'}: labels of 2 other videos are omitted: three, four",)


@pytest.mark.parametrize(
    ("videos", "what"),
    [
        (
            ["on", "two", "b/clip.mp4"],
            "labels.csv: no video is called on (did you mean one?), two; no labels of 2 of 3 videos: a/clip.mp4, one; "
            "correct the names or omit the lines",
        ),
        (["clip.mp4"], "labels.csv: line 2: several videos are called clip.mp4: a/clip.mp4, b/clip.mp4"),
        (["one", "one.mp4"], "labels.csv: one is called by several names"),
    ],
)
def test_labels_of_no_video_are_refused_before_the_work(tmp_path, videos, what):
    touch(tmp_path, "one.mp4", "a/clip.mp4", "b/clip.mp4")
    with pytest.raises(UserError) as error:
        from_files([tmp_path], "mine", labels(tmp_path / "labels.csv", *videos))
    assert what in str(error.value)


def test_summe_keeps_its_keys_where_videos_are_missing_and_finds_other_spellings(tmp_path):
    names = ["Air_Force_One", "Base jumping", "Cooking", "Jumps"]
    write_summe_ground_truth(tmp_path / "SumMe/GT", {name: np.ones((2, 5)) for name in names})
    touch(tmp_path / "SumMe/videos", "Base_jumping.mp4", "Jumps.webm", "Jumps.mp4", "Other.mp4")
    collection = from_benchmark("summe", tmp_path)
    assert keys_and_names(collection) == [("video_2", "Base jumping"), ("video_4", "Jumps")]
    assert collection.sources[1].path.name == "Jumps.mp4"
    assert collection.dataset == "summe"
    assert "2 of 4 videos of SumMe are not there: Air_Force_One, Cooking" in collection.notes[0]
    for source in collection.sources:
        assert collection.annotate(source, np.zeros(0), 0.0).name == source.name


@pytest.mark.parametrize("form", ["ydata-tvsum50.mat", "ydata-tvsum50-anno.tsv"])
def test_tvsum_is_found_in_either_form_with_case_in_its_ids(tmp_path, form):
    ratings = {f"video_{number}": np.full((3, 8), number, float) for number in (1, 2)}
    write = write_tvsum_mat if form.endswith(".mat") else write_tvsum_tsv
    touch(tmp_path, "video/id-video_2.mp4", "video/ID-VIDEO_1.mp4", "data/readme.txt")
    write(tmp_path / "data" / form, ratings)
    collection = from_benchmark("tvsum", tmp_path)
    assert keys_and_names(collection) == [("video_1", "id-video_1"), ("video_2", "id-video_2")]
    assert [source.path.stem for source in collection.sources] == ["ID-VIDEO_1", "id-video_2"]
    assert collection.annotate(collection.sources[1], np.zeros(0), 0.0).ratings.tolist() == [[2.0] * 8] * 3
    assert collection.notes == ()


def test_a_root_without_a_distribution_names_what_should_lie_there(tmp_path):
    touch(tmp_path, "videos/a.mp4")
    for dataset in ("summe", "tvsum"):
        with pytest.raises(UserError, match=rf"{tmp_path}: no annotations of \w+; its folder should hold video"):
            from_benchmark(dataset, tmp_path)
    write_summe_ground_truth(tmp_path / "GT", {"Jumps": np.ones((2, 5))})
    with pytest.raises(UserError, match="none of SumMe's 1 videos"):
        from_benchmark("summe", tmp_path)


# --- captions


def captions(path: Path, text="hello"):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n")
    return path


def test_one_file_of_captions_is_for_one_video(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    one = with_captions(from_files([tmp_path / "a.mp4"], "mine"), captions(tmp_path / "any.srt"))
    assert one.has_captions
    assert one.sources[0].captions.texts == ("hello",)
    with pytest.raises(UserError, match="one file for 2 videos; give a folder"):
        with_captions(from_files([tmp_path], "mine"), tmp_path / "any.srt")


def test_a_folder_of_captions_is_joined_by_name(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    captions(tmp_path / "texts/a.srt", "of a")
    captions(tmp_path / "texts/c.mp4.srt", "of c")
    collection = with_captions(from_files([tmp_path], "mine"), tmp_path / "texts")
    assert [source.captions and source.captions.texts for source in collection.sources] == [("of a",), None, ("of c",)]
    assert "no captions of 1 of 3 videos: b" in collection.notes[0]


def test_captions_that_are_not_clear_are_refused(tmp_path):
    touch(tmp_path, "a.mp4")
    collection = from_files([tmp_path], "mine")
    with pytest.raises(UserError, match=r"captions of none of the videos; name them as the videos, such as a\.srt"):
        with_captions(collection, tmp_path)
    captions(tmp_path / "a.srt")
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n")
    with pytest.raises(UserError, match=r"a.srt and .*a.vtt are both of a"):
        with_captions(collection, tmp_path)
    with pytest.raises(UserError, match=r"missing.srt"):
        with_captions(collection, tmp_path / "missing.srt")
