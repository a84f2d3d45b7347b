"""Scores of shots by judges: read from ``<benchmark>_shot_scores_<judge>.json``, joined with the videos, as features.

The file maps a video's key, name or YouTube id to its shots' scores by their number from 0 on, ``{"0": 85, "2": 40}``,
0 to 100. A shot that it does not name has no score, which is -1 in a store.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_typed
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video

NO_SCORE = -1.0
"""Stands in a store where a judge gave none."""


def with_shot_scores(videos: list[Video], paths: Sequence[Path]) -> list[Video]:
    """Join videos of one benchmark with the scores of their shots, of every judge of whom a file is among the paths.

    Videos that a file does not name, or that have fewer shots, stay as they are.

    Raises:
        UserError: A file is damaged or of another form.
    """
    for judge, path in _files(videos[0].dataset, paths).items():
        read = read_typed(path, dict[str, dict[int, float]], "not a file of scores of shots", "get it again")
        by_name = {_plain(name): scores for name, scores in read.items()}
        if wrong := [name for name, scores in by_name.items() if not all(0 <= one <= 100 for one in scores.values())]:
            raise UserError(f"{path}: a score of {wrong[0]} is not from 0 to 100; correct the file")
        of_videos = [by_name.get(_plain(video.name), by_name.get(_plain(video.key), {})) for video in videos]
        videos = [_joined(video, judge, scores) for video, scores in zip(videos, of_videos, strict=True)]
    return videos


def _files(dataset: str, paths: Sequence[Path]) -> dict[str, Path]:
    """The file of each judge, by name."""
    form = re.compile(rf"{re.escape(dataset)}_shot_scores_(.+)\.json", re.IGNORECASE)
    matches = [(match[1], path) for path in paths if (match := form.fullmatch(path.name))]
    return dict(sorted(matches, key=lambda pair: pair[0]))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _joined(video: Video, judge: str, scores: Mapping[int, float]) -> Video:
    if not scores or not 0 <= min(scores) <= max(scores) < len(video.change_points):
        return video
    row = np.full(len(video.change_points), NO_SCORE, np.float32)  # (shots,)
    row[list(scores)] = list(scores.values())
    return with_scores_of(video, judge, row)


def with_scores_of(video: Video, judge: str, scores: NDArray[np.float32]) -> Video:
    """A video with a judge's scores of its shots, (shots,), in place of those that it gave before."""
    rows = {} if video.shot_scores is None else dict(zip(video.judges, video.shot_scores, strict=True))
    rows[judge] = scores
    return replace(video, judges=tuple(rows), shot_scores=np.stack(list(rows.values())))


def describe_judges(videos: Sequence[Video]) -> str:
    """Who scored shots, for the table of `clipit data import`; empty where nobody did."""
    counts = {judge: sum(judge in video.judges for video in videos) for video in videos for judge in video.judges}
    several = [f"{name} ({count} of {len(videos)} videos)" for name, count in counts.items() if count < len(videos)]
    words = [*(name for name, count in counts.items() if count == len(videos)), *several]
    return f"; shots scored by {', '.join(words)}" if words else ""


def choose_judge(store: Store, name: str = "") -> str:
    """A judge of a store by its name, or the only one for an empty name; else a UserError that lists those there."""
    judges = list(dict.fromkeys(judge for video in store.read(features=False) for judge in video.judges))
    if name in judges or (not name and len(judges) == 1):
        return name or judges[0]
    if not judges:
        raise UserError(
            f"{store.path}: has no scores of shots; add them with `clipit judge {store.path}`, or import it again with "
            f"{store.path.stem}_shot_scores_JUDGE.json beside its files"
        )
    given = f"{name} scored no shot of {store.path}" if name else f"{store.path} has scores of several judges"
    raise UserError(f"data.judge: {given}; there are {', '.join(judges)}")


def with_judge(video: Video, judge: str) -> Video:
    """A video with two features more: of each step the number of its shot, and the judge's score of that, or -1.

    Args:
        video: As it was read.
        judge: Name of the judge; without scores of it all are -1.

    Returns:
        The same with features (steps, features + 2).
    """
    row = np.full(len(video.change_points), NO_SCORE, np.float32)  # (shots,)
    if video.shot_scores is not None and judge in video.judges:
        row = video.shot_scores[video.judges.index(judge)]
    shot = np.searchsorted(video.change_points[:, 1], video.picks)  # (steps,)
    beside = np.stack([shot, row[shot]], axis=1).astype(np.float32)  # (steps, 2)
    return replace(video, features=np.hstack([video.features, beside]))
