"""Curves, bands and spans as the coordinates of SVG pictures, reduced to what a screen can show.

A picture is ``WIDTH`` by ``HEIGHT`` units and is stretched by the page to the width that it has. Coordinates are whole
units, so that a curve of any length takes a few kilobytes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1000, 200
"""Units of a picture, across and down."""
COLUMNS = 400
"""Columns into which a longer curve is reduced; each keeps its smallest and its largest value."""
_TICKS = 4  # gridlines that an axis has at most
_TICKS_ACROSS = 6  # gridlines of the axis across, at most
_ROUND_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)

Numbers = Sequence[float] | NDArray[np.floating]
Unit = Literal["seconds", "frames"]
"""What positions in a video are given in."""


@dataclass(frozen=True)
class Axis:
    """A value axis: which values stand at the bottom and at the top of a picture."""

    low: float
    high: float

    def y(self, values: Numbers) -> NDArray[np.int64]:
        """Distance of each value from the picture's top, in units."""
        share = (self.high - np.asarray(values, dtype=np.float64)) / (self.high - self.low)
        return np.asarray(np.rint(share.clip(0, 1) * HEIGHT), dtype=np.int64)

    @property
    def ticks(self) -> list[tuple[float, str, int]]:
        """Round values for gridlines: value, text, distance from the top in units."""
        step, digits = self._step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [round(number * step, digits) for number in range(first, last + 1)]
        return [(value, f"{value:.{digits}f}", int(self.y([value])[0])) for value in values]

    def text(self, value: float) -> str:
        """A value with a digit more than the gridlines have."""
        return f"{value:.{self._step[1] + 1}f}"

    @property
    def _step(self) -> tuple[float, int]:
        """From one gridline to the next, and the digits after the point that it takes to write them."""
        step = _round_step((self.high - self.low) / _TICKS)
        return step, next(digits for digits in range(20) if math.isclose(round(step, digits), step))


def axis_of(rows: Iterable[Numbers]) -> Axis:
    """The axis that shows all values of some rows, with a little room at both ends; they must be finite."""
    values = np.concatenate([np.asarray(row, dtype=np.float64) for row in rows])
    if not np.isfinite(values).all():
        raise ValueError("a curve holds a value that is not finite")
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or max(abs(high), 1.0) * 0.1
    return Axis(low - room, high + room)


def line(x: Numbers, values: Numbers, length: float, axis: Axis) -> str:
    """The ``points`` of a polyline through values, (points,), at positions x, increasing from 0 to ``length``."""
    across, row = np.asarray(x, dtype=np.float64), np.asarray(values, dtype=np.float64)
    kept = _extremes(_columns(across, length), row) if len(row) > 2 * COLUMNS else np.arange(len(row))
    return _points(_x(across[kept], length), axis.y(row[kept]))


def band(x: Numbers, low: Numbers, high: Numbers, length: float, axis: Axis) -> str:
    """The ``points`` of a polygon between two curves; arguments as for a line."""
    x, low, high = (np.asarray(values, dtype=np.float64) for values in (x, low, high))
    if len(x) > COLUMNS:
        _, first = np.unique(_columns(x, length), return_index=True)
        x, low, high = x[first], np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
    across = _x(x, length)
    return _points(np.append(across, across[::-1]), np.append(axis.y(high), axis.y(low[::-1])))


def spans(pairs: Iterable[tuple[float, float]], length: float) -> str:
    """The ``d`` of a path with a full-height rectangle for each (start, end); those that touch are drawn as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(pairs):
        left, right = _x([start, end], length).tolist()
        right = max(right, min(left + 1, WIDTH))  # what is shorter than a unit is seen all the same
        if joined and left <= joined[-1][1]:
            left, right = joined[-1][0], max(right, joined.pop()[1])
        joined.append((left, right))
    return "".join(f"M{left},0H{right}V{HEIGHT}H{left}z" for left, right in joined)


def cuts(starts: Iterable[float], length: float) -> str:
    """The ``d`` of a path with a line down at each start."""
    return "".join(f"M{left},0V{HEIGHT}" for left in np.unique(_x(list(starts), length)))


def clock(seconds: float) -> str:
    """A time to read: ``0:07``, ``12:30``, ``1:02:05``."""
    minutes, second = divmod(max(0, math.floor(seconds + 0.5)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def moment(at: float, unit: Unit) -> str:
    """A position in a video to read: a time, or a frame number where nobody knows the frames per second."""
    return clock(at) if unit == "seconds" else f"{round(at):,}"


def ticks_of(length: float, unit: Unit) -> list[tuple[str, float]]:
    """Round positions for the axis across: text, and percent of the width."""
    if unit == "seconds":
        step = next((step for step in _ROUND_SECONDS if length / step <= _TICKS_ACROSS), _ROUND_SECONDS[-1])
    else:
        step = max(1, round(_round_step(length / _TICKS_ACROSS)))
    return [(moment(at, unit), round(100 * at / length, 2)) for at in range(0, math.floor(length) + 1, step)]


def _x(positions: Numbers, length: float) -> NDArray[np.int64]:
    return np.asarray(np.rint((np.asarray(positions) / length).clip(0, 1) * WIDTH), dtype=np.int64)


def _columns(x: Numbers, length: float) -> NDArray[np.int64]:
    return (np.asarray(x, dtype=np.float64) / length * COLUMNS).astype(np.int64)


def _extremes(columns: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the smallest and the largest value of each column, in order."""
    first = np.unique(columns, return_index=True)[1]
    kept = {0, len(values) - 1}
    for start, column in zip(first, np.split(values, first[1:]), strict=True):
        kept |= {int(start + column.argmin()), int(start + column.argmax())}
    return np.array(sorted(kept), dtype=np.int64)


def _points(x: NDArray[np.int64], y: NDArray[np.int64]) -> str:
    return " ".join(f"{left},{down}" for left, down in zip(x, y, strict=True))


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below ``least``."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))
