"""How far this process is with its videos: a line a video, and on a terminal one that counts while a video is read."""

import math
import sys
import time
from collections.abc import Mapping

from rich.console import Console
from rich.live import Live
from rich.text import Text

from clipit_lightning.core.log import log, printable

PAUSE = 20.0
"""Seconds between two lines on one video where the output is no terminal."""


class Progress:
    """Logs a line a video, with the time left; a context manager, which removes the counting line in the end.

    Time is shared out by the files' bytes, ``sizes`` by the videos' numbers, because a video's length is not known
    before it is decoded. A prefix says which process this is, where there are several.
    """

    def __init__(self, sizes: Mapping[int, int], prefix: str = "") -> None:
        self._left, self._prefix = dict(sizes), prefix
        self._total, self._done, self._started = len(sizes), 0, time.monotonic()
        self._name, self._logged = "", self._started  # of the video that is read now
        self._first = self._started, 0.0  # when it was first shown, and how far it was
        self._counts = sys.stderr.isatty() and not prefix
        # Lines go to standard output, which may be a file: nothing of it is redirected through the display.
        self._live = Live(console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def at(self, name: str, seconds: float, duration: float | None = None) -> None:
        """Show how far a video is read, of so many seconds where that is known.

        On a terminal it is one line that counts; elsewhere a line every ``PAUSE`` seconds, where the duration is known.
        """
        now = time.monotonic()
        if name != self._name:
            self._name, self._first = name, (now, seconds)
        line = f"[{self._total - len(self._left) + 1}/{self._total}] {printable(name)}: at {_clock(seconds)}"
        if duration and seconds:
            line += f" of {_clock(max(duration, seconds))}"
            begun, start = self._first
            if seconds > start:
                line += f"; about {rough((now - begun) * max(0.0, duration - seconds) / (seconds - start))} left"
        if self._counts:
            self._live.start()
            self._live.update(Text(line + ("" if duration else self._time_left()), no_wrap=True, overflow="ellipsis"))
        elif duration and now - self._logged >= PAUSE:
            self._logged = now
            log.info(line)

    def finished(self, number: int, result: str, note: str | None = None) -> None:
        """Log a note on a video, and the line with its result."""
        self._done += self._left.pop(number)
        self._live.stop()
        if note:
            log.info(note)
        log.info(f"{self._prefix}[{self._total - len(self._left)}/{self._total}] {result}{self._time_left()}")

    def _time_left(self) -> str:
        left = sum(self._left.values())
        if not left or not self._done:
            return ""
        return f"; about {rough((time.monotonic() - self._started) * left / self._done)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def rough(seconds: float) -> str:
    """A duration in the unit that fits."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
