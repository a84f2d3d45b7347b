"""The official shots of TVSum and SumMe: those of the field's HDF5 files, on which all printed F1 rests.

They are facts of the videos, whatever the features: ``official/<benchmark>.tsv`` has a line a video.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

_FOLDER = Path(__file__).parent / "official"


@dataclass(frozen=True, eq=False)
class OfficialVideo:
    """What the field's file says of a video."""

    key: str
    """Its key there, such as ``video_7``."""
    name: str
    """Name or YouTube id."""
    n_frames: int
    change_points: NDArray[np.int64]
    """First and last frame of each shot, inclusive, (shots, 2)."""


def has_official_shots(dataset: str) -> bool:
    """Whether the official shots of a benchmark come with the package."""
    return (_FOLDER / f"{dataset}.tsv").exists()


def find_official(dataset: str, n_frames: int, *words: str) -> OfficialVideo | None:
    """The video of a benchmark that one of these names and keys means; None where its number of frames is another."""
    known = _videos(dataset) if has_official_shots(dataset) else {}
    videos = [known[plain_name(word)] for word in words if plain_name(word) in known]
    return next((video for video in videos if video.n_frames == n_frames), None)


def official_shots_are_in(group: h5py.Group, dataset: str, key: str) -> bool:
    """Whether the video of a store's group has the official shots."""
    official = find_official(dataset, *_frames_and_name(group), key)
    return official is not None and np.array_equal(official.change_points, group["change_points"])


def of_others(file: h5py.File, dataset: str) -> list[str]:
    """Videos of a store that are not a benchmark's, by name or key and length; none where no official shots are known.

    Lengths may differ by 2 %: another decoder counts a few frames more or less.
    """
    known = _videos(dataset) if has_official_shots(dataset) else {}
    others = []
    for key, group in file.items() if known else ():
        n_frames, name = _frames_and_name(group)
        videos = [known[plain_name(word)] for word in (name, key) if plain_name(word) in known]
        if not any(abs(video.n_frames - n_frames) <= 0.02 * video.n_frames for video in videos):
            others.append(f"{key} of {n_frames} frames")
    return others


def _frames_and_name(group: h5py.Group) -> tuple[int, str]:
    name = group["video_name"].asstr(errors="replace")[()] if "video_name" in group else ""
    return int(group["n_frames"][()]), name


@cache
def _videos(dataset: str) -> Mapping[str, OfficialVideo]:
    """All videos of a benchmark, by the plain forms of their keys and names."""
    videos = {}
    for line in (_FOLDER / f"{dataset}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        key, name, n_frames, lengths = line.split("\t")
        ends = np.cumsum(np.array(lengths.split(), dtype=np.int64))  # (shots,)
        shots = np.stack([np.append(0, ends[:-1]), ends - 1], axis=1)  # (shots, 2)
        video = OfficialVideo(key, name, int(n_frames), shots)
        videos[plain_name(key)] = videos[plain_name(name)] = video
    return videos


def plain_name(name: str) -> str:
    """A video's name without case and underscores: files write ``Base_jumping`` for ``Base jumping``."""
    return name.replace("_", " ").casefold()
