"""What can be wrong with the arrays of a video's group, by the table of ``layouts``; arrays read before any cast."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.benchmark import Kind
from clipit_lightning.data.layouts import IMPORTANCE, LAYOUTS, Array

_ANNOTATORS = ("user_summary", "user_scores")
_FREE = ("size", "annotators")
_MOST_FRAMES = 10**7  # four days at 30 frames a second: more is damage, and would be allocated
_MOST_FPS = 10**6
# Bytes that a stored byte may stand for (deflate reaches 1032, which no features do), and bytes that may stand for
# nothing stored: summaries of annotators are nearly empty.
_PACKED, _SMALL = 100, 5 * 10**7

DAMAGED = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError)
"""What libraries raise for a damaged file."""

Arrays = Mapping[str, NDArray[Any]]
Stored = Mapping[str, Any]
"""All that a group holds by name, as it is stored: arrays, and single numbers; texts as bytes."""


def is_annotated(group: h5py.Group) -> bool:
    """Whether anybody annotated the video: its attribute ``annotations`` is not ``none``."""
    return str(group.attrs.get("annotations", "")) != "none"


def required(group: h5py.Group, kind: Kind) -> list[str]:
    """What this group has to hold."""
    importance = IMPORTANCE if kind == "annotated" and is_annotated(group) else ()
    return [*(name for name, array in LAYOUTS[kind].items() if array.required), *importance]


def is_in_place(group: h5py.Group, name: str) -> bool:
    """Whether a member lies in the group itself, where no link leads elsewhere; opens nothing."""
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def key_problems(file: h5py.File) -> list[str]:
    """Why the videos of a file must not even be opened: a name that cannot be printed, a link."""
    if names := [key for key in file if not key.isprintable()]:
        return [f"a video has the name {names[0][:40]!r}, which cannot be printed"]
    links = [key for key in file if not is_in_place(file, key)]
    return [f"{key}: is a link, not a video in its place" for key in links]


def read_checked(group: h5py.Group, kind: Kind) -> tuple[dict[str, Any], list[str]]:
    """Read one group of a store once: all that it holds as it is stored, and every fault in plain words.

    Checks that arrays are there, in the file itself, and of the right type and shape, and that their values are
    possible: finite, steps in order within the video, shots that cover it without overlap or gap, queries that name
    concepts and have an oracle summary, scripts with sentences.
    """
    layout = LAYOUTS[kind]
    numbers = [name for name, array in layout.items() if array.dtype is not str]
    if problems := storage_problems(group, required(group, kind), numbers, layout.keys() - numbers):
        return {}, problems
    if not is_annotated(group) and (there := [name for name in (*IMPORTANCE, *_ANNOTATORS) if name in group]):
        return {}, [f"is marked as not annotated (annotations=none), but has {', '.join(there)}"]
    try:
        stored = {name: group[name][()] for name in group}
        known = {name: _as_array(stored[name], array.dtype is str) for name, array in layout.items() if name in stored}
        return stored, array_problems(known, kind)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        return {}, [f"cannot be read: {error}"]


def open_group(file: h5py.Group, key: str) -> h5py.Group:
    """A group in its place; a ValueError where there is none, or it is a link."""
    if not is_in_place(file, key) or not isinstance(file[key], h5py.Group):
        raise ValueError(f"{key} is not a group in its place")
    return file[key]


def read_arrays(group: h5py.Group, kind: Kind, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """What a group holds of the table, or of some of its names, as it is stored, before any cast; texts as objects."""
    known = LAYOUTS[kind].items()
    there = {name: array for name, array in known if name in group and (names is None or name in names)}
    return {name: _as_array(group[name][()], array.dtype is str) for name, array in there.items()}


def read_member(group: h5py.Group, name: str, text: bool = False) -> NDArray[Any]:
    """Read one array of a group or file as it is stored, after a look at its place and size.

    Raises:
        ValueError: It is missing, elsewhere, of another kind, or larger than its file.
    """
    numbers, texts = ([], [name]) if text else ([name], [])
    if problems := storage_problems(group, [name], numbers, texts, only=[name]):
        raise ValueError(problems[0])
    return _as_array(group[name][()], text)


def _as_array(stored: Any, text: bool) -> NDArray[Any]:  # noqa: ANN401 - an array, a number, or bytes
    if not text:
        return np.asarray(stored)
    array = np.asarray(stored, object)
    texts = [value.decode(errors="replace") for value in array.ravel()]
    return np.array(texts, object).reshape(array.shape)


def array_problems(arrays: Arrays, kind: Kind) -> list[str]:
    """List every fault of the arrays of a group as they are stored, in plain words; empty where they are valid."""
    layout = LAYOUTS[kind]
    if problems := list(_shape_problems(arrays, layout)):
        return problems
    numbers = {name: array for name, array in arrays.items() if layout[name].dtype is not str}
    if problems := [line for name, array in numbers.items() for line in _value_problems(name, array, layout[name])]:
        return problems
    checks = {"annotated": _video_problems, "queries": _query_problems, "scripts": _script_problems}
    return list(checks[kind](arrays))


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
    # `in` would open the file that a link leads to
    if missing := [name for name in required if group.get(name, getlink=True) is None]:
        return [f"has no {', '.join(missing)}"]
    return [line for name in (group if only is None else only) for line in _array_problems(group, name, numbers, texts)]


def _array_problems(group: h5py.Group, name: str, numbers: Collection[str], texts: Collection[str]) -> Iterator[str]:
    if not is_in_place(group, name):
        yield f"{name} is a link, not an array in its place"
        return
    array = group[name]
    if not isinstance(array, h5py.Dataset) or array.shape is None:
        yield f"{name} is not an array"
        return
    # A chunk, which is read as a whole, may be larger than the array.
    nbytes = max(array.nbytes, math.prod(array.chunks or ()) * array.dtype.itemsize)
    if array.is_virtual or array.external:
        yield f"{name} has its values in another file"
    elif nbytes > _SMALL + _PACKED * array.id.get_storage_size():
        yield f"{name} has shape {array.shape}, {nbytes} bytes, of which the file holds next to none"
    elif name in numbers and array.dtype.kind not in "iufb":
        yield f"{name} has type {array.dtype}, expected numbers"
    elif name in texts and h5py.check_string_dtype(array.dtype) is None:
        yield f"{name} has type {array.dtype}, expected text"


def _shape_problems(arrays: Arrays, layout: Mapping[str, Array]) -> Iterator[str]:
    sizes: dict[str | int, int] = {}
    if "n_frames" in arrays and arrays["n_frames"].shape == ():
        n_frames = float(arrays["n_frames"])
        if not 1 <= n_frames <= _MOST_FRAMES:
            yield f"n_frames is {n_frames:g}, expected 1 to {_MOST_FRAMES}"
            return
        sizes["frames"] = int(n_frames)
    for name, array in layout.items():
        if name not in arrays:
            continue
        shape = arrays[name].shape
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


def _value_problems(name: str, array: NDArray[Any], layout: Array) -> Iterator[str]:
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite in it
        values = np.atleast_1d(array.astype(np.float32) if layout.dtype is np.float32 else array)
    if not (finite := np.isfinite(values)).all():
        yield f"{_have(name)} NaN or infinite values, first in row {np.argwhere(~finite)[0][0]}"
    elif layout.binary and (others := np.unique(array[(array != 0) & (array != 1)])).size:
        yield f"{_have(name)} values other than 0 and 1: {', '.join(f'{value:.6g}' for value in others[:3])}"
    elif layout.dtype is np.int64:  # some files write whole numbers as floats, which hold them up to a limit
        largest = 2.0 ** min(53, np.finfo(array.dtype).nmant + 1) if array.dtype.kind == "f" else 2.0**53
        values = values.astype(np.float64)
        if (values != np.floor(values)).any() or (np.abs(values) >= largest).any():
            yield f"{_have(name)} values that are no whole numbers, or too large for {array.dtype}"


def _video_problems(arrays: Arrays) -> Iterator[str]:
    """What is wrong with a video of sound shapes; picks and shots may lack where they are made."""
    n_frames = int(arrays["n_frames"])
    if not str(arrays.get("video_name", "")).isprintable():
        yield "video_name cannot be printed"
    if "picks" in arrays:
        picks = arrays["picks"].astype(np.int64)
        if (np.diff(picks) <= 0).any():
            yield "picks do not increase"
        if picks.min() < 0 or picks.max() >= n_frames:
            yield f"picks run from {picks.min()} to {picks.max()}, out of the video's {n_frames} frames"
    if "change_points" in arrays:
        yield from _shot_problems(arrays["change_points"].astype(np.int64), n_frames)
    yield from _span_problems(arrays, n_frames)
    yield from _split_problems(arrays)
    if ("judges" in arrays) != ("shot_scores" in arrays):
        yield "judges and shot_scores are there only together"
    judges = arrays.get("judges", np.empty(0)).tolist()
    if not all(judge and judge.isprintable() for judge in judges) or len(set(judges)) < len(judges):
        yield "judges have a name that cannot be printed, or that stands twice"
    scores = arrays.get("shot_scores", np.zeros(1))
    if ((scores < 0) & (scores != -1)).any() or scores.max() > 100:
        yield "shot_scores are not all from 0 to 100, or -1 for none"
    for name in ("gtscore", "memorability"):
        values = arrays.get(name, np.zeros(1))
        if values.min() < -1e-6 or values.max() > 1 + 1e-6:
            yield f"{name} runs from {values.min():.3g} to {values.max():.3g}, expected values from 0 to 1"


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


def _script_problems(arrays: Arrays) -> Iterator[str]:
    if float(arrays["step_seconds"]) <= 0:
        yield "step_seconds is not a number above 0"
    yield from _split_problems(arrays)
    if not arrays["script_features"].any():
        yield "no script has a sentence: script_features are 0"


def _split_problems(arrays: Arrays) -> Iterator[str]:
    if (split := str(arrays.get("split", ""))) not in ("", "train", "validation", "test"):
        yield f"split is {split[:40]!r}, expected train, validation or test"


def _span_problems(arrays: Arrays, n_frames: int) -> Iterator[str]:
    fps = float(arrays.get("fps", 1))
    if not 0 < fps <= _MOST_FPS:
        yield f"fps is {fps:g}, expected frames a second, above 0"
        return
    if "text_spans" not in arrays:
        return
    if "fps" not in arrays:
        yield "has text_spans, but no fps, by which their seconds are frames"
        return
    starts, ends = arrays["text_spans"].T
    if starts.min() < 0:
        yield f"text_spans begin at {starts.min():g} s, expected seconds from 0"
    for caption in np.flatnonzero(ends < starts)[:1]:
        yield f"text_spans: caption {caption} ends before it starts"
    if starts.max() >= n_frames / fps:
        yield f"text_spans begin at {starts.max():g} s, after the video's end at {n_frames / fps:g} s"


def _query_problems(arrays: Arrays) -> Iterator[str]:
    concepts = arrays["concepts"].tolist()
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
