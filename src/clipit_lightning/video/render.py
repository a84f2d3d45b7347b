"""Write a summary as a video to watch.

The file is H.264 and AAC in MP4, 8 bits 4:2:0, its index at the front: what every browser and phone plays. Sound is cut
to the sample, with silence where the source has none, so that both streams are equally long.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import atomic_path
from clipit_lightning.video.frames import FrameFlattener, Shots, orientation
from clipit_lightning.video.reader import Frame, VideoReader
from clipit_lightning.video.sound import TICKS, Sound

_MP4 = {"movflags": "+faststart", "fflags": "+bitexact"}
_THREADS = 4  # x264 writes other bytes with another number of threads, so it is not the machine's


@dataclass(frozen=True)
class Rendered:
    """A written summary; its duration is in seconds."""

    path: Path
    n_frames: int
    duration: float
    has_audio: bool


def render_summary(source: Path, shots: Shots, to: Path) -> Rendered:
    """Write shots of a video, in order and without overlap, as one MP4 file, atomically, in little memory.

    Raises:
        UserError: No shot is chosen, one lies outside the video, the source cannot be read, or the file not written.
    """
    if to.exists() and source.exists() and to.samefile(source):
        raise UserError(f"{to}: is the source video itself; choose another name for the summary")
    runs = _runs(shots, source)
    with atomic_path(to) as temporary:
        try:
            with av.open(f"file:{temporary}", "w", format="mp4", container_options=_MP4) as container:
                return _write(container, source, runs, to)
        except av.FFmpegError as error:
            raise UserError(f"cannot write {to}: {error.strerror}; free space or choose another folder") from error


def _runs(shots: Shots, source: Path) -> list[tuple[int, int]]:
    """Shots joined where one begins right after another, so that nothing is cut there."""
    if len(shots) == 0:
        raise UserError(f"{source}: no shot is chosen, so there is nothing to write; raise the budget")
    runs: list[tuple[int, int]] = []
    for first, last in ((int(first), int(last)) for first, last in shots):
        if not 0 <= first <= last or (runs and first <= runs[-1][1]):
            raise UserError(f"{source}: shot ({first}, {last}) is empty or not after the one before it; sort the shots")
        if runs and first == runs[-1][1] + 1:
            first = runs.pop()[0]
        runs.append((first, last))
    return runs


def _write(container: OutputContainer, source: Path, runs: list[tuple[int, int]], to: Path) -> Rendered:
    reader = VideoReader(source)
    pictures: _Pictures | None = None
    sound: Sound | None = None
    n_frames, begin, second = 0, 0, 0.0  # the last two: tick in the summary and second in the source of a run's begin
    for frame, until, is_first in _chosen(reader, runs):
        if pictures is None:
            pictures = _Pictures(container, frame, until - frame.time)
            sound = Sound.of(container, source, reader.start)
        if is_first:
            begin, second = pictures.ticks, frame.time
        pictures.add(frame.picture, begin + round((until - second) * TICKS), is_first)
        if sound is not None:
            sound.add(begin, second, pictures.ticks)
        n_frames += 1
    if pictures is None or n_frames < sum(last - first + 1 for first, last in runs):
        raise UserError(f"{source}: shot {runs[-1]} is outside its {reader.info().n_frames} frames; check the shots")
    pictures.close()
    if sound is not None:
        sound.close()
    return Rendered(to, n_frames, pictures.ticks / TICKS, sound is not None)


def _chosen(reader: VideoReader, runs: list[tuple[int, int]]) -> Iterator[tuple[Frame, float, bool]]:
    """The frames of the runs, the second at which each ends, and whether it begins a run."""
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

    def __init__(self, container: OutputContainer, first: Frame, duration: float) -> None:
        self.ticks = 0
        self._container = container
        self._flat = FrameFlattener(first.picture)
        self._durations: list[int] = []
        self._stream = self._open(first, Fraction(min(max(1, round(1000 / duration)), 1_000_000), 1000))

    def _open(self, first: Frame, rate: Fraction) -> VideoStream:
        # Without B-frames a packet's order is its time's, and the file's length is exact in every player.
        stream = self._container.add_stream(
            "libx264", rate=rate, options={"crf": "20", "preset": "veryfast", "bf": "0"}
        )
        sample = self._flat(first.picture)
        context = stream.codec_context
        context.width, context.height = sample.width, sample.height
        context.pix_fmt, context.time_base = "yuv420p", Fraction(1, TICKS)
        aspect = Fraction(first.aspect).limit_denominator(1000)
        context.sample_aspect_ratio = 1 / aspect if orientation(first.picture)[0] else aspect
        context.color_range, context.colorspace = ColorRange.MPEG, sample.colorspace
        context.color_primaries, context.color_trc = sample.color_primaries, sample.color_trc
        context.thread_count = _THREADS
        context.flags |= Flags.bitexact
        return stream

    def add(self, picture: VideoFrame, until: int, is_cut: bool) -> None:
        """Add a frame that lasts until a tick; after a cut it is a key frame, so that players can seek there."""
        frame = self._flat(picture)
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
