"""Every kind of input: the budget is kept, sound stays with the picture, and a second run gives the same bytes."""

import json

import av
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.pipelines.summaries import summarize
from clipit_lightning.pipelines.summary import FILES
from clipit_lightning.summary.budget import Budget
from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.reader import VideoReader
from tests.support.videos import ODD_VIDEOS, RATE, shown_number

pytestmark = pytest.mark.slow
HSV = make_encoder("hsv")
WINDOW = RATE // 50  # samples of which the tone is looked at


def heard(path, start, seconds):
    """The first seconds of sound of a file from ``start`` on, where its clock puts it: samples (samples,) at 48 kHz."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    with av.open(str(path)) as file:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        for frame in file.decode(file.streams.best("audio")):
            at = round((frame.time - start) * RATE)
            for block in resampler.resample(frame):
                row = block.to_ndarray()[0][max(0, -at) :]
                room = samples[max(0, at) : max(0, at) + len(row)]
                room[:] = row[: len(room)]
                at += block.samples
    return samples


def tone_changes(samples):
    """Seconds at which the tone of a second becomes that of the next."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[:: RATE // 500]  # 2 ms apart
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(WINDOW)))  # (windows, tones of 50 Hz)
    tones = np.where(spectrum.max(axis=1) > 5, spectrum.argmax(axis=1) * 50, 0)
    changes = []
    for number in range(3):
        low, high = (np.abs(tones - (400 + 300 * second)) < 100 for second in (number, number + 1))
        for at in np.flatnonzero(low[:-1] & ~low[1:]):
            if low[max(0, at - 10) : at].all() and high[at + 10 : at + 20].all():
                changes.append((at + np.argmax(high[at:]) / 2) / 500 + WINDOW / 2 / RATE)
                break
    return changes


def in_summary(seconds, shots):
    """Where seconds of the source, but those near a cut, are in its summary."""
    at, found = 0.0, []
    for shot in shots:
        start, end = shot["start_seconds"], shot["end_seconds"]
        found += [at + second - start for second in seconds if start + 0.06 < second < end - 0.06]
        at += end - start
    return found


@pytest.mark.parametrize("name", ODD_VIDEOS)
def test_odd_and_damaged_videos_are_summarized(name, tmp_path, caplog):
    video, to = ODD_VIDEOS[name](tmp_path / name), tmp_path / "to"
    if name == "single_frame.mp4":
        with pytest.raises(UserError, match="less than a frame"):
            summarize(video, to, HSV, budget=0.15)
    whole = 1.0 if name in ("single_frame.mp4", "two_frames_with_sound.mp4") else 0.4
    summarize(video, to, HSV, budget=Budget(share=whole))
    written = json.loads((to / "summary.json").read_text())
    info, shots = written["video"], [shot for shot in written["shots"] if shot["chosen"]]
    with av.open(str(to / "summary.mp4")) as file:
        lengths = {stream.type: float(stream.duration * stream.time_base) for stream in file.streams}
        frames = [shown_number(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    length = sum(shot["end_seconds"] - shot["start_seconds"] for shot in shots)
    frame = info["duration"] / info["n_frames"]
    assert 0 < lengths["video"] <= whole * info["duration"] + 1e-4
    assert abs(lengths["video"] - length) <= 1e-3
    assert abs(lengths.get("audio", lengths["video"]) - lengths["video"]) <= max(frame, 0.025)
    assert len(frames) == written["summary"]["n_frames"] <= whole * info["n_frames"]
    if info["warning"]:
        assert info["warning"] in caplog.messages
        assert "frames are lost" in (to / "summary.html").read_text()
    if info["has_audio"] and not name.startswith(("cut_off", "noise")):
        reader = VideoReader(video)
        next(iter(reader))
        expected = in_summary(tone_changes(heard(video, reader.start, info["duration"])), shots)
        assert expected or not name.startswith(
            ("matroska", "offset", "late_start", "variable", "several", "ten", "dvd")
        )
        assert in_summary(
            tone_changes(heard(to / "summary.mp4", 0.0, length)), [{"start_seconds": 0, "end_seconds": length}]
        ) == (pytest.approx(expected, abs=0.025))
    before = {file: (to / file).read_bytes() for file in FILES}
    summarize(video, to, HSV, budget=Budget(share=whole))
    assert {file: (to / file).read_bytes() for file in FILES} == before
