"""What is written beside a summary: a thumbnail, a contact sheet, an animated GIF, and subtitles."""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.filter.graph import Graph
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from clipit_lightning.core.arrays import spread
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import atomic_path, write_bytes, write_text
from clipit_lightning.video.captions import Captions
from clipit_lightning.video.frames import Thumbnailer
from clipit_lightning.video.reader import VideoReader
from clipit_lightning.video.render import clock
from clipit_lightning.video.subtitles import subrip, summary_subtitles

if TYPE_CHECKING:
    from clipit_lightning.pipelines.summary import Summary

OPTIONAL_FILES = ("summary.srt", "summary.gif", "contact-sheet.jpg")
"""What is written where there are subtitles, or where it is asked for."""

_MOST_KEY_FRAMES = 24
_CELL, _GAP, _TEXT = 240, 8, 20  # pixels of the contact sheet: a picture's longer side, between them, a line below
_GIF_RATE, _GIF_SIDE, _GIF_SECONDS = 10, 320, 15.0
_GIF = {"fflags": "+bitexact"}


def key_frames(scores: NDArray[np.floating], picks: NDArray[np.int64], shots: NDArray[np.int64]) -> list[int]:
    """The best step of each chosen shot, or its middle; of at most so many shots, spread over the summary.

    Scores are of the steps, (steps,), whose frames are ``picks``; shots are the chosen ones, (chosen, 2).
    """
    frames = []
    for first, last in shots[spread(len(shots), _MOST_KEY_FRAMES)].tolist():
        inside = np.flatnonzero((picks >= first) & (picks <= last))
        best = inside[scores[inside].argmax()] if len(inside) else None
        frames.append((first + last) // 2 if best is None else int(picks[best]))
    return frames


def write_beside(made: "Summary", subtitles: Captions | None) -> None:
    """Write the thumbnail of a summary, and its contact sheet, GIF and subtitles where there are any.

    Those that are not written are removed: they would be of an earlier summary.
    """
    to, stills, times = made.folder, made.rendered.stills, made.video.frame_times
    spans = [made.seconds[row] for row in made.cut.played]
    scores = dict(zip(made.video.picks.tolist(), made.scores.tolist(), strict=True))
    write_bytes(to / "thumbnail.jpg", stills[max(stills, key=lambda frame: scores.get(frame, 0.0))])
    text = summary_subtitles(subtitles, spans) if subtitles else ""
    if made.script is not None:
        text = subrip((scene.begin, scene.end, scene.sentence.text) for scene in made.scenes)
    for name, is_written in zip(OPTIONAL_FILES, (text, made.look.gif, made.look.contact_sheet), strict=True):
        if not is_written:
            (to / name).unlink(missing_ok=True)
    if text:
        write_text(to / "summary.srt", text)
    if made.look.gif:
        write_gif(made.rendered.path, [end - start for start, end in spans], to / "summary.gif")
    if made.look.contact_sheet:
        write_bytes(to / "contact-sheet.jpg", contact_sheet(list(stills.values()), [clock(times[n]) for n in stills]))


def resized(still: bytes, width: int) -> bytes:
    """A JPEG file made so many pixels wide."""
    image = Image.open(io.BytesIO(still))
    return _jpeg(image.resize((width, max(1, round(width * image.height / image.width))), Image.Resampling.LANCZOS))


def contact_sheet(stills: Sequence[bytes], texts: Sequence[str]) -> bytes:
    """A JPEG file of pictures in a grid, each with a text below it."""
    images = [ImageOps.contain(Image.open(io.BytesIO(still)), (_CELL, _CELL)) for still in stills]
    width, height = (max(side) for side in zip(*(image.size for image in images), strict=True))
    columns = min(len(images), max(1, round(math.sqrt(len(images) * 4 / 3 * height / width))))
    rows = math.ceil(len(images) / columns)
    across, down = width + _GAP, height + _TEXT + _GAP
    sheet = Image.new("RGB", (columns * across + _GAP, rows * down + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, (image, text) in enumerate(zip(images, texts, strict=True)):
        left, top = _GAP + number % columns * across, _GAP + number // columns * down
        sheet.paste(image, (left + (width - image.width) // 2, top + (height - image.height) // 2))
        draw.text((left + width / 2, top + height + _TEXT / 2), text, "black", font, "mm")
    return _jpeg(sheet)


def write_gif(summary: Path, lengths: Sequence[float], to: Path) -> None:
    """Write an animated GIF of a summary whose shots last so many seconds, atomically.

    It has ten frames a second, at most 320 pixels a side, and 15 seconds: of a longer summary the beginning of each
    shot is shown.
    """
    graph: Graph | None = None
    for picture in _gif_pictures(summary, lengths):
        graph = graph or _palette_graph(picture)
        graph.vpush(picture)
    if graph is None:
        raise UserError(f"{summary}: no frame can be read of it; write it again")
    graph.vpush(None)
    with atomic_path(to) as temporary, av.open(f"file:{temporary}", "w", format="gif", container_options=_GIF) as file:
        stream = file.add_stream("gif", rate=_GIF_RATE)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "pal8"
        stream.codec_context.time_base = Fraction(1, _GIF_RATE)
        with suppress(av.EOFError):
            while True:
                file.mux(stream.encode(graph.vpull()))
        file.mux(stream.encode(None))


def _gif_pictures(summary: Path, lengths: Sequence[float]) -> Iterator[VideoFrame]:
    share = min(1.0, _GIF_SECONDS / sum(lengths))
    ends, thumbnail, last = np.cumsum(lengths), Thumbnailer(), -1  # ends: (shots,)
    for frame in VideoReader(summary):
        time = frame.time + 0.001  # a shot's times are rounded
        shot = min(int(np.searchsorted(ends, time, "right")), len(ends) - 1)
        into = time - float(ends[shot]) + lengths[shot]
        tick = int((float(ends[shot] - lengths[shot]) * share + into) * _GIF_RATE)
        if into <= lengths[shot] * share + 0.001 and tick > last:
            width, height = frame.picture.width * frame.aspect, frame.picture.height
            side = min(1.0, _GIF_SIDE / max(width, height))
            picture = VideoFrame.from_ndarray(thumbnail(frame, max(1, round(width * side))), format="rgb24")
            picture.pts, picture.time_base, last = tick, Fraction(1, _GIF_RATE), tick
            yield picture


def _palette_graph(first: VideoFrame) -> Graph:
    """FFmpeg's two filters that choose 256 colours for a whole video and take them."""
    graph = Graph()
    graph.threads = 1
    size = f"video_size={first.width}x{first.height}:pix_fmt=rgb24:time_base=1/{_GIF_RATE}"
    source, split, sink = graph.add("buffer", size), graph.add("split"), graph.add("buffersink")
    palette = graph.add("palettegen", "reserve_transparent=0")
    use = graph.add("paletteuse", "dither=bayer:bayer_scale=3:diff_mode=rectangle")
    for one, other, output, entry in (
        (source, split, 0, 0),
        (split, use, 0, 0),
        (split, palette, 1, 0),
        (palette, use, 0, 1),
        (use, sink, 0, 0),
    ):
        one.link_to(other, output, entry)
    graph.configure()
    return graph


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
