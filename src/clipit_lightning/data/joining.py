"""One video of a distributed HDF5 file, joined with its annotators' originals and completed where the file has gaps."""

from collections.abc import Mapping
from dataclasses import replace

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.store import group_arrays
from clipit_lightning.data.summe import Summaries
from clipit_lightning.data.tvsum import Ratings
from clipit_lightning.data.video import Video
from clipit_lightning.summary import key_shots
from clipit_lightning.summary.shots import change_points

Annotation = Ratings | Summaries

_ABSENT = np.empty(0, np.float32)


class JoinError(ValueError):
    """Annotations and features do not belong together; the message names the video."""


def complete_video(group: h5py.Group, dataset: str, key: str, annotations: Mapping[str, Annotation]) -> Video:
    """Read a group, join its annotation, and fill what the file lacks.

    Lacking shots are made by kernel temporal segmentation; a lacking ``gtscore`` from the annotation; lacking
    summaries of annotators from their ratings by the 15 % knapsack (Zhang et al., ECCV 2016), and a lacking
    ``gtsummary`` likewise.

    Raises:
        JoinError: The annotation has another length or contradicts the file.
        KeyError: The file lacks an array that cannot be made.
    """
    arrays = group_arrays(group)
    if "change_points" not in arrays:
        shots = change_points(arrays["features"], arrays["picks"], arrays["n_frames"])
        arrays["change_points"] = shots.astype(np.int64)
    for name in ("gtscore", "gtsummary"):
        arrays.setdefault(name, _ABSENT)
    video = Video(dataset=dataset, key=key, **arrays)
    if annotations:
        video = _join(video, _match(video, annotations))
    return _fill(video)


def _match(video: Video, annotations: Mapping[str, Annotation]) -> Annotation:
    """The video's annotation: by name where the file has names, else by the order that the field's keys follow."""
    if video.name:
        # The field's SumMe file writes "Base_jumping" for the distribution's "Base jumping".
        named = [each for each in annotations.values() if _plain(each.name) == _plain(video.name)]
        if named:
            return named[0]
        raise JoinError(f"{video.key}: {video.name} is not among the annotations")
    if video.key not in annotations:
        raise JoinError(f"{video.key}: the annotations have {len(annotations)} videos, none of this key")
    return annotations[video.key]


def _join(video: Video, annotation: Annotation) -> Video:
    arrays = annotation.ratings if isinstance(annotation, Ratings) else annotation.user_summary
    if arrays.shape[1] != video.n_frames:
        raise JoinError(
            f"{video.key}: {video.n_frames} frames, but its annotation ({annotation.name}) has {arrays.shape[1]}: "
            "they are of different videos or versions"
        )
    video = replace(video, name=annotation.name)
    if isinstance(annotation, Summaries):
        return replace(video, user_summary=annotation.user_summary)
    ratings = annotation.ratings[:, video.picks]  # (annotators, steps)
    importance = (ratings.mean(axis=0) - 1) / 4  # (steps,)
    if video.gtscore.size == importance.size and np.abs(video.gtscore - importance).max() > 0.05:
        raise JoinError(f"{video.key}: its gtscore is not the mean of {annotation.name}'s ratings")
    return replace(video, user_scores=ratings, gtscore=importance.astype(np.float32))


def _fill(video: Video) -> Video:
    if not video.gtscore.size:
        if video.user_summary is None:
            raise KeyError("gtscore is missing, and no annotation was found to make it from")
        mean = video.user_summary[:, video.picks].mean(axis=0)  # (steps,)
        video = replace(video, gtscore=mean.astype(np.float32))
    if video.user_summary is None and video.user_scores is not None:
        summaries = [_summary(video, scores) for scores in video.user_scores]
        video = replace(video, user_summary=np.stack(summaries))
    if not video.gtsummary.size:
        at_picks = _summary(video, video.gtscore)[video.picks]  # (steps,)
        video = replace(video, gtsummary=at_picks.astype(np.float32))
    return video


def _summary(video: Video, scores: NDArray[np.floating]) -> NDArray[np.uint8]:
    return key_shots.key_shot_summary(scores, video.picks, video.change_points, video.n_frames)


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold()
