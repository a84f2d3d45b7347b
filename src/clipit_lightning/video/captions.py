"""Captions that a user brings, as JSON with times or as subtitles, and which frames a model should caption.

JSON: a list, or an object with a list under ``captions``, of ``{"time": 12.5, "text": "a dog runs"}`` or
``{"start": 12.5, "end": 14, "text": "a dog runs"}``; times are seconds from the start of the video.

Subtitles: SubRip and WebVTT (https://www.w3.org/TR/webvtt1), read by pysubs2. It takes a damaged line of times for text
of the cue before it, so times are checked first; and it knows neither names, comments nor times within a cue of WebVTT.
"""

import html
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pysubs2 import SSAFile
from pysubs2.formats.subrip import SubripFormat
from pysubs2.formats.webvtt import WebVTTFormat

from clipit_lightning.core.errors import UserError

KINDS = (".json", ".srt", ".vtt")

_EXAMPLE = '{"time": 12.5, "text": "a dog runs"}'
_TIME_LINE = "00:00:01,000 --> 00:00:02,500"
# a clock at the line's start, and an arrow or half of one
_LIKE_TIMES = re.compile(r"\s*\d+:\d+(:\d+[.,]\d+ *-|.*-->)")
_TIME_IN_CUE = re.compile(r"<\d[\d:.]*>")

Cue = tuple[float, float, str]
"""Start, end, text."""


@dataclass(frozen=True)
class Captions:
    """Texts with the seconds that they hold for, in order of their start; a caption of one moment ends as it starts."""

    texts: tuple[str, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]


def read_captions(path: Path) -> Captions:
    """Read a user's captions: ``.json``, ``.srt`` or ``.vtt``.

    Raises:
        UserError: The file is missing, damaged (the message names the line or the entry) or holds no caption.
    """
    text = read_text(path, "captions", KINDS)
    if path.suffix.lower() == ".json":
        cues = [_json_cue(*entry) for entry in json_entries(path, text, "captions")]
    else:
        cues = _subtitle_cues(path, text, WebVTTFormat if path.suffix.lower() == ".vtt" else SubripFormat)
    if not cues:
        raise UserError(f"{path}: it holds no caption; remove it or write one, as {_EXAMPLE} in a .json")
    starts, ends, texts = zip(*sorted(cues, key=lambda cue: cue[:2]), strict=True)
    return Captions(texts, starts, ends)


def read_text(path: Path, what: str, kinds: Sequence[str]) -> str:
    """Text of a file of ``what``: by its byte order mark, else UTF-8, else Latin-1; a UserError if it is none."""
    kind = path.suffix.lower()
    if kind not in kinds:
        raise UserError(f"{path}: {what} are read from {', '.join(kinds)}, not from {kind or 'a file of no type'}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise UserError(f"{path}: not a text file; save it as UTF-8 text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def json_entries(path: Path, text: str, name: str) -> Iterator[tuple[str, Any]]:
    """Entries of a JSON list, or of one under ``name`` of an object (else a UserError), each after where it stands."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: line {getattr(error, 'lineno', 1)}: not JSON ({error})") from error
    entries = content.get(name) if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise UserError(f"{path}: it should be a list of {name}, or an object with one under `{name}`")
    return ((f"{path}: {name.removesuffix('s')} {number}", entry) for number, entry in enumerate(entries, 1))


def frames_to_caption(shots: NDArray[np.int64], picks: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Choose the steps to caption, spread over the video by its shots.

    With at least ``count`` shots, the middle step of evenly spread shots; with fewer, all shots, and more steps in the
    longer ones: each further step goes where steps per caption are most (d'Hondt's method), evenly inside the shot.
    Shots, (shots, 2), without a step take no part, and where none has one the video counts as a shot. Picks are the
    frames of the steps, ascending, (steps,). The indices of ``min(count, steps)`` of them are returned, ascending.
    """
    if not len(picks) or count < 1:
        return np.empty(0, dtype=np.int64)
    first = np.searchsorted(picks, shots[:, 0], side="left")  # (shots,)
    lengths = np.searchsorted(picks, shots[:, 1], side="right") - first  # (shots,) in steps
    first, lengths = first[lengths > 0], lengths[lengths > 0]
    if not len(first):
        first, lengths = np.array([0]), np.array([len(picks)])
    if len(first) >= count:
        chosen = _evenly(len(first), count)
        return np.asarray(first[chosen] + lengths[chosen] // 2, dtype=np.int64)
    shares = np.ones_like(lengths)  # (shots,) captions of each shot
    for _ in range(min(count, int(lengths.sum())) - len(shares)):
        shares[np.argmax(np.where(shares < lengths, lengths / (shares + 1), 0))] += 1
    return np.concatenate([start + _evenly(n, k) for start, n, k in zip(first, lengths, shares, strict=True)])


def _evenly(length: int, count: int) -> NDArray[np.int64]:
    """The middles of ``count`` equal parts of ``range(length)``, all different where ``count <= length``."""
    return (2 * np.arange(count, dtype=np.int64) + 1) * length // (2 * count)


def _json_cue(where: str, entry: Any) -> Cue:  # noqa: ANN401 - whatever JSON holds
    text = entry.get("text") if isinstance(entry, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where} has no text; write it as {_EXAMPLE}")
    start = entry.get("start", entry.get("time"))
    end = entry.get("end", start)
    for value in (start, end):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise UserError(f"{where}: its time is {value!r}, it should be seconds from 0; write it as {_EXAMPLE}")
    if end < start:
        raise UserError(f"{where} ends ({end}) before it starts ({start}); times are seconds")
    return float(start), float(end), " ".join(text.split())


def _subtitle_cues(path: Path, text: str, form: type[SubripFormat]) -> list[Cue]:
    lines = re.split(r"\r\n|\r|\n", text)  # not splitlines: Latin-1 files hold bytes that it takes for line ends
    vtt = form is WebVTTFormat
    if vtt and not lines[0].startswith("WEBVTT"):
        raise UserError(f"{path}: line 1: a .vtt file starts with WEBVTT; name it .srt if it is SubRip")
    number_of_next = ["", "1"]  # pysubs2 takes a number at the end of a cue for the number of the next one
    kept, in_cue = list[str](), not vtt
    for number, line in enumerate(lines, 1):
        clocks = form.TIMESTAMP.findall(line)
        if len(clocks) == 2:
            start, end = (form.timestamp_to_ms(clock) for clock in clocks)
            if end < start:
                raise UserError(f"{path}: line {number}: the cue ends before it starts: {line.strip()[:60]!r}")
            if vtt:
                in_cue = True
                kept += number_of_next
        elif _LIKE_TIMES.match(line):
            raise UserError(f"{path}: line {number}: not a time line: {line.strip()[:60]!r}; write it as {_TIME_LINE}")
        elif vtt and not line.strip():
            in_cue = False  # up to the next line of times: a name, a comment, a style
        if in_cue:
            kept.append(_TIME_IN_CUE.sub("", line))
    events = SSAFile.from_string("\n".join(kept + number_of_next), "vtt" if vtt else "srt")
    texts = [" ".join(html.unescape(event.plaintext).split()) for event in events]
    return [(event.start / 1000, event.end / 1000, text) for event, text in zip(events, texts, strict=True) if text]
