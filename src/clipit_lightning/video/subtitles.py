r"""SubRip (``.srt``) and WebVTT (``.vtt``) subtitles to texts with times, tolerant of what real files do.

SubRip has no standard; WebVTT is https://www.w3.org/TR/webvtt1. Taken as they come: byte order marks, any line ends, a
comma or a point before the milliseconds, hours left out, missing or repeated numbers, cues that overlap, empty lines
inside a cue, settings behind the times. Markup (``<i>``, ``<c.red>``, ``{\an8}``) and entities are taken out; lines of
a cue are joined. What is not text of a cue is left out: NOTE, STYLE and REGION blocks.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from clipit_lightning.core.errors import UserError

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_LIKE_CLOCK = re.compile(r"\s*\d+:")
_TIMES = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_NOT_CUES = re.compile(r"^(NOTE|STYLE|REGION)(\s|$)")
_TIME_LINE = "00:00:01,000 --> 00:00:02,500"


class Cue(NamedTuple):
    """A text and the seconds that it holds for."""

    start: float
    end: float
    text: str


def decode_text(content: bytes) -> str:
    """Text of a file of unknown encoding: by its byte order mark, else UTF-8, else Latin-1.

    Raises:
        ValueError: It is no text: it holds zero bytes.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise ValueError("not a text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


@dataclass
class _OpenCue:
    """A cue whose lines are being gathered."""

    start: float
    end: float
    lines: list[tuple[int, str, bool]] = field(default_factory=list)
    """Number of the line, the line, and whether an empty line came before it in the cue."""


def parse_cues(path: Path, text: str, vtt: bool) -> list[Cue]:
    """Read all cues that have a text, in the file's order.

    Args:
        path: For messages.
        text: The whole file.
        vtt: WebVTT, which says so in its first line; else SubRip.

    Raises:
        UserError: A time line is damaged or missing; the message names the line.
    """
    lines = re.split(r"\r\n|\r|\n", text)  # not splitlines: Latin-1 files hold bytes that it takes for line ends
    if vtt and not lines[0].startswith("WEBVTT"):
        raise UserError(f"{path}: line 1: a .vtt file starts with WEBVTT; name it .srt if it is SubRip")
    cues: list[Cue] = []
    cue: _OpenCue | None = None
    gap, skipped = True, vtt  # after an empty line; inside the header or a comment, up to the next empty line
    for number, line in enumerate(lines, 1):
        if not line.strip():
            gap, skipped = True, False
            continue
        skipped = skipped or (vtt and gap and bool(_NOT_CUES.match(line)))
        if skipped:
            continue
        if times := _times(path, number, line, expected=gap or bool(_LIKE_CLOCK.match(line))):
            cues += _closed(path, cue, number, vtt)
            cue, gap = _OpenCue(*times), False
        elif cue is not None:
            cue.lines.append((number, line, gap))
        elif not vtt and not line.strip().isdigit():
            raise UserError(f"{path}: line {number}: text before the first time line; write one, as {_TIME_LINE}")
    return cues + _closed(path, cue, len(lines) + 2, vtt)


def _times(path: Path, number: int, line: str, expected: bool) -> tuple[float, float] | None:
    """Start and end in seconds where a line gives them; an arrow in a text is no time line."""
    found = _TIMES.match(line)
    if not found:
        if "-->" in line and expected:
            raise UserError(f"{path}: line {number}: not a time line: {line.strip()[:60]!r}; write it as {_TIME_LINE}")
        return None
    start, end = _seconds(found.groups()[:4]), _seconds(found.groups()[4:])
    if end < start:
        raise UserError(f"{path}: line {number}: the cue ends before it starts: {line.strip()[:60]!r}")
    return start, end


def _seconds(clock: Sequence[str | None]) -> float:
    hours, minutes, seconds = (int(part or 0) for part in clock[:3])
    return 3600 * hours + 60 * minutes + seconds + int((clock[3] or "0").ljust(3, "0")) / 1000


def _closed(path: Path, cue: _OpenCue | None, next_times: int, vtt: bool) -> list[Cue]:
    """The finished cue, or nothing where it has no text. The number of the next cue is not part of it.

    After an empty line WebVTT has only names of cues; in SubRip it is more text, and a number there has lost its times.
    """
    if cue is None:
        return []
    lines = cue.lines
    if lines and lines[-1][0] == next_times - 1 and lines[-1][1].strip().isdigit():
        lines = lines[:-1]
    if vtt:
        lines = [each for each in lines if not each[2]]
    if lost := [number for number, line, gap in lines if gap and line.strip().isdigit()]:
        raise UserError(
            f"{path}: line {lost[0] + 1}: the cue has no time line; write one, as {_TIME_LINE}, or remove it"
        )
    text = " ".join(html.unescape(_MARKUP.sub("", line)) for _, line, _ in lines)
    return [Cue(cue.start, cue.end, " ".join(text.split()))] if text.strip() else []
