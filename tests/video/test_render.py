from fractions import Fraction

import av
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.video.frames import sample_frames, shot_seconds
from clipit_lightning.video.reader import VideoReader
from clipit_lightning.video.render import Look, render_summary
from tests.support.videos import DARK, GREY, ODD_VIDEOS, RATE, UNEVEN, shown_number, square, write_video

pytestmark = pytest.mark.slow

SHOTS = [(5, 12), (30, 44), (55, 69)]


def decode(path):
    """Numbers and times of the frames, by PyAV alone."""
    with av.open(str(path)) as file:
        frames = [(shown_number(each.to_ndarray(format="rgb24")), each.time) for each in file.decode(video=0)]
    return [number for number, _ in frames], [time for _, time in frames]


def lengths(path):
    """Seconds of each stream as the file says, and of the decoded sound."""
    with av.open(str(path)) as file:
        said = [float(each.duration * each.time_base) for each in (*file.streams.video, *file.streams.audio)]
        heard = sum(frame.samples for frame in file.decode(audio=0)) if file.streams.audio else 0
    return said, heard


def decoded_sound(path):
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("source") / "source.mp4")


@pytest.fixture(scope="module")
def summary(source):
    to = source.with_name("summary.mp4")
    return render_summary(source, SHOTS, to)


def test_holds_the_chosen_frames_and_no_other(summary):
    numbers, times = decode(summary.path)
    assert numbers == [*range(5, 13), *range(30, 45), *range(55, 70)]
    assert times == pytest.approx([index / 25 for index in range(38)], abs=1e-6)
    assert (summary.n_frames, summary.duration, summary.has_audio) == (38, pytest.approx(38 / 25), True)


@pytest.mark.parametrize("rate", [48000, 44100, 96000])
def test_sound_is_cut_to_the_sample(tmp_path, monkeypatch, rate):
    noise = np.random.default_rng(0).normal(0, 0.2, 3 * rate).clip(-1, 1).astype(np.float32)
    noise = np.convolve(noise, np.ones(16) / 16, "same").astype(np.float32)  # AAC and 48 kHz keep low frequencies
    monkeypatch.setattr("tests.support.videos.sound", lambda seconds, of: noise[: round(seconds * of)])
    source = write_video(tmp_path / "source.mkv", audio="pcm_s16le", sample_rate=rate)
    heard = decoded_sound(render_summary(source, SHOTS, tmp_path / "summary.mp4").path)[0]
    into = min(rate, 48000)
    step = rate // into
    at, expected = 0, noise[::step]
    for first, last in SHOTS:
        count, begin = round((last - first + 1) / 25 * into), round(first / 25 * into)
        part = heard[at + 1024 : at + count - 1024]  # AAC smears a cut over a frame
        best = max(range(-20, 21), key=lambda lag: np.dot(part, expected[begin + 1024 + lag :][: len(part)]))
        assert best == 0
        at += count


def test_written_again_it_is_the_same_file(source, summary, tmp_path):
    again = render_summary(source, np.array(SHOTS), tmp_path / "again.mp4").path
    assert again.read_bytes() == summary.path.read_bytes()


def test_nothing_is_cut_where_one_shot_begins_right_after_another(source, summary, tmp_path):
    touching = render_summary(source, [(5, 8), (9, 12), *SHOTS[1:]], tmp_path / "touching.mp4").path
    packets = []
    for path in (summary.path, touching):
        with av.open(str(path)) as file:
            streams = (file.streams.video, file.streams.audio)
            packets.append([bytes(packet) for packet in file.demux(*streams) if packet.size])
    assert packets[0] == packets[1]


def test_plays_everywhere(summary):
    content = summary.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(summary.path)) as file:
        video, sound, _ = file.streams  # the last one holds the chapters
        assert (video.codec_context.name, video.pix_fmt, sound.codec_context.name) == ("h264", "yuv420p", "aac")
        assert "creation_time" not in file.metadata
        seekable = {packet.pts for packet in file.demux(video) if packet.is_keyframe}
        assert seekable >= {round(frame / 25 * 90000) for frame in (0, 8, 23)}  # where each shot begins


