"""A summary's shots as cut lists for editing programs: OpenTimelineIO, CMX 3600, Final Cut Pro 7 and X, and CSV.

Editing programs count frames of a constant rate, so the lists are written in one: the source's own where it is constant
and usual; else the shots are placed by their time at a usual rate that fits. Timecodes of the source start where its
file says, with drop frame where it says so; those of the list start at 0. The source is named by its path from the
lists: DaVinci Resolve reads no other address of OpenTimelineIO's, Final Cut Pro X reads it, and it survives a move.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.video.frames import Shots, shot_seconds
from clipit_lightning.video.reader import VideoInfo, open_video, video_stream

if TYPE_CHECKING:
    from opentimelineio.schema import Timeline

CUT_LISTS = ("cuts.csv", "cuts.otio", "cuts.edl", "cuts.xml", "cuts.fcpxml")
"""The files, in the order of ``cut_lists``."""

_NTSC = Fraction(1000, 1001)
_RATES = (24 * _NTSC, Fraction(24), Fraction(25), 30 * _NTSC, Fraction(30), Fraction(50), 60 * _NTSC, Fraction(60))


@dataclass(frozen=True)
class Timebase:
    """How editing programs count the frames of a source."""

    rate: Fraction
    """Frames per second, one of the usual eight."""
    timecode: str | None = None
    """Of the source's first frame, as its file says; ``;`` before the frames means drop frame."""

    def __str__(self) -> str:
        start = f", timecode from {self.timecode}" if self.timecode else ""
        return f"{float(self.rate):.5g} frames per second{start}"

    @property
    def drop_frame(self) -> bool:
        """Whether timecodes omit two numbers a minute (four at 59.94), to keep up with the clock."""
        return self.timecode is not None and ";" in self.timecode

    @property
    def mode(self) -> str:
        """``DF`` or ``NDF``, as XML files say it."""
        return "DF" if self.drop_frame else "NDF"

    @property
    def start(self) -> int:
        """Number of the source's first frame."""
        from opentimelineio.opentime import from_timecode

        counted = float(self.rate) if self.drop_frame else math.ceil(self.rate)
        return int(from_timecode(self.timecode, counted).value) if self.timecode else 0


def timebase(path: Path, times: NDArray[np.floating]) -> Timebase:
    """The rate of a source's cut lists and its start timecode; frames are shown at ``times``, seconds, (frames,)."""
    rate, code = usual_rate(times), _timecode(path)
    if code and rate not in (30 * _NTSC, 60 * _NTSC):
        code = code.replace(";", ":")  # other rates have no drop frame
    try:
        _ = Timebase(rate, code).start
    except ValueError:  # a timecode of another rate
        code = None
    return Timebase(rate, code)


def usual_rate(times: NDArray[np.floating]) -> Fraction:
    """The rate that counts frames as they are, shown at ``times``, (frames,); else one that fits most of them.

    Where times are not those of a usual rate the lowest is taken of which a frame lasts a whole number of frames.
    """
    number = np.arange(len(times))
    off = {rate: float(np.abs((times - times[0]) * float(rate) - number).max()) for rate in _RATES}
    best = min(off, key=lambda rate: off[rate])
    if off[best] < 0.5 and len(times) > 1:
        return best
    frame = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    lasts = {rate: frame * float(rate) for rate in _RATES}
    return min(_RATES, key=lambda rate: round(abs(lasts[rate] - max(1, round(lasts[rate]))), 4))


def cut_lists(
    info: VideoInfo,
    times: NDArray[np.float64],
    shots: Shots,
    url: str,
    base: Timebase,
    names: Sequence[str] = CUT_LISTS,
    told: Sequence[str] = (),
) -> dict[str, str]:
    """The contents of cut lists, by name.

    Args:
        info: The source.
        times: When its frames are shown, in seconds, (frames,).
        shots: First and last frame of each, inclusive.
        url: Address of the source relative to the files, percent-encoded.
        base: How frames are counted.
        names: Which of them.
        told: The sentence of a script that each shows, or nothing: a column of the table, a comment in CMX 3600, else
            a marker.
    """
    from opentimelineio.adapters import write_to_string

    seconds = shot_seconds(shots, times, info.duration)
    source = _Source(info, float(times[0]), url, base, told)
    spans = [source.span(start, end) for start, end in seconds]
    rate, start = float(base.rate), base.start
    writers: dict[str, Callable[[], str]] = {
        "cuts.csv": lambda: _csv(shots, seconds, told),
        "cuts.otio": lambda: write_to_string(source.timeline(spans, source.path, rate, start), "otio_json"),
        "cuts.edl": lambda: _edl(source, spans),
        "cuts.xml": lambda: write_to_string(source.timeline(spans, url, rate, 0), "fcp_xml"),
        "cuts.fcpxml": lambda: _fcpxml(source, spans),
    }
    return {name: writers[name]() for name in names}


