"""Sound of each step, compared with its description written out frame by frame."""

import math

import numpy as np
import pytest

from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.extract import extract_features
from clipit_lightning.video.log_mel import frame_levels, log_mel_statistics, mel_filters
from clipit_lightning.video.reader import VideoReader
from tests.support.videos import sound, write_video

RATE = 16_000
PCM = {"codec": "ffv1", "audio": "pcm_s16le", "sample_rate": RATE}


def level(power):
    return min(1, max(0, (80 + 10 * math.log10(max(power, 1e-30))) / 80))


def naive(samples, begin, borders):
    """The columns of each step of sound, mono at 16 kHz, that begins at a sample."""
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)]
    wave = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
    corners = [700 * (10 ** (mel / 2595) - 1) for mel in np.linspace(0, 2595 * math.log10(1 + 8000 / 700), 30)]
    of_steps = [[] for _ in borders[:-1]]
    before = None
    for first in range(0, begin + len(samples) - 399, 160):
        if first < begin:
            continue
        cut = samples[first - begin : first - begin + 400]
        power = np.abs(wave @ (cut * window)) ** 2 / (sum(window) / 2) ** 2
        bands = []
        for low, top, high in zip(corners, corners[1:], corners[2:], strict=False):
            heights = [max(0, min((f - low) / (top - low), (high - f) / (high - top))) for f in np.arange(257) * 31.25]
            bands.append(level(power @ heights))
        loud = level(np.mean(cut**2))
        centroid = power @ np.linspace(0, 1, 257) / power.sum() if power.sum() > 1e-8 else 0
        flux = 0 if before is None else np.mean(np.abs(np.subtract(bands, before)))
        before = bands
        for step, frames in enumerate(of_steps):
            if borders[step] <= (first + 200) / RATE < borders[step + 1]:
                frames.append([*bands, loud, flux, centroid, loud <= 0.25])
    rows = []
    for frames in of_steps:
        if not frames:
            rows.append(np.zeros(64))
            continue
        bands, (loud, flux, centroid, quiet) = np.array(frames)[:, :28], np.array(frames)[:, 28:].T
        row = [*bands.mean(0), *bands.std(0), loud.mean(), loud.std(), loud.max(), flux.mean()]
        row += [centroid.mean(), centroid.std(), quiet.mean()]
        rows.append([*(np.array(row) / 8), 1])
    return np.array(rows)


def heard(path, **sampling):
    made = extract_features(path, make_encoder("hsv"), streams=("audio",), **sampling)
    return made.streams["audio"], np.append(made.frame_times[made.picks], made.info.duration)


@pytest.mark.parametrize(
    ("n_frames", "options", "sampling"),
    [
        (60, {}, {}),
        (60, {"layout": "stereo"}, {"stride": 7}),
        (60, {"audio_seconds": 1.03}, {"rate": 4.0}),
        (40, {"audio_start": 0.36}, {"rate": 4.0}),
        (3, {"width": 65, "height": 49, "pix_fmt": "yuv444p"}, {}),
        (1, {}, {}),
        (40, {"audio_seconds": 0.02}, {}),
        (100, {"audio_seconds": 3.9}, {"rate": 1.0}),
    ],
    ids=["mono", "stereo", "sound is shorter", "sound is later", "odd size", "a frame", "too short", "several seconds"],
)
def test_columns_are_those_of_the_description(tmp_path, n_frames, options, sampling):
    path = write_video(tmp_path / "a.mkv", n_frames, **PCM | options)
    columns, borders = heard(path, **sampling)
    assert (columns.shape, columns.dtype) == ((len(borders) - 1, 64), np.float32)
    samples = (sound(options.get("audio_seconds", n_frames / 25), RATE) * 32768).round() / 32768
    expected = naive(samples, round(options.get("audio_start", 0) * RATE), borders)
    np.testing.assert_allclose(columns, expected, atol=2e-4)
    assert 0 <= columns.min() <= np.linalg.norm(columns[:, :-1], axis=1).max() <= 1
    np.testing.assert_array_equal(heard(path, **sampling)[0], columns)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_without_sound_all_is_missing_and_silence_is_not(tmp_path, seconds):
    none, _ = heard(write_video(tmp_path / "none.mp4", 50, audio=None))
    assert none.shape == (4, 64)
    assert not none.any()
    path = write_video(tmp_path / "part.mkv", 50, **PCM, audio_seconds=seconds or 0.001)
    assert heard(path)[0][:, -1].tolist() == ([1, 1, 0, 0] if seconds else [0, 0, 0, 0])
    bands, loudness, centroid = frame_levels(np.zeros((2, 400)))
    assert not bands.any()
    assert not loudness.any()
    assert not centroid.any()


def test_a_higher_tone_is_heard_in_a_higher_band(tmp_path):
    """The tone of second s has 400 + 300 s Hz; lossy sound at another rate is resampled."""
    columns, _ = heard(write_video(tmp_path / "a.mp4", 100), rate=1.0)
    heard_in = columns[:, :28].argmax(axis=1)
    tops = mel_filters().argmax(axis=1) * 31.25
    assert np.abs(tops[heard_in] - [400, 700, 1000, 1300]).max() < 100
    assert (np.diff(columns[:, 60]) > 0).all()


def test_triangles_have_a_top_of_one_and_leave_no_bin_between_them_out():
    filters = mel_filters()
    assert filters.shape == (28, 257)
    assert filters.max(axis=1).min() > 0.5
    assert (filters.sum(axis=0)[5:-25] > 0.9).all()


def test_borders_cut_the_sound_wherever_blocks_end(tmp_path):
    """Statistics of halves of a step are those of the step, by their numbers of frames."""
    path = write_video(tmp_path / "a.mkv", 100, **PCM)
    start = (reader := VideoReader(path)).info() and reader.start
    (whole,) = log_mel_statistics(path, start, np.array([0, 4.0]))
    parts = log_mel_statistics(path, start, np.array([0, 1.0, 2.0, 3.0, 4.0]))
    counts = np.array([99, 100, 100, 99])  # middles at 12.5, 22.5, ... ms, and no frame beyond the end
    np.testing.assert_allclose(whole[:28], counts @ parts[:, :28] / counts.sum(), atol=1e-6)
    assert whole[58] == parts[:, 58].max()
