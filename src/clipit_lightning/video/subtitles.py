"""The subtitles of a summary: those of its shots, at the times of the summary, as SubRip.

They are the captions that are given, else those of NAME.srt or NAME.vtt beside the video, else of the first stream of
text subtitles inside it.
"""

import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.subtitle import AssSubtitle
from pysubs2 import SSAEvent
from pysubs2.formats.subrip import SubripFormat

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.video.captions import Captions, Cue, read_captions
from clipit_lightning.video.reader import open_video

_STYLE = b"""[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, BackColour, Alignment
Style: Default,Arial,16,&Hffffff,&H0,2
"""
_SHORTEST = 0.2  # seconds; what is cut to less is gone before it is read


def subtitles_of(video: Path) -> Captions | None:
    """The subtitles beside a video or inside it; a file beside it that cannot be read is omitted with a line."""
    for file in (video.with_suffix(kind) for kind in (".srt", ".vtt")):
        if file.is_file():
            try:
                return read_captions(file)
            except UserError as error:
                log.info(f"NOTE: the subtitles beside the video are omitted: {error}")
    cues = _embedded(video)
    return Captions(*zip(*((text, start, end) for start, end, text in cues), strict=True)) if cues else None


def summary_subtitles(subtitles: Captions, spans: Sequence[tuple[float, float]]) -> str:
    """The subtitles of spans of a video, in seconds, that are shown one after another, as SubRip; empty without one."""
    cues, begin = list[Cue](), 0.0
    for start, end in _joined(spans):
        for text, shown, gone in zip(subtitles.texts, subtitles.starts, subtitles.ends, strict=True):
            low, high = max(shown, start), min(gone, end)
            if high - low >= _SHORTEST:
                cues.append((low - start + begin, high - start + begin, text))
        begin += end - start
    return subrip(cues)


def subrip(cues: Iterable[Cue]) -> str:
    """A file of SubRip."""
    lines = []
    for number, (low, high, text) in enumerate(cues, 1):
        clocks = (SubripFormat.ms_to_timestamp(round(1000 * second)) for second in (low, high))
        lines.append(f"{number}\n{' --> '.join(clocks)}\n{text}\n")
    return "\n".join(lines)


class SubtitleTrack:
    """A track of timed text (3GPP TS 26.245) of an MP4 file, in which a text is shown until the next one."""

    def __init__(self, container: OutputContainer, ticks: int) -> None:
        self._container, self._unit, self._shown = container, Fraction(1, ticks), (0, "")
        self._stream = container.add_stream("mov_text")
        context = self._stream.codec_context
        context.subtitle_header, context.time_base = _STYLE, self._unit

    def add(self, tick: int, text: str) -> None:
        """Show a text from a tick on, up to which the one before it is shown."""
        begin, before = self._shown
        if tick > begin:
            content = before.encode("utf-8", "replace")
            packet = Packet(struct.pack(">H", len(content)) + content)
            packet.stream, packet.time_base = self._stream, self._unit
            packet.pts = packet.dts = begin
            packet.duration = tick - begin
            self._container.mux(packet)
        self._shown = tick, text


def chapter_title(text: str) -> str:
    """A text of at most 255 bytes: chapters of MP4 have no longer titles, and FFmpeg cuts them within a letter."""
    content = text.encode("utf-8", "replace")
    return content.decode() if len(content) <= 255 else content[:252].decode(errors="ignore") + "…"


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans joined where one begins as another ends, so that no subtitle is cut there."""
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start == joined[-1][1]:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


def _embedded(video: Path) -> list[Cue]:
    """The cues of the first stream of text subtitles; what cannot be decoded is omitted."""
    cues: dict[int, list[Cue]] = {}
    with open_video(video) as file:
        zero = (file.start_time or 0) / av.time_base
        streams = [stream for stream in file.streams.subtitles if getattr(stream, "codec_context", None) is not None]
        with suppress(av.FFmpegError, IndexError):
            for packet in file.demux(streams) if streams else ():
                if packet.pts is None or not packet.duration:
                    continue
                start = float(packet.pts * packet.time_base) - zero
                end = start + float(packet.duration * packet.time_base)
                for piece in packet.decode():
                    if isinstance(piece, AssSubtitle) and (text := _plain(piece)):
                        cues.setdefault(packet.stream.index, []).append((start, end, text))
    return sorted(cues[min(cues)]) if cues else []


def _plain(subtitle: AssSubtitle) -> str:
    text = subtitle.dialogue.decode("utf-8", "replace")
    return " ".join(SSAEvent(text=text.replace("\n", r"\N")).plaintext.split())
