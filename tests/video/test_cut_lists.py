import csv
import io
import math
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import opentimelineio as otio
import pytest

from clipit_lightning.video.cut_lists import CUT_LISTS, Timebase, cut_lists, timebase, usual_rate
from clipit_lightning.video.reader import VideoInfo, VideoReader
from tests.support.videos import ODD_VIDEOS

FILM, TELEVISION, FAST = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)
SHOTS = [(0, 24), (57, 1799), (1800, 1801), (17_981, 18_005)]
NAME = 'it\'s a "film"\n\u00e9\u4e2d.mp4'
URL = "./../it%27s%20a%20%22film%22%0A%C3%A9%E4%B8%AD.mp4"


def written(times, duration, base, shots=SHOTS, has_audio=True):
    info = VideoInfo(Path(NAME), len(times), 25.0, duration, 640, 360, has_audio, 0, 0)
    return cut_lists(info, np.asarray(times), shots, URL, base)


def regular(rate, n=20_000):
    return np.arange(n) / float(rate), n / float(rate)


def clips(text, adapter, **options):
    """First frame, number of frames and place in the list of each clip of the picture."""
    timeline = otio.adapters.read_from_string(text, adapter, **options)
    track = next(track for track in timeline.tracks if track.kind == "Video")
    return [
        tuple(
            int(time.value)
            for time in (clip.source_range.start_time, clip.duration(), clip.range_in_parent().start_time)
        )
        for clip in track.find_clips()
    ]


def apple_clips(text, rate):
    rows = ElementTree.fromstring(text).iter("asset-clip")
    times = [[Fraction(row.get(name).rstrip("s")) * rate for name in ("start", "duration", "offset")] for row in rows]
    assert all(time.denominator == 1 for row in times for time in row)
    return [tuple(int(time) for time in row) for row in times]


@pytest.mark.parametrize(
    ("rate", "code", "start"),
    [
        (FILM, None, 0),
        (FILM, "01:00:00:00", 86_400),
        (Fraction(24), "00:00:01:00", 24),
        (Fraction(25), None, 0),
        (Fraction(25), "10:00:00:05", 900_005),
        (TELEVISION, None, 0),
        (TELEVISION, "01:00:00:00", 108_000),
        (TELEVISION, "01:00:00;00", 107_892),
        (TELEVISION, "00:59:59;28", 107_890),
        (Fraction(30), "01:00:00:00", 108_000),
        (Fraction(50), None, 0),
        (FAST, "01:00:00:00", 216_000),
        (FAST, "01:00:00;00", 215_784),
        (Fraction(60), None, 0),
    ],
)
def test_every_list_is_read_back_to_the_frame(rate, code, start):
    base = Timebase(rate, code)
    texts = written(*regular(rate), base)
    assert tuple(texts) == CUT_LISTS
    assert texts == written(*regular(rate), base)
    lengths = [last - first + 1 for first, last in SHOTS]
    places = np.cumsum([0, *lengths[:-1]]).tolist()
    expected = [(start + first, length, at) for (first, _), length, at in zip(SHOTS, lengths, places, strict=True)]
    counted = float(rate) if base.drop_frame else math.ceil(rate)
    assert clips(texts["cuts.otio"], "otio_json") == expected
    assert clips(texts["cuts.edl"], "cmx_3600", rate=counted) == expected
    assert clips(texts["cuts.xml"], "fcp_xml") == expected
    assert apple_clips(texts["cuts.fcpxml"], rate) == expected
    assert ("FCM: DROP FRAME" in texts["cuts.edl"]) == base.drop_frame == (" 01:00:00;" in texts["cuts.edl"])
    assert set(ElementTree.fromstring(texts["cuts.xml"]).itertext()) & {"DF", "NDF"} == {base.mode}


def test_lists_name_the_source_and_its_sound():
    texts = written(*regular(25), Timebase(Fraction(25)))
    timeline = otio.adapters.read_from_string(texts["cuts.otio"], "otio_json")
    shown = NAME.replace("\n", "?")
    for clip in timeline.find_clips():
        assert (clip.name, clip.media_reference.target_url) == (shown, f"../{NAME}")
        assert clip.available_range().duration.value == 20_000
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    assert texts["cuts.edl"].splitlines()[:5] == [
        f"TITLE: {shown.removesuffix('.mp4')} (25 FPS)",
        "FCM: NON-DROP FRAME",
        "",
        "001  AX       AA/V  C        00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:00",
        f"* FROM CLIP NAME:  {shown}",
    ]
    assert f"<pathurl>{URL}</pathurl>" in texts["cuts.xml"]
    (project,) = otio.adapters.read_from_string(texts["cuts.fcpxml"], "fcpx_xml")
    assert [(clip.name, clip.media_reference.target_url) for clip in project.find_clips()] == [(shown, URL)] * 4
    silent = written(*regular(25), Timebase(Fraction(25)), has_audio=False)
    assert len(otio.adapters.read_from_string(silent["cuts.otio"], "otio_json").tracks) == 1
    assert "  V     C  " in silent["cuts.edl"]
    assert "hasAudio" not in silent["cuts.fcpxml"]


def test_csv_has_frames_and_seconds():
    text = written(*regular(25), Timebase(Fraction(25)), [(0, 24), (50, 99)])["cuts.csv"]
    assert list(csv.DictReader(io.StringIO(text))) == [
        {"shot": "1", "start_frame": "0", "end_frame": "24", "start_seconds": "0.000000", "end_seconds": "1.000000"},
        {"shot": "2", "start_frame": "50", "end_frame": "99", "start_seconds": "2.000000", "end_seconds": "4.000000"},
    ]


