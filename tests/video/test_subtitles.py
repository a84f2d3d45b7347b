import av
import pytest

from clipit_lightning.video.captions import Captions, read_captions
from clipit_lightning.video.subtitles import subtitles_of, summary_subtitles
from tests.support.videos import write_video

SRT = "1\n00:00:00,500 --> 00:00:01,500\nHello & <i>good</i> day\n\n2\n00:00:02,000 --> 00:00:02,900\nBye\n"
EXPECTED = Captions(("Hello & good day", "Bye"), (0.5, 2.0), (1.5, 2.9))


def with_words(path, video, words):
    """Copy the streams of a video and of a subtitle file into one file."""
    with av.open(str(video)) as one, av.open(str(words)) as other, av.open(str(path), "w") as file:
        copies = {
            (of, at): file.add_stream_from_template(each) for of in (one, other) for at, each in enumerate(of.streams)
        }
        for of in (one, other):
            for packet in of.demux():
                if packet.dts is not None:
                    packet.stream = copies[of, packet.stream.index]
                    file.mux(packet)
    return path


def test_subtitles_move_to_the_times_of_the_summary(tmp_path):
    texts = Captions(
        ("before", "one", "over the cut", "moment", "late"), (0.0, 2.5, 3.0, 10.5, 11.9), (1.0, 4.0, 10.4, 10.5, 15.0)
    )
    text = summary_subtitles(texts, [(2.0, 3.5), (3.5, 4.5), (10.0, 12.0)])
    (tmp_path / "a.srt").write_text(text)
    assert read_captions(tmp_path / "a.srt") == Captions(
        ("one", "over the cut", "over the cut"), (0.5, 1.0, 2.5), (2.0, 2.5, 2.9)
    )
    assert text.startswith("1\n00:00:00,500 --> 00:00:02,000\none\n\n2\n")


def test_without_subtitles_in_the_shots_there_are_none():
    assert summary_subtitles(EXPECTED, [(1.6, 1.9)]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["srt", "vtt", "inside"])
def test_subtitles_beside_the_video_or_inside_it_are_taken(tmp_path, kind):
    video = write_video(tmp_path / "talk.mkv")
    assert subtitles_of(video) is None
    (tmp_path / "words.srt").write_text(SRT)
    if kind == "inside":
        video = with_words(tmp_path / "with_words.mkv", video, tmp_path / "words.srt")
    else:
        text = SRT if kind == "srt" else "WEBVTT\n\n" + SRT.replace(",", ".")
        video.with_suffix(f".{kind}").write_text(text)
    assert subtitles_of(video) == EXPECTED


@pytest.mark.slow
def test_damaged_subtitles_beside_the_video_are_omitted_with_a_line(tmp_path, caplog):
    video = write_video(tmp_path / "talk.mkv")
    (tmp_path / "talk.srt").write_text("00:00:05,000 --> 00:00:01,000\nbackwards\n")
    assert subtitles_of(video) is None
    assert "the subtitles beside the video are omitted" in caplog.text
