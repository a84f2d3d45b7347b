"""Shot borders on the frame: a border between two steps is moved to the cut that lies between them.

Steps are half a second apart, so a border that is found on them is late by up to that: a summary would begin late, or
end with some frames of the next scene. Only the frames around borders of chosen shots are decoded again.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from clipit_lightning.summary.choice import Cut
from clipit_lightning.video.extract import VideoFeatures
from clipit_lightning.video.reader import VideoReader, open_video, video_stream

METHOD = "of chosen shots, on the largest change of frames since the step before, if it stands out"
"""In words."""

_WIDTH, _HEIGHT = 48, 27  # pixels to which frames are scaled to be compared: neither noise nor small motion remains
_LEAST = 12.0  # of 255 levels; a codec's key frame changes a noisy picture by up to 11, another scene by 20 or more
_STANDS_OUT = 2.5  # times the third largest change
_SAME_TIME = 1e-6  # seconds


def cut_frame(changes: NDArray[np.floating]) -> int | None:
    """Where a hard cut is among the changes of successive frames, (frames,); None where none stands out.

    A cut changes the picture at once, motion, fades and dissolves over many frames. So the largest change is a cut if
    it is several times the third largest: a flash, or a second cut, makes two large ones. Else the border stays.

    Example:
        >>> cut_frame(np.array([1.0, 2.0, 60.0, 3.0])), cut_frame(np.array([10.0, 12.0, 14.0, 11.0]))
        (2, None)
    """
    largest = int(np.argmax(changes))
    others = np.sort(changes)[:-2]
    usual = float(others[-1]) if len(others) else 0.0
    return largest if changes[largest] >= max(_LEAST, _STANDS_OUT * usual) else None


def choose_on_cuts(video: VideoFeatures, shots: NDArray[np.int64], choose: Callable[[NDArray[np.int64]], Cut]) -> Cut:
    """Choose shots that begin and end on the frame.

    A border that moves changes how long shots are, so they are chosen again with it, until all that are used have
    moved: the budget is kept. A border stays behind the step before it and never moves back, so the order stays.

    Args:
        video: The video.
        shots: First and last frame of each shot, inclusive, as they lie by the steps, (shots, 2).
        choose: Chooses among shots, first and last frame of each, inclusive, (shots, 2).

    Raises:
        UserError: What ``choose`` raises.
    """
    changes = _Changes(video)
    shots, waiting = shots.copy(), np.arange(len(shots)) > 0  # (shots,) not yet looked at
    while True:
        cut = choose(shots)
        rows = np.flatnonzero(waiting & np.isin(shots[:, 0], _used(cut)))
        if not len(rows):
            return cut
        if (before := changes.sought(shots[rows, 0])) is None:
            rows = np.flatnonzero(waiting)  # one pass over the video does for all
            before = changes.read(shots[rows, 0])
        for row, change in zip(rows, before, strict=True):
            at = cut_frame(change)
            moved = shots[row, 0] + (0 if at is None else at + 1 - len(change))
            shots[row, 0] = max(moved, shots[row - 1, 0] + 1)  # two borders may lie between the same steps
        shots[:-1, 1] = shots[1:, 0] - 1
        waiting[rows] = False


def _used(cut: Cut) -> NDArray[np.int64]:
    """First frames of the shots that are chosen, or come after one that is."""
    firsts: NDArray[np.int64] = cut.shots[1:, 0][cut.chosen[1:] | cut.chosen[:-1]]
    return firsts


class _Changes:
    """How much each frame at which a cut may be differs from the one before it, around some borders."""

    def __init__(self, video: VideoFeatures) -> None:
        self._video, self._scale = video, _Scaler()
        self._room = video.info.n_frames // 2  # frames to decode by seeking; key frames may be far apart

    def sought(self, borders: Iterable[int]) -> list[NDArray[np.float64]] | None:
        """Seek; None where times do not say which numbers frames have, or where one pass is cheaper."""
        path, reader = self._video.info.path, VideoReader(self._video.info.path)
        if self._video.info.warning:  # what can be decoded of a damaged file depends on where the decoder begins
            return None
        next(iter(reader))  # sets when its time begins
        changes = []
        with suppress(av.FFmpegError), open_video(path) as container:
            stream = video_stream(container, path)
            for span in map(self._span, borders):
                times = reader.start + self._video.frame_times[span[0] - 1 : span[-1] + 1]  # (frames,) file's own
                if (pictures := self._pictures_at(times, container, stream)) is None:
                    return None
                changes.append(np.array([_change(*pair) for pair in pairwise(pictures)]))
            return changes
        return None

    def read(self, borders: Iterable[int]) -> list[NDArray[np.float64]]:
        """Pass over the whole video."""
        spans = [self._span(border) for border in borders]
        wanted = {number for span in spans for number in (span[0] - 1, *span)}
        changes, before = dict[int, float](), None
        for frame in VideoReader(self._video.info.path):
            small = self._scale(frame.picture) if frame.number in wanted else None
            if small is not None and before is not None:
                changes[frame.number] = _change(before, small)
            before = small
        return [np.array([changes[number] for number in span]) for span in spans]

    def _span(self, border: int) -> range:
        """The frames at which a cut before a step may be: after the step before it, up to its own."""
        step = int(np.searchsorted(self._video.picks, border))
        return range(int(self._video.picks[step - 1]) + 1, int(border) + 1)

    def _pictures_at(
        self, times: NDArray[np.float64], container: InputContainer, stream: VideoStream
    ) -> list[NDArray[np.int16]] | None:
        """Small copies of the frames that are shown at some times, and at none between; None where others come out."""
        pictures: list[NDArray[np.int16]] = []
        unit = float(stream.time_base or 1)
        container.seek(round(times[0] / unit), stream=stream)
        for picture in container.decode(stream):
            self._room -= 1
            time = (picture.pts or 0) * unit
            if time > times[0] - _SAME_TIME:
                if picture.is_corrupt or abs(time - times[len(pictures)]) > _SAME_TIME:
                    return None
                pictures.append(self._scale(picture))
            if len(pictures) == len(times):
                return pictures
            if self._room <= 0:
                return None
        return None


def _change(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """Mean difference of two pictures, 0 to 255."""
    return float(np.abs(after - before).mean())


class _Scaler:
    """Small RGB copies of frames, as stored, (height, width, 3)."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, picture: VideoFrame) -> NDArray[np.int16]:
        small = self._reformatter.reformat(
            picture, _WIDTH, _HEIGHT, "rgb24", interpolation=Interpolation.AREA, threads=1
        )
        return small.to_ndarray().astype(np.int16)
