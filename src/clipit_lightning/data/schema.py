"""The arrays of a video's group in a store, one table for each kind of benchmark, and what can be wrong with them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from clipit_lightning.data.benchmark import Kind


@dataclass(frozen=True)
class Array:
    """What an array of a group may hold. Numbers are finite; int64 are whole."""

    dtype: DTypeLike
    """Type as which it is read; str for texts."""
    shape: tuple[str | int, ...] = ()
    """Its dimensions. Arrays agree in dimensions of one name, but for those in ``_FREE``."""
    required: bool = False
    stored: DTypeLike | None = None
    """Type as which it is written; by default as it is."""
    packed: bool = False
    binary: bool = False
    """Whether it holds 0 and 1 alone."""


LAYOUTS: dict[Kind, dict[str, Array]] = {
    "annotated": {
        "picks": Array(np.int64, ("steps",), required=True, stored=np.int32),
        "features": Array(np.float32, ("steps", "size"), required=True),
        "n_frames": Array(np.int64, required=True),
        "change_points": Array(np.int64, ("shots", 2), required=True, stored=np.int32),
        "gtscore": Array(np.float32, ("steps",)),
        "gtsummary": Array(np.float32, ("steps",), binary=True),
        "video_name": Array(str),
        "user_summary": Array(np.uint8, ("annotators", "frames"), packed=True, binary=True),
        "user_scores": Array(np.float32, ("annotators", "steps"), packed=True),
        "captions": Array(str, ("captions",)),
        "caption_features": Array(np.float32, ("captions", "size"), packed=True),
        "shot_captions": Array(str, ("shots",)),
        "shot_caption_features": Array(np.float32, ("shots", "size"), packed=True),
    },
    "queries": {
        "features": Array(np.float32, ("shots", "size"), required=True),
        "concepts": Array(str, ("concepts",), required=True),
        "queries": Array(np.int64, ("queries", "phrases"), required=True),
        "query_features": Array(np.float32, ("queries", "phrases", "size"), required=True),
        "tags": Array(np.uint8, ("shots", "concepts"), required=True, packed=True, binary=True),
        "oracle": Array(np.uint8, ("queries", "shots"), required=True, packed=True, binary=True),
        "shot_seconds": Array(np.float64, required=True),
        "sentences": Array(str, ("queries",)),
        "sentence_features": Array(np.float32, ("queries", "size")),
        "captions": Array(str, ("captions",)),
        "caption_features": Array(np.float32, ("captions", "size"), packed=True),
    },
}
"""Arrays by name, as ``Video`` and ``QueryVideo`` describe them (``video_name`` is the field ``name``)."""
IMPORTANCE = ("gtscore", "gtsummary")
"""What an annotated video's group holds beside what is required."""
ANNOTATIONS = (
    *("n_frames", "picks", "change_points", "gtscore", "user_summary", "user_scores"),
    *("tags", "queries", "oracle"),
)
"""What predictions are measured against."""

_ANNOTATORS = ("user_summary", "user_scores")
_FREE = ("size", "annotators")
_MOST_FRAMES = 10**8  # three weeks at 60 frames a second: more is damage, and would be allocated
# Bytes that a stored byte may stand for (deflate reaches 1032), and bytes that may stand for nothing stored.
_PACKED, _SMALL = 2000, 10**8

Arrays = Mapping[str, NDArray[np.generic]]


def is_annotated(group: h5py.Group) -> bool:
    """Whether anybody annotated the video: its attribute ``annotations`` is not ``none``."""
    return str(group.attrs.get("annotations", "")) != "none"


def required(group: h5py.Group, kind: Kind) -> list[str]:
    """What this group has to hold."""
    importance = IMPORTANCE if kind == "annotated" and is_annotated(group) else ()
    return [*(name for name, array in LAYOUTS[kind].items() if array.required), *importance]


def group_problems(group: h5py.Group, kind: Kind) -> list[str]:
    """List every fault of one group of a store in plain words; empty where it is valid.

    Checks that arrays are there, in the file itself, and of the right type and shape, and that their values are
    possible: finite, steps in order within the video, shots that cover it without overlap or gap, queries that name
    concepts and have an oracle summary.
    """
    layout = LAYOUTS[kind]
    numbers = [name for name, array in layout.items() if array.dtype is not str]
    if problems := storage_problems(group, required(group, kind), numbers, layout.keys() - numbers):
        return problems
    if not is_annotated(group) and (there := [name for name in (*IMPORTANCE, *_ANNOTATORS) if name in group]):
        return [f"is marked as not annotated (annotations=none), but has {', '.join(there)}"]
    try:
        if problems := list(_shape_problems(group, layout)):
            return problems
        arrays = {name: np.asarray(group[name]) for name in numbers if name in group}
        if problems := [line for name, array in arrays.items() for line in _value_problems(name, array, layout[name])]:
            return problems
        if kind == "annotated":
            return list(_video_problems(arrays))
        return list(_query_problems(arrays, group["concepts"].asstr(errors="replace")[()].tolist()))
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        return [f"cannot be read: {error}"]


def storage_problems(
    group: h5py.Group,
    required: Collection[str],
    numbers: Collection[str],
    texts: Collection[str],
    only: Collection[str] | None = None,
) -> list[str]:
    """Why arrays must not even be read: they are missing, elsewhere, of another kind, or larger than their file.

    A link or an array with its bytes in another file can lead anywhere on the reader's machine, and a few bytes can
    declare terabytes. ``numbers`` and ``texts`` are arrays that hold these, ``only`` those that will be read (or all).
    """
    if not isinstance(group, h5py.Group):
        return ["is an array, not the group of a video"]
    if missing := [name for name in required if name not in group]:
        return [f"has no {', '.join(missing)}"]
    return [line for name in (group if only is None else only) for line in _array_problems(group, name, numbers, texts)]


