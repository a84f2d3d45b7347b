"""Scores of shots by number, as a language model gives them from captions, on the frames of their video."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.video import Video


class ShotScores(NamedTuple):
    """What was given of one video."""

    shots: NDArray[np.int64]
    """Numbers of the shots that have a score, counted from 0, (scored shots,)."""
    scores: NDArray[np.float64]
    """Their scores, (scored shots,)."""


def shot_numbers(where: str, names: Iterable[object]) -> NDArray[np.int64]:
    """Shot numbers from the names of a JSON object; a UserError for other names, and where there is none."""
    texts = [str(name) for name in names]
    if not texts:
        raise UserError(f"{where}: no shot has a score; give at least one")
    if wrong := [text for text in texts if not (text.isdecimal() and len(text) < 10)]:
        raise UserError(f"{where}: {wrong[0][:40]!r} is no number of a shot, counted from 0")
    numbers = np.array(texts, dtype=np.int64)
    if len(np.unique(numbers)) < len(numbers):
        raise UserError(f"{where}: a shot stands twice")
    return numbers


def spread_over_frames(given: ShotScores, video: Video, name: str) -> NDArray[np.float64]:
    """The score of its shot for each frame of a video, (frames,); shots without one get the video's lowest.

    Raises:
        UserError: The video has no shot of a number; it starts with ``name``, what the file calls the video.
    """
    if (last := int(given.shots.max())) >= (n_shots := len(video.change_points)):
        raise UserError(f"{name}: there is no shot {last}; the video has {n_shots} shots, counted from 0")
    of_shots = np.full(n_shots, given.scores.min())  # (shots,)
    of_shots[given.shots] = given.scores
    return np.repeat(of_shots, np.diff(video.change_points, axis=1).ravel() + 1)  # (frames,)
