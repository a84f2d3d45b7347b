"""The store: one HDF5 file a benchmark, one group a video, in the field's layout with our additions.

A store of many videos is a folder of such files, ``shards.py``, under the same name.

``layouts.LAYOUTS`` lists what a group holds. The attribute ``annotations`` of a group is ``none`` where nobody
annotated the video. The file's attributes name the benchmark (``dataset``), the features (``features``) and where they
come from (``data``: ``real`` or ``mini``); ``layout`` is ``queries`` or ``scripts`` for videos with these, and
``streams`` names the parts of the features (``streams.py``).
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import check_is_file
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import Kind
from clipit_lightning.data.content import add_content, natural_order
from clipit_lightning.data.layouts import ANNOTATIONS, FIELDS, IMPORTANCE, LAYOUTS, Array
from clipit_lightning.data.official_shots import has_official_shots, official_shots_are_in
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.schema import (
    DAMAGED,
    is_annotated,
    read_arrays,
    read_member,
    required,
)
from clipit_lightning.data.script_video import ScriptVideo, told_scripts
from clipit_lightning.data.shards import Index, ShardedFile, checked_index
from clipit_lightning.data.store_check import dataset_of, file_problems, kind_of_file
from clipit_lightning.data.streams import parse_streams
from clipit_lightning.data.video import Video

T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """A benchmark's store on disk. Opened for each read, so that any number of worker processes may hold one."""

    path: Path

    @property
    def attributes(self) -> dict[str, str]:
        """The file's attributes: ``dataset``, ``features``, ``data``."""
        with open_store(self.path) as file:
            try:
                return {name: str(value) for name, value in file.attrs.items()}
            except DAMAGED as error:
                raise UserError(f"{self.path}: its attributes cannot be read ({error}); import it again") from error

    @property
    def streams(self) -> dict[str, int]:
        """The parts of a step's features that it names, with their widths, in order; empty where it names none."""
        try:
            return parse_streams(self.attributes.get("streams", ""))
        except ValueError as error:
            raise UserError(f"{self.path}: its attribute {error}; run `clipit data check`") from error

    def video_keys(self) -> list[str]:
        """Keys of the videos, in natural order (``video_2`` before ``video_10``)."""
        with open_store(self.path) as file:
            return natural_order(file)

    def read(self, keys: Iterable[str] | None = None, features: bool = True) -> list[Video]:
        """Read videos, all of them by default; with ``features`` False they have features of width 0.

        Raises:
            UserError: The file or a group cannot be read; ``check`` says more.
        """
        with open_store(self.path) as file:
            keys = natural_order(file) if keys is None else keys
            read = ((key, _read(file, key, "annotated", features)) for key in keys)
            return [Video(dataset=self.path.stem, key=key, **fields) for key, fields in read]

    def names(self) -> dict[str, str]:
        """The key of each video that has a name, by its name."""
        return {video.name: video.key for video in self.read(features=False) if video.name}

    def splits(self) -> dict[str, str]:
        """The official part of each video by key, in natural order; empty texts where there are none."""
        if (index := self.index) is not None:
            return {key: video.split for key, (_, video) in index.videos.items()}
        with open_store(self.path) as file:
            return {key: _split(file[key]) for key in natural_order(file)}

    def scripts(self) -> dict[str, tuple[int, ...]]:
        """Numbers of the scripts that have a sentence, of each video by key, in natural order."""
        if (index := self.index) is not None:
            return {key: video.scripts for key, (_, video) in index.videos.items()}
        with open_store(self.path) as file:
            return {key: told_scripts(file[key]["script_features"]) for key in natural_order(file)}

    def read_queries(self) -> list[QueryVideo]:
        """Read all videos of a store of videos with queries; a ``UserError`` as of ``read``, or of another store."""
        return self._read_with_texts("queries", QueryVideo)

    def read_scripts(self, keys: Iterable[str] | None = None) -> list[ScriptVideo]:
        """Read videos, by default all, of a store of videos with scripts; errors are those of ``read_queries``."""
        return self._read_with_texts("scripts", ScriptVideo, keys)

    def _read_with_texts(self, kind: Kind, made: Callable[..., T], keys: Iterable[str] | None = None) -> list[T]:
        with open_store(self.path) as file:
            if kind_of_file(file) != kind:
                raise UserError(f"{self.path}: its videos have no {kind}; import it again")
            keys, dataset = natural_order(file) if keys is None else keys, dataset_of(file)
            return [made(dataset=dataset, key=key, **_read(file, key, kind)) for key in keys]

    def check(self, name: str | None = None) -> list[str]:
        """What is wrong in plain words, a line each; nothing where all is well. By default its name is its file's."""
        name = self.path.stem if name is None else name
        try:
            if self.path.is_dir():
                return checked_index(self.path, name)[1]
            with open_store(self.path) as file:
                return file_problems(file, name)
        except UserError as error:
            return [str(error)]

    @property
    def index(self) -> Index | None:
        """What is known of every video of a store in shards, those that changed read anew; None for a single file."""
        return checked_index(self.path, self.path.stem)[0] if self.path.is_dir() else None

    def shards(self) -> list[int]:
        """The number of the shard of each video, in natural order; 0 for all in a single file."""
        index = self.index
        return [0] * len(self.video_keys()) if index is None else [number for number, _ in index.videos.values()]

    def not_annotated(self) -> list[str]:
        """Keys of the videos that nobody annotated, in natural order."""
        if (index := self.index) is not None:
            return [key for key, (_, video) in index.videos.items() if not video.annotated]
        with open_store(self.path) as file:
            return [key for key in natural_order(file) if not is_annotated(file[key])]

    def example(self, array: str) -> str:
        """Key of the first video that has an array, or of the first one where none has."""
        with open_store(self.path) as file:
            keys = natural_order(file)
            if (index := self.index) is not None:
                keys = [keys[0], *(key for shard in index.shards if array in shard.widths for key in shard.videos)]
            return next((key for key in keys if array in file[key]), keys[0])

    def all_have(self, array: str) -> bool:
        """Whether every annotated video has an array."""
        if (index := self.index) is not None:
            return all(array in shard.of_all for shard in index.shards)
        with open_store(self.path) as file:
            try:
                return all(array in group for group in file.values() if is_annotated(group))
            except DAMAGED as error:
                raise UserError(f"{self.path}: damaged ({first_line(error)}); run `clipit data check`") from error

    def notes(self) -> list[str]:
        """What a user should know of a valid store, a line each: shots that are not the official ones."""
        if not (others := self.with_other_shots()):
            return []
        with open_store(self.path) as file:
            pattern = BENCHMARKS[dataset_of(file)].annotations[0].pattern
            return [
                f"{len(others)} of {len(file)} videos have other shots than the official ones, on which printed F1 "
                f"rests; import it again with {pattern} beside it"
            ]

    def with_other_shots(self) -> list[str]:
        """Keys of videos whose shots are not the official ones; none where there are none, or data are not real."""
        with open_store(self.path) as file:
            dataset = dataset_of(file)
            if not has_official_shots(dataset) or str(file.attrs.get("data", "real")) != "real":
                return []
            return [key for key, group in file.items() if not official_shots_are_in(group, dataset, key)]

    def nbytes(self) -> int:
        """Memory that its arrays take when read."""
        if (index := self.index) is not None:
            return sum(video.nbytes for _, video in index.videos.values())
        with open_store(self.path) as file:
            return sum(array.nbytes for group in file.values() for array in group.values())

    def annotations_hash(self) -> str:
        """A short hash of what predictions are measured against: annotations, picks, shots; not of features."""
        index = self.index
        return self._hash(ANNOTATIONS) if index is None else index.hash("annotations")

    def content_hash(self) -> str:
        """A short hash of every array of every video, however it was written."""
        index = self.index
        return self._hash() if index is None else index.hash("content")

    def _hash(self, only: Collection[str] = ()) -> str:
        digest = hashlib.sha256()
        with open_store(self.path) as file:
            for key in natural_order(file):
                add_content(digest, file[key], key, only)
        return digest.hexdigest()[:12]


