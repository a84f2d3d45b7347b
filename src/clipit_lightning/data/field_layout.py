"""A video's group in the field's layout, in the forms that files of the field have it in.

Nothing is read before its place and size are checked, and nothing is cast here.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.data.content import natural_order
from clipit_lightning.data.layouts import LAYOUTS, Array
from clipit_lightning.data.schema import DAMAGED, array_problems, is_in_place, read_arrays, storage_problems
from clipit_lightning.data.spans import spans_in_steps
from clipit_lightning.data.store import open_store

_LAYOUT = LAYOUTS["annotated"]
_TIMED = ("picks", "n_frames", "text_spans", "fps")
_NUMBERS = [name for name, array in _LAYOUT.items() if array.dtype is not str]


def read_field_group(group: h5py.Group) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Read what a group holds of the table of annotated videos, as it is stored.

    Numbers may be arrays of one, rows may be columns, a name may be characters of MATLAB, and tables may be transposed,
    where the group's other arrays leave no doubt.

    Returns:
        Arrays by name, and the names of those that were transposed.

    Raises:
        UserError: The group lacks ``features``, or an array is elsewhere, of another kind, or larger than its file.
    """
    if problems := storage_problems(group, ["features"], _NUMBERS, _LAYOUT.keys() - _NUMBERS - {"video_name"}):
        raise UserError(problems[0])
    arrays = read_arrays(group, "annotated", _LAYOUT.keys() - {"video_name"})
    if "video_name" in group and group["video_name"].dtype.kind == "u":  # characters of MATLAB
        arrays["video_name"] = np.array("".join(map(chr, np.asarray(group["video_name"]).ravel())), object)
    elif "video_name" in group:
        if problems := storage_problems(group, [], [], ["video_name"], only=["video_name"]):
            raise UserError(problems[0])
        arrays |= read_arrays(group, "annotated", ["video_name"])
    return _arranged(arrays)


def _arranged(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Arrays in the table's shapes, and which of them were transposed."""
    flat = {name: _flat(array, len(_LAYOUT[name].shape)) for name, array in arrays.items()}
    counted = {"gtscore": "steps", "picks": "steps"}
    counted |= {"captions": "captions", "shot_captions": "shots", "judges": "judges"}
    sizes: dict[str | int, Any] = {dimension: len(flat[name]) for name, dimension in counted.items() if name in flat}
    if "n_frames" in flat and flat["n_frames"].ndim == 0:
        sizes["frames"] = flat["n_frames"]
    transposed = [
        name
        for name, array in flat.items()
        if len(_LAYOUT[name].shape) == array.ndim == 2
        and not _fits(array.shape, _LAYOUT[name], sizes)
        and _fits(array.shape[::-1], _LAYOUT[name], sizes)
    ]
    return flat | {name: flat[name].T for name in transposed}, transposed


def _fits(shape: tuple[int, ...], array: Array, sizes: Mapping[str | int, Any]) -> bool:
    """Whether no length contradicts what is known of its dimension."""
    expected = [sizes.get(dimension, dimension) for dimension in array.shape]
    return all(isinstance(size, str) or length == size for length, size in zip(shape, expected, strict=True))


def _flat(array: NDArray[Any], dimensions: int) -> NDArray[Any]:
    """A number of an array of one, or a row of a column; any other array as it is."""
    if dimensions > 1 or array.size != max(array.shape, default=1) or not array.size:
        return array
    return array.reshape(() if dimensions == 0 and array.size == 1 else -1)


class Features(NamedTuple):
    """What a scorer reads of a video."""

    key: str
    features: NDArray[np.float32]
    """(steps, features)."""
    captions: NDArray[np.float32] | None
    """Features of captions, where it has them, (captions, features)."""
    spans: NDArray[np.float32] | None
    """When they hold, in steps, where that is known, (captions, 2)."""


def read_features(path: Path) -> Iterator[Features]:
    """Read only what a scorer reads of the videos of a store, or of any HDF5 file of groups with ``features``.

    Raises:
        UserError: The file cannot be read, or a member of it is no video with features.
    """
    with open_store(path) as file:
        keys = natural_order(file)
        if not keys:
            raise UserError(f"{path}: the file holds no video")
        for key in keys:
            group: Any = file[key] if is_in_place(file, key) else None
            names = set(group) if isinstance(group, h5py.Group) else set()
            there = [name for name in ("features", "caption_features") if name in names]
            there += _TIMED if names.issuperset(_TIMED) else ()
            if problems := storage_problems(group, ["features"], there, [], only=there):
                raise UserError(f"{path}: {key} {problems[0]}; name a file of groups with `features`")
            try:
                read = {name: np.asarray(group[name]) for name in there}
                spans = _spans(read) if "text_spans" in read else None
                arrays = [read[name].astype(np.float32, copy=False) for name in there if name not in _TIMED]
            except DAMAGED as error:
                raise UserError(f"{path}: {key} cannot be read ({first_line(error)})") from error
            if flat := [name for name, array in zip(there, arrays, strict=False) if array.ndim != 2]:
                raise UserError(f"{path}: {key}: {flat[0]} is no table of (steps, features)")
            yield Features(key, arrays[0], arrays[1] if len(arrays) > 1 else None, spans)


def _spans(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    if problems := array_problems(arrays, "annotated"):
        raise ValueError(problems[0])
    return spans_in_steps(arrays["text_spans"] * float(arrays["fps"]), arrays["picks"], int(arrays["n_frames"]))