def test_a_variable_rate_is_written_by_time_and_does_not_drift():
    steps = np.random.default_rng(0).choice([1 / 30, 2 / 30, 1 / 24], 4000, p=[0.7, 0.1, 0.2])
    times = np.append(0.02, 0.02 + steps.cumsum())  # the sound begins a moment before
    base = Timebase(usual_rate(times))
    assert base.rate == 30
    shots = [(10, 500), (2000, 2100), (3900, 4000)]
    texts = written(times, times[-1] + 1 / 30, base, shots)
    for text, adapter, options in (("cuts.otio", "otio_json", {}), ("cuts.edl", "cmx_3600", {"rate": 30})):
        for (first, last), (start, length, _) in zip(shots, clips(texts[text], adapter, **options), strict=True):
            end = times[last + 1] if last < 4000 else times[-1] + 1 / 30
            assert start / 30 == pytest.approx(times[first] - 0.02, abs=0.5 / 30)
            assert (start + length) / 30 == pytest.approx(end - 0.02, abs=0.5 / 30)


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        *((regular(rate, 300)[0], rate) for rate in (FILM, 24, 25, TELEVISION, 30, 50, FAST, 60)),
        (regular(TELEVISION, 600)[0].round(3) + 0.021, TELEVISION),  # Matroska rounds to milliseconds
        (regular(25, 300)[0][np.r_[:100, 130:300]], 25),  # with a hole
        (regular(10, 30)[0], 30),
        (regular(Fraction(25, 2), 30)[0], 25),
        (regular(120, 300)[0], 60),
        ([0.0], 24),
    ],
)
def test_the_rate_is_the_sources_or_a_usual_one_that_fits(times, rate):
    assert usual_rate(np.asarray(times)) == rate


def coded(path, code, rate):
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.metadata["timecode"] = code
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, 1 / Fraction(rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code", "rate", "expected"),
    [
        ("a.mov", "01:00:00;00", TELEVISION, "01:00:00;00"),
        ("a.mp4", "10:00:00:00", 25, "10:00:00:00"),
        ("a.mkv", "10:00:00:00", 25, "10:00:00:00"),
        ("a.mp4", "10:00:00;00", 25, "10:00:00:00"),  # 25 has no drop frame
        ("a.mkv", "10:00:00:27", 25, None),
        ("a.mkv", "at noon", 25, None),
    ],
)
def test_the_start_timecode_is_the_files(tmp_path, name, code, rate, expected):
    if name == "a.mp4" and ";" in code:  # FFmpeg writes no such track
        code = code.replace(";", ":")
    path = coded(tmp_path / name, code, rate)
    reader = VideoReader(path)
    reader.info()
    assert timebase(path, reader.times) == Timebase(Fraction(rate), expected)


@pytest.mark.slow
def test_a_file_without_timecode_counts_from_0(tmp_path):
    for name, rate in (("television.mp4", TELEVISION), ("animated.gif", 30), ("slow.mp4", 24)):
        reader = VideoReader(ODD_VIDEOS[name](tmp_path / name))
        reader.info()
        base = timebase(reader.path, reader.times)
        assert (base, base.start) == (Timebase(Fraction(rate)), 0)
    assert str(Timebase(TELEVISION, "01:00:00;00")) == "29.97 frames per second, timecode from 01:00:00;00"


SENTENCES = ['A "dog" <runs> & 狗.', "", "12 It sleeps.", "End."]


def test_every_list_carries_the_sentence_of_a_shot_that_has_one():
    times, duration = regular(Fraction(25))
    info, base = (
        VideoInfo(Path(NAME), len(times), 25.0, duration, 640, 360, True, 0, 0),
        Timebase(Fraction(25), "01:00:00:00"),
    )
    lists = cut_lists(info, times, SHOTS, URL, base, told=SENTENCES)
    assert [row["sentence"] for row in csv.DictReader(io.StringIO(lists["cuts.csv"]))] == SENTENCES
    comments = [event.partition("* COMMENT: ")[2].strip() for event in lists["cuts.edl"].split("AX ")[1:]]
    assert [comment.partition("\n")[0] for comment in comments] == SENTENCES
    for name, adapter, start in (("cuts.otio", "otio_json", base.start), ("cuts.xml", "fcp_xml", 0)):
        timeline = otio.adapters.read_from_string(lists[name], adapter)
        track = next(track for track in timeline.tracks if track.kind == "Video")
        markers = [
            [(each.name, each.marked_range.start_time.value) for each in clip.markers] for clip in track.find_clips()
        ]
        at = [start + first for first, _ in SHOTS]
        assert markers == [[(text, frame)] if text else [] for text, frame in zip(SENTENCES, at, strict=True)]
    rows = list(ElementTree.fromstring(lists["cuts.fcpxml"]).iter("asset-clip"))
    assert [row.find("marker").get("value") if row.find("marker") is not None else "" for row in rows] == SENTENCES
    assert all(row.find("marker").get("start") == row.get("start") for row in rows if row.find("marker") is not None)


def test_without_sentences_nothing_is_marked():
    times, duration = regular(Fraction(25))
    lists = written(times, duration, Timebase(Fraction(25)))
    assert "sentence" not in lists["cuts.csv"]
    assert not any(word in text for text in lists.values() for word in ("COMMENT", "<marker", '"Marker'))
