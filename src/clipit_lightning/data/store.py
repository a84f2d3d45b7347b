"""The store: one HDF5 file a benchmark, one group a video, in the field's layout with our additions.

A group holds ``features`` (steps, features), ``picks`` (steps,), ``n_frames``, ``change_points`` (shots, 2),
``gtscore`` (steps,), ``gtsummary`` (steps,), the last two unless its attribute ``annotations`` is ``none``, because
nobody annotated the video; and where known ``user_summary`` (annotators, frames), ``user_scores`` (annotators, steps),
``captions`` (captions,), ``caption_features`` (captions, features), ``video_name``. The file's attributes name the
benchmark (``dataset``), the features (``features``) and where they come from (``data``: ``real``
or ``mini``). A benchmark with queries has another layout, ``query_layout.py``.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import atomic_path, refuse_no_file
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.query_layout import (
    ANNOTATIONS,
    LAYOUT,
    query_group_problems,
    read_query_group,
    write_query_group,
)
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.schema import IMPORTANCE, group_problems, is_annotated, required
from clipit_lightning.data.video import Video

_ARRAYS = {
    "features": np.float32,
    "picks": np.int64,
    "change_points": np.int64,
    "gtscore": np.float32,
    "gtsummary": np.float32,
    "user_summary": np.uint8,
    "user_scores": np.float32,
    "caption_features": np.float32,
}


@dataclass(frozen=True)
class Store:
    """A benchmark's store on disk. Opened for each read, so that any number of worker processes may hold one."""

    path: Path

    @property
    def attributes(self) -> dict[str, str]:
        """The file's attributes: ``dataset``, ``features``, ``data``."""
        with _open(self.path) as file:
            try:
                return {name: str(value) for name, value in file.attrs.items()}
            except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
                raise UserError(f"{self.path}: its attributes cannot be read ({error}); import it again") from error

    def video_keys(self) -> list[str]:
        """Keys of the videos, in natural order (``video_2`` before ``video_10``)."""
        with _open(self.path) as file:
            return natural_order(file)

    def read(self, keys: Iterable[str] | None = None) -> list[Video]:
        """Read videos, all of them by default.

        Raises:
            UserError: The file or a group cannot be read; ``check`` says more.
        """
        with _open(self.path) as file:
            dataset = str(file.attrs.get("dataset", self.path.stem))
            return [read_group(file, key, dataset) for key in (natural_order(file) if keys is None else keys)]

    def read_queries(self) -> list[QueryVideo]:
        """Read all videos of a store of videos with queries.

        Raises:
            UserError: The file is another store, or a group cannot be read; ``check`` says more.
        """
        with _open(self.path) as file:
            if not _has_queries(file):
                raise UserError(f"{self.path}: its videos have no queries; import it again")
            dataset = str(file.attrs.get("dataset", self.path.stem))
            try:
                return [read_query_group(file[key], dataset) for key in natural_order(file)]
            except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
                raise UserError(f"{self.path}: cannot be read ({error}); run `clipit data check`") from error

    def check(self) -> list[str]:
        """Say in plain words, a line each, what is wrong; nothing where all is well."""
        try:
            with _open(self.path) as file:
                keys = natural_order(file)
                if not keys:
                    return ["the file holds no video"]
                if problems := self._file_problems(file, keys):
                    return problems
                problems_of = query_group_problems if _has_queries(file) else group_problems
                lines = [f"{key}: {text}" for key in keys for text in problems_of(file[key])]
                return lines or list(_size_problems([file[key] for key in keys]))
        except UserError as error:
            return [str(error)]
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            return [f"damaged: {_first_line(error)}"]

    def _file_problems(self, file: h5py.File, keys: Sequence[str]) -> list[str]:
        """What is wrong with the file as a whole: names and links of videos, and another benchmark's store."""
        if names := [key for key in keys if not key.isprintable()]:
            return [f"a video has the name {names[0][:40]!r}, which cannot be printed"]
        if links := [key for key in keys if not isinstance(file.get(key, getlink=True), h5py.HardLink)]:
            return [f"{key}: is a link, not a video in its place" for key in links]
        said, own = str(file.attrs.get("dataset", self.path.stem)), self.path.stem
        if said != own and own in BENCHMARKS:
            return [f"it says that it is the store of {said[:40]!r}, its name says {own}"]
        return []

    def nbytes(self) -> int:
        """Memory that its arrays take when read."""
        with _open(self.path) as file:
            return sum(array.nbytes for group in file.values() for array in group.values())

    def content_hash(self) -> str:
        """A short hash of every array of every video: the same content has the same hash, however it was written."""
        return self._hash(())

    def annotations_hash(self) -> str:
        """A short hash of what predictions are measured against: annotations, picks, shots; not of features."""
        frames = ("n_frames", "picks", "change_points", "gtscore", "user_summary", "user_scores")
        return self._hash((*frames, *ANNOTATIONS))

    def _hash(self, only: tuple[str, ...]) -> str:
        digest = hashlib.sha256()
        with _open(self.path) as file:
            for key in natural_order(file):
                for name in sorted(name for name in file[key] if not only or name in only):
                    value = file[key][name][()]
                    array = np.asarray(value)
                    content = repr(list(array.ravel())).encode() if array.dtype.hasobject else array.tobytes()
                    digest.update(f"{key}/{name}:{array.shape}:{array.dtype};".encode() + content)
        return digest.hexdigest()[:12]


