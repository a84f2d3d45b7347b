"""The layout of a store of videos with queries: a group a video, written, read and checked.

A group holds ``features`` (shots, features), ``tags`` (shots, concepts), ``concepts`` (concepts,), ``queries``
(queries, phrases) as positions in ``concepts``, ``query_features`` (queries, phrases, features), ``oracle`` (queries,
shots), ``shot_seconds``, and where known ``sentences`` (queries,) and ``sentence_features`` (queries, features). The
file's attribute ``layout`` is ``queries``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.schema import storage_problems

LAYOUT = "queries"
"""What the attribute ``layout`` of such a store says."""
ANNOTATIONS = ("tags", "queries", "oracle")
"""What predictions are measured against."""
_ARRAYS = {
    "features": np.float32,
    "tags": np.uint8,
    "queries": np.int64,
    "query_features": np.float32,
    "oracle": np.uint8,
    "sentence_features": np.float32,
}
_REQUIRED = ("features", "tags", "concepts", "queries", "query_features", "oracle", "shot_seconds")


def read_query_group(group: h5py.Group, dataset: str) -> QueryVideo:
    """Read a group.

    Raises:
        KeyError: An array is missing.
    """
    if missing := [name for name in _REQUIRED if name not in group]:
        raise KeyError(f"no {', '.join(missing)}")
    arrays: dict[str, Any] = {name: np.asarray(group[name], dtype) for name, dtype in _ARRAYS.items() if name in group}
    return QueryVideo(
        dataset=dataset,
        key=group.name.strip("/"),
        concepts=_texts(group["concepts"]),
        sentences=_texts(group["sentences"]) if "sentences" in group else (),
        shot_seconds=float(group["shot_seconds"][()]),
        **arrays,
    )


def write_query_group(group: h5py.Group, video: QueryVideo) -> None:
    """Write a video into an empty group."""
    for name in ("features", "queries", "query_features"):
        group[name] = getattr(video, name)
    for name in ("tags", "oracle"):
        group.create_dataset(name, data=getattr(video, name), compression="gzip", compression_opts=1)
    if video.sentence_features is not None:
        group["sentence_features"] = video.sentence_features
    group["shot_seconds"] = video.shot_seconds
    group.create_dataset("concepts", data=list(video.concepts), dtype=h5py.string_dtype())
    if video.sentences:
        group.create_dataset("sentences", data=list(video.sentences), dtype=h5py.string_dtype())


def query_group_problems(group: h5py.Group) -> list[str]:
    """List every fault of a group in plain words; empty where it is sound.

    Checks that arrays are there, that their shapes fit each other, that features are finite, that tags and oracles are
    0 and 1, that queries name concepts, and that every query has an oracle summary.
    """
    if problems := storage_problems(group, _REQUIRED, (*_ARRAYS, "shot_seconds"), ("concepts", "sentences")):
        return problems
    if group["concepts"].ndim != 1:
        return [f"concepts have shape {group['concepts'].shape}, expected a row of texts"]
    try:
        arrays = {name: np.asarray(group[name]) for name in _ARRAYS if name in group}
        concepts, seconds = _texts(group["concepts"]), np.asarray(group["shot_seconds"])
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        return [f"cannot be read: {error}"]
    if shapes := list(_shape_problems(arrays, len(concepts))):
        return shapes
    if "sentences" in group and group["sentences"].shape != (len(arrays["queries"]),):
        return [f"sentences have shape {group['sentences'].shape}, expected ({len(arrays['queries'])},)"]
    return [*_name_problems(concepts), *_length_problems(seconds), *_value_problems(arrays, len(concepts))]


def _name_problems(concepts: tuple[str, ...]) -> Iterator[str]:
    """Concepts are parts of the queries' names, and these of ids, files and messages."""
    if unfit := [each for each in concepts if not each or not each.isprintable() or "/" in each]:
        yield f"concepts hold a name that cannot be one: {unfit[0][:40]!r}"
    if len(set(concepts)) < len(concepts):
        yield "a concept stands twice"


def _length_problems(seconds: NDArray[np.generic]) -> Iterator[str]:
    if seconds.shape != () or not 0 < float(seconds) < float("inf"):
        yield "shot_seconds is not a number above 0"


def _shape_problems(arrays: dict[str, NDArray[np.generic]], concepts: int) -> Iterator[str]:
    features, queries = arrays["features"], arrays["queries"]
    if features.ndim != 2 or not features.size:
        yield f"features have shape {features.shape}, expected (shots, size)"
        return
    if queries.ndim != 2 or not queries.size:
        yield f"queries have shape {queries.shape}, expected (queries, phrases)"
        return
    expected = {
        "tags": (len(features), concepts),
        "oracle": (len(queries), len(features)),
        "query_features": (*queries.shape, None),
        "sentence_features": (len(queries), None),
    }
    for name, shape in expected.items():
        if name in arrays and not _fits(arrays[name].shape, shape):
            wanted = ", ".join("size" if length is None else str(length) for length in shape)
            yield f"{name} have shape {arrays[name].shape}, expected ({wanted})"


def _fits(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(b is None or a == b for a, b in zip(shape, expected, strict=True))


def _value_problems(arrays: dict[str, NDArray[np.generic]], concepts: int) -> Iterator[str]:
    for name in ("features", "query_features", "sentence_features"):
        if name in arrays and not np.isfinite(arrays[name]).all():
            yield f"{name} hold NaN or infinite values"
    for name in ("tags", "oracle"):
        if not np.isin(arrays[name], (0, 1)).all():
            yield f"{name} has values other than 0 and 1"
    queries = arrays["queries"]
    if queries.dtype.kind not in "iu" or int(queries.min()) < 0 or int(queries.max()) >= concepts:
        yield f"queries name concepts out of 0 to {concepts - 1}"
    elif len(np.unique(np.sort(queries, axis=1), axis=0)) < len(queries):  # in any order it is the same query
        yield "a query stands twice"
    empty = ~arrays["oracle"].astype(bool).any(axis=1)  # (queries,)
    if empty.any():
        yield f"query {int(np.argmax(empty))} has an empty oracle summary"


def _texts(array: h5py.Dataset) -> tuple[str, ...]:
    return tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in array[()])
