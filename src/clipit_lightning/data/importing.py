"""From the files as they are distributed to one store a benchmark: find, join, check, write."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import h5py
import numpy as np

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import STORE
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.data import BENCHMARKS, field_names
from clipit_lightning.data.benchmark import Annotation, FileImport
from clipit_lightning.data.completion import complete_video
from clipit_lightning.data.content import natural_order
from clipit_lightning.data.field_layout import read_field_group
from clipit_lightning.data.official_shots import has_official_shots
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.schema import DAMAGED, is_in_place, key_problems
from clipit_lightning.data.shard_files import VideoSequence, write_all
from clipit_lightning.data.shot_captions import Embed, describe_shot_captions, with_shot_captions
from clipit_lightning.data.shot_scores import describe_judges, with_shot_scores
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video

LONGEST_NAME = 100
"""Letters of a name in an attribute."""


@dataclass
class DistributedFiles:
    """What lies under the searched files and folders."""

    paths: list[Path] = field(default_factory=list)
    features: dict[str, list[Path]] = field(default_factory=dict)
    """HDF5 files in the field's layout, by benchmark."""

    def annotations(self, dataset: str) -> Mapping[str, Annotation]:
        """The annotations of a benchmark by key, of the best of its files; empty where there is none."""
        files = BENCHMARKS[dataset].annotations
        named = [(file, path) for file in files for path in reversed(self.paths) if path.match(file.pattern)]
        if named:
            file, path = named[0]
            return file.read(path)
        for file in files:  # under other names
            suffix = Path(file.pattern).suffix
            for path in reversed(self.paths):
                if file.is_one is not None and path.suffix.lower() == suffix and file.is_one(path):
                    return file.read(path)
        return {}


@dataclass(frozen=True)
class ImportRow:
    """A line of the table that `clipit data import` prints."""

    dataset: str
    videos: str = "-"
    features: str = "-"
    shots: str = "-"
    annotations: str = "-"
    captions: str = "-"
    result: str = "-"


@dataclass(frozen=True)
class Joined:
    """What goes into a store of annotated videos."""

    videos: list[Video]
    attributes: dict[str, str]
    """Of the store's file."""
    replaced: int
    """How many shots of the file gave way to the official ones."""
    notices: list[str]
    """What the user should know."""


def find_distributed(sources: Sequence[Path]) -> DistributedFiles:
    """Search files and folders, to any depth, for the distributions that we know.

    Raises:
        UserError: A source does not exist.
    """
    files = DistributedFiles()
    for source in sources:
        if not source.exists():
            raise UserError(f"{source}: no such file or folder; name the folder that holds the downloaded files")
        files.paths += [source] if source.is_file() else _distributed_below(source)
    for path in files.paths:
        if path.suffix.lower() in (".h5", ".hdf5") and (name := _benchmark_of(path)) is not None:
            files.features.setdefault(name, []).append(path)
    return files


def import_distributed(
    sources: Sequence[Path], to: Path, features: str | None = None, force: bool = False, embed: Embed | None = None
) -> list[ImportRow]:
    """Join what lies under the sources into one store a benchmark, and tell what is there and what is missing.

    ``features`` names those to take where a benchmark has several files, such as ``google_pool5``; ``force`` replaces a
    store of other content; ``embed`` makes features of shot captions.

    Raises:
        UserError: Nothing known lies there, files contradict each other or are damaged, or a store of other content
            would be replaced.
    """
    files = find_distributed(sources)
    chosen_files = {name: _choose(name, paths, features) for name, paths in files.features.items()}
    annotated = {name: _join(name, path, files, embed) for name, path in chosen_files.items()}
    by_files = _read_files(files, features)
    if not annotated and not any(read.features for read in by_files.values()):
        raise UserError(
            f"{', '.join(map(str, sources))}: no features found (eccv16_dataset_<data set>_<features>.h5, "
            "qfvs_<features>.h5, script_videoxum.h5, mr_hisum.h5, mosu_gt.h5 ...); they are what scorers read, and "
            "stores that were imported have them already"
        )
    stores: dict[Path, tuple[VideoSequence, dict[str, str]]] = {
        to / f"{name}.h5": (join.videos, join.attributes) for name, join in annotated.items()
    }
    for name, read in by_files.items():
        if read.videos:
            attributes = {"dataset": name, "features": read.features, "data": "real"}
            attributes |= {"streams": read.streams} if read.streams else {}
            stores[to / f"{name}.h5"] = (read.videos, attributes)
    for path, (_, attributes) in stores.items() if not force else ():
        if path.exists() and (there := Store(path).attributes.get("features", "unnamed")) != attributes["features"]:
            way_out = "give another folder with --to, or --force"
            raise UserError(f"{path} holds other features ({there}, not {attributes['features']}); {way_out}")
    write_all(stores, files.paths)
    rows = [
        _row(name, annotated[name], to / f"{name}.h5")
        if name in annotated
        else ImportRow(name, result=f"missing: {BENCHMARKS[name].how_to_get}")
        for name in field_names()
    ]
    return [*rows, *(_file_row(name, read, to / f"{name}.h5") for name, read in by_files.items())]


