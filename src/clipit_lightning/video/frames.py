"""Sampled frames of a raw video, scaled on the way to what an encoder takes.

One definition of sampling, used wherever steps are made:

- by stride (the field's rule, 15): frames 0, 15, 30, ...
- by rate (our default, 2 frames per second): for each target time i / rate the first frame shown at or after it. A
  frame that is the first for several targets is taken once. Containers round times to a millisecond, so half a
  millisecond short counts as at.

Frames are decoded in sequence and never sought; only sampled frames are scaled, in one step by swscale.
"""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.video.hdr import tone_mapped
from clipit_lightning.video.preprocess import Preprocessing
from clipit_lightning.video.reader import Frame, VideoReader

STRIDE = 15
"""The field's sampling: every 15th frame."""
RATE = 2.0
"""Our default sampling, in frames per second."""

Shots = Sequence[tuple[int, int]] | NDArray[np.integer]
"""First and last frame number of each shot, both inclusive; as pairs or as an array (shots, 2)."""

_ROUNDING = 0.0005  # seconds; half of the millisecond to which Matroska and FLV round
_WIDEST = 32  # longer side over shorter side to which a frame is scaled before the crop; beyond, it is squeezed
_SCALING = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)


class Sample(NamedTuple):
    """A sampled frame: its number, its time in seconds, and the picture, uint8 RGB (size, size, 3)."""

    number: int
    time: float
    image: NDArray[np.uint8]


def sampling_name(stride: int | None = None, rate: float = RATE) -> str:
    """The sampling in words, as a store records it; a UserError if the stride is below 1, or the rate not positive."""
    if stride is not None and stride < 1:
        raise UserError(f"stride {stride}: give a whole number of frames from 1 on, such as {STRIDE}")
    if stride is None and not 0 < rate < math.inf:
        raise UserError(f"rate {rate}: give frames per second above 0, such as {RATE:g}")
    return f"every frame number divisible by {stride}" if stride else f"first frame at or after each 1/{rate:g} s"


def shot_seconds(shots: Shots, times: NDArray[np.floating], duration: float) -> list[tuple[float, float]]:
    """When shots begin and end, in seconds: a shot lasts until the frame after its last one is shown.

    Frames are shown at ``times``, (frames,), and the last one until ``duration``.
    """
    ends = np.append(times[1:], duration)  # (frames,)
    return [(float(times[first]), float(ends[last])) for first, last in shots]


def sample_frames(
    reader: VideoReader,
    preprocessing: Preprocessing,
    stride: int | None = None,
    rate: float = RATE,
    watch: Callable[[Frame], None] | None = None,
) -> Iterator[Sample]:
    """Decode a video in sequence and yield its sampled frames, upright, scaled for an encoder.

    They are squares of the ``side`` of its preprocessing; for a ``native`` one whole, as shown (height, width, 3). The
    reader is complete afterwards. ``watch`` is shown each of them as decoded, before it is scaled.

    Raises:
        UserError: The file cannot be read as a video, or the sampling makes no sense.
    """
    sampling_name(stride, rate)
    by_stride = None if stride is None else lambda number, time: number % stride == 0
    scaled_to = None if preprocessing.mode == "native" else preprocessing
    return _samples(reader, scaled_to, by_stride or _by_rate(rate), watch)


def whole_frames(path: Path, frame_numbers: Iterable[int]) -> Iterator[Sample]:
    """Yield some frames as shown, upright, unscaled, (height, width, 3), in order; one pass up to the last of them."""
    wanted = set(frame_numbers)
    for sample in _samples(VideoReader(path), None, lambda number, time: number in wanted) if wanted else ():
        yield sample
        if sample.number == max(wanted):
            return


def thumbnails(path: Path, frame_numbers: Iterable[int], width: int) -> dict[int, bytes]:
    """JPEG files of some frames, upright, ``width`` pixels wide, by frame number; one pass up to the last of them.

    Raises:
        UserError: The file cannot be read as a video, or ends before one of the frames.
    """
    wanted, pictures, thumbnail = set(frame_numbers), dict[int, bytes](), Thumbnailer()
    for frame in VideoReader(path) if wanted else ():
        if frame.number in wanted:
            pictures[frame.number] = jpeg(thumbnail(frame, width))
        if len(pictures) == len(wanted):
            return pictures
    if missing := sorted(wanted - set(pictures)):
        raise UserError(f"{path}: there is no frame {missing[0]}; was it made for another file?")
    return pictures


