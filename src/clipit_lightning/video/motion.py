"""How a video moves around each step: differences and shifts from frame to frame, on small grey pictures.

The shift is found by phase correlation: the inverse Fourier transform of the two pictures' cross-power spectrum, of
which only the phase is kept, has its peak at the shift, and the peak is high where all of the picture moves alike.
"""

import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray
from scipy import fft

from clipit_lightning.video.frames import orientation, upright
from clipit_lightning.video.hdr import tone_mapped
from clipit_lightning.video.reader import Frame

SIDE = 64
"""Pixels of a side of the small pictures."""
CELLS = 4
"""Cells of a side in which differences are told apart."""
CHANGED = 0.1
"""Difference, of 1 from black to white, from which on a pixel has changed."""
WIDTH = 32
"""Columns of the stream."""
DEFINITION = f"motion-1: differences and phase correlation of frames at {SIDE} x {SIDE}, {CELLS} x {CELLS} cells"

_ROW = CELLS**2 + 7  # of a pair of frames: cells, difference, changed, x, y, peak, residual, brightness
_HANN = np.outer(*[np.hanning(SIDE + 2)[1:-1]] * 2)  # (side, side)
_PHASE = 1e-6  # below this, of 1 from black to white, a frequency has no phase


class Small:
    """A small grey picture, 0 to 255, (side, side): as shares of 1, and its spectrum under a Hann window."""

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        self.shown = grey.astype(np.float32) / np.float32(255)  # (side, side)
        self.mean = self.shown.mean(dtype=np.float64)
        self.spectrum = fft.rfft2((self.shown - self.mean) * _HANN)  # (side, side / 2 + 1)


class MotionMeter:
    """Measures motion step by step while a video is decoded; holds two small pictures and the sums of a step.

    A step has the pairs of neighbouring frames whose second one is in it, from its pick to before the next one's. All
    grey levels run from 0 to 1, all shifts are shares of the picture's side, x to the right and y down. Columns:

    - 0 to 15: mean absolute difference in each of 4 x 4 cells, row by row, mean over the pairs;
    - 16, 17, 18: mean, standard deviation and maximum over the pairs of the mean absolute difference of the picture;
    - 19, 20: mean and maximum of the share of pixels that differ by more than 0.1;
    - 21, 22: mean shift in x and in y, signed, by phase correlation under a Hann window, to a part of a pixel;
    - 23, 24, 25: mean, standard deviation and maximum of the length of the shift;
    - 26, 27: mean and minimum of the peak of the phase correlation, 1 for a pure shift;
    - 28, 29: mean and maximum of what is left of the difference where the first picture is shifted (by whole pixels,
      around its edges);
    - 30: mean absolute change of the mean grey level;
    - 31: the mask: 1, or 0 for a step without a pair, as the only step of a single frame; then all is 0.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._last: Small | None = None
        self._pending: NDArray[np.float64] | None = None
        self._sums = _Sums()
        self._began = False
        self._steps: list[NDArray[np.float32]] = []

    def see(self, frame: Frame) -> None:
        """Take the next frame of the video."""
        how = orientation(frame.picture)
        small = self._reformatter.reformat(
            tone_mapped(frame.picture),
            SIDE,
            SIDE,
            "gray",
            interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        picture = Small(upright(small.to_ndarray(), how))
        self._take_pending()
        if self._last is not None:
            self._pending = pair_motion(self._last, picture)
        self._last = picture

    def begin_step(self) -> None:
        """Begin a step with the frame that was seen last; its pair with the frame before belongs to the step."""
        if self._began:
            self._steps.append(self._sums.columns())
        self._sums, self._began = _Sums(), True

    def finish(self) -> NDArray[np.float32]:
        """The columns of all steps, (steps, 32); the last one lasts until the last frame."""
        self._take_pending()
        return np.stack([*self._steps, self._sums.columns()])

    def _take_pending(self) -> None:
        if self._pending is not None:
            self._sums.add(self._pending)
        self._pending = None


class _Sums:
    """Sums, sums of squares, maxima and minima over the pairs of a step."""

    def __init__(self) -> None:
        self.count = 0
        self.sum, self.squares = np.zeros(_ROW + 1), np.zeros(_ROW + 1)
        self.most, self.least = np.full(_ROW + 1, -np.inf), np.full(_ROW + 1, np.inf)

    def add(self, row: NDArray[np.float64]) -> None:
        x, y = row[CELLS**2 + 2 : CELLS**2 + 4]
        values = np.append(row, np.hypot(x, y))  # (row + 1,)
        self.count += 1
        self.sum += values
        self.squares += values**2
        self.most, self.least = np.maximum(self.most, values), np.minimum(self.least, values)

    def columns(self) -> NDArray[np.float32]:
        if not self.count:
            return np.zeros(WIDTH, np.float32)
        mean = self.sum / self.count
        deviation = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        difference, changed, x, y, peak, residual, brightness, length = range(CELLS**2, _ROW + 1)
        columns = [
            *mean[: CELLS**2],
            *(mean[difference], deviation[difference], self.most[difference]),
            *(mean[changed], self.most[changed]),
            *(mean[x], mean[y]),
            *(mean[length], deviation[length], self.most[length]),
            *(mean[peak], self.least[peak]),
            *(mean[residual], self.most[residual]),
            mean[brightness],
            1.0,
        ]
        return np.array(columns, np.float32)


def pair_motion(first: Small, second: Small) -> NDArray[np.float64]:
    """What moved from one picture to the next.

    Returns:
        Mean absolute difference of each cell, then of all; the share of changed pixels; the shift in x and y, shares of
        the side; the peak; the residual; the absolute change of the mean, (cells + 7,).
    """
    difference = np.abs(second.shown - first.shown)  # (side, side)
    cell = SIDE // CELLS
    cells = difference.reshape(CELLS, cell, CELLS, cell).mean(axis=(1, 3), dtype=np.float64)  # (cells, cells)
    x, y, peak = phase_shift(first, second)
    moved = np.roll(first.shown, (round(y), round(x)), axis=(0, 1))
    changed = (difference > CHANGED).mean()
    residual = np.abs(second.shown - moved).mean(dtype=np.float64)
    brightness = abs(second.mean - first.mean)
    return np.array([*cells.ravel(), cells.mean(), changed, x / SIDE, y / SIDE, peak, residual, brightness])


def phase_shift(first: Small, second: Small) -> tuple[float, float, float]:
    """How far a picture is shifted, in x and in y, pixels, and the height of the peak, 0 to 1; all 0 of plain ones.

    The peak's place among pixels is the vertex of the parabola through it and its two neighbours.
    """
    cross = second.spectrum * first.spectrum.conj()  # (side, side / 2 + 1)
    size = np.abs(cross)
    with_phase = size > _PHASE
    if not with_phase.any():
        return 0.0, 0.0, 0.0
    correlation = fft.irfft2(np.where(with_phase, cross / np.maximum(size, _PHASE), 0), (SIDE, SIDE))
    row, column = divmod(int(correlation.argmax()), SIDE)
    y = row + _vertex(*correlation[[row - 1, row, (row + 1) % SIDE], column].tolist())
    x = column + _vertex(*correlation[row, [column - 1, column, (column + 1) % SIDE]].tolist())
    half = SIDE / 2
    return (x + half) % SIDE - half, (y + half) % SIDE - half, float(np.clip(correlation[row, column], 0, 1))


def _vertex(before: float, at: float, after: float) -> float:
    """Where the parabola through three values in a row, of which the middle one is the largest, has its top."""
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else max(-0.5, min(0.5, (before - after) / (2 * bend)))