def _row(name: str, join: Joined, path: Path) -> ImportRow:
    videos, attributes = join.videos, join.attributes
    expected = BENCHMARKS[name].n_videos
    annotations = f"summaries {_count(video.user_summary is not None for video in videos)}"
    if BENCHMARKS[name].has_ratings:
        annotations += f", ratings {_count(video.user_scores is not None for video in videos)}"
    shots = str(sum(len(video.change_points) for video in videos))
    if attributes["data"] == "real" and has_official_shots(name):
        official = len(videos) - len(Store(path).with_other_shots())
        shots += ", official" if official else ", not official"
        shots += f" in {official} of {len(videos)} videos" if 0 < official < len(videos) else ""
        shots += f" in place of {join.replaced} others" if join.replaced else ""
    return ImportRow(
        dataset=name,
        videos=f"{len(videos)}" if len(videos) == expected else f"{len(videos)} of {expected}",
        features=f"{attributes['features']} ({videos[0].features.shape[1]})",
        shots=shots,
        annotations=annotations,
        captions="".join(
            [
                _count(video.caption_features is not None for video in videos),
                describe_shot_captions(videos),
                describe_judges(videos),
            ]
        ),
        result="; ".join([f"{path}, valid", *Store(path).notes(), *join.notices]),
    )


def _file_row(name: str, read: FileImport, path: Path) -> ImportRow:
    if not read.videos:
        return ImportRow(name, result=f"missing ({read.missing}): {BENCHMARKS[name].how_to_get}")
    shots, annotations = "-", read.annotations
    if BENCHMARKS[name].kind == "queries":
        videos = cast(Sequence[QueryVideo], read.videos)
        shots = str(sum(video.n_steps for video in videos))
        annotations = f"oracle summaries of {sum(len(video.queries) for video in videos)} queries"
    return ImportRow(
        dataset=name,
        videos=str(len(read.videos)),
        features=f"{read.features} ({read.videos[0].features.shape[1]})",
        shots=shots,
        annotations=annotations,
        result="; ".join([f"{path}, valid", *Store(path).notes(), *read.notices]),
    )


def _distributed_below(folder: Path) -> list[Path]:
    """Files below a folder, but for copies that macOS adds, what is hidden, and stores that we wrote."""
    inside = {path: path.relative_to(folder).parts for path in sorted(folder.rglob("[!.]*")) if path.is_file()}
    hidden = [path for path, names in inside.items() if any(name[0] == "." or name == "__MACOSX" for name in names)]
    return [path for path in inside if path not in hidden and not _is_store(path)]


def _is_store(path: Path) -> bool:
    if path.suffix != STORE or path.stem not in BENCHMARKS or not h5py.is_hdf5(path):
        return False
    with open_hdf5(path) as file:
        return bool("dataset" in file.attrs)  # which no file of the field has


def _field_name(path: Path) -> re.Match[str] | None:
    """The benchmark and the features in the name of a file in the field's layout; None for any other file."""
    names = "|".join(field_names())
    return re.fullmatch(rf"(?:eccv16_dataset_)?({names})_?(.*)", path.stem, re.IGNORECASE)


