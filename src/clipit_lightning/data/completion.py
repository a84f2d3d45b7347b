"""From a group in the field's layout and its annotation to a whole video."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import Annotation, Ratings, Summaries
from clipit_lightning.data.layouts import IMPORTANCE
from clipit_lightning.data.official_shots import find_official, plain_name
from clipit_lightning.data.schema import array_problems
from clipit_lightning.data.store import as_fields
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import select_shots
from clipit_lightning.summary.shots import change_points

_STRIDE = 15
"""Frames from step to step in the field's files: what features without ``picks`` are taken for."""


def complete_video(
    stored: Mapping[str, NDArray[Any]], dataset: str, key: str, annotations: Mapping[str, Annotation], real: bool = True
) -> Video:
    """Check the arrays of a group as they are stored, join its annotation, and fill what the file lacks.

    ``features`` alone are enough where there is an annotation: the number of frames is the annotation's, and ``picks``
    are every 15th frame where there are as many features. A ``real`` video with official shots gets these, and its key
    there, whatever its group is called; of other videos lacking shots are made by kernel temporal segmentation. A
    lacking ``gtscore`` is made from the annotation, lacking summaries of annotators from their ratings by the 15 %
    knapsack (Zhang et al., ECCV 2016), and a lacking ``gtsummary`` likewise. With other shots than the file's the
    knapsack's summaries are made anew; without ratings to make them from, the file keeps its shots.

    Raises:
        UserError: An array is not what the table asks for, the annotation has another length or contradicts the file,
            or something is missing that cannot be made; the message starts with the key.
    """
    name = str(stored.get("video_name", ""))
    annotation = _annotation_of(name, key, annotations)
    if annotation is not None and "n_frames" not in stored:
        stored = {**stored, "n_frames": np.array(_frames_of(annotation).shape[1])}
    if "n_frames" not in stored:
        raise _missing("n_frames", key, dataset)
    if problems := array_problems(stored, "annotated"):
        raise UserError(f"{key}: {problems[0]}; correct the file or get it again")
    arrays = {"name": name, **as_fields(stored, "annotated")}
    if "picks" not in arrays:
        arrays["picks"] = _every_15th(key, len(arrays["features"]), arrays["n_frames"])
    official = find_official(dataset, arrays["n_frames"], name, key) if real else None
    if official is not None:
        key, arrays["name"] = official.key, name or official.name
    if official is not None and _may_cut(dataset, annotation, arrays):
        _cut(arrays, official.change_points, isinstance(annotation, Ratings))
    if "change_points" not in arrays:
        shots = change_points(arrays["features"], arrays["picks"], arrays["n_frames"])
        arrays["change_points"] = shots.astype(np.int64)
    fields: dict[str, Any] = dict.fromkeys(IMPORTANCE, np.empty(0, np.float32)) | arrays
    video = Video(dataset=dataset, key=key, **fields)
    return _filled(video if annotation is None else _with_annotation(video, annotation), annotation)


def _annotation_of(name: str, key: str, annotations: Mapping[str, Annotation]) -> Annotation | None:
    """A video's annotation: by its name or its group's, else by the order that the field's keys follow."""
    if not annotations:
        return None
    # The field's SumMe file writes "Base_jumping" for the distribution's "Base jumping".
    by_name = {plain_name(annotation.name): annotation for annotation in annotations.values()}
    if name and plain_name(name) not in by_name:
        raise UserError(f"{key}: {name} is not among the annotations")
    if annotation := by_name.get(plain_name(name or key)) or annotations.get(key):
        _check(annotation, key)
        return annotation
    raise UserError(f"{key}: the annotations have {len(annotations)} videos, none of this key or name")


def _check(annotation: Annotation, key: str) -> None:
    rows, what = _frames_of(annotation), f"{key}: its annotation ({annotation.name})"
    if rows.ndim != 2 or not rows.size:
        raise UserError(f"{what} has shape {rows.shape}, expected (annotators, frames); get its file again")
    if isinstance(annotation, Ratings) and not (rows.min() >= 1 and rows.max() <= 5):  # NaN fails, too
        raise UserError(f"{what} has ratings from {rows.min()} to {rows.max()}, expected 1 to 5; get its file again")


def _frames_of(annotation: Annotation) -> NDArray[np.generic]:
    """Summaries or ratings, (annotators, frames)."""
    return annotation.user_summary if isinstance(annotation, Summaries) else annotation.ratings


def _missing(array: str, key: str, dataset: str) -> UserError:
    patterns = " or ".join(file.pattern for file in BENCHMARKS[dataset].annotations)
    advice = f"; put {patterns} beside the file" if patterns else ""
    return UserError(f"{key}: has no {array}, and there is no annotation to take it from{advice}")


def _every_15th(key: str, steps: int, n_frames: int) -> NDArray[np.int64]:
    picks = np.arange(0, n_frames, _STRIDE)
    if len(picks) != steps:
        raise UserError(
            f"{key}: {steps} features of {n_frames} frames, where every {_STRIDE}th would be {len(picks)}; "
            "add `picks`, the frame number of each"
        )
    return picks


def _may_cut(dataset: str, annotation: Annotation | None, arrays: Mapping[str, Any]) -> bool:
    """Whether a file's summaries can follow other shots than its own."""
    made_of_shots = BENCHMARKS[dataset].has_ratings and {"user_summary", "change_points"} <= arrays.keys()
    return not made_of_shots or isinstance(annotation, Ratings)


def _cut(arrays: dict[str, Any], shots: NDArray[np.int64], has_ratings: bool) -> None:
    """Put in shots, and omit what was made of others: summaries, captions and scores of shots."""
    if np.array_equal(arrays.get("change_points", ()), shots):
        return
    arrays["change_points"] = shots
    of_shots = ["shot_captions", "shot_caption_features", "judges", "shot_scores"]
    made = ["gtsummary", *of_shots, *(["user_summary"] if has_ratings else [])]
    for name in made:
        arrays.pop(name, None)


def _with_annotation(video: Video, annotation: Annotation) -> Video:
    n_frames = _frames_of(annotation).shape[1]
    if n_frames != video.n_frames:
        raise UserError(
            f"{video.key}: {video.n_frames} frames, but its annotation ({annotation.name}) has {n_frames}: "
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


def _filled(video: Video, annotation: Annotation | None) -> Video:
    shots, n_frames = video.change_points, video.n_frames
    if not video.gtscore.size:
        if video.user_summary is None:
            raise _missing("gtscore", video.key, video.dataset)
        video = replace(video, gtscore=video.user_summary[:, video.picks].mean(axis=0).astype(np.float32))  # (steps,)
    if video.user_summary is None and isinstance(annotation, Ratings):
        cut = [select_shots(row, shots, n_frames) for row in annotation.ratings]  # of all frames, whatever the picks
        video = replace(video, user_summary=np.stack(cut))
    if not video.gtsummary.size:
        summary = select_shots(video.gtscore, shots, n_frames, video.picks)  # (frames,)
        video = replace(video, gtsummary=summary[video.picks].astype(np.float32))  # (steps,)
    return video
