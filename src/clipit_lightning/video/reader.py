"""Read a video file from its first frame to its last: which stream, which frames, when each is shown, what is lost.

Everything that numbers frames reads through ``VideoReader``, so that a frame number means the same frame everywhere:
its place in a sequential decode of the one chosen video stream.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.video.hdr import hdr_transfer

_NOT_VIDEO = ("image2", "tty", "concat", "hls", "dash")  # pictures, text art, and lists that name other files
_USUAL_RATE = 25.0  # frames per second where a file names no rate, as FFmpeg assumes for raw streams
_MOST_THREADS = 16  # each holds frames in memory; FFmpeg's own limit
_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video from a sequential decode; headers are not trusted."""

    path: Path
    n_frames: int
    fps: float
    """Mean frames per second."""
    duration: float
    """Seconds from the file's start to the end of the last frame."""
    width: int
    height: int
    """Pixels of an upright frame, as stored."""
    has_audio: bool
    lost_frames: int
    """Frames that the file should have but that could not be decoded; they have no number."""
    damaged_frames: int
    """Decoded frames with visible damage; they keep their number."""
    hdr: str | None = None
    """Its transfer where it has high dynamic range: ``PQ`` or ``HLG``."""

    @property
    def warning(self) -> str | None:
        """One line about lost and damaged frames; nothing where all is well."""
        if not self.lost_frames and not self.damaged_frames:
            return None
        counts = f"{self.lost_frames} frames are lost, {self.damaged_frames} of the other {self.n_frames} are damaged"
        return f"{self.path}: damaged or cut off: {counts}; copy it again if you have a whole one"


@dataclass(frozen=True)
class Frame:
    """A decoded frame: its place in a sequential decode, from 0, and the time in seconds at which it is shown.

    The picture is as stored: not upright, not scaled; ``aspect`` is the width of its pixels over their height.
    """

    number: int
    time: float
    picture: VideoFrame
    aspect: float


def is_address(path: Path) -> bool:
    """Whether a path is an address on a network, ``https://...``, whose second slash a path loses."""
    return re.match(r"(?i)[a-z][a-z0-9+.-]+:/", str(path)) is not None


