"""`keyframes`: the key frames of a raw video as pictures, chosen as TriPSS does (``models/tripss_rule.py``).

The video is decoded twice: for the features of its steps, and up to the last key frame for the pictures, so that no
picture is kept that is not written.
"""

import csv
import io
import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipit_lightning.core.arrays import spread
from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.files import write_bytes, write_text
from clipit_lightning.core.log import log
from clipit_lightning.models.tripss_rule import caption_at, key_steps
from clipit_lightning.pipelines.arguments import check_one_of
from clipit_lightning.pipelines.extraction import memory_checked
from clipit_lightning.pipelines.progress import Progress
from clipit_lightning.pipelines.summary_extras import contact_sheet, resized
from clipit_lightning.video.captioner import Captioner, load_captioner
from clipit_lightning.video.captions import Captions, read_captions
from clipit_lightning.video.encoders import Encoder, make_encoder
from clipit_lightning.video.extract import VideoFeatures, extract_features
from clipit_lightning.video.frames import RATE, Thumbnailer, jpeg, whole_frames
from clipit_lightning.video.picture_statistics import color_statistics, is_good, luma, structural_similarity
from clipit_lightning.video.pretrained import Precision
from clipit_lightning.video.reader import Frame, header_duration, open_video
from clipit_lightning.video.render import clock

TABLE, SHEET = "key-frames.csv", "key-frames.jpg"
"""What is written beside the pictures: a table of them, and all of them on one sheet."""
ALIKE = 0.8
"""Structural similarity from which on two key frames are near duplicates."""

_PICTURE = re.compile(r"key-frame-\d+\.jpg")
_WIDTH = 240  # pixels of the picture whose colours and sharpness count
_COMPARED = (96, 64)  # width and height of the picture that is compared with others
_MOST_ON_SHEET, _SHEET_WIDTH = 150, 320  # pictures, and pixels of each before it is fitted in
_EVERY_STEP = 1 << 40  # captions that a captioner makes at most


@dataclass(frozen=True, eq=False)
class KeyFrames:
    """The key frames of a video, in time order."""

    folder: Path
    frames: NDArray[np.int64]
    """Their frame numbers, (chosen,)."""
    seconds: NDArray[np.float64]
    """When they are shown, (chosen,)."""
    files: tuple[Path, ...]
    """Their pictures."""


class _Looks:
    """Colours, quality and a small picture of each sampled frame, taken while the video is decoded."""

    def __init__(self) -> None:
        self.colours, self.good, self.pictures = list[NDArray[np.float32]](), list[bool](), list[NDArray[np.uint8]]()
        self._thumbnail = Thumbnailer()

    def __call__(self, frame: Frame) -> None:
        image = self._thumbnail(frame, _WIDTH)
        grey = luma(image)
        self.colours.append(color_statistics(image))
        self.good.append(is_good(grey))
        small = Image.fromarray(grey.round().astype(np.uint8)).resize(_COMPARED, Image.Resampling.BOX)
        self.pictures.append(np.asarray(small))

    def alike(self, one: int, other: int) -> bool:
        """Whether two steps are near duplicates."""
        return structural_similarity(self.pictures[one], self.pictures[other]) >= ALIKE


def keyframes(
    video: Path | str,
    to: Path | str | None = None,
    encoder: Encoder | str | None = None,
    *,
    count: int | None = None,
    captions: Captions | Path | str | None = None,
    captioner: Captioner | str | None = None,
    stride: int | None = None,
    rate: float | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int = 32,
) -> KeyFrames:
    """Write the key frames of a video into a folder: pictures, a sheet of them and a table. Same input, same bytes.

    A picture is called by its frame number. Files of these names are replaced, and pictures that the folder's table
    names from before and that are none any more are removed; everything else stays.

    Args:
        video: The video file.
        to: The folder; by default ``NAME-keyframes``, here.
        encoder: Of structure, and of captions, by name (`clipit keyframes --help`); by default ``auto``.
        count: So many; by default as many as the rule finds.
        captions: Captions with times, the third modality: a file, ``.srt``, ``.vtt`` or ``.json``.
        captioner: A model that captions every step instead.
        stride: Take every frame whose number it divides, or with ``rate`` so many frames a second, by default 2.
        rate: See there.
        device: Of the models.
        precision: Of the models.
        batch_size: Frames at once.

    Raises:
        UserError: The video cannot be read, the encoder cannot be loaded, or the folder cannot be written.
    """
    video, to = Path(video), Path(f"{Path(video).stem}-keyframes" if to is None else to)
    check_one_of(stride=stride, rate=rate)
    check_one_of(captions=captions, captioner=captioner)
    if count is not None and count < 1:
        raise ArgumentError("count", f"{count}: give a number from 1 on")
    _check_paths(video, to)
    texts = read_captions(Path(captions)) if isinstance(captions, Path | str) else captions
    if encoder is None or isinstance(encoder, str):
        encoder = make_encoder(encoder or "auto", device, precision, batch_size)
    if isinstance(captioner, str):
        captioner = load_captioner(captioner, device, precision)
    looks = _Looks()
    with Progress({0: 1}) as progress, memory_checked(video):
        show = partial(progress.at, video.name, duration=header_duration(video))
        rate = RATE if rate is None else rate
        features = extract_features(
            video, encoder, stride, rate, captioner, _EVERY_STEP, texts, batch_size, show, watch=looks
        )
    if features.info.warning:
        log.info(features.info.warning)
    steps = _choose(features, looks, count)
    made = _write(features, features.picks[steps], to)
    log.info(f"{to}: {len(steps)} key frames of {len(features.picks)} steps; look at {to / SHEET}")
    return made


