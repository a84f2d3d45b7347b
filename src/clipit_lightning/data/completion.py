"""From a group in the field's layout and its annotation to a whole video."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import Annotation, Summaries
from clipit_lightning.data.schema import IMPORTANCE
from clipit_lightning.data.store import group_arrays
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import select_shots
from clipit_lightning.summary.shots import change_points


def complete_video(group: h5py.Group, dataset: str, key: str, annotations: Mapping[str, Annotation]) -> Video:
    """Read a group in the field's layout, join its annotation, and fill what the file lacks.

    Lacking shots are made by kernel temporal segmentation; a lacking ``gtscore`` from the annotation; lacking
    summaries of annotators from their ratings by the 15 % knapsack (Zhang et al., ECCV 2016), and a lacking
    ``gtsummary`` likewise.

    Raises:
        UserError: The annotation has another length or contradicts the file; the message starts with the key.
        KeyError: The file lacks an array that cannot be made.
    """
    arrays = group_arrays(group)
    if "change_points" not in arrays:
        arrays["change_points"] = change_points(arrays["features"], arrays["picks"], arrays["n_frames"]).astype(
            np.int64
        )
    fields: dict[str, Any] = dict.fromkeys(IMPORTANCE, np.empty(0, np.float32)) | arrays
    video = Video(dataset=dataset, key=key, **fields)
    if annotations:
        video = _with_annotation(video, _annotation_of(video, annotations))
    return _filled(video)


def _annotation_of(video: Video, annotations: Mapping[str, Annotation]) -> Annotation:
    """The video's annotation: by name where the file has names, else by the order that the field's keys follow."""
    if not video.name:
        if video.key not in annotations:
            raise UserError(f"{video.key}: the annotations have {len(annotations)} videos, none of this key")
        return annotations[video.key]
    # The field's SumMe file writes "Base_jumping" for the distribution's "Base jumping".
    by_name = {_plain(annotation.name): annotation for annotation in annotations.values()}
    if _plain(video.name) not in by_name:
        raise UserError(f"{video.key}: {video.name} is not among the annotations")
    return by_name[_plain(video.name)]


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold()


def _with_annotation(video: Video, annotation: Annotation) -> Video:
    array = annotation.user_summary if isinstance(annotation, Summaries) else annotation.ratings
    if array.shape[1] != video.n_frames:
        raise UserError(
            f"{video.key}: {video.n_frames} frames, but its annotation ({annotation.name}) has {array.shape[1]}: "
            "they are of different videos or versions"
        )
    video = replace(video, name=annotation.name)
    if isinstance(annotation, Summaries):
        return replace(video, user_summary=annotation.user_summary)
    ratings = annotation.ratings[:, video.picks]  # (annotators, steps)
    importance = (ratings.mean(axis=0) - 1) / 4  # (steps,)
    if video.gtscore.size == importance.size and np.abs(video.gtscore - importance).max() > 0.05:
        raise UserError(f"{video.key}: its gtscore is not the mean of {annotation.name}'s ratings")
    return replace(video, user_scores=ratings, gtscore=importance.astype(np.float32))


def _filled(video: Video) -> Video:
    if not video.gtscore.size:
        if video.user_summary is None:
            raise KeyError("gtscore is missing, and there is no annotation to make it from")
        video = replace(video, gtscore=video.user_summary[:, video.picks].mean(axis=0).astype(np.float32))  # (steps,)
    if video.user_summary is None and video.user_scores is not None:
        video = replace(video, user_summary=np.stack([_summary(video, scores) for scores in video.user_scores]))
    if not video.gtsummary.size:
        video = replace(video, gtsummary=_summary(video, video.gtscore)[video.picks].astype(np.float32))  # (steps,)
    return video


def _summary(video: Video, scores: NDArray[np.floating]) -> NDArray[np.uint8]:
    return select_shots(scores, video.change_points, video.n_frames, video.picks)
