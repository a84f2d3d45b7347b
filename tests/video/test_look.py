"""What a summary looks and sounds like by option: fades, audio tracks, high dynamic range, chapters, stills."""

import io

import av
import numpy as np
import pytest
from av.video.reformatter import ColorTrc
from PIL import Image

from clipit_lightning.core.errors import UserError
from clipit_lightning.video.reader import VideoReader
from clipit_lightning.video.render import Look, render_summary
from tests.support.videos import LIGHT, RATE, shown_number, write_video

pytestmark = pytest.mark.slow

SHOTS = [(5, 24), (40, 59), (60, 69)]  # one cut, as the last shot begins right after the one before it
TRANSFERS = {"PQ": ColorTrc.SMPTE2084, "HLG": ColorTrc.ARIB_STD_B67}


def pictures(path):
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="gray") for frame in file.decode(video=0)])


def sound(path, track=0):
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=track)], axis=1)[0]


def loudness(path):
    with av.open(str(path)) as file:
        n_tracks = len(file.streams.audio)
    return [float(np.sqrt(2 * np.mean(sound(path, track) ** 2))) for track in range(n_tracks)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("look") / "source.mkv", languages=("eng", "deu"))


def test_picture_and_sound_fade_at_cuts_and_nothing_gets_longer(source, tmp_path):
    plain = render_summary(source, SHOTS, tmp_path / "plain.mp4")
    faded = render_summary(source, SHOTS, tmp_path / "faded.mp4", Look(fade=0.2), stills=[24])
    assert (faded.n_frames, faded.duration) == (plain.n_frames, plain.duration)
    light = pictures(faded.path).max(axis=(1, 2)) / pictures(plain.path).max(axis=(1, 2))
    assert light[[0, 10, 14, 25, 40, 49]] == pytest.approx(1, abs=0.03)
    assert light[14:20] == pytest.approx(np.linspace(1.1, 0.1, 6), abs=0.13)  # a fifth of a second is five frames
    assert light[20:26] == pytest.approx(np.linspace(0.1, 1.1, 6), abs=0.13)
    cut = round(20 / 25 * RATE)
    heard = sound(faded.path)
    assert len(heard) == len(sound(plain.path))
    assert np.abs(heard[cut - 200 : cut + 200]).max() < 0.06 < 0.3 < np.abs(heard[cut + 10000 :]).max()
    still = np.asarray(Image.open(io.BytesIO(faded.stills[24])))
    assert (shown_number(still), still.max()) == (24, pytest.approx(LIGHT, abs=8))


def test_a_fade_is_at_most_half_of_a_short_shot(source, tmp_path):
    faded = render_summary(source, [(0, 9), (20, 29), (40, 49)], tmp_path / "faded.mp4", Look(fade=60.0))
    light = pictures(faded.path).max(axis=(1, 2)).astype(float)
    assert light[[4, 14, 15, 25]].min() > 0.75 * LIGHT
    assert light[[9, 10, 19, 20]].max() < 0.3 * LIGHT


def test_all_audio_tracks_are_kept_with_their_languages_or_one_or_none(source, tmp_path):
    both = render_summary(source, SHOTS, tmp_path / "both.mp4")
    assert both.audio_tracks == ("1 (eng)", "2 (deu)")
    with av.open(str(both.path)) as file:
        assert [(each.codec_context.name, each.language) for each in file.streams.audio] == [
            ("aac", "eng"),
            ("aac", "deu"),
        ]
        ends = [float(each.duration * each.time_base) for each in file.streams.audio]
    assert ends == pytest.approx([both.duration] * 2, abs=0.025)
    assert loudness(both.path) == pytest.approx([0.4, 0.2], abs=0.06)
    second = render_summary(source, SHOTS, tmp_path / "second.mp4", Look(audio=2))
    assert (second.audio_tracks, loudness(second.path)) == (("2 (deu)",), [pytest.approx(0.2, abs=0.05)])
    none = render_summary(source, SHOTS, tmp_path / "none.mp4", Look(audio=0))
    assert (none.has_audio, loudness(none.path)) == (False, [])


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ({"audio": 3}, r"audio: .* has no audio track 3 .* it has 1 \(eng\), 2 \(deu\), and 0 is no sound"),
        ({"audio": -1}, "has no audio track -1"),
        ({"fade": -0.1}, "fade: -0.1 is no time"),
        ({"fade": float("nan")}, "fade: nan is no time"),
        ({"hdr": "kept"}, "hdr: 'kept' is none of tone-map, keep"),
    ],
)
def test_what_is_not_possible_is_one_line(source, look, message):
    with pytest.raises(UserError, match=message) as error:
        Look(**look).check(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", TRANSFERS)
def test_high_dynamic_range_becomes_standard_or_is_kept(tmp_path, name):
    source = write_video(tmp_path / "source.mkv", 20, pix_fmt="yuv420p10le", transfer=TRANSFERS[name], audio=None)
    assert VideoReader(source).info().hdr == name
    mapped = render_summary(source, [(2, 9)], tmp_path / "mapped.mp4", stills=[5])
    kept = render_summary(source, [(2, 9)], tmp_path / "kept.mp4", Look(hdr="keep"))
    again = render_summary(source, [(2, 9)], tmp_path / "again.mp4", Look(hdr="keep"))
    assert (mapped.hdr, kept.hdr) == (None, name)
    assert kept.path.read_bytes() == again.path.read_bytes()
    tags = []
    for path in (mapped.path, kept.path, source):
        with av.open(str(path)) as file:
            context = file.streams.video[0].codec_context
            tags.append((context.name, context.pix_fmt, context.color_trc, context.color_primaries, context.colorspace))
    assert tags[0] == ("h264", "yuv420p", 1, 1, 1)
    assert tags[1] == ("hevc", *tags[2][1:])
    np.testing.assert_allclose(pictures(kept.path)[:, 28:], pictures(source)[2:10, 28:], atol=6.0)
    levels = [pictures(mapped.path)[3, rows].astype(float) for rows in (slice(4, 20), slice(28, 48))]
    dark, grey, light = levels[0].min(), levels[1].mean(), levels[0].max()
    assert 0 < dark < grey < light < 235  # lights are compressed, none is clipped
    assert shown_number(np.asarray(Image.open(io.BytesIO(mapped.stills[5])))) == 5


def test_each_shot_is_a_chapter_that_is_called_by_its_time(source, tmp_path):
    made = render_summary(source, SHOTS, tmp_path / "made.mp4")
    with av.open(str(made.path)) as file:
        chapters = [(each["start"], each["end"], each["metadata"]["title"]) for each in file.chapters()]
    assert chapters == [(0, 800, "0:00:00.2"), (800, 1600, "0:00:01.6"), (1600, 2000, "0:00:02.4")]
