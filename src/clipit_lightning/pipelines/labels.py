"""Users' own labels: which segments of which video an annotator would keep, or how important they are.

CSV has a line a segment after the header ``video,annotator,start,end,score``; ``score`` may be omitted, as a column or
in a line. JSON has a list of objects with the same names, or an object with such a list under ``labels``.

- ``video``: the file's name, with or without its type; or the name that `clipit prepare` prints.
- ``annotator``: any name. An annotator who keeps nothing of a video has a line of score 0.
- ``start``, ``end``: seconds from the start of the video. A frame belongs to a segment that starts at or before it is
  shown and ends after; an end behind the end of the video is that end.
- ``score``: from 0 to 1, by default 1. What no segment covers has 0; where those of one annotator overlap the highest
  holds.

Where all scores of a video are 0 or 1 they are summaries, as SumMe's: ``user_summary`` is 1 in the annotator's segments
and importance is the annotators' mean. Else they are ratings, as TVSum's, and kept on its scale, 1 + 4 score, in
``user_scores``: importance is the mean score, and each annotator's summary is the most valuable 15 % in whole shots.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import Annotation, Ratings, Summaries
from clipit_lightning.video.captions import json_entries, read_text

COLUMNS = ("video", "annotator", "start", "end", "score")
EXAMPLE = "holiday,anna,12.5,20,1"

_ROUNDING = 0.0005  # seconds; half of the millisecond to which containers round, as in frames.py


@dataclass(frozen=True)
class Segment:
    """A labelled segment of a video; ``where`` names its file and line for messages."""

    where: str
    annotator: str
    start: float
    end: float
    score: float


@dataclass(frozen=True)
class Labels:
    """All segments of a file, by video as the file names it."""

    path: Path
    videos: Mapping[str, tuple[Segment, ...]]


def read_labels(path: Path) -> Labels:
    """Read labels of any number of videos from ``.csv`` or ``.json``; the format stands at the head of this module.

    Raises:
        UserError: The file is missing, damaged or empty; the message names the line or the entry.
    """
    text = read_text(path, "labels", (".csv", ".json"))
    videos: dict[str, list[Segment]] = {}
    entries = _lines(path, text) if path.suffix.lower() == ".csv" else json_entries(path, text, "labels")
    for where, entry in entries:
        if not isinstance(entry, dict):
            raise UserError(f"{where} is no object; write {{{', '.join(map(repr, COLUMNS))}}}")
        videos.setdefault(_word(where, entry, "video"), []).append(_segment(where, entry))
    if not videos:
        raise UserError(f"{path}: it holds no label; write one, as {EXAMPLE}")
    return Labels(path, {video: tuple(segments) for video, segments in videos.items()})


def annotation_of(
    segments: Sequence[Segment], name: str, frame_times: NDArray[np.float64], duration: float
) -> Annotation:
    """The annotation that all segments of one video mean, frame by frame.

    Frames are shown at ``frame_times``, (frames,), and the last one until ``duration``, in seconds.

    Raises:
        UserError: A segment lies behind the end of the video or covers no frame of it; the message names its line.
    """
    annotators = sorted({segment.annotator for segment in segments})
    scores = np.zeros((len(annotators), len(frame_times)), dtype=np.float32)  # (annotators, frames)
    for segment in segments:
        first, end = np.searchsorted(frame_times, [segment.start - _ROUNDING, segment.end - _ROUNDING])
        if segment.start >= duration:
            raise UserError(f"{segment.where}: starts at {segment.start:g} s, but {name} ends at {duration:.2f} s")
        if first == end:
            raise UserError(f"{segment.where}: no frame of {name} is shown from {segment.start:g} to {segment.end:g} s")
        row = scores[annotators.index(segment.annotator), first:end]
        np.maximum(row, segment.score, out=row)
    if all(segment.score in (0, 1) for segment in segments):
        return Summaries(name, scores.astype(np.uint8))
    return Ratings(name, 1 + 4 * scores)


def _lines(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a CSV file, each after where it stands, for messages."""
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        header = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        if missing := [name for name in COLUMNS[:4] if name not in header]:
            raise UserError(f"{path}: line 1: no column {missing[0]}; write the header {','.join(COLUMNS)}")
        reader.fieldnames = header
        for line in reader:
            where = f"{path}: line {reader.line_num}"
            if None in line or any(value is None for key, value in line.items() if key != "score"):
                raise UserError(f"{where}: it has not {len(header)} values, as the header; write it as {EXAMPLE}")
            yield where, {key: value.strip() for key, value in line.items() if value and value.strip()}
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.reader.line_num}: not CSV ({error}); write it as {EXAMPLE}") from error


def _segment(where: str, entry: Mapping[str, Any]) -> Segment:
    start, end = _number(where, entry, "start"), _number(where, entry, "end")
    score = _number(where, entry, "score") if "score" in entry else 1.0
    if start < 0 or end <= start:
        raise UserError(f"{where}: from {start:g} to {end:g}: a segment ends after it starts, in seconds from 0")
    if not 0 <= score <= 1:
        raise UserError(f"{where}: score {score:g}: scores run from 0 to 1; divide yours by the highest possible")
    return Segment(where, _word(where, entry, "annotator"), start, end, score)


def _word(where: str, entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name, "")
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise UserError(f"{where}: no {name}; write it as {EXAMPLE}")
    return str(value).strip()


def _number(where: str, entry: Mapping[str, Any], name: str) -> float:
    value = entry.get(name)
    with suppress(TypeError, ValueError, OverflowError):
        if not isinstance(value, bool) and math.isfinite(number := float(value)):  # type: ignore[arg-type]
            return number
    raise UserError(f"{where}: {name} is {value!r}, it should be a number; write it as {EXAMPLE}")
