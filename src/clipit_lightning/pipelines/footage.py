"""The video files of a store's videos, where a folder holds them: when frames are shown, and key frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.official_shots import plain_name
from clipit_lightning.pipelines.collect import files_by_name
from clipit_lightning.video.frames import thumbnails
from clipit_lightning.video.reader import VideoReader

_WIDTH = 208  # pixels of a key frame in a report: two a phone's width, and 50 videos stay a few megabytes
_SLACK = 0.01  # share of the frames by which a file may differ: another decoder, or a cut at the end


@dataclass(frozen=True)
class Footage:
    """A video file that has been decoded once."""

    path: Path
    times: NDArray[np.float64]
    """Seconds at which each frame is shown, (frames,)."""
    duration: float

    def seconds(self, frames: NDArray[np.integer]) -> NDArray[np.float64]:
        """Seconds at which frames begin; a frame after the last begins at the end."""
        every = np.append(self.times, self.duration)  # (frames + 1,)
        begins: NDArray[np.float64] = every[np.minimum(frames, len(self.times))]
        return begins

    def has_frames(self, n_frames: int) -> bool:
        """Whether it has as many frames as the store says."""
        return not _differ(len(self.times), n_frames)

    def frame_at(self, second: float) -> int:
        """Number of the frame that is shown at a time."""
        return max(0, int(np.searchsorted(self.times, second + 1e-6, side="right")) - 1)

    def key_frames(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """JPEG files of frames, by number; numbers after the last frame give the last."""
        wanted = {number: min(number, len(self.times) - 1) for number in numbers}
        pictures = thumbnails(self.path, wanted.values(), _WIDTH)
        return {number: pictures[frame] for number, frame in wanted.items()}


def find_files(folder: Path | None, names: Mapping[str, str]) -> dict[str, Path]:
    """The files of videos by their keys, in a folder, called as the video or its key; a UserError if there is none."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of videos; check --videos")
    files = files_by_name(folder)
    paths = {key: files.get(plain_name(name)) or files.get(plain_name(key)) for key, name in names.items()}
    if not any(paths.values()):
        example = next((name or key for key, name in names.items()), "")
        raise UserError(f"{folder}: none of the run's {len(names)} videos; files are called as they are: {example}.mp4")
    return {key: path for key, path in paths.items() if path}


def open_footage(
    path: Path | None, n_frames: int | None = None, duration: float | None = None
) -> tuple[Footage | None, tuple[tuple[str, str], ...]]:
    """Decode a file once, where there is one; it should have so many frames, or last so many seconds.

    What is wrong with it is returned as a fact for the page: one bad file does not cost the report.
    """
    if path is None:
        return None, ()
    try:
        reader = VideoReader(path)
        info = reader.info()
        for has, wanted, what in ((info.n_frames, n_frames, "frames"), (info.duration, duration, "seconds")):
            if wanted is not None and _differ(has, wanted):
                raise UserError(f"{path}: has {has:.0f} {what}, the store {wanted:.0f}; it is another video")
    except UserError as error:
        return None, (("Video file", str(error)),)
    return Footage(path, reader.times, info.duration), ()


def _differ(has: float, wanted: float) -> bool:
    return abs(has - wanted) > max(_SLACK * wanted, 1)