def _choose(video: VideoFeatures, looks: _Looks, count: int | None) -> NDArray[np.int64]:
    """The key steps of a video, (chosen,); a line says by what, and a line where there are fewer than asked for."""
    modalities: list[NDArray[np.floating]] = [np.stack(looks.colours), video.features]
    told = "colour and structure alone"
    if video.caption_features is not None:
        at = caption_at(video.caption_times, video.frame_times[video.picks])
        modalities.append(video.caption_features[at])
        told = "colour, structure and captions"
    elif video.captions:
        told += "; the encoder has no language, so captions do not count"
    else:
        told += "; there are no captions (--captions FILE, --captioner NAME)"
    log.info(f"{video.info.path}: key frames by {told}")
    good = np.array(looks.good)
    if not good.any():
        log.info(f"{video.info.path}: every step is too dark, too bright, flat or blurred, so all count as good")
    steps = key_steps(modalities, good, looks.alike, count).steps
    if count is not None and len(steps) < count:
        log.info(f"{video.info.path}: {count} were asked for; other steps are like those, dark, bright or blurred")
    return steps


def _write(video: VideoFeatures, frames: NDArray[np.int64], to: Path) -> KeyFrames:
    """Write the pictures, then the sheet and the table; what was begun and is new is removed if that is interrupted."""
    names = {frame: f"key-frame-{frame:06d}.jpg" for frame in frames.tolist()}
    before = _named_in(to / TABLE)
    begun, sheet = list[Path](), dict[int, bytes]()
    on_sheet = set(frames[spread(len(frames), _MOST_ON_SHEET)].tolist())
    try:
        for sample in whole_frames(video.info.path, names):
            picture = jpeg(sample.image, 90)
            path = to / names.pop(sample.number)
            if not path.exists():
                begun.append(path)
            write_bytes(path, picture)
            if sample.number in on_sheet:
                sheet[sample.number] = resized(picture, min(_SHEET_WIDTH, sample.image.shape[1]))
        if names:
            raise UserError(f"{video.info.path}: frame {min(names)} is no longer in it; is it being written?")
        times = video.frame_times[frames]  # (chosen,)
        written = [f"key-frame-{frame:06d}.jpg" for frame in frames.tolist()]
        write_bytes(to / SHEET, contact_sheet(list(sheet.values()), [clock(video.frame_times[n]) for n in sheet]))
        write_text(to / TABLE, _table(zip(frames.tolist(), times.tolist(), written, strict=True)))
    except BaseException:
        for path in begun:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    for name in before.difference(written):
        (to / name).unlink(missing_ok=True)
    return KeyFrames(to, frames, times, tuple(to / name for name in written))


def _table(rows: Iterable[tuple[int, float, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("frame", "seconds", "file"))
    writer.writerows((frame, round(second, 6), name) for frame, second, name in rows)
    return text.getvalue()


def _named_in(table: Path) -> set[str]:
    """The pictures that the table of an earlier choice names; none where there is no table, or it is no such one."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            names = {row.get("file") for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
    return {name for name in names if isinstance(name, str) and _PICTURE.fullmatch(name)}


def _check_paths(video: Path, to: Path) -> None:
    """Raise before minutes of work where their result could not be written, or would replace the video."""
    if to.exists() and not to.is_dir():
        raise ArgumentError("to", f"{to} is a file; name a folder")
    if video.exists() and any((to / name).exists() and (to / name).samefile(video) for name in (TABLE, SHEET)):
        raise ArgumentError("to", f"{video} is the video itself and would be replaced; name another folder")
    open_video(video).close()  # what is no video is an error before a model is loaded
    parent = next(folder for folder in (to, *to.absolute().parents) if folder.is_dir())
    try:
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        raise ArgumentError("to", f"{to} cannot be written ({error.strerror}); name another folder") from error
