import json
import shutil

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.pipelines import kept_features, summarize_all, summarizer
from clipit_lightning.pipelines.progress import Progress
from clipit_lightning.pipelines.summaries import summarize
from clipit_lightning.video.encoders import make_encoder
from tests.support.commands import invoke
from tests.support.videos import write_video

pytestmark = pytest.mark.slow
HSV = make_encoder("hsv")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with two videos, and one that is none."""
    folder = tmp_path_factory.mktemp("clips")
    write_video(folder / "a walk.mp4", 75)
    (folder / "deeper").mkdir()
    write_video(folder / "deeper" / "swim.mp4", 60)
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    return folder


@pytest.fixture
def source(tmp_path):
    return write_video(tmp_path / "holiday.mp4", 75)


def test_a_folder_has_a_summary_of_each_video_and_a_page_and_names_what_is_broken(clips, tmp_path, caplog):
    assert invoke("summarize", clips, "--encoder", "hsv", "--to", tmp_path) == 1
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {"a walk", "swim"}
    assert all((tmp_path / name / "summary.mp4").exists() for name in folders)
    page = (tmp_path / "index.html").read_text()
    assert 'data-summary="./a%20walk/summary.mp4"' in page
    assert "broken.mp4: not a video" in page
    assert "2 summaries, 1 videos have none" in caplog.text


def test_patterns_and_files_are_taken_once(clips, tmp_path):
    summaries = summarize_all([clips / "*.mp4", clips / "a walk.mp4", clips / "deeper"], tmp_path, HSV)
    assert [made.folder.name for made in summaries.made] == ["a walk", "swim"]
    assert list(summaries.failures) == ["broken"]


def test_summaries_of_before_are_no_videos(clips, tmp_path, monkeypatch):
    shutil.copytree(clips, tmp_path / "clips")
    monkeypatch.chdir(tmp_path)
    assert [invoke("summarize", ".", "--encoder", "hsv", "--budget", "1s") for _ in range(2)] == [1, 1]
    assert {path.name for path in (tmp_path / "summaries").iterdir()} == {"a walk", "swim", "index.html"}


def test_an_option_that_there_is_not_is_an_error(clips, tmp_path):
    for call in (summarize, summarize_all):
        with pytest.raises(TypeError, match="no option 'budgte'"):
            call(clips / "a walk.mp4", tmp_path / "to", HSV, budgte="1s")


def test_nothing_but_broken_videos_is_an_error(clips, tmp_path):
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(clips / "broken.mp4", only)
    assert invoke("summarize", only, "--encoder", "hsv", "--to", tmp_path / "to") == 2
    assert not (tmp_path / "to" / "index.html").exists()


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ("https://example.org/watch?v=1", "is an address; download the video first"),
        ("nothing.mp4", "no such file"),
        ("clips-*.mp4", "matches no file"),
    ],
)
def test_what_is_no_video_is_one_line(video, message, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        invoke("summarize", video, "--encoder", "hsv", "--to", tmp_path / "to")
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_written_is_named_before_the_work(source):
    with pytest.raises(UserError, match="to: /proc/clipit cannot be written"):
        summarize(source, "/proc/clipit", HSV)


# --- features are kept


def test_another_budget_or_query_decodes_nothing_again(source, tmp_path, monkeypatch, caplog):
    to = tmp_path / "to"
    first = summarize(source, to, HSV)
    monkeypatch.setattr(summarizer, "extract_features", None)
    again = summarize(source, to, HSV, budget="1s", shots=2)
    assert "features as in" in caplog.text
    assert again.video.provenance == first.video.provenance
    assert (again.video.features == first.video.features).all()
    assert len(again.shots) == 2


def test_another_video_or_sampling_is_read_again(source, tmp_path):
    to = tmp_path / "to"
    summarize(source, to, HSV)
    assert len(summarize(source, to, HSV, rate=5.0).scores) == 15
    shutil.copy(write_video(tmp_path / "other.mp4", 50), source)
    assert len(summarize(source, to, HSV, rate=5.0).scores) == 10


@pytest.mark.parametrize("damage", [b"", b"not HDF5"])
def test_damaged_features_are_made_again(damage, source, tmp_path):
    to = tmp_path / "to"
    summarize(source, to, HSV)
    before = (to / "summary.json").read_bytes()
    (to / kept_features.NAME).write_bytes(damage)
    summarize(source, to, HSV)
    assert (to / "summary.json").read_bytes() == before


def test_lines_say_how_long_a_video_takes_where_there_is_no_terminal(caplog, monkeypatch):
    monkeypatch.setattr("clipit_lightning.pipelines.progress.PAUSE", 0.0)
    clock = iter([0.0, 40.0, 60.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    progress = Progress({0: 1})
    progress.at("holiday.mp4", 10.0, 130.0)  # the first batch, of which nobody knows when it began
    progress.at("holiday.mp4", 70.0, 130.0)
    first = "[1/1] holiday.mp4: at 0:10 of 2:10"
    assert caplog.messages == [first, "[1/1] holiday.mp4: at 1:10 of 2:10; about 20 s left"]


def test_the_json_is_the_same_from_kept_features(source, tmp_path):
    to = tmp_path / "to"
    summarize(source, to, HSV)
    before = json.loads((to / "summary.json").read_text())
    summarize(source, to, HSV)
    assert json.loads((to / "summary.json").read_text()) == before
