"""Write a summary as a video to watch.

The file is H.264 and AAC in MP4, 8 bits 4:2:0, its index at the front: what every browser and phone plays; or HEVC of
10 bits where high dynamic range is kept. Sound is cut to the sample, with silence where the source has none, so that
all streams are equally long.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.files import atomic_path
from clipit_lightning.video.fade import dim, fade_level
from clipit_lightning.video.frames import FrameFlattener, Shots, Thumbnailer, jpeg, orientation
from clipit_lightning.video.hdr import hdr_transfer
from clipit_lightning.video.reader import Frame, VideoReader
from clipit_lightning.video.sound import TICKS, Level, Sound, check_audio_track, open_sounds
from clipit_lightning.video.subtitles import SubtitleTrack, chapter_title

if TYPE_CHECKING:
    from av.container.core import Chapter  # of its stub only

Hdr = Literal["tone-map", "keep"]
STILL_WIDTH = 640
"""Of a still of a video that is as wide, in pixels."""

_MP4 = {"movflags": "+faststart", "fflags": "+bitexact"}
_THREADS = 4  # x264 writes other bytes with another number of threads, so it is not the machine's
# Without B-frames a packet's order is its time's, and the file's length is exact in every player. With mbtree x264
# writes other bytes with AVX-512 than without it, and of small pictures now and then others again.
_H264 = {"crf": "20", "preset": "veryfast", "bf": "0", "x264-params": "mbtree=0"}
_HEVC = {
    "crf": "22",
    "preset": "veryfast",
    "forced-idr": "1",
    "x265-params": "bframes=0:frame-threads=1:pools=4:lookahead-slices=0:log-level=error",
}


@dataclass(frozen=True)
class Look:
    """How a summary is written, the options of `clipit summarize` of these names."""

    fade: float = 0.0
    """Seconds for which picture and sound fade out before a cut, and in after it; at most half of what is between."""
    audio: int | None = None
    """The audio track of the source that is kept, from 1 on, or 0 for none; by default all of them."""
    hdr: Hdr = "tone-map"
    """What becomes of high dynamic range: standard range (BT.709), or it is kept, in HEVC of 10 bits."""
    gif: bool = False
    """Whether an animated GIF of the summary is written, too."""
    contact_sheet: bool = False
    """Whether a picture of all key frames is written, too."""

    def check(self, source: Path) -> None:
        """Raise an ArgumentError for an option that is none for this video, or not possible here."""
        if not 0 <= self.fade < math.inf:
            raise ArgumentError("fade", f"{self.fade} is no time; give seconds from 0 on")
        if self.hdr not in get_args(Hdr):
            raise ArgumentError("hdr", f"{self.hdr!r} is none of {', '.join(get_args(Hdr))}")
        if self.hdr == "keep" and "libx265" not in av.codecs_available:
            raise ArgumentError("hdr", "keep needs the encoder libx265, which this PyAV does not have; omit it")
        if self.audio is not None:
            check_audio_track(source, self.audio)

    def of_hdr(self, transfer: str) -> str:
        """What becomes of a video of high dynamic range, in words."""
        fate = "kept, as HEVC of 10 bits" if self.hdr == "keep" else "mapped to standard range (BT.709)"
        return f"high dynamic range ({transfer}), {fate}"


@dataclass(frozen=True)
class Rendered:
    """A written summary; its duration is in seconds."""

    path: Path
    n_frames: int
    duration: float
    has_audio: bool
    audio_tracks: tuple[str, ...] = ()
    """Number and language of those of the source that are kept, as ``2 (eng)``."""
    hdr: str | None = None
    """The transfer of its pictures where they have high dynamic range: ``PQ`` or ``HLG``."""
    stills: dict[int, bytes] = field(default_factory=dict, repr=False)
    """The frames that were asked for, as JPEG files, by frame number."""


def render_summary(
    source: Path,
    shots: Shots,
    to: Path,
    look: Look = Look(),
    borders: NDArray[np.floating] | None = None,
    stills: Collection[int] = (),
    told: Mapping[int, str] | None = None,
) -> Rendered:
    """Write shots of a video, in order and without overlap, as one MP4 file, atomically, in little memory.

    Each shot is a chapter, called by its time in the source. ``borders`` are the seconds at which the source's frames
    are shown, and its end, (frames + 1,); they are read first where a fade needs them. ``stills`` are frames of the
    shots of which pictures are wanted, before any fade. ``told`` are sentences of a script by the frames with which
    they begin: then chapters and subtitles are these, and the shots may stand in any order, for which the source is
    read once for each step back.

    Raises:
        UserError: No shot is chosen, one lies outside the video, the source cannot be read, or the file not written.
    """
    if to.exists() and source.exists() and to.samefile(source):
        raise UserError(f"{to}: is the source video itself; choose another name for the summary")
    runs = _runs(shots, source, any_order=told is not None)
    if look.fade and borders is None:
        reader = VideoReader(source)
        end = reader.info().duration
        borders = np.append(reader.times, end)
    spans = [] if borders is None else [(borders[first], borders[last + 1]) for first, last in runs]
    chapters = dict.fromkeys([int(first) for first, _ in shots], "") if told is None else told
    plan = _Plan(runs, chapters, fade_level(look.fade, spans), set(stills), told is not None)
    with atomic_path(to) as temporary:
        try:
            with av.open(f"file:{temporary}", "w", format="mp4", container_options=_MP4) as container:
                return _write(container, source, plan, look, to)
        except av.FFmpegError as error:
            raise UserError(f"cannot write {to}: {error.strerror}; free space or choose another folder") from error


def _runs(shots: Shots, source: Path, any_order: bool) -> list[tuple[int, int]]:
    """Shots joined where one begins right after another, so that nothing is cut there."""
    if len(shots) == 0:
        raise UserError(f"{source}: no shot is chosen, so there is nothing to write; raise the budget")
    spans = [(int(first), int(last)) for first, last in shots]
    before = -1
    for first, last in sorted(spans) if any_order else spans:
        if not before < first <= last:
            raise UserError(f"{source}: shot ({first}, {last}) is empty or not after the one before it; sort the shots")
        before = last
    runs: list[tuple[int, int]] = []
    for first, last in spans:
        if runs and first == runs[-1][1] + 1:
            first = runs.pop()[0]
        runs.append((first, last))
    return runs


@dataclass(frozen=True)
class _Plan:
    runs: list[tuple[int, int]]
    """Shots joined where nothing is cut between them."""
    chapters: Mapping[int, str]
    """Titles by the frames with which they begin; without one a chapter is called by its time."""
    level: Level
    stills: set[int]
    has_subtitles: bool
    """Whether the titles are subtitles, too."""


def _write(container: OutputContainer, source: Path, plan: _Plan, look: Look, to: Path) -> Rendered:
    reader = VideoReader(source)
    pictures: _Pictures | None = None
    sounds: list[Sound] = []
    n_frames, begin, second = 0, 0, 0.0  # the last two: tick in the summary and second in the source of a run's begin
    chapters, stills, thumbnail = list[tuple[int, str]](), dict[int, bytes](), Thumbnailer()
    subtitles: SubtitleTrack | None = None
    for frame, until, is_first in _chosen(reader, plan.runs):
        if pictures is None:
            pictures = _Pictures(container, frame, until - frame.time, look.hdr)
            sounds = open_sounds(container, source, reader.start, look.audio, plan.level)
            subtitles = SubtitleTrack(container, TICKS) if plan.has_subtitles else None
        if is_first:
            begin, second = pictures.ticks, frame.time
        if frame.number in plan.chapters:
            chapters.append((pictures.ticks, plan.chapters[frame.number] or clock(frame.time)))
            if subtitles is not None:
                subtitles.add(*chapters[-1])
        if frame.number in plan.stills:
            stills[frame.number] = jpeg(thumbnail(frame, min(STILL_WIDTH, frame.picture.width)), quality=90)
        level = float(plan.level(np.array((frame.time + until) / 2)))
        pictures.add(frame.picture, begin + round((until - second) * TICKS), is_first, level)
        for sound in sounds:
            sound.add(begin, second, pictures.ticks)
        n_frames += 1
    if pictures is None or n_frames < sum(last - first + 1 for first, last in plan.runs):
        n_source = reader.info().n_frames
        raise UserError(f"{source}: shot {max(plan.runs)} is outside its {n_source} frames; check the shots")
    pictures.close()
    for sound in sounds:
        sound.close()
    if subtitles is not None:
        subtitles.add(pictures.ticks, "")
    container.set_chapters(_chapters(chapters, pictures.ticks))
    tracks = tuple(sound.name for sound in sounds)
    return Rendered(to, n_frames, pictures.ticks / TICKS, bool(sounds), tracks, pictures.hdr, stills)


def _chapters(begins: list[tuple[int, str]], end: int) -> "list[Chapter]":
    """Chapters by their ticks in the summary, and what they are called."""
    ticks = [*(tick for tick, _ in begins), end]
    return [
        {
            "id": number,
            "start": tick,
            "end": ticks[number + 1],
            "time_base": Fraction(1, TICKS),
            "metadata": {"title": chapter_title(title)},
        }
        for number, (tick, title) in enumerate(begins)
    ]


def clock(second: float) -> str:
    """A time as ``0:01:23.4``."""
    tenths = int(second * 10 + 1e-6)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _chosen(reader: VideoReader, runs: list[tuple[int, int]]) -> Iterator[tuple[Frame, float, bool]]:
    """The frames of the runs, the second at which each ends, and whether it begins a run; a step back reads again."""
    backs = [number for number in range(1, len(runs)) if runs[number] < runs[number - 1]]
    for first, after in pairwise([0, *backs, len(runs)]):
        yield from _in_one_pass(reader, runs[first:after])


def _in_one_pass(reader: VideoReader, runs: list[tuple[int, int]]) -> Iterator[tuple[Frame, float, bool]]:
    left = iter(runs)
    first, last = next(left)
    held: Frame | None = None
    for frame in reader:
        if held is not None:
            yield held, frame.time, held.number == first
            if held.number == last:
                if (following := next(left, None)) is None:
                    return
                first, last = following
        held = frame if first <= frame.number <= last else None
    if held is not None:
        yield held, reader.info().duration, held.number == first


class _Pictures:
    """The video stream of a summary; ``ticks`` is how long it is by now."""

    def __init__(self, container: OutputContainer, first: Frame, duration: float, hdr: Hdr) -> None:
        self.ticks = 0
        self.hdr = hdr_transfer(first.picture) if hdr == "keep" else None
        self._container = container
        self._flat = FrameFlattener(first.picture, self.hdr is not None)
        self._durations: list[int] = []
        self._stream = self._open(first, Fraction(min(max(1, round(1000 / duration)), 1_000_000), 1000))

    def _open(self, first: Frame, rate: Fraction) -> VideoStream:
        codec, options = ("libx265", _HEVC) if self.hdr else ("libx264", _H264)
        stream = cast("VideoStream", self._container.add_stream(codec, rate=rate, options=options))
        sample = self._flat(first.picture)
        context = stream.codec_context
        context.width, context.height = sample.width, sample.height
        context.pix_fmt, context.time_base = sample.format.name, Fraction(1, TICKS)
        aspect = Fraction(first.aspect).limit_denominator(1000)
        context.sample_aspect_ratio = 1 / aspect if orientation(first.picture)[0] else aspect
        context.color_range, context.colorspace = ColorRange.MPEG, sample.colorspace
        context.color_primaries, context.color_trc = sample.color_primaries, sample.color_trc
        context.thread_count = _THREADS
        context.flags |= Flags.bitexact
        if self.hdr:
            context.codec_tag = "hvc1"  # what Apple's players ask for
        return stream

    def add(self, picture: VideoFrame, until: int, is_cut: bool, level: float) -> None:
        """Add a frame that lasts until a tick; after a cut it is a key frame, so that players can seek there."""
        frame = self._flat(picture)
        dim(frame, level)
        frame.pts, frame.time_base = self.ticks, Fraction(1, TICKS)
        frame.pict_type = PictureType.I if is_cut else PictureType.NONE
        self._durations.append(max(1, until - self.ticks))
        self.ticks += self._durations[-1]
        self._mux(frame)

    def close(self) -> None:
        """Write what the encoder still holds."""
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._durations.pop(0)
            self._container.mux(packet)
