"""What can be wrong with a video's group, said in plain words."""

from collections.abc import Iterator

import h5py
import numpy as np
from numpy.typing import NDArray

REQUIRED = ("features", "picks", "n_frames", "change_points", "gtscore", "gtsummary")
"""What every group of a store holds; the rest is optional."""


def group_problems(group: h5py.Group) -> list[str]:
    """List every fault of one group of a store; empty where it is sound.

    Checks that arrays are there and of the right shape, that features and scores are finite, that picks increase
    within the video, that shots cover it from its first to its last frame without overlap or gap, and that
    every annotator's array has the video's length.
    """
    if not isinstance(group, h5py.Group):
        return ["is an array, not the group of a video"]
    missing = [name for name in REQUIRED if name not in group]
    if missing:
        return [f"has no {', '.join(missing)}"]
    try:
        n_frames = int(group["n_frames"][()])
        arrays = {name: np.asarray(group[name]) for name in group if name not in ("captions", "video_name", "n_frames")}
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        return [f"cannot be read: {error}"]
    if n_frames < 1 or arrays["picks"].size == 0:
        return [f"is empty: {n_frames} frames, {arrays['picks'].size} steps"]
    return [
        *_step_problems(arrays),
        *_pick_problems(arrays["picks"], n_frames),
        *_shot_problems(arrays["change_points"], n_frames),
        *_annotator_problems(arrays, n_frames),
        *_caption_problems(group, arrays),
    ]


def _step_problems(arrays: dict[str, NDArray[np.generic]]) -> Iterator[str]:
    steps = arrays["picks"].size
    features = arrays["features"]
    if features.ndim != 2 or len(features) != steps:
        yield f"features have shape {features.shape}, expected ({steps}, size): one row for each of picks"
    yield from _not_finite("features", features)
    for name in ("gtscore", "gtsummary"):
        if arrays[name].shape != (steps,):
            yield f"{name} has shape {arrays[name].shape}, expected ({steps},): one value for each of picks"
        yield from _not_finite(name, arrays[name])
    gtscore = arrays["gtscore"]
    if gtscore.size and np.isfinite(gtscore).all() and (gtscore.min() < -1e-6 or gtscore.max() > 1 + 1e-6):
        yield f"gtscore runs from {gtscore.min():.3g} to {gtscore.max():.3g}, expected values from 0 to 1"
    if not np.isin(arrays["gtsummary"], (0, 1)).all():
        yield "gtsummary has values other than 0 and 1"


def _pick_problems(picks: NDArray[np.generic], n_frames: int) -> Iterator[str]:
    if picks.ndim != 1 or picks.dtype.kind not in "iuf":
        yield f"picks have shape {picks.shape} and type {picks.dtype}, expected whole numbers, (steps,)"
        return
    if (np.diff(picks.astype(np.int64)) <= 0).any():
        yield "picks do not increase"
    if int(picks.min()) < 0 or int(picks.max()) >= n_frames:
        yield f"picks run from {picks.min()} to {picks.max()}, out of the video's {n_frames} frames"


def _shot_problems(shots: NDArray[np.generic], n_frames: int) -> Iterator[str]:
    if shots.ndim != 2 or shots.shape[1] != 2 or not len(shots) or shots.dtype.kind not in "iuf":
        yield f"change_points have shape {shots.shape}, expected (shots, 2)"
        return
    first, last = shots.astype(np.int64).T
    if (last < first).any():
        yield f"shot {int(np.argmax(last < first))} ends before it starts"
    step = first[1:] - last[:-1]
    if (step < 1).any():
        yield f"shots {int(np.argmax(step < 1))} and {int(np.argmax(step < 1)) + 1} overlap"
    if (step > 1).any():
        yield f"there is a gap between shots {int(np.argmax(step > 1))} and {int(np.argmax(step > 1)) + 1}"
    if first[0] != 0 or last[-1] != n_frames - 1:
        yield f"shots cover frames {first[0]} to {last[-1]}, the video has 0 to {n_frames - 1}"


def _annotator_problems(arrays: dict[str, NDArray[np.generic]], n_frames: int) -> Iterator[str]:
    lengths = {"user_summary": (n_frames, "frames"), "user_scores": (arrays["picks"].size, "steps")}
    for name, (length, unit) in lengths.items():
        array = arrays.get(name)
        if array is None:
            continue
        if array.ndim != 2 or not len(array) or array.shape[1] != length:
            yield f"{name} has shape {array.shape}, expected (annotators, {length} {unit})"
        yield from _not_finite(name, array)
    if "user_summary" in arrays and not np.isin(arrays["user_summary"], (0, 1)).all():
        yield "user_summary has values other than 0 and 1"


def _caption_problems(group: h5py.Group, arrays: dict[str, NDArray[np.generic]]) -> Iterator[str]:
    features = arrays.get("caption_features")
    if features is None:
        return
    if features.ndim != 2 or not len(features):
        yield f"caption_features have shape {features.shape}, expected (captions, size)"
    elif "captions" in group and len(group["captions"]) != len(features):
        yield f"{len(group['captions'])} captions but {len(features)} rows of caption_features"
    yield from _not_finite("caption_features", features)


def _not_finite(name: str, array: NDArray[np.generic]) -> Iterator[str]:
    if array.dtype.kind not in "iufb":
        yield f"{name} has type {array.dtype}, expected numbers"
    elif not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        yield f"{name} hold NaN or infinite values, first in row {row}"
