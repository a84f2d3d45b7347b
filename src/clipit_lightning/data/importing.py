"""From the files as they are distributed to one store a benchmark: find, join, check, write."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS, benchmark_names, summe, tvsum
from clipit_lightning.data.joining import JoinError, complete_video
from clipit_lightning.data.qfvs import QFVS
from clipit_lightning.data.qfvs_importer import Imported, QFVSFiles, join_qfvs
from clipit_lightning.data.store import Store, natural_order, write_query_store, write_store
from clipit_lightning.data.video import Video

_FIELD_NAME = re.compile(r"(?:eccv16_dataset_)?(tvsum|summe|ovp|youtube)_?(.*)", re.IGNORECASE)


@dataclass
class Found:
    """Paths of what is known under the searched folders."""

    searched: tuple[Path, ...] = ()
    features: dict[str, list[Path]] = field(default_factory=dict)
    """HDF5 files in the field's layout, by benchmark."""
    ratings: Path | None = None
    """TVSum's ratings, ``.mat`` or ``.tsv``."""
    ground_truth: Path | None = None
    """SumMe's ``GT`` folder."""
    qfvs: QFVSFiles = field(default_factory=QFVSFiles)


@dataclass(frozen=True)
class ImportRow:
    """A line of the table that `clipit data import` prints."""

    dataset: str
    videos: str
    features: str
    shots: str
    annotations: str
    captions: str
    result: str


def find_distributed(sources: Sequence[Path]) -> Found:
    """Search files and folders, to any depth, for the distributions that we know.

    Raises:
        UserError: A source does not exist.
    """
    found = Found(searched=tuple(sources))
    for source in sources:
        if not source.exists():
            raise UserError(f"{source}: no such file or folder; name the folder that holds the downloaded files")
        for path in sorted([source] if source.is_file() else source.rglob("[!.]*")):  # macOS adds ._copies
            found.qfvs.take(path)
            if path.suffix.lower() in (".h5", ".hdf5"):
                if (name := _benchmark_of(path)) is not None:
                    found.features.setdefault(name, []).append(path)
            elif path.name == tvsum.MAT_NAME or (path.name == tvsum.TSV_NAME and found.ratings is None):
                found.ratings = path
            elif path.suffix == ".mat" and path.parent.name == "GT":
                found.ground_truth = path.parent
    return found


def import_distributed(
    sources: Sequence[Path], to: Path, features: str | None = None, force: bool = False
) -> list[ImportRow]:
    """Join what lies under the sources into one store a benchmark, and say what was found and what is missing.

    Args:
        sources: Files and folders to search.
        to: Folder of the stores.
        features: Which features to take where a benchmark has several files, such as ``google_pool5``.
        force: Replace a store of other content.

    Raises:
        UserError: Nothing known was found, files contradict each other or are damaged, or a store of other content
            would be replaced.
    """
    found = find_distributed(sources)
    if not found.features and not found.qfvs.features:
        looked = ", ".join(map(str, found.searched))
        raise UserError(
            f"{looked}: no features found (eccv16_dataset_<data set>_<features>.h5, qfvs_<features>.h5); they are what "
            "scorers read"
        )
    prepared = {name: _join(name, _choose(name, paths, features), found) for name, paths in found.features.items()}
    queries = join_qfvs(found.qfvs, features) if found.qfvs.features and found.qfvs.oracles else None
    for name, (_, attributes) in prepared.items():
        _refuse_other_content(to / f"{name}.h5", attributes["features"], force)
    if queries is not None:
        _refuse_other_content(to / f"{QFVS.name}.h5", queries.features, force)
    rows = []
    for name in benchmark_names("annotated"):
        if name not in prepared:
            rows.append(ImportRow(name, "-", "-", "-", "-", "-", f"missing: {BENCHMARKS[name].how_to_get}"))
            continue
        videos, attributes = prepared[name]
        path = to / f"{name}.h5"
        write_store(path, videos, attributes)
        rows.append(_row(name, videos, attributes, path))
    return [*rows, _write_qfvs(queries, found.qfvs, to / f"{QFVS.name}.h5")]


