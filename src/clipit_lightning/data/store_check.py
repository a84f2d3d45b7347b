"""What is wrong with a store's file."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import h5py

from clipit_lightning.core.errors import first_line
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import Kind
from clipit_lightning.data.content import natural_order
from clipit_lightning.data.layouts import LAYOUTS
from clipit_lightning.data.official_shots import of_others
from clipit_lightning.data.schema import DAMAGED, group_problems, key_problems
from clipit_lightning.data.streams import stream_problems

_FEATURES = (
    *("features", "caption_features", "shot_caption_features", "query_features", "sentence_features"),
    "script_features",
)


def file_problems(file: h5py.File, name: str) -> list[str]:
    """What is wrong with an open store in plain words, a line each; nothing where all is well."""
    try:
        keys = natural_order(file)
        if not keys:
            return ["the file holds no video"]
        if problems := _problems_as_a_whole(file, name):
            return problems
        lines = [f"{key}: {problem}" for key in keys for problem in group_problems(file[key], kind_of_file(file))]
        groups = [file[key] for key in keys]
        lines = lines or [*size_problems(groups), *_of_others(file, name)]
        return lines or list(stream_problems(str(file.attrs.get("streams", "")), groups))
    except DAMAGED as error:
        return [f"damaged: {first_line(error)}"]


def _problems_as_a_whole(file: h5py.File, name: str) -> list[str]:
    """What is wrong with the file as a whole: names and links of videos, and another benchmark's store."""
    if problems := key_problems(file):
        return problems
    if (dataset := dataset_of(file)) != name and name in BENCHMARKS:
        return [f"it says that it is the store of {dataset[:40]!r}, its name says {name}"]
    return []


def _of_others(file: h5py.File, name: str) -> list[str]:
    """What is wrong where a real store is called as a benchmark whose videos it does not hold."""
    if str(file.attrs.get("data", "real")) != "real" or not (others := of_others(file, name)):
        return []
    what = f"{len(others)} of its {len(file)} videos are not {BENCHMARKS[name].title}'s, such as {others[0]}"
    return [f"is called {name}, but {what}; give the file a name of its own, such as mine.h5"]


def widths(groups: Iterable[h5py.Group]) -> dict[str, int]:
    """Features of a row of each array of features that the videos of a valid store have."""
    return {name: group[name].shape[-1] for group in groups for name in _FEATURES if name in group}


def size_problems(groups: Sequence[h5py.Group]) -> Iterator[str]:
    """In which features the videos of a store differ in size, a line each."""
    for name in _FEATURES:
        sizes = {group.name.strip("/"): group[name].shape[-1] for group in groups if name in group}
        if others := [key for key, size in sizes.items() if size != next(iter(sizes.values()))]:
            yield f"{name} differ in size between videos: {sorted(set(sizes.values()))}, first in {others[0]}"


def dataset_of(file: h5py.File) -> str:
    """The benchmark that a store names, or else its file's name."""
    return str(file.attrs.get("dataset", Path(file.filename).stem))


def kind_of_file(file: h5py.File) -> Kind:
    """Of which kind the videos of a store are."""
    layout = str(file.attrs.get("layout", ""))
    return layout if layout in LAYOUTS else "annotated"