def open_video(path: Path) -> InputContainer:
    """Open a local video file, else a UserError; lists that name other files, and addresses, are not followed."""
    if not path.exists() and is_address(path):
        raise UserError(f"{path}: is an address; download the video first, such as by yt-dlp, and name the file")
    if not path.exists():
        raise UserError(f"{path}: no such file; check the path")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name the video files in it")
    if not path.is_file() or path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty; copy it again")
    try:
        container = av.open(f"file:{path}", container_options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a video that can be read ({reason}); copy it again or convert it") from error
    if container.format.name in _NOT_VIDEO or container.format.name.endswith("_pipe"):
        container.close()
        raise UserError(f"{path}: not a video (it reads as {container.format.name}); give a video file")
    return container


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream that a player would show, a UserError if there is none of a known codec; a cover picture is none."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _COVERS]
    if not streams:
        what = "only sound" if container.streams.audio else "neither pictures nor sound"
        raise UserError(f"{path}: no video in it, {what}; give a file with a video stream")
    if not (known := [stream for stream in streams if stream.codec_context is not None]):
        raise UserError(f"{path}: its video codec is not known here; convert it to H.264")
    best = container.streams.best("video")
    return best if best in known else known[0]


def header_duration(path: Path) -> float | None:
    """Seconds that a video lasts by its header, which may be wrong; a UserError as of `open_video`."""
    with open_video(path) as container:
        return container.duration / av.time_base if container.duration else None


class VideoReader:
    """One sequential decode of a video, frame by frame; never more than a few frames in memory.

    Iterating yields every frame. Afterwards ``info()`` and ``times`` are complete. All cores decode. At the first
    sign of damage the reader starts again on one core and passes over what it has given, because FFmpeg's frame threads
    lose and repair other frames than one thread does: a damaged file too has the same frames on every machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.times: NDArray[np.float64] = np.empty(0)
        """Seconds at which each frame is shown, strictly increasing, (frames,); complete after the last frame."""
        self.start = 0.0
        """The file's own time, in seconds, of our time 0: a sound at ``start`` belongs to time 0."""
        self._info: VideoInfo | None = None

    def __iter__(self) -> Iterator[Frame]:
        given = 0
        try:
            for frame in self._decode(threads=min(os.cpu_count() or 1, _MOST_THREADS)):
                yield frame
                given += 1
        except _DamageError:
            yield from (frame for frame in self._decode(threads=1) if frame.number >= given)

    def info(self) -> VideoInfo:
        """Facts of the last complete pass, or of one that is made now; a UserError where that is no video."""
        if self._info is None:
            for _ in self:
                pass
        return cast("VideoInfo", self._info)  # a complete pass sets it or raises

    def _decode(self, threads: int) -> Iterator[Frame]:
        with open_video(self.path) as container:
            stream = video_stream(container, self.path)
            stream.codec_context.thread_count = threads
            stream.thread_type = "AUTO"
            count, clock = _Count(strict=threads > 1), _Clock(container, stream)
            aspect = float(stream.sample_aspect_ratio or 1)
            first: VideoFrame | None = None
            for picture in _pictures(container, stream, count):
                first = first or picture
                frame = Frame(len(clock.times), clock.tick(picture), picture, aspect)
                self.start = clock.zero
                yield frame
            if first is None:
                raise UserError(f"{self.path}: no frame can be decoded; copy it again or convert it to H.264")
            self.times = np.array(clock.times)
            self._info = self._result(container, stream, first, count, clock)

    def _result(
        self, container: InputContainer, stream: VideoStream, first: VideoFrame, count: "_Count", clock: "_Clock"
    ) -> VideoInfo:
        stored = (first.width, first.height)
        width, height = stored[::-1] if 45 < abs(first.rotation) < 135 else stored
        # an MP4's header also counts what an edit list cuts
        indexed = len(stream.index_entries) if "mp4" in container.format.name else stream.frames
        promised = _tagged_end(stream, clock.zero)
        missing = max(0, indexed - count.packets) if indexed else _gaps(self.times, clock.end, promised)
        if missing == 1 and not (count.failed or count.corrupt or count.damaged):
            missing = 0  # some writers count one frame too many
        return VideoInfo(
            path=self.path,
            n_frames=len(clock.times),
            fps=len(clock.times) / (clock.end - clock.times[0]),
            duration=clock.end,
            width=width,
            height=height,
            has_audio=getattr(container.streams.best("audio"), "codec_context", None) is not None,
            lost_frames=count.failed + missing,
            damaged_frames=min(len(clock.times), max(count.damaged, count.corrupt)),
            hdr=hdr_transfer(first),
        )


class _DamageError(Exception):
    """A decode on several threads met damage."""


@dataclass
class _Count:
    """What a pass met: packets, damaged packets, errors, frames, damaged frames. Where strict, damage ends the pass."""

    strict: bool
    packets: int = 0
    corrupt: int = 0
    failed: int = 0
    frames: int = 0
    damaged: int = 0

    def check(self, damage: bool) -> None:
        if self.strict and damage:
            raise _DamageError


def _pictures(container: InputContainer, stream: VideoStream, count: _Count) -> Iterator[VideoFrame]:
    """Every frame that can be decoded; an error costs its packet, an error of the container what follows."""
    shown = 0
    for packet in _packets(container, stream, count):
        try:
            pictures = stream.codec_context.decode(packet)
        except av.FFmpegError:
            pictures = []
            count.failed += packet is not None
            count.check(damage=True)
        shown += packet is not None and not packet.is_discard
        for picture in pictures:
            count.check(picture.is_corrupt)
            count.frames += 1
            count.damaged += picture.is_corrupt
            yield picture
    # A drain that met an error ends early without a word; then fewer frames come out than packets went in.
    count.check(count.frames < shown)


def _packets(container: InputContainer, stream: VideoStream, count: _Count) -> "Iterator[Packet[VideoStream] | None]":
    """The packets of a stream, then ``None``, which drains the decoder. Empty packets would drain it too early."""
    try:
        for packet in container.demux(stream):
            count.packets += packet.size > 0 or packet.dts is not None
            count.corrupt += packet.is_corrupt
            count.check(packet.is_corrupt)
            if packet.size:
                yield packet
    except (av.FFmpegError, IndexError):  # the latter where damage made a new stream appear (PyAV 18)
        count.failed += 1
        count.check(damage=True)
    yield None


class _Clock:
    """Times of the frames in seconds from the file's start; missing and backward ones continue at the mean rate."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.times: list[float] = []
        self.end = 0.0
        self.zero = (container.start_time or 0) / av.time_base
        self._unit = float(stream.time_base or 0)
        self._step = 1 / float(stream.average_rate or stream.guessed_rate or _USUAL_RATE)

    def tick(self, picture: VideoFrame) -> float:
        """Time of the next frame."""
        shown = None if picture.pts is None else picture.pts * self._unit
        if shown is not None and not self.times and shown - self.zero < 0.001:
            self.zero = shown  # the file's start is rounded to microseconds; and nothing is shown before it
        time = shown - self.zero if shown is not None else 0.0
        if self.times and (shown is None or time <= self.times[-1]):
            time = self.times[-1] + self._step
        self.times.append(time)
        self.end = time + (picture.duration * self._unit or self._step)
        return time


def _gaps(times: NDArray[np.float64], end: float, promised: float | None) -> int:
    """Frames missing in a file without an index: holes in a constant rate, and what its end falls short of."""
    if len(times) < 2:
        return 0
    usual = float(np.median(np.diff(times)))
    steps = np.diff(times) / usual  # (frames - 1,)
    if (np.abs(steps - 1) < 0.25).mean() < 0.9:
        return 0  # a variable rate: a hole says nothing
    holes = int((np.round(steps[steps > 1.5]) - 1).sum())
    return holes + max(0, round(((promised or end) - end) / usual))


def _tagged_end(stream: VideoStream, zero: float) -> float | None:
    """Seconds from the file's start, ``zero``, at which Matroska's tag says that the stream ends."""
    with suppress(ValueError):  # no tag, or another one
        clock = stream.metadata.get("DURATION", "").split(":")
        return sum(float(number) * unit for number, unit in zip(clock, (3600, 60, 1), strict=True)) - zero
    return None