@pytest.mark.parametrize("name", ODD_VIDEOS)
def test_odd_and_damaged_videos_are_summarized(tmp_path, name):
    source = ODD_VIDEOS[name](tmp_path / name)
    reader = VideoReader(source)
    info = reader.info()
    n = info.n_frames
    shots = [(0, 0)] if n < 5 else [(n // 5, 2 * n // 5), (n // 2, n // 2 + n // 4)]
    if n < 3:
        shots = [(0, n - 1)]
    result = render_summary(source, shots, tmp_path / "summary.mp4")
    expected = [
        shown_number(sample.image)
        for sample in sample_frames(reader, square(64), stride=1)
        if any(first <= sample.number <= last for first, last in shots)
    ]
    seconds = sum(end - start for start, end in shot_seconds(shots, reader.times, info.duration))
    written = VideoReader(result.path).info()
    whole = sample_frames(VideoReader(result.path), square(64), stride=1)
    assert [shown_number(sample.image) for sample in whole] == expected
    assert written.n_frames == result.n_frames == len(expected)
    assert written.duration == pytest.approx(seconds, abs=1e-3)
    assert (written.width, written.height) == (info.width + info.width % 2, info.height + info.height % 2)
    said, heard = lengths(result.path)
    with av.open(str(source)) as file:
        assert len(said) == 1 + len([track for track in file.streams.audio if track.codec_context])
    if info.has_audio:
        with av.open(str(result.path)) as file:
            rate = file.streams.audio[0].rate
        assert said[1] == pytest.approx(said[0], abs=1024 / rate)
        assert 0 <= heard - round(result.duration * rate) <= 1024


def test_each_frame_keeps_its_own_duration(tmp_path):
    source = ODD_VIDEOS["variable_rate.mp4"](tmp_path / "source.mp4")
    numbers, times = decode(render_summary(source, [(20, 29), (40, 44)], tmp_path / "summary.mp4").path)
    assert numbers == [*range(20, 30), *range(40, 45)]
    begin = UNEVEN[30] - UNEVEN[20]
    expected = [each - UNEVEN[20] for each in UNEVEN[20:30]] + [begin + each - UNEVEN[40] for each in UNEVEN[40:45]]
    assert times == pytest.approx(expected, abs=1e-4)


def test_wide_pixels_stay_wide(tmp_path):
    source = ODD_VIDEOS["anamorphic.mp4"](tmp_path / "source.mp4")
    with av.open(str(render_summary(source, [(0, 4)], tmp_path / "summary.mp4").path)) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(2, 1)


@pytest.mark.parametrize("name", ["no_audio.mp4", "ten_bit.mp4", "full_range.mp4", "odd_size.mp4"])
def test_brightness_is_the_sources(tmp_path, name):
    source = ODD_VIDEOS[name](tmp_path / name)
    with av.open(str(render_summary(source, [(0, 4)], tmp_path / "summary.mp4").path)) as file:
        image = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert image[4:20].mean() == pytest.approx(DARK, abs=4)
    assert image[28:].mean() == pytest.approx(GREY, abs=4)


@pytest.mark.parametrize(
    ("name", "silent", "loud"),
    [("late_audio.mp4", (0.0, 0.9), (1.1, 1.9)), ("short_audio.mp4", (1.3, 1.9), (0.1, 1.1))],
)
def test_where_the_source_is_silent_there_is_silence(tmp_path, name, silent, loud):
    source = ODD_VIDEOS[name](tmp_path / name)
    sound = decoded_sound(render_summary(source, [(0, 49)], tmp_path / "summary.mp4").path)[0]
    assert np.abs(sound[int(silent[0] * RATE) : int(silent[1] * RATE)]).max() < 0.01
    assert np.abs(sound[int(loud[0] * RATE) : int(loud[1] * RATE)]).max() > 0.3


@pytest.mark.parametrize(
    ("shots", "says"),
    [([], "no shot"), ([(70, 75)], "outside its 75 frames"), ([(10, 5)], "empty"), ([(10, 20), (15, 25)], "sort")],
)
def test_impossible_shots_are_refused_and_nothing_is_lost(source, tmp_path, shots, says):
    to = tmp_path / "summary.mp4"
    to.write_bytes(b"before")
    with pytest.raises(UserError, match=says) as caught:
        render_summary(source, shots, to)
    assert "\n" not in str(caught.value)
    assert to.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [to]


def test_the_source_is_never_overwritten(source):
    before = source.read_bytes()
    with pytest.raises(UserError, match="source video itself"):
        render_summary(source, [(0, 3)], source)
    assert source.read_bytes() == before


def test_a_failing_disk_is_one_line(source, tmp_path, monkeypatch):
    def full(*_, **__):
        raise av.error.OSError(28, "No space left on device")

    monkeypatch.setattr("clipit_lightning.video.render.FrameFlattener", full)
    with pytest.raises(UserError, match="No space left on device"):
        render_summary(source, SHOTS, tmp_path / "summary.mp4")
    assert list(tmp_path.iterdir()) == []


# --- sentences of a script, whose shots may stand in any order


TOLD = {55: "It begins {here}, \\ü 狗 " + 80 * "é ", 5: "Then this."}
JUMPS = [(55, 69), (5, 12), (20, 24), (13, 15)]


@pytest.fixture(scope="module")
def told(source):
    return render_summary(source, JUMPS, source.with_name("told.mp4"), stills=[21, 56], told=TOLD)


def test_shots_of_sentences_stand_in_any_order(told):
    numbers, _ = decode(told.path)
    assert numbers == [*range(55, 70), *range(5, 13), *range(20, 25), *range(13, 16)]
    assert list(told.stills) == [56, 21]


def test_shots_in_any_order_have_their_own_sound(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).normal(0, 0.2, 3 * RATE).clip(-1, 1).astype(np.float32)
    noise = np.convolve(noise, np.ones(16) / 16, "same").astype(np.float32)
    monkeypatch.setattr("tests.support.videos.sound", lambda seconds, of: noise[: round(seconds * of)])
    source = write_video(tmp_path / "noise.mkv", audio="flac")
    heard, begin = decoded_sound(render_summary(source, JUMPS, tmp_path / "summary.mp4", told=TOLD).path)[0], 0
    for first, last in JUMPS:
        count = (last - first + 1) * RATE // 25
        there, here = noise[first * RATE // 25 :][:count], heard[begin : begin + count]
        assert np.corrcoef(there, here)[0, 1] > 0.9  # of noise that is shifted by a few samples, near 0
        begin += count


def test_sentences_are_chapters_and_subtitles(told):
    with av.open(str(told.path)) as file:
        chapters = [(each["start"], each["end"], each["metadata"]["title"]) for each in file.chapters()]
        (track,) = file.streams.subtitles
        packets = [packet for packet in file.demux(track) if packet.size > 2]
    assert [chapter[:2] for chapter in chapters] == [(0, 600), (600, 1240)]
    assert chapters[1][2] == "Then this."
    assert len(chapters[0][2].encode()) <= 255
    assert TOLD[55].startswith(chapters[0][2].removesuffix("…"))
    assert [bytes(packet)[2:].decode() for packet in packets] == list(TOLD.values())
    times = [(float(packet.pts * packet.time_base), float(packet.duration * packet.time_base)) for packet in packets]
    assert np.allclose(times, [(0, 0.6), (0.6, 0.64)])


def test_with_sentences_written_again_it_is_the_same_file_and_overlap_is_refused(told, tmp_path, source):
    again = render_summary(source, JUMPS, tmp_path / "again.mp4", stills=[21, 56], told=TOLD)
    assert again.path.read_bytes() == told.path.read_bytes()
    with pytest.raises(UserError, match="sort the shots"):
        render_summary(source, [(20, 30), (5, 20)], tmp_path / "no.mp4", told={20: "a", 5: "b"})


def test_fades_of_shots_in_any_order_are_those_of_their_cuts(tmp_path):
    def grey(*_):
        return np.full((48, 64, 3), GREY, np.uint8)

    source = write_video(tmp_path / "grey.mp4", 75, draw=grey)
    faded = render_summary(
        source, [(50, 69), (10, 29)], tmp_path / "faded.mp4", Look(fade=0.2), told={50: "a", 10: "b"}
    )
    with av.open(str(faded.path)) as file:
        levels = [frame.to_ndarray(format="rgb24").mean() for frame in file.decode(video=0)]
    assert min(levels[:14] + levels[26:]) > GREY - 5
    assert max(levels[19], levels[20]) < GREY / 2
