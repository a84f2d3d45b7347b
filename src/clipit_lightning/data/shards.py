"""A large store: a folder ``NAME.h5`` of shards, each the HDF5 file of a store with some of the videos, and an index.

``index.json`` keeps what is asked of all videos before any is read: keys, hashes, official parts. It also keeps a stamp
of each shard as it was when it was read whole and was valid; a shard with the same stamp is not read again. The stamp
has the time at which the system last changed the file, which nobody sets, so that a copy is checked once where it lies.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_typed, write_typed
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.core.locks import run_lock
from clipit_lightning.core.log import log
from clipit_lightning.core.progress import track
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.content import add_content, natural_order
from clipit_lightning.data.layouts import ANNOTATIONS
from clipit_lightning.data.schema import Stored, is_annotated
from clipit_lightning.data.script_video import told_scripts
from clipit_lightning.data.store_check import file_problems, widths

INDEX = "index.json"
VIDEOS = 512
"""Videos of a shard; a store with more is a folder of shards."""
OF_PARTS = ("dataset", "inputs", "annotations_sha256")
"""Attributes in which shards may differ that were stores of their own; the whole then has none of that name."""
_OPEN = 8  # shards that are open at once
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """What is known of a video before it is read."""

    content: str
    """Hash of all that the store has of it."""
    annotations: str
    """Hash of what predictions are measured against."""
    nbytes: int
    """Memory that its arrays take."""
    split: str = ""
    annotated: bool = True
    scripts: tuple[int, ...] = ()
    """Numbers of its scripts that have a sentence."""


@dataclass(frozen=True)
class Shard:
    """What is known of a shard, as it was when it was read whole."""

    file: str
    """Its name in the folder."""
    stamp: Stamp
    """Bytes, and nanoseconds of the last change of its content and of anything of it."""
    attributes: dict[str, str]
    widths: dict[str, int]
    """Features of a row of each array of features that a video has."""
    of_all: tuple[str, ...]
    """Arrays that every annotated video has."""
    videos: dict[str, Entry]


@dataclass(frozen=True)
class Index:
    """What is known of a store in shards."""

    shards: tuple[Shard, ...]

    @cached_property
    def videos(self) -> dict[str, tuple[int, Entry]]:
        """The number of its shard, and what is known of it, of each video by key, in natural order."""
        held = {key: (number, video) for number, shard in enumerate(self.shards) for key, video in shard.videos.items()}
        return {key: held[key] for key in natural_order(held)}

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Those in which all shards agree."""
        first, *others = [shard.attributes for shard in self.shards]
        return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}

    def hash(self, of: Literal["content", "annotations"]) -> str:
        """A short hash over all videos, whatever shards they lie in."""
        lines = "".join(f"{key}:{getattr(video, of)};" for key, (_, video) in self.videos.items())
        return hashlib.sha256(lines.encode()).hexdigest()[:12]


class ShardedFile(Mapping[str, h5py.Group]):
    """The videos of all shards by key, for reading, as an open ``h5py.File`` has those of one file."""

    def __init__(self, folder: Path) -> None:
        self.filename, self._folder, self._index = str(folder), folder, read_index(folder)
        self.attrs = self._index.attributes
        self._files: dict[int, h5py.File] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.videos)

    def __len__(self) -> int:
        return len(self._index.videos)

    def __contains__(self, key: object) -> bool:
        return key in self._index.videos

    def __getitem__(self, key: str) -> h5py.Group:
        """A video's group, open until some further shards are."""
        number, _ = self._index.videos[key]
        if number not in self._files:
            if len(self._files) == _OPEN:
                self._files.pop(next(iter(self._files))).close()
            self._files[number] = self._open(self._index.shards[number])
        return self._files[number][key]

    def _open(self, shard: Shard) -> h5py.File:
        path = self._folder / shard.file
        # What was valid and has not changed can be opened without another look for damage, for which it is read whole.
        return h5py.File(path, "r") if stamp_of(path) == shard.stamp else open_hdf5(path)

    def __enter__(self) -> "ShardedFile":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()


def read_index(folder: Path) -> Index:
    """Read the index of a store in shards; a UserError where there is none, or it is something else."""
    path = folder / INDEX
    if not path.exists():
        raise UserError(f"{folder}: a folder without {INDEX}, no store in shards; import it again")
    return _read_index(path, stamp_of(path))


