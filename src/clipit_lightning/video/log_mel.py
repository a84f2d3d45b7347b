"""What a video sounds like around each step: statistics of its log-mel spectrum.

The sound is the mean of the channels of the track that a player would choose, at 16 kHz. It is cut into frames of
25 ms, one each 10 ms, whose spectrum under a Hann window is summed in 28 triangles, equally wide on the mel scale,
2595 log10(1 + f / 700), from 0 to 8 kHz.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from av.audio.stream import AudioStream
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from clipit_lightning.video.reader import open_video
from clipit_lightning.video.sound import is_known, sound_blocks

RATE = 16_000
"""Samples a second."""
FRAME, HOP, FOURIER = 400, 160, 512
"""Samples of a frame, from frame to frame, and of its Fourier transform."""
BANDS = 28
FLOOR = 80.0
"""Decibels below full scale at which a level is 0."""
QUIET = 60.0
"""Decibels below full scale from which on a frame is quiet."""
WIDTH = 64
"""Columns of the stream."""
SCALE = 1 / 8
"""What columns but the mask are multiplied with, so that all of them have a norm of at most 1, as what is seen has."""
DEFINITION = f"audio-1: {BANDS} log-mel bands of {FRAME} samples each {HOP} at {RATE} Hz, statistics a step"

_AT_ONCE = 256  # frames


def log_mel_statistics(path: Path, start: float, borders: NDArray[np.float64]) -> NDArray[np.float32]:
    """Statistics of the sound of each step. Decoded in sequence; what is held grows with the steps alone.

    A step has the frames whose middle is in it. A level is (80 + decibels below full scale) / 80, 0 to 1: of a band, of
    its power, where a full sine within it has about 1; loudness is the level of the frame's mean square. Columns, all
    but the mask times 1/8:

    - 0 to 27: mean level of each band, from low to high, over the frames; 28 to 55: standard deviation;
    - 56, 57, 58: mean, standard deviation and maximum of the loudness;
    - 59: mean flux: the mean absolute change of the bands' levels from the frame before;
    - 60, 61: mean and standard deviation of the spectrum's centroid by power, over 8 kHz, 0 in silence;
    - 62: share of quiet frames, whose loudness is 60 decibels or more below full scale;
    - 63: the mask: 1, or 0 where there is no sound: no track, before or after it, or a hole; then all is 0.

    Args:
        path: The video.
        start: The file's own time, in seconds, of time 0.
        borders: Seconds at which steps begin, and at which the last one ends, increasing, (steps + 1,).

    Returns:
        (steps, 64).

    Raises:
        UserError: The file cannot be opened.
    """
    sums = _Sums(borders)
    with open_video(path) as file:
        stream = file.streams.best("audio")
        if isinstance(stream, AudioStream) and is_known(stream):
            layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
            blocks = sound_blocks(file, stream, RATE, layout, start)
            for first, samples in _runs((at, block.mean(axis=0)) for at, block in blocks):
                sums.add(first, samples)
    return sums.columns()


def _runs(blocks: Iterator[tuple[int, NDArray[np.float32]]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Sound without holes, with its position, which is on the grid of frames and so that no frame is there twice.

    A frame that would reach over a hole is omitted; what comes twice counts once.
    """
    begin, held, most = 0, np.empty(0, np.float32), (_AT_ONCE - 1) * HOP + FRAME
    for position, block in blocks:
        skip = begin + len(held) - position  # samples that came before
        if skip < 0 or not len(held):
            yield begin, held
            begin = max(0, -(-position // HOP) * HOP)
            held, skip = held[:0], begin - position
        held = np.append(held, block[skip:])
        while len(held) >= most:
            yield begin, held[:most]
            begin, held = begin + _AT_ONCE * HOP, held[_AT_ONCE * HOP :]
    yield begin, held


class _Sums:
    """Sums over the frames of each step."""

    def __init__(self, borders: NDArray[np.float64]) -> None:
        steps, values = len(borders) - 1, BANDS + 4  # bands, loudness, centroid, flux, quiet
        self.borders = borders
        self.count = np.zeros(steps)
        self.sum, self.squares = np.zeros((steps, values)), np.zeros((steps, values))
        self.loudest = np.zeros(steps)
        self._before: tuple[int, NDArray[np.float64]] | None = None

    def add(self, first: int, samples: NDArray[np.float32]) -> None:
        """Add the frames of samples that begin at a position."""
        if len(samples) < FRAME:
            return
        frames = sliding_window_view(samples, FRAME)[::HOP].astype(np.float64)  # (frames, samples)
        bands, loudness, centroid = frame_levels(frames)
        follows = self._before is not None and self._before[0] == first
        before = self._before[1] if follows and self._before is not None else bands[0]
        flux = np.abs(np.diff(bands, axis=0, prepend=before[None])).mean(axis=1)  # (frames,)
        self._before = first + len(frames) * HOP, bands[-1]
        middle = (first + HOP * np.arange(len(frames)) + FRAME / 2) / RATE  # (frames,) seconds
        quiet = loudness <= 1 - QUIET / FLOOR
        values = np.column_stack([bands, loudness, centroid, flux, quiet])  # (frames, bands + 4)
        step = np.searchsorted(self.borders, middle, side="right") - 1  # (frames,)
        inside = (step >= 0) & (step < len(self.count))
        step, values = step[inside], values[inside]
        np.add.at(self.count, step, 1)
        np.add.at(self.sum, step, values)
        np.add.at(self.squares, step, values**2)
        np.maximum.at(self.loudest, step, values[:, BANDS])

    def columns(self) -> NDArray[np.float32]:
        """(steps, 64)."""
        count = np.maximum(self.count, 1)[:, None]  # (steps, 1)
        mean = self.sum / count
        deviation = np.sqrt(np.maximum(self.squares / count - mean**2, 0))
        loudness, centroid, flux, quiet = range(BANDS, BANDS + 4)
        columns = [
            *(mean[:, :BANDS], deviation[:, :BANDS]),
            *(mean[:, loudness], deviation[:, loudness], self.loudest),
            *(mean[:, flux], mean[:, centroid], deviation[:, centroid], mean[:, quiet]),
        ]
        return np.column_stack([SCALE * np.column_stack(columns), self.count > 0]).astype(np.float32)


def frame_levels(frames: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Levels of the bands, (frames, 28), loudness and centroid, (frames,), of frames of sound, (frames, 400)."""
    window = np.hanning(FRAME + 1)[:-1]
    spectrum = np.abs(fft.rfft(frames * window, FOURIER, axis=1)) ** 2  # (frames, bins)
    power = spectrum / (window.sum() / 2) ** 2  # of a full sine 1 at its frequency
    total = power.sum(axis=1)  # (frames,)
    bins = np.linspace(0, 1, FOURIER // 2 + 1)  # (bins,) over 8 kHz
    centroid = np.where(total > 10 ** (-FLOOR / 10), power @ bins / np.maximum(total, 1e-30), 0)
    return _level(power @ mel_filters().T), _level((frames**2).mean(axis=1)), centroid


def _level(power: NDArray[np.float64]) -> NDArray[np.float64]:
    decibels = 10 * np.log10(np.maximum(power, 1e-30))
    return np.clip(1 + decibels / FLOOR, 0, 1)


@cache
def mel_filters() -> NDArray[np.float64]:
    """Triangles over the bins of the spectrum, 1 at their tops, (28, 257)."""
    highest = 2595 * np.log10(1 + RATE / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1)  # (bands + 2,) hertz
    bins = np.linspace(0, RATE / 2, FOURIER // 2 + 1)  # (bins,) hertz
    low, top, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles: NDArray[np.float64] = np.minimum((bins - low) / (top - low), (high - bins) / (high - top)).clip(0)
    return triangles