class _Source:
    """A video as cut lists name and count it."""

    def __init__(self, info: VideoInfo, zero: float, url: str, base: Timebase, told: Sequence[str] = ()) -> None:
        self.info, self.url, self.base, self._zero = info, url, base, zero
        self.told = ["".join(letter if letter.isprintable() else "?" for letter in text) for text in told]
        self.path = unquote(url, errors="replace").removeprefix("./")
        self.name = "".join(letter if letter.isprintable() else "?" for letter in Path(self.path).name)
        self.n_frames = self.span(zero, info.duration)[1]

    def span(self, start: float, end: float) -> tuple[int, int]:
        """First frame, and the frame after the last one, of what is shown between two seconds."""
        first, after = (round((second - self._zero) * self.base.rate) for second in (start, end))
        return first, max(after, first + 1)

    def timeline(
        self, spans: Sequence[tuple[int, int]], url: str, rate: float, marked: int | None = None
    ) -> "Timeline":
        """The shots one after another, their frames counted at a rate.

        With markers of their sentences, where the source's first frame has the number ``marked`` for these.
        """
        from opentimelineio.opentime import RationalTime, TimeRange
        from opentimelineio.schema import Clip, ExternalReference, Marker, Timeline, Track, TrackKind

        def frames(first: int, after: int) -> TimeRange:
            return TimeRange(RationalTime(self.base.start + first, rate), RationalTime(after - first, rate))

        timeline = Timeline(Path(self.name).stem)
        for kind in (TrackKind.Video, TrackKind.Audio)[: 1 + self.info.has_audio]:
            timeline.tracks.append(track := Track(kind, kind=kind))
            for span, text in zip_longest(spans, self.told):
                media = ExternalReference(url, frames(0, self.n_frames))
                media.name = self.name
                media.metadata["fcp_xml"] = {"timecode": {"displayformat": self.base.mode}}
                clip = Clip(self.name, media, frames(*span), {"cmx_3600": {"reel": "AX"}})
                if text and marked is not None and kind == TrackKind.Video:
                    at = TimeRange(RationalTime(marked + span[0], rate), RationalTime(1, rate))
                    clip.markers.append(Marker(text, at))
                track.append(clip)
        return timeline


def _csv(shots: Shots, seconds: Sequence[tuple[float, float]], told: Sequence[str]) -> str:
    """A line for each shot with its frames in the source (inclusive), its seconds, and the sentence that it shows."""
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(
        ["shot", "start_frame", "end_frame", "start_seconds", "end_seconds", *(["sentence"] if told else [])]
    )
    for number, ((first, last), (start, end)) in enumerate(zip(shots, seconds, strict=True), 1):
        lines.writerow([number, first, last, f"{start:.6f}", f"{end:.6f}", *told[number - 1 : number]])
    return file.getvalue()


def _edl(source: _Source, spans: Sequence[tuple[int, int]]) -> str:
    """CMX 3600; the adapter takes 29.97 for drop frame, says neither that nor the rate, and leaves sound out."""
    from opentimelineio.adapters import write_to_string

    base = source.base
    rate = float(base.rate) if base.drop_frame else math.ceil(base.rate)
    text = write_to_string(source.timeline(spans, source.name, rate), "cmx_3600", style="premiere")
    kind = "DROP FRAME" if base.drop_frame else "NON-DROP FRAME"
    text = text.replace("\n\n", f" ({float(base.rate):.5g} FPS)\nFCM: {kind}\n\n", 1)
    text = re.sub(r"^\* OTIO REFERENCE.*\n", "", text, flags=re.MULTILINE)
    told = (f"\n* COMMENT: {sentence}" if sentence else "" for sentence in source.told)
    text = re.sub(r"^\* FROM CLIP NAME:.*", lambda line: line[0] + next(told, ""), text, flags=re.MULTILINE)
    return re.sub(r"^(\d+  AX       )V    ", r"\1AA/V ", text, flags=re.MULTILINE) if source.info.has_audio else text


def _fcpxml(source: _Source, spans: Sequence[tuple[int, int]]) -> str:
    """Final Cut Pro X, as Apple's FCPXML reference has it; times are exact fractions of a second.

    OpenTimelineIO's adapter (1.0.0) writes no 23.976, 29.97 and 59.94, no sound and no start timecode, asks ffprobe
    where it is installed, and fails on an apostrophe.
    """
    info, base = source.info, source.base

    def seconds(frames: int) -> str:
        time = frames / base.rate
        return f"{time.numerator}/{time.denominator}s"

    def add(parent: ElementTree.Element, tag: str, **attributes: str | int) -> ElementTree.Element:
        return ElementTree.SubElement(parent, tag, {name: str(value) for name, value in attributes.items()})

    root, stem = ElementTree.Element("fcpxml", version="1.8"), Path(source.name).stem
    resources = add(root, "resources")
    add(resources, "format", id="r1", frameDuration=seconds(1), width=info.width, height=info.height)
    asset = add(resources, "asset", id="r2", name=source.name, src=source.url, format="r1", hasVideo=1)
    asset.attrib |= {"start": seconds(base.start), "duration": seconds(source.n_frames)}
    asset.attrib |= {"hasAudio": "1"} if info.has_audio else {}
    project = add(add(root, "event", name=stem), "project", name=stem)
    total = seconds(sum(after - first for first, after in spans))
    spine = add(add(project, "sequence", format="r1", duration=total, tcStart="0s", tcFormat=base.mode), "spine")
    at = 0
    for (first, after), text in zip_longest(spans, source.told):
        times = {"offset": seconds(at), "start": seconds(base.start + first), "duration": seconds(after - first)}
        clip = add(spine, "asset-clip", ref="r2", name=source.name, **times, tcFormat=base.mode)
        if text:
            add(clip, "marker", start=times["start"], duration=seconds(1), value=text)
        at += after - first
    ElementTree.indent(root, "    ")
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'


def _timecode(path: Path) -> str | None:
    """The start timecode that a file says, of its picture (``tmcd``) or of its container."""
    with open_video(path) as container:
        holders: list[Any] = [video_stream(container, path), *container.streams.data, container]
        for holder in holders:
            for key, value in holder.metadata.items():
                if key.lower() == "timecode" and re.fullmatch(r"\d\d:\d\d:\d\d[:;]\d\d", value):
                    return str(value)
    return None
