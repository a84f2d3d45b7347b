"""From the files as they are distributed to one store a benchmark: find, join, check, write."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS, benchmark_names
from clipit_lightning.data.benchmark import Annotation, QueryImport
from clipit_lightning.data.completion import complete_video
from clipit_lightning.data.official_shots import has_official_shots
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.shot_captions import Embed, describe_shot_captions, with_shot_captions
from clipit_lightning.data.store import Store, natural_order, write_store
from clipit_lightning.data.video import Video


@dataclass
class DistributedFiles:
    """What lies under the searched files and folders."""

    paths: list[Path] = field(default_factory=list)
    features: dict[str, list[Path]] = field(default_factory=dict)
    """HDF5 files in the field's layout, by benchmark."""

    def annotations(self, dataset: str) -> Mapping[str, Annotation]:
        """The annotations of a benchmark by key, of the best of its files; empty where there is none."""
        for pattern, read in BENCHMARKS[dataset].annotations:
            if matching := [path for path in self.paths if path.match(pattern)]:
                return read(matching[-1])
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


def find_distributed(sources: Sequence[Path]) -> DistributedFiles:
    """Search files and folders, to any depth, for the distributions that we know.

    Raises:
        UserError: A source does not exist.
    """
    files = DistributedFiles()
    for source in sources:
        if not source.exists():
            raise UserError(f"{source}: no such file or folder; name the folder that holds the downloaded files")
        # Names with a dot: macOS adds such copies.
        files.paths += sorted([source] if source.is_file() else source.rglob("[!.]*"))
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
    readers = {name: benchmark.read_queries for name, benchmark in BENCHMARKS.items() if benchmark.read_queries}
    queries = {name: read(files.paths, features) for name, read in readers.items()}
    if not annotated and not any(read.features for read in queries.values()):
        raise UserError(
            f"{', '.join(map(str, sources))}: no features found (eccv16_dataset_<data set>_<features>.h5, "
            "qfvs_<features>.h5); they are what scorers read"
        )
    chosen = {name: attributes["features"] for name, (_, attributes, _) in annotated.items()}
    chosen |= {name: read.features for name, read in queries.items() if read.videos}
    for name, its_features in chosen.items() if not force else ():
        path = to / f"{name}.h5"
        if path.exists() and (there := Store(path).attributes.get("features", "unnamed")) != its_features:
            way_out = "give another folder with --to, or --force"
            raise UserError(f"{path} holds other features ({there}, not {its_features}); {way_out}")
    rows = [
        _write(name, *annotated[name], to / f"{name}.h5")
        if name in annotated
        else ImportRow(name, result=f"missing: {BENCHMARKS[name].how_to_get}")
        for name in benchmark_names("annotated")
    ]
    return [*rows, *(_write_queries(name, read, to / f"{name}.h5") for name, read in queries.items())]


def _write(name: str, videos: list[Video], attributes: dict[str, str], replaced: int, path: Path) -> ImportRow:
    expected = BENCHMARKS[name].n_videos
    annotations = f"summaries {_count(video.user_summary is not None for video in videos)}"
    if BENCHMARKS[name].has_ratings:
        annotations += f", ratings {_count(video.user_scores is not None for video in videos)}"
    result = _written(path, videos, attributes)
    shots = str(sum(len(video.change_points) for video in videos))
    if attributes["data"] == "real" and has_official_shots(name):
        official = len(videos) - len(Store(path).with_other_shots())
        shots += ", official" if official else ", not official"
        shots += f" in {official} of {len(videos)} videos" if 0 < official < len(videos) else ""
        shots += f" in place of {replaced} others" if replaced else ""
    return ImportRow(
        dataset=name,
        videos=f"{len(videos)}" if len(videos) == expected else f"{len(videos)} of {expected}",
        features=f"{attributes['features']} ({videos[0].features.shape[1]})",
        shots=shots,
        annotations=annotations,
        captions=_count(video.caption_features is not None for video in videos) + describe_shot_captions(videos),
        result=result,
    )