def _split(group: h5py.Group) -> str:
    return str(read_member(group, "split", text=True)) if "split" in group else ""


def _read(file: h5py.File | ShardedFile, key: str, kind: Kind, features: bool = True) -> dict[str, Any]:
    """What one group of a store holds, as fields of ``Video`` or ``QueryVideo``; perhaps without features."""
    if key not in file:
        have = f"{len(file)} videos, such as {next(iter(file), '-')}"
        raise UserError(f"{file.filename}: no video {key}; it holds {have}")
    try:
        names = None if features else LAYOUTS[kind].keys() - {"features"}
        arrays = as_fields(read_arrays(file[key], kind, names), kind)
        if not features:
            arrays["features"] = np.zeros((len(arrays["picks"]), 0), np.float32)
        if missing := [name for name in required(file[key], kind) if name not in arrays]:
            raise KeyError(f"no {', '.join(missing)}")
        if not is_annotated(file[key]):
            arrays |= dict.fromkeys(IMPORTANCE, np.full(len(arrays["picks"]), np.nan, np.float32))
    except DAMAGED as error:
        raise UserError(f"{file.filename}: {key} cannot be read ({error}); run `clipit data check`") from error
    return arrays


def group_arrays(group: h5py.Group, kind: Kind = "annotated") -> dict[str, Any]:
    """What a group holds, as the fields of ``Video`` or ``QueryVideo``; what it lacks is omitted."""
    return as_fields(read_arrays(group, kind), kind)


def as_fields(arrays: Mapping[str, NDArray[Any]], kind: Kind) -> dict[str, Any]:
    """Arrays of a group as they are stored, as the fields of ``Video`` or ``QueryVideo``."""
    return {FIELDS.get(name, name): _value(array, LAYOUTS[kind][name]) for name, array in arrays.items()}


def _value(values: NDArray[Any], array: Array) -> Any:  # noqa: ANN401 - as the field of the video
    if array.dtype is str:
        return tuple(values.tolist()) if array.shape else str(values)
    values = values.astype(array.dtype, copy=False)
    return values if array.shape else values.item()


def open_store(path: Path) -> h5py.File | ShardedFile:
    """Open a store to read it; a UserError where there is none, or its file is none of HDF5."""
    try:
        check_is_file(path)
        if path.is_dir():
            return ShardedFile(path)
        return open_hdf5(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such store; make it with `clipit data import FOLDER`") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable HDF5 file ({first_line(error)}); import or copy it again") from error