def _array_problems(group: h5py.Group, name: str, numbers: Collection[str], texts: Collection[str]) -> Iterator[str]:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        yield f"{name} is a link, not an array in its place"
        return
    array = group[name]
    if not isinstance(array, h5py.Dataset) or array.shape is None:
        yield f"{name} is not an array"
    elif array.is_virtual or array.external:
        yield f"{name} has its values in another file"
    elif array.nbytes > _SMALL + _PACKED * array.id.get_storage_size():
        yield f"{name} has shape {array.shape}, {array.nbytes} bytes, of which the file holds next to none"
    elif name in numbers and array.dtype.kind not in "iufb":
        yield f"{name} has type {array.dtype}, expected numbers"
    elif name in texts and h5py.check_string_dtype(array.dtype) is None:
        yield f"{name} has type {array.dtype}, expected text"


def _shape_problems(group: h5py.Group, layout: Mapping[str, Array]) -> Iterator[str]:
    sizes: dict[str | int, int] = {}
    if "n_frames" in group and group["n_frames"].shape == ():
        n_frames = float(group["n_frames"][()])
        if not 1 <= n_frames <= _MOST_FRAMES:
            yield f"has {n_frames:g} frames, expected 1 to {_MOST_FRAMES}"
            return
        sizes["frames"] = int(n_frames)
    for name, array in layout.items():
        if name not in group:
            continue
        shape = group[name].shape
        expected = [sizes.get(dimension, dimension) for dimension in array.shape]
        wanted = [
            size if isinstance(size, int) else max(length, 1) for size, length in zip(expected, shape, strict=False)
        ]
        if len(shape) != len(expected) or list(shape) != wanted:
            yield f"{_have(name)} shape {shape}, expected ({', '.join(map(str, expected))})"
        else:
            named = zip(array.shape, shape, strict=True)
            sizes |= {dimension: length for dimension, length in named if dimension not in _FREE}


def _have(name: str) -> str:
    return f"{name} have" if name.endswith("s") else f"{name} has"


def _value_problems(name: str, array: NDArray[np.generic], layout: Array) -> Iterator[str]:
    if not (finite := np.isfinite(np.atleast_1d(array))).all():
        yield f"{_have(name)} NaN or infinite values, first in row {np.argwhere(~finite)[0][0]}"
    elif layout.binary and not np.isin(array, (0, 1)).all():
        yield f"{_have(name)} values other than 0 and 1"
    elif layout.dtype is np.int64:  # some files write whole numbers as floats
        values = array.astype(np.float64)
        if (values != np.floor(values)).any() or (np.abs(values) >= 2**53).any():
            yield f"{_have(name)} values that are no whole numbers, or too large"


def _video_problems(arrays: Arrays) -> Iterator[str]:
    n_frames, picks = int(arrays["n_frames"]), arrays["picks"].astype(np.int64)
    if (np.diff(picks) <= 0).any():
        yield "picks do not increase"
    if picks.min() < 0 or picks.max() >= n_frames:
        yield f"picks run from {picks.min()} to {picks.max()}, out of the video's {n_frames} frames"
    yield from _shot_problems(arrays["change_points"].astype(np.int64), n_frames)
    gtscore = arrays.get("gtscore", np.zeros(1))
    if gtscore.min() < -1e-6 or gtscore.max() > 1 + 1e-6:
        yield f"gtscore runs from {gtscore.min():.3g} to {gtscore.max():.3g}, expected values from 0 to 1"


def _shot_problems(shots: NDArray[np.int64], n_frames: int) -> Iterator[str]:
    first, last = shots.T
    step = first[1:] - last[:-1]
    for shot in np.flatnonzero(last < first)[:1]:
        yield f"shot {shot} ends before it starts"
    for shot in np.flatnonzero(step < 1)[:1]:
        yield f"shots {shot} and {shot + 1} overlap"
    for shot in np.flatnonzero(step > 1)[:1]:
        yield f"there is a gap between shots {shot} and {shot + 1}"
    if first[0] != 0 or last[-1] != n_frames - 1:
        yield f"shots cover frames {first[0]} to {last[-1]}, the video has 0 to {n_frames - 1}"


def _query_problems(arrays: Arrays, concepts: Sequence[str]) -> Iterator[str]:
    # Concepts are parts of the queries' names, and these of ids, files and messages.
    if unfit := [name for name in concepts if not name or not name.isprintable() or "/" in name]:
        yield f"concepts hold a name that cannot be one: {unfit[0][:40]!r}"
    if len(set(concepts)) < len(concepts):
        yield "a concept stands twice"
    if float(arrays["shot_seconds"]) <= 0:
        yield "shot_seconds is not a number above 0"
    queries = arrays["queries"].astype(np.int64)
    if queries.min() < 0 or queries.max() >= len(concepts):
        yield f"queries name concepts out of 0 to {len(concepts) - 1}"
    elif len(np.unique(np.sort(queries, axis=1), axis=0)) < len(queries):  # in any order it is the same query
        yield "a query stands twice"
    sizes = [arrays[name].shape[-1] for name in ("query_features", "caption_features") if name in arrays]
    if len(set(sizes)) > 1:
        yield f"query_features and caption_features differ in size: {sizes}; one encoder has to make both"
    for query in np.flatnonzero(~arrays["oracle"].astype(bool).any(axis=1))[:1]:
        yield f"query {query} has an empty oracle summary"