def _benchmark_of(path: Path) -> str | None:
    if not (match := _field_name(path)):
        return None
    try:
        with open_hdf5(path) as file:
            videos = [file[key] for key in file if is_in_place(file, key)]
            is_one = any(isinstance(video, h5py.Group) and "features" in set(video) for video in videos)
            return match[1].lower() if is_one else None
    except DAMAGED as error:
        raise UserError(f"{path}: not a readable HDF5 file, perhaps cut short; download it again") from error


def _features_name(path: Path) -> str:
    """Name of the features in a file: what follows the benchmark's name in the field's file names."""
    match = _field_name(path)
    return _attribute(path, "features", "") or (match[2] if match else "") or "unnamed"


def _attribute(path: Path, name: str, default: str, longest: int = LONGEST_NAME) -> str:
    """An attribute of a file; a UserError where it is no short text that can be printed."""
    try:
        with open_hdf5(path) as file:
            text = str(file.attrs.get(name, default))
    except DAMAGED as error:
        raise UserError(f"{path}: its attribute {name} cannot be read; get the file again") from error
    if len(text) > longest or not text.isprintable():
        raise UserError(f"{path}: its attribute {name} is {text[:LONGEST_NAME]!r}, which is no name; correct the file")
    return text


def _choose(name: str, paths: list[Path], features: str | None) -> Path:
    names = {path: _features_name(path) for path in paths}
    chosen = [path for path in paths if features in (None, names[path])]
    if len(chosen) == 1:
        return chosen[0]
    have = ", ".join(f"{of_path} ({path})" for path, of_path in names.items())
    if chosen:
        raise UserError(f"{name}: several feature files: {have}; name one with --features NAME")
    raise UserError(f"{name}: no features called {features}; found {have}")


def _join(name: str, path: Path, files: DistributedFiles, embed: Embed | None) -> Joined:
    """The videos of a file with their annotations."""
    data = _attribute(path, "data", "real")
    videos: dict[str, Video] = {}
    replaced, transposed = 0, set[str]()
    annotations = files.annotations(name)
    try:
        with open_hdf5(path) as file:
            if problems := key_problems(file):
                raise UserError(problems[0])
            for key in file:
                try:
                    arrays, turned = read_field_group(file[key])
                except UserError as error:
                    raise UserError(f"{key}: {error}") from error
                video = complete_video(arrays, name, key, annotations, data == "real")
                if video.key in videos:
                    raise UserError(f"{key}: is {video.key} ({video.name}), which the file holds already")
                videos[video.key] = video
                brought = arrays.get("change_points", video.change_points)
                replaced += 0 if np.array_equal(brought, video.change_points) else len(brought)
                transposed.update(turned)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except DAMAGED as error:
        raise UserError(f"{path}: cannot be read ({first_line(error)}); download it again") from error
    attributes = {"dataset": name, "features": _features_name(path), "data": data}
    if streams := _attribute(path, "streams", "", longest=1000):
        attributes["streams"] = streams
    in_order = [videos[key] for key in natural_order(videos)]
    notices = [f"transposed: {', '.join(sorted(transposed))}"] if transposed else []
    joined = with_shot_scores(with_shot_captions(in_order, files.paths, embed), files.paths)
    return Joined(joined, attributes, replaced, notices)


def _read_files(files: DistributedFiles, features: str | None) -> dict[str, FileImport]:
    """What lies there of the benchmarks that read their files themselves."""
    read = dict[str, FileImport]()
    for name, benchmark in BENCHMARKS.items():
        try:
            read |= {} if benchmark.read_files is None else {name: benchmark.read_files(files.paths, features)}
        except DAMAGED as error:
            raise UserError(f"{name}: its files cannot be read ({first_line(error)}); get them again") from error
    return read


def _count(flags: Iterable[bool]) -> str:
    values = list(flags)
    return {0: "none", len(values): "all"}.get(sum(values), f"{sum(values)} of {len(values)}")
