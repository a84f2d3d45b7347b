"""Captions that a user brings, as JSON with times or as subtitles, and which frames a model should caption.

JSON: a list, or an object with a list under ``captions``, of ``{"time": 12.5, "text": "a dog runs"}`` or
``{"start": 12.5, "end": 14, "text": "a dog runs"}``; times are seconds from the start of the video.
Subtitles: ``.srt`` and ``.vtt``, see ``subtitles.py``.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.video.subtitles import Cue, decode_text, parse_cues

_EXAMPLE = '{"time": 12.5, "text": "a dog runs"}'


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
    kind = path.suffix.lower()
    if kind not in (".json", ".srt", ".vtt"):
        raise UserError(f"{path}: captions are read from .json, .srt and .vtt, not from {kind or 'a file of no type'}")
    try:
        text = decode_text(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}; save it as UTF-8 text") from error
    cues = _json_cues(path, text) if kind == ".json" else parse_cues(path, text, vtt=kind == ".vtt")
    if not cues:
        raise UserError(f"{path}: it holds no caption; remove it or write one, as {_EXAMPLE} in a .json")
    cues = sorted(cues, key=lambda cue: (cue.start, cue.end))
    return Captions(tuple(cue.text for cue in cues), tuple(cue.start for cue in cues), tuple(cue.end for cue in cues))


def frames_to_caption(shots: NDArray[np.int64], picks: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Choose the steps to caption, spread over the video by its shots.

    With at least ``count`` shots, the middle step of evenly spread shots; with fewer, all shots, and more steps in the
    longer ones: each further step goes where steps per caption are most (d'Hondt's method), evenly inside the shot.
    Shots without a step take no part.

    Args:
        shots: First and last frame of each, (shots, 2).
        picks: Frame of each step, ascending, (steps,).
        count: How many to caption.

    Returns:
        Ascending indices of steps, ``min(count, steps)`` of them; all steps where no shot holds one.
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


def _json_cues(path: Path, text: str) -> list[Cue]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UserError(f"{path}: line {line}: not JSON ({error}); write entries as {_EXAMPLE}") from error
    entries = content.get("captions") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise UserError(f"{path}: it should be a list of captions, or an object with one under `captions`")
    return [_entry(f"{path}: caption {number}", entry) for number, entry in enumerate(entries, 1)]


def _entry(where: str, entry: Any) -> Cue:  # noqa: ANN401 - whatever JSON holds
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
    return Cue(float(start), float(end), " ".join(text.split()))