def natural_order(file: Iterable[str]) -> list[str]:
    """Keys with their numbers in numeric order."""
    return sorted(file, key=lambda key: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", key)])


def read_group(file: h5py.File, key: str, dataset: str) -> Video:
    """Read one group of a store as a ``Video``.

    Raises:
        UserError: There is no such group, an array is missing, or it cannot be read.
    """
    if key not in file:
        raise UserError(
            f"{file.filename}: no video {key}; it holds {len(file)} videos, such as {next(iter(file), '-')}"
        )
    try:
        arrays = group_arrays(file[key])
        if missing := [name for name in required(file[key]) if name not in arrays]:
            raise KeyError(f"no {', '.join(missing)}")
        if not is_annotated(file[key]):
            arrays |= dict.fromkeys(IMPORTANCE, np.full(len(arrays["picks"]), np.nan, np.float32))
        return Video(dataset=dataset, key=key, **arrays)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{file.filename}: {key} cannot be read ({error}); run `clipit data check`") from error


def group_arrays(group: h5py.Group) -> dict[str, Any]:
    """What a group in the field's layout holds, as the fields of ``Video``; what it lacks is left out."""
    found: dict[str, Any] = {
        name: np.asarray(group[name], dtype=dtype) for name, dtype in _ARRAYS.items() if name in group
    }
    if "n_frames" in group:
        found["n_frames"] = int(group["n_frames"][()])
    if "captions" in group:
        found["captions"] = tuple(_text(each) for each in group["captions"][()])
    if "video_name" in group:
        found["name"] = _text(group["video_name"][()])
    return found


def write_store(path: Path, videos: Iterable[Video], attributes: dict[str, str]) -> None:
    """Write a store atomically: a reader never sees a part of it. Equal content gives an equal file."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(attributes)
        for video in videos:
            _write_group(file.create_group(video.key), video)


def write_query_store(path: Path, videos: Iterable[QueryVideo], attributes: dict[str, str]) -> None:
    """The same for videos with queries."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(attributes | {"layout": LAYOUT})
        for video in videos:
            write_query_group(file.create_group(video.key), video)


def _has_queries(file: h5py.File) -> bool:
    return str(file.attrs.get("layout", "")) == LAYOUT


def _write_group(group: h5py.Group, video: Video) -> None:
    group["features"] = video.features
    group["picks"] = video.picks.astype(np.int32)
    group["n_frames"] = video.n_frames
    group["n_steps"] = video.n_steps
    group["change_points"] = video.change_points.astype(np.int32)
    group["n_frame_per_seg"] = np.diff(video.change_points, axis=1).ravel().astype(np.int32) + 1
    if video.is_annotated:
        group["gtscore"] = video.gtscore
        group["gtsummary"] = video.gtsummary
    else:
        group.attrs["annotations"] = "none"
    group["video_name"] = video.name
    for name in ("user_summary", "user_scores", "caption_features"):
        if getattr(video, name) is not None:
            group.create_dataset(name, data=getattr(video, name), compression="gzip", compression_opts=1)
    if video.captions:
        group.create_dataset("captions", data=list(video.captions), dtype=h5py.string_dtype())


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _open(path: Path) -> h5py.File:
    try:
        refuse_no_file(path)
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such store; make it with `clipit data import FOLDER`") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable HDF5 file ({_first_line(error)}); import or copy it again") from error


def _size_problems(groups: Sequence[h5py.Group]) -> Iterator[str]:
    """Sizes in which sound videos of one store differ."""
    for name in ("features", "caption_features", "query_features", "sentence_features"):
        if len(sizes := {group[name].shape[-1] for group in groups if name in group}) > 1:
            yield f"{name} differ in size between videos: {sorted(sizes)}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
