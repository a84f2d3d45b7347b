"""Write a summary as a video to watch.

The file is H.264 and AAC in MP4, 8 bits 4:2:0, its index at the front: what every browser and phone plays. Sound is cut
to the sample, with silence where the source has none, so that both streams are equally long.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import atomic_path
from clipit_lightning.video.frames import FrameFlattener, Shots, orientation
from clipit_lightning.video.reader import Frame, VideoReader, open_video

_TICKS = 90_000  # a second of the written video; exact for 24, 25, 30, 50, 60 and 30000/1001 frames per second
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP4 = {"movflags": "+faststart", "fflags": "+bitexact"}
_JUMP = 0.05  # seconds by which sound must miss its time to be moved there; less is a container's rounding
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
    sound: _Sound | None = None
    n_frames, begin, second = 0, 0, 0.0  # the last two: tick in the summary and second in the source of a run's begin
    for frame, until, is_first in _chosen(reader, runs):
        if pictures is None:
            pictures = _Pictures(container, frame, until - frame.time)
            sound = _Sound.of(container, source, reader.start)
        if is_first:
            begin, second = pictures.ticks, frame.time
        pictures.add(frame.picture, begin + round((until - second) * _TICKS), is_first)
        if sound is not None:
            sound.add(begin, second, pictures.ticks)
        n_frames += 1
    if pictures is None or n_frames < sum(last - first + 1 for first, last in runs):
        raise UserError(f"{source}: shot {runs[-1]} is outside its {reader.info().n_frames} frames; check the shots")
    pictures.close()
    if sound is not None:
        sound.close()
    return Rendered(to, n_frames, pictures.ticks / _TICKS, sound is not None)


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
        context.pix_fmt, context.time_base = "yuv420p", Fraction(1, _TICKS)
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
        frame.pts, frame.time_base = self.ticks, Fraction(1, _TICKS)
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


class _Sound:
    """The audio stream of a summary, filled from the source's own times; silence where the source has nothing."""

    def __init__(self, container: OutputContainer, source: InputContainer, stream: AudioStream, start: float) -> None:
        self._container, self._source = container, source
        self._rate = stream.sample_rate if stream.sample_rate in _AAC_RATES else 48000
        self._layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
        self._channels = 1 if self._layout == "mono" else 2
        self._blocks = _blocks(source, stream, self._rate, self._layout, start)
        self._block = next(self._blocks, None)
        self._written = 0
        self._stream = container.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.codec_context.flags |= Flags.bitexact

    @classmethod
    def of(cls, container: OutputContainer, source: Path, start: float) -> "_Sound | None":
        """The sound of a source whose time 0 is ``start`` by its own clock; ``None`` if it has none."""
        file = open_video(source)
        best: Any = file.streams.best("audio")
        if best is None or best.codec_context is None:
            file.close()
            return None
        return cls(container, file, best, start)

    def add(self, begin: int, second: float, until: int) -> None:
        """Write sound up to a tick, of a run that begins at a tick of the summary and a second of the source."""
        shift = round(second * self._rate) - self._samples(begin)
        while (count := min(self._samples(until) - self._written, self._rate)) > 0:
            block = self._take(self._written + shift, count)
            frame = AudioFrame.from_ndarray(block, "fltp", self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
            self._container.mux(self._stream.encode(frame))
            self._written += count

    def close(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))
        self._source.close()

    def _samples(self, ticks: int) -> int:
        return round(Fraction(ticks * self._rate, _TICKS))

    def _take(self, begin: int, count: int) -> NDArray[np.float32]:
        """Samples of the source from a position on, (channels, count); positions never go back."""
        taken = np.zeros((self._channels, count), np.float32)
        while self._block is not None:
            at, samples = self._block
            low, high = max(begin, at), min(begin + count, at + samples.shape[1])
            if low < high:
                taken[:, low - begin : high - begin] = samples[:, low - at : high - at]
            if at + samples.shape[1] > begin + count:
                break
            self._block = next(self._blocks, None)
        return taken


def _blocks(
    file: InputContainer, stream: AudioStream, rate: int, layout: str, start: float
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Sound as (position in samples from time 0, samples (channels, count)); what cannot be decoded is omitted."""
    resampler, kind = AudioResampler("fltp", layout, rate), ""
    position, expected, unit = 0, 0.0, float(stream.time_base or 0)

    def converted(frame: AudioFrame | None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        nonlocal position
        for block in resampler.resample(frame):
            if block is not None:  # one that has nothing to convert hands back the end too
                samples = np.asarray(block.to_ndarray(), np.float32)
                yield position, samples
                position += samples.shape[1]

    for frame in _audio_frames(file, stream):
        time = expected if frame is None or frame.pts is None else frame.pts * unit - start
        now = f"{frame.sample_rate} {frame.layout.name} {frame.format.name}" if frame is not None else "end"
        if now != kind or abs(time - expected) > _JUMP:  # other sound, a hole, or the end
            yield from converted(None)
            resampler, kind = AudioResampler("fltp", layout, rate), now
            position, expected = round(time * rate), time
        if frame is not None:
            yield from converted(frame)
            expected += frame.samples / frame.sample_rate


def _audio_frames(file: InputContainer, stream: AudioStream) -> Iterator[AudioFrame | None]:
    """Every audio frame that can be decoded, then ``None``."""
    packets = file.demux(stream)
    while True:
        with suppress(av.FFmpegError, IndexError):  # the latter where damage made a new stream appear (PyAV 18)
            if (packet := next(packets, None)) is None:
                break
            yield from packet.decode()
    yield None
