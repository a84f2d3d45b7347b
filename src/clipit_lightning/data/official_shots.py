"""The official shots of TVSum and SumMe: those of the field's HDF5 files, on which all printed F1 rests.

They are facts of the videos, whatever the features: ``official/<benchmark>.tsv`` has a line a video.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