def _write_qfvs(imported: Imported | None, files: QFVSFiles, path: Path) -> ImportRow:
    if imported is None:
        lacking = "oracle summaries" if files.features else "features" if files.oracles else "all"
        return ImportRow(QFVS.name, "-", "-", "-", "-", "-", f"missing ({lacking}): {QFVS.how_to_get}")
    write_query_store(path, imported.videos, {"dataset": QFVS.name, "features": imported.features, "data": "real"})
    queries = sum(len(video.queries) for video in imported.videos)
    return ImportRow(
        dataset=QFVS.name,
        videos=str(len(imported.videos)),
        features=f"{imported.features} ({imported.videos[0].features.shape[1]})",
        shots=str(sum(video.n_steps for video in imported.videos)),
        annotations=f"oracle summaries of {queries} queries",
        captions="-",
        result="; ".join([_soundness(path), *imported.notices]),
    )


def _benchmark_of(path: Path) -> str | None:
    """Benchmark of an HDF5 file in the field's layout; None for any other file."""
    match = _FIELD_NAME.fullmatch(path.stem)
    if match is None:
        return None
    try:
        with h5py.File(path, "r") as file:
            first = next(iter(file.values()), None)
            return match[1].lower() if isinstance(first, h5py.Group) and "features" in first else None
    except OSError as error:
        raise UserError(f"{path}: not a readable HDF5 file, perhaps cut short; download it again") from error


def features_name(path: Path) -> str:
    """Name of the features in a file: what follows the benchmark's name in the field's file names."""
    match = _FIELD_NAME.fullmatch(path.stem)
    with h5py.File(path, "r") as file:
        return str(file.attrs.get("features", "")) or (match[2] if match else "") or "unnamed"


def _choose(name: str, paths: list[Path], features: str | None) -> Path:
    chosen = [path for path in paths if features is None or features_name(path) == features]
    if len(chosen) == 1:
        return chosen[0]
    have = ", ".join(f"{features_name(path)} ({path})" for path in paths)
    if chosen:
        raise UserError(f"{name}: several feature files: {have}; name one with --features NAME")
    raise UserError(f"{name}: no features called {features}; found {have}")


def _join(name: str, path: Path, found: Found) -> tuple[list[Video], dict[str, str]]:
    """Read one features file and join the annotations that were found."""
    ratings = tvsum.read_mat if found.ratings and found.ratings.suffix == ".mat" else tvsum.read_tsv
    annotations: dict[str, tvsum.Ratings] | dict[str, summe.Summaries] = {}
    if name == "tvsum" and found.ratings:
        annotations = ratings(found.ratings)
    elif name == "summe" and found.ground_truth:
        annotations = summe.read_ground_truth(found.ground_truth)
    try:
        with h5py.File(path, "r") as file:
            videos = [complete_video(file[key], name, key, annotations) for key in natural_order(file)]
            data = str(file.attrs.get("data", "real"))
    except JoinError as error:
        raise UserError(f"{path}: {error}") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); download it again") from error
    return videos, {"dataset": name, "features": features_name(path), "data": data}


def _refuse_other_content(path: Path, features: str, force: bool) -> None:
    if not path.exists() or force:
        return
    there = Store(path).attributes.get("features", "unnamed")
    if there != features:
        raise UserError(
            f"{path} holds other features ({there}, not {features}); give another folder with --to, or --force"
        )


def _row(name: str, videos: list[Video], attributes: dict[str, str], path: Path) -> ImportRow:
    expected = BENCHMARKS[name].n_videos
    count = f"{len(videos)}" if len(videos) == expected else f"{len(videos)} of {expected}"
    return ImportRow(
        dataset=name,
        videos=count,
        features=f"{attributes['features']} ({videos[0].features.shape[1]})",
        shots=str(sum(len(video.change_points) for video in videos)),
        annotations=_annotations(videos),
        captions=_count(video.caption_features is not None for video in videos),
        result=_soundness(path),
    )


def _soundness(path: Path) -> str:
    problems = Store(path).check()
    return f"{path}, sound" if not problems else f"{path}, {len(problems)} problems: run `clipit data check`"


def _annotations(videos: list[Video]) -> str:
    parts = [f"summaries {_count(video.user_summary is not None for video in videos)}"]
    if BENCHMARKS[videos[0].dataset].has_ratings:
        parts.append(f"ratings {_count(video.user_scores is not None for video in videos)}")
    return ", ".join(parts)


def _count(flags: Iterable[bool]) -> str:
    values = list(flags)
    return {0: "none", len(values): "all"}.get(sum(values), f"{sum(values)} of {len(values)}")
