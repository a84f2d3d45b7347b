"""What is wrong with a store's file."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py

from clipit_lightning.core.errors import first_line
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import Kind
from clipit_lightning.data.content import natural_order
from clipit_lightning.data.layouts import LAYOUTS
from clipit_lightning.data.official_shots import of_others
from clipit_lightning.data.schema import DAMAGED, Stored, key_problems, read_checked
from clipit_lightning.data.streams import format_streams, mask_problems, parse_streams

_FEATURES = (
    *("features", "caption_features", "shot_caption_features", "query_features", "sentence_features"),
    "script_features",
)


Visit = Callable[[str, h5py.Group, Stored], None]
"""What is done with a valid video: its key, its group, and what ``schema.read_checked`` read of it."""


def file_problems(file: h5py.File, name: str, visit: Visit = lambda *_: None) -> list[str]:
    """What is wrong with an open store in plain words, a line each; nothing where all is well.

    Each video is read once, and ``visit`` is called with each that is valid by itself.
    """
    try:
        keys = natural_order(file)
        if not keys:
            return ["the file holds no video"]
        if problems := _problems_as_a_whole(file, name):
            return problems
        try:
            streams = parse_streams(str(file.attrs.get("streams", "")))
        except ValueError as error:
            return [f"its attribute {error}"]
        kind = kind_of_file(file)
        lines, of_streams, sizes = list[str](), list[str](), dict[str, dict[str, int]]()
        for key in keys:
            stored, problems = read_checked(file[key], kind)
            lines += [f"{key}: {problem}" for problem in problems]
            if not problems:
                of_streams += [f"{key}: {problem}" for problem in mask_problems(streams, stored["features"])]
                sizes[key] = widths(stored)
                visit(key, file[key], stored)
        lines = lines or [*_size_problems(sizes), *_of_others(file, name)]
        return lines or _sum_problems(streams, sizes[keys[0]]["features"]) or of_streams
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


def _sum_problems(streams: Mapping[str, int], size: int) -> list[str]:
    if not streams or (total := sum(streams.values())) == size:
        return []
    return [f"its streams ({format_streams(streams)}) have {total} features together, and its steps have {size}"]


def widths(stored: Stored) -> dict[str, int]:
    """Features of a row of each array of features that a video has."""
    return {name: stored[name].shape[-1] for name in _FEATURES if name in stored}


def _size_problems(sizes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """In which features the videos of a store differ in size, a line each; from the widths of each video by key."""
    for name in _FEATURES:
        of_name = {key: of_video[name] for key, of_video in sizes.items() if name in of_video}
        if others := [key for key, size in of_name.items() if size != next(iter(of_name.values()))]:
            yield f"{name} differ in size between videos: {sorted(set(of_name.values()))}, first in {others[0]}"


def dataset_of(file: h5py.File) -> str:
    """The benchmark that a store names, or else its file's name."""
    return str(file.attrs.get("dataset", Path(file.filename).stem))


def kind_of_file(file: h5py.File) -> Kind:
    """Of which kind the videos of a store are."""
    layout = str(file.attrs.get("layout", ""))
    return layout if layout in LAYOUTS else "annotated"
