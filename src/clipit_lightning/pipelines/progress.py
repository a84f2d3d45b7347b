"""How far this process is with its videos: a line a video, and on a terminal one that counts while a video is read."""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence

_WIDTH = 100  # characters of the counting line; a longer one would wrap, and could not be written over


class Progress:
    """Says a line a video, with the time left.

    Time is shared out by the files' bytes, because a video's length is not known before it is decoded.

    Args:
        sizes: Bytes of each video that this process has to do, by its number.
        say: Takes a line.
        who: Which process this is, where there are several.
    """

    def __init__(self, sizes: Mapping[int, int], say: Callable[[str], None], who: str = "") -> None:
        self._left, self._say, self._who = dict(sizes), say, who
        self._total, self._done, self._started = len(sizes), 0, time.monotonic()
        self._counts = sys.stderr.isatty() and not who
        self._shown = -math.inf

    def at(self, name: str, seconds: float) -> None:
        """On a terminal, show how far a video is read; at most five times a second."""
        if not self._counts or time.monotonic() - self._shown < 0.2:
            return
        self._shown = time.monotonic()
        minutes, rest = divmod(int(seconds), 60)
        line = f"[{self._total - len(self._left) + 1}/{self._total}] {name}: at {minutes}:{rest:02d}{self._time_left()}"
        print(f"\r\x1b[K{line[:_WIDTH]}", end="", file=sys.stderr, flush=True)

    def finished(self, number: int, result: str, notes: Sequence[str] = ()) -> None:
        """Say a video's notes, and the line with its result."""
        self._done += self._left.pop(number)
        if self._counts:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        for note in notes:
            self._say(note)
        self._say(f"{self._who}[{self._total - len(self._left)}/{self._total}] {result}{self._time_left()}")

    def _time_left(self) -> str:
        left = sum(self._left.values())
        if not left or not self._done:
            return ""
        return f"; about {rough((time.monotonic() - self._started) * left / self._done)} left"


def rough(seconds: float) -> str:
    """A duration in the unit that fits."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
