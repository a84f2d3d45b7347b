"""Fades at the cuts of a summary: a level from 0 to 1 for every second of the source, of its picture and its sound."""

from collections.abc import Sequence

import numpy as np
from av.video.frame import VideoFrame

from clipit_lightning.video.frames import plane_values
from clipit_lightning.video.sound import Level


def fade_level(seconds: float, spans: Sequence[tuple[float, float]]) -> Level:
    """The level at seconds of the source, where these spans of it are shown one after another.

    At each cut it falls to 0 and rises from it again, for so many seconds, at most half of a span. The first span
    begins and the last one ends at 1.
    """
    points = list[tuple[float, float, float, float]]()
    for number, (start, end) in enumerate(spans):
        length = min(seconds, (end - start) / 2)
        points += [(start, 0, start, float(number == 0)), (start, 1, start + length, 1.0)]
        points += [(start, 2, end - length, 1.0), (start, 3, end, float(number == len(spans) - 1))]
    points.sort()  # spans need not be shown in order of time
    times, levels = ([point[column] for point in points] or [1.0] for column in (2, 3))
    return lambda at: np.interp(at, times, levels)


def dim(frame: VideoFrame, level: float) -> None:
    """Draw a frame, YUV in limited range, towards black; at 1 it stays as it is."""
    if level >= 1:
        return
    for index, component in enumerate(frame.format.components):
        values = plane_values(frame, index)
        black = (16 if index == 0 else 128) << (component.bits - 8)
        values[...] = np.rint(black + level * (values.astype(np.float32) - black))