@lru_cache(maxsize=8)
def _read_index(path: Path, _stamp: Stamp) -> Index:
    way_out = "import it again"
    index = read_typed(path, Index, "is no index of shards", way_out)
    names = [shard.file for shard in index.shards]
    if not names or any(Path(name).name != name or not name.endswith(".h5") for name in names):
        raise UserError(f"{path}: names no shards, or files of other folders; {way_out}")
    return index


def checked_index(folder: Path, name: str) -> tuple[Index, list[str]]:
    """The index of a store with every shard that changed read anew, and what is wrong with the store, a line each.

    The index is written where all is well, so that nothing is read twice, also by processes that start together; a
    folder that cannot be written to stays as it is, and its shards are read once more by the next process.
    """
    if not _changed(folder, index := read_index(folder)):
        return index, []
    with ExitStack() as stack:
        with suppress(UserError):  # where nothing can be written
            stack.enter_context(run_lock(folder / INDEX, patience=-1))
        return _check(folder, name)


def _check(folder: Path, name: str) -> tuple[Index, list[str]]:
    index, problems = read_index(folder), list[str]()  # another process may have written it meanwhile
    if not (changed := _changed(folder, index)):
        return index, []
    shards = {shard.file: shard for shard in index.shards}
    for file in track(changed, f"check {folder}"):
        shards[file], of_shard = describe_shard(folder / file, name)
        problems += [f"{file}: {problem}" for problem in of_shard]
    index = replace(index, shards=tuple(shards.values()))
    problems = problems or list(problems_between(index))
    if not problems:
        save_index(folder, index)
    return index, problems


def _changed(folder: Path, index: Index) -> list[str]:
    return [shard.file for shard in index.shards if stamp_of(folder / shard.file) != shard.stamp]


def save_index(folder: Path, index: Index) -> None:
    """Write the index of a store in shards, where that is possible."""
    try:
        write_typed(folder / INDEX, index)
    except UserError as error:
        log.info(f"NOTE: {error}; what was checked is checked again next time")


def describe_shard(path: Path, name: str) -> tuple[Shard, list[str]]:
    """Read a shard of the store of a name whole: what is known of it, and what is wrong with it, a line each.

    A shard with problems has no videos here.
    """
    stamp = stamp_of(path)
    videos, sizes, known = dict[str, Entry](), dict[str, int](), list[set[str]]()

    def visit(key: str, group: h5py.Group, stored: Stored) -> None:
        videos[key] = _entry(key, group, stored)
        sizes.update(widths(stored))
        if videos[key].annotated:
            known.append(set(stored))

    try:
        with open_hdf5(path) as file:
            if problems := file_problems(file, name, visit):
                return Shard(path.name, stamp, {}, {}, (), {}), problems
            attributes = {name: str(value) for name, value in file.attrs.items()}
    except OSError as error:
        return Shard(path.name, stamp, {}, {}, (), {}), [f"cannot be read ({error})"]
    of_all = tuple(sorted(set.intersection(*known))) if known else ()
    return Shard(path.name, stamp, attributes, sizes, of_all, videos), []


def _entry(key: str, group: h5py.Group, stored: Stored) -> Entry:
    content, annotations = hashlib.sha256(), hashlib.sha256()
    add_content(content, stored, key)
    add_content(annotations, stored, key, ANNOTATIONS)
    return Entry(
        content=content.hexdigest()[:16],
        annotations=annotations.hexdigest()[:16],
        nbytes=sum(np.asarray(array).nbytes for array in stored.values()),
        split=stored["split"].decode() if "split" in stored else "",
        annotated=is_annotated(group),
        scripts=told_scripts(stored["script_features"]) if "script_features" in stored else (),
    )


def problems_between(index: Index) -> Iterator[str]:
    """In what the shards of a store contradict each other."""
    first, *others = index.shards
    owners: dict[str, str] = {}
    for shard in index.shards:
        for key in shard.videos:
            if owners.setdefault(key, shard.file) != shard.file:
                yield f"{key} lies in {owners[key]} and in {shard.file}"
    for shard in others:
        for name in sorted(first.attributes.keys() | shard.attributes.keys()):
            values = {first.attributes.get(name), shard.attributes.get(name)}
            if len(values) > 1 and (name not in OF_PARTS or values & BENCHMARKS.keys()):
                yield f"{first.file} and {shard.file} differ in their attribute {name}"
    for name in sorted({name for shard in index.shards for name in shard.widths}):
        sizes = {shard.widths[name] for shard in index.shards if name in shard.widths}
        if len(sizes) > 1:
            yield f"{name} differ in size between shards: {sorted(sizes)}"


def stamp_of(path: Path) -> Stamp:
    """What tells whether a file has changed; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
