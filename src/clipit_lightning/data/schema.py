"""What can be wrong with a video's group, said in plain words."""

from collections.abc import Iterator, Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

DESCRIPTION = ("features", "picks", "n_frames", "change_points")
"""What every group of a store holds; the rest is optional."""
IMPORTANCE = ("gtscore", "gtsummary")
"""What an annotated video's group holds beside them."""
MOST_FRAMES = 10**8
"""Three weeks at 60 frames a second: more is damage, and would be allocated."""
_ANNOTATORS = ("user_summary", "user_scores")
_NUMBERS = (*DESCRIPTION, *IMPORTANCE, *_ANNOTATORS, "caption_features")
_PACKED, _SMALL = 2000, 10**8
"""Bytes that a stored byte may stand for (deflate reaches 1032), and bytes that may stand for nothing stored."""


def is_annotated(group: h5py.Group) -> bool:
    """Whether anybody annotated the video: its attribute ``annotations`` is not ``none``."""
    return str(group.attrs.get("annotations", "")) != "none"


def required(group: h5py.Group) -> tuple[str, ...]:
    """What this group has to hold."""
    return (*DESCRIPTION, *IMPORTANCE) if is_annotated(group) else DESCRIPTION


def group_problems(group: h5py.Group) -> list[str]:
    """List every fault of one group of a store; empty where it is sound.

    Checks that arrays are there, in the file itself, and of the right shape and kind, that features and scores are
    finite, that picks increase within the video, that shots cover it from its first to its last frame without overlap
    or gap, and that every annotator's array has the video's length.
    """
    if not isinstance(group, h5py.Group):
        return ["is an array, not the group of a video"]
    if problems := storage_problems(group, required(group), _NUMBERS, ("captions", "video_name")):
        return problems
    if not is_annotated(group) and (there := [name for name in (*IMPORTANCE, *_ANNOTATORS) if name in group]):
        return [f"says that nobody annotated it (annotations=none), but has {', '.join(there)}"]
    if group["n_frames"].shape != () or group["picks"].ndim != 1 or group["features"].ndim != 2:
        shapes = ", ".join(f"{name} {group[name].shape}" for name in ("n_frames", "picks", "features"))
        return [f"holds arrays of shapes {shapes}, expected (), (steps,), (steps, size)"]
    try:
        arrays = {name: np.asarray(group[name]) for name in _NUMBERS if name in group}
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        return [f"cannot be read: {error}"]
    if whole := [line for name in ("n_frames", "picks", "change_points") for line in _not_whole(name, arrays[name])]:
        return whole
    n_frames = int(arrays["n_frames"])
    if n_frames < 1 or arrays["picks"].size == 0:
        return [f"is empty: {n_frames} frames, {arrays['picks'].size} steps"]
    if n_frames > MOST_FRAMES:
        return [f"has {n_frames} frames, more than the {MOST_FRAMES} that a video may have"]
    return [
        *_step_problems(arrays),
        *_pick_problems(arrays["picks"], n_frames),
        *_shot_problems(arrays["change_points"], n_frames),
        *_annotator_problems(arrays, n_frames),
        *_caption_problems(group, arrays),
    ]


def storage_problems(
    group: h5py.Group,
    required: Sequence[str],
    numbers: Sequence[str],
    texts: Sequence[str],
    only: Sequence[str] | None = None,
) -> list[str]:
    """Why arrays must not even be read: they are missing, elsewhere, of another kind, or larger than their file.

    A link or an array with its bytes in another file can lead anywhere on the reader's machine, and a few bytes can
    declare terabytes.

    Args:
        group: What should be the group of a video.
        required: Arrays that must be there.
        numbers: Arrays that hold numbers.
        texts: Arrays that hold texts.
        only: Arrays that will be read; by default all that are there.
    """
    if not isinstance(group, h5py.Group):
        return ["is an array, not the group of a video"]
    if missing := [name for name in required if name not in group]:
        return [f"has no {', '.join(missing)}"]
    return [line for name in (group if only is None else only) for line in _array_problems(group, name, numbers, texts)]


def _array_problems(group: h5py.Group, name: str, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[str]:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        yield f"{name} is a link, not an array in its place"
        return
    array = group[name]
    if not isinstance(array, h5py.Dataset) or array.shape is None:
        yield f"{name} is not an array"
    elif array.is_virtual or array.external:
        yield f"{name} has its values in another file"
    elif array.nbytes > _SMALL + _PACKED * array.id.get_storage_size():
        yield f"{name} says shape {array.shape}, {array.nbytes} bytes, of which the file holds next to none"
    elif name in numbers and array.dtype.kind not in "iufb":
        yield f"{name} has type {array.dtype}, expected numbers"
    elif name in texts and h5py.check_string_dtype(array.dtype) is None:
        yield f"{name} has type {array.dtype}, expected text"


def _step_problems(arrays: dict[str, NDArray[np.generic]]) -> Iterator[str]:
    steps = arrays["picks"].size
    features = arrays["features"]
    if features.ndim != 2 or len(features) != steps:
        yield f"features have shape {features.shape}, expected ({steps}, size): one row for each of picks"
    yield from _not_finite("features", features)
    if "gtscore" in arrays:
        yield from _importance_problems(arrays, steps)


def _importance_problems(arrays: dict[str, NDArray[np.generic]], steps: int) -> Iterator[str]:
    for name in IMPORTANCE:
        if arrays[name].shape != (steps,):
            yield f"{name} has shape {arrays[name].shape}, expected ({steps},): one value for each of picks"
        yield from _not_finite(name, arrays[name])
    gtscore = arrays["gtscore"]
    if gtscore.size and np.isfinite(gtscore).all() and (gtscore.min() < -1e-6 or gtscore.max() > 1 + 1e-6):
        yield f"gtscore runs from {gtscore.min():.3g} to {gtscore.max():.3g}, expected values from 0 to 1"
    if not np.isin(arrays["gtsummary"], (0, 1)).all():
        yield "gtsummary has values other than 0 and 1"


def _pick_problems(picks: NDArray[np.generic], n_frames: int) -> Iterator[str]:
    if (np.diff(picks.astype(np.int64)) <= 0).any():
        yield "picks do not increase"
    if int(picks.min()) < 0 or int(picks.max()) >= n_frames:
        yield f"picks run from {picks.min()} to {picks.max()}, out of the video's {n_frames} frames"


def _shot_problems(shots: NDArray[np.generic], n_frames: int) -> Iterator[str]:
    if shots.ndim != 2 or shots.shape[1] != 2 or not len(shots):
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
    for name, expected in (("captions", 1), ("video_name", 0)):
        if name in group and group[name].ndim != expected:
            yield f"{name} has shape {group[name].shape}, expected {'a row of texts' if expected else 'one text'}"
            return
    features = arrays.get("caption_features")
    if features is None:
        return
    if features.ndim != 2 or not len(features):
        yield f"caption_features have shape {features.shape}, expected (captions, size)"
    elif "captions" in group and len(group["captions"]) != len(features):
        yield f"{len(group['captions'])} captions but {len(features)} rows of caption_features"
    yield from _not_finite("caption_features", features)


def _not_whole(name: str, array: NDArray[np.generic]) -> Iterator[str]:
    """Numbers of frames; some files write them as floats."""
    values = array.astype(np.float64)
    if not (np.isfinite(values).all() and (values == np.floor(values)).all() and (np.abs(values) < 2**53).all()):
        yield f"{name} hold values that are no whole numbers, or too large"


def _not_finite(name: str, array: NDArray[np.generic]) -> Iterator[str]:
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        yield f"{name} hold NaN or infinite values, first in row {row}"