def jpeg(image: NDArray[np.uint8], quality: int = 80) -> bytes:
    """The JPEG file of an image (height, width, 3)."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def orientation(picture: VideoFrame) -> tuple[bool, bool, bool]:
    """How a stored frame becomes upright, from its display matrix: swap axes, mirror sides, mirror top and bottom.

    The matrix maps a stored point (x, y) to (a x + c y, b x + d y), see FFmpeg's libavutil/display.h; other angles take
    the nearest of the eight.
    """
    side: Any = picture.side_data.get("DISPLAYMATRIX")
    if side is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(side, dtype=np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0


def upright(image: NDArray[Any], how: tuple[bool, bool, bool]) -> NDArray[Any]:
    """Turn an image or a plane (height, width, ...) by ``orientation``; a view, nothing is copied."""
    swap, sides, top = how
    turned = image.swapaxes(0, 1) if swap else image
    return turned[:: -1 if top else 1, :: -1 if sides else 1]


def _shown_size(frame: Frame) -> tuple[float, float]:
    """Width and height of the upright frame as shown, in a common unit."""
    width, height = frame.picture.width * frame.aspect, float(frame.picture.height)
    return (height, width) if orientation(frame.picture)[0] else (width, height)


def _samples(
    reader: VideoReader,
    preprocessing: Preprocessing | None,
    is_wanted: Callable[[int, float], bool],
    watch: Callable[[Frame], None] | None = None,
) -> Iterator[Sample]:
    scale = _Scaler()
    for frame in reader:
        if is_wanted(frame.number, frame.time):
            width, height = _shown_size(frame)
            if watch:
                watch(frame)
            if preprocessing is None:
                sides = (max(1, round(side), math.ceil(max(width, height) / _WIDEST)) for side in (width, height))
                yield Sample(frame.number, frame.time, np.ascontiguousarray(scale(frame.picture, *sides)))
            else:
                size = preprocessing.side  # where a model crops less than it resizes to, the encoder cuts the rest
                tall, wide = (min(side, _WIDEST * size) for side in preprocessing.target(height, width))
                top, left = round((tall - size) / 2), round((wide - size) / 2)  # as torchvision does
                image = scale(frame.picture, wide, tall)[top : top + size, left : left + size]
                yield Sample(frame.number, frame.time, np.ascontiguousarray(image))


def _by_rate(rate: float) -> Callable[[int, float], bool]:
    target = 0

    def is_wanted(number: int, time: float) -> bool:
        nonlocal target
        if time + _ROUNDING < target / rate:
            return False
        target = math.floor((time + _ROUNDING) * rate) + 1
        return True

    return is_wanted


class Thumbnailer:
    """Scales frames of a video to small upright RGB images, (height, width, 3), that are as wide as is asked."""

    def __init__(self) -> None:
        self._scale = _Scaler()

    def __call__(self, frame: Frame, width: int) -> NDArray[np.uint8]:
        """Scale a frame."""
        shown = _shown_size(frame)
        height = max(1, min(round(width * shown[1] / shown[0]), _WIDEST * width))
        return np.ascontiguousarray(self._scale(frame.picture, width, height))


class _Scaler:
    """Scales frames to upright RGB images (height, width, 3), in standard range; one context for a whole video."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, picture: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        how = orientation(picture)
        stored = (height, width) if how[0] else (width, height)
        scaled = self._reformatter.reformat(
            tone_mapped(picture), *stored, "rgb24", interpolation=_SCALING, dst_color_range=ColorRange.JPEG, threads=1
        )
        return upright(np.asarray(scaled.to_ndarray(), dtype=np.uint8), how)


class FrameFlattener:
    """Makes upright copies of frames, in 4:2:0 and the first one's size made even, as H.264 needs to be played.

    They have 8 bits and standard range; where high dynamic range is kept, 10. Where a side is odd its last line is
    there twice. A copy has no side data, so that nothing turns it again.
    """

    def __init__(self, first: VideoFrame, keep_hdr: bool = False) -> None:
        self._reformatter = VideoReformatter()
        self._format = "yuv420p10le" if keep_hdr else "yuv420p"
        self._how = orientation(first)
        self._size = first.width, first.height

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """Copy a frame."""
        if self._format == "yuv420p":
            picture = tone_mapped(picture)
        scaled = self._reformatter.reformat(
            picture,
            *self._size,
            self._format,
            dst_colorspace=Colorspace.ITU601 if picture.format.is_rgb else None,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        planes = [upright(plane_values(scaled, index), self._how) for index in range(3)]
        height, width = planes[0].shape
        flat = VideoFrame(width + width % 2, height + height % 2, self._format)
        for index, plane in enumerate(planes):
            target = plane_values(flat, index)
            missing = [(0, to - of) for to, of in zip(target.shape, plane.shape, strict=True)]
            target[...] = np.pad(plane, missing, mode="edge")
        flat.colorspace, flat.color_range = scaled.colorspace, ColorRange.MPEG
        flat.color_primaries, flat.color_trc = scaled.color_primaries, scaled.color_trc
        return flat


def plane_values(frame: VideoFrame, index: int) -> NDArray[Any]:
    """The values of a plane, (height, width), without what pads its lines; writing to it writes to the frame."""
    plane: Any = frame.planes[index]
    kind = np.dtype(np.uint16 if frame.format.components[index].bits > 8 else np.uint8)
    return np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)[: plane.height, : plane.width]
