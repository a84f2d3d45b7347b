"""The audio tracks of a summary, cut to the sample from the source's own times."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from clipit_lightning.core.errors import ArgumentError
from clipit_lightning.core.log import log
from clipit_lightning.video.reader import open_video

TICKS = 90_000
"""A second of the written video; exact for 24, 25, 30, 50, 60 and 30000/1001 frames per second."""

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_JUMP = 0.05  # seconds by which sound must miss its time to be moved there; less is a container's rounding


Level = Callable[[NDArray[np.floating]], NDArray[np.floating]]
"""How loud the sound of some seconds of the source is, from 0 to 1."""


def open_sounds(
    container: OutputContainer, source: Path, start: float, audio: int | None, level: Level
) -> list["Sound"]:
    """Every audio track of a source whose time 0 is ``start`` by its own clock, or the one of this number, or none (0).

    A track of a codec that is not known here is omitted, with a line.
    """
    with open_video(source) as file:
        tracks = range(1, len(file.streams.audio) + 1)
        known = [is_known(stream) for stream in file.streams.audio]
    sounds = []
    for track in tracks if audio is None else tracks[audio - 1 : audio] if audio else ():
        if known[track - 1]:
            sounds.append(Sound(container, source, track, start, level))
        else:
            log.info(f"{source}: audio track {track} has a codec that is not known here, and is omitted")
    return sounds


def check_audio_track(source: Path, audio: int) -> None:
    """Raise an ArgumentError where a video has no audio track of this number, from 1 on; 0 is none of them."""
    with open_video(source) as file:
        names = [_name(number, stream) for number, stream in enumerate(file.streams.audio, 1)]
        if audio == 0 or (0 < audio <= len(names) and is_known(file.streams.audio[audio - 1])):
            return
    there = f"it has {', '.join(names)}" if names else "it has none"
    raise ArgumentError("audio", f"{source} has no audio track {audio} that can be read; {there}, and 0 is no sound")


def is_known(stream: AudioStream) -> bool:
    """Whether a stream has a codec that is known here, and sound."""
    return stream.codec_context is not None and stream.sample_rate > 0 and stream.layout.nb_channels > 0


def _name(track: int, stream: AudioStream) -> str:
    return str(track) if stream.language in (None, "und") else f"{track} ({stream.language})"


class Sound:
    """An audio track of a summary, filled from the source's own times; silence where the source has nothing."""

    def __init__(self, container: OutputContainer, path: Path, track: int, start: float, level: Level) -> None:
        self._container, self._path, self._track, self._start, self._level = container, path, track, start, level
        self._source = open_video(path)
        stream = self._source.streams.audio[track - 1]
        self.name = _name(track, stream)
        """Its number in the source, from 1 on, and its language."""
        self._rate = stream.sample_rate if stream.sample_rate in _AAC_RATES else 48000
        self._layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
        self._channels = 1 if self._layout == "mono" else 2
        self._read()
        self._written = 0
        self._stream = container.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.codec_context.flags |= Flags.bitexact
        self._stream.disposition = stream.disposition & Disposition.default
        if stream.language:
            self._stream.metadata["language"] = stream.language

    def _read(self) -> None:
        """Read from the beginning of the open source."""
        stream = self._source.streams.audio[self._track - 1]
        self._blocks = sound_blocks(self._source, stream, self._rate, self._layout, self._start)
        self._block, self._taken = next(self._blocks, None), -math.inf

    def add(self, begin: int, second: float, until: int) -> None:
        """Write sound up to a tick, of a run that begins at a tick of the summary and a second of the source."""
        shift = round(second * self._rate) - self._samples(begin)
        while (count := min(self._samples(until) - self._written, self._rate)) > 0:
            block = self._take(self._written + shift, count)
            block *= self._level((self._written + shift + np.arange(count)) / self._rate)
            frame = AudioFrame.from_ndarray(block, "fltp", self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
            self._container.mux(self._stream.encode(frame))
            self._written += count

    def close(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))
        self._source.close()

    def _samples(self, ticks: int) -> int:
        return round(Fraction(ticks * self._rate, TICKS))

    def _take(self, begin: int, count: int) -> NDArray[np.float32]:
        """Samples of the source from a position on, (channels, count); a step back reads the source again."""
        if begin < self._taken:
            self._source.close()
            self._source = open_video(self._path)
            self._read()
        self._taken = begin
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


def sound_blocks(
    file: InputContainer, stream: AudioStream, rate: int, layout: str, start: float
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield sound as (position in samples from time 0, samples (channels, count)), but for what cannot be decoded."""
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