def _write_queries(name: str, read: QueryImport, path: Path) -> ImportRow:
    if not read.videos:
        return ImportRow(name, result=f"missing ({read.missing}): {BENCHMARKS[name].how_to_get}")
    valid = _written(path, read.videos, {"dataset": name, "features": read.features, "data": "real"})
    return ImportRow(
        dataset=name,
        videos=str(len(read.videos)),
        features=f"{read.features} ({read.videos[0].features.shape[1]})",
        shots=str(sum(video.n_steps for video in read.videos)),
        annotations=f"oracle summaries of {sum(len(video.queries) for video in read.videos)} queries",
        result="; ".join([valid, *read.notices]),
    )


def _written(path: Path, videos: list[Video] | list[QueryVideo], attributes: dict[str, str]) -> str:
    """Write a store, and tell whether it is valid."""
    write_store(path, videos, attributes)
    problems = Store(path).check()
    if problems:
        return f"{path}, {len(problems)} problems: run `clipit data check`"
    return "; ".join([f"{path}, valid", *Store(path).notes()])


def _field_name(path: Path) -> re.Match[str] | None:
    """The benchmark and the features in the name of a file in the field's layout; None for any other file."""
    names = "|".join(benchmark_names("annotated"))
    return re.fullmatch(rf"(?:eccv16_dataset_)?({names})_?(.*)", path.stem, re.IGNORECASE)


def _benchmark_of(path: Path) -> str | None:
    if not (match := _field_name(path)):
        return None
    try:
        with h5py.File(path, "r") as file:
            first = next(iter(file.values()), None)
            return match[1].lower() if isinstance(first, h5py.Group) and "features" in first else None
    except OSError as error:
        raise UserError(f"{path}: not a readable HDF5 file, perhaps cut short; download it again") from error


def _features_name(path: Path) -> str:
    """Name of the features in a file: what follows the benchmark's name in the field's file names."""
    match = _field_name(path)
    with h5py.File(path, "r") as file:
        return str(file.attrs.get("features", "")) or (match[2] if match else "") or "unnamed"


def _choose(name: str, paths: list[Path], features: str | None) -> Path:
    names = {path: _features_name(path) for path in paths}
    chosen = [path for path in paths if features in (None, names[path])]
    if len(chosen) == 1:
        return chosen[0]
    have = ", ".join(f"{of_path} ({path})" for path, of_path in names.items())
    if chosen:
        raise UserError(f"{name}: several feature files: {have}; name one with --features NAME")
    raise UserError(f"{name}: no features called {features}; found {have}")


def _join(
    name: str, path: Path, files: DistributedFiles, embed: Embed | None
) -> tuple[list[Video], dict[str, str], int]:
    """The videos of a file with their annotations, the store's attributes, and how many of its shots were replaced."""
    annotations = files.annotations(name)
    videos: dict[str, Video] = {}
    replaced = 0
    try:
        with h5py.File(path, "r") as file:
            data = str(file.attrs.get("data", "real"))
            for key, group in file.items():
                video = complete_video(group, name, key, annotations, data == "real")
                if video.key in videos:
                    raise UserError(f"{key}: is {video.key} ({video.name}), which the file holds already")
                videos[video.key] = video
                brought = group["change_points"][()] if "change_points" in group else video.change_points
                replaced += 0 if np.array_equal(brought, video.change_points) else len(brought)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); download it again") from error
    attributes = {"dataset": name, "features": _features_name(path), "data": data}
    in_order = [videos[key] for key in natural_order(videos)]
    return with_shot_captions(in_order, files.paths, embed), attributes, replaced


def _count(flags: Iterable[bool]) -> str:
    values = list(flags)
    return {0: "none", len(values): "all"}.get(sum(values), f"{sum(values)} of {len(values)}")
