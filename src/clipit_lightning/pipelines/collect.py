"""Which videos `clipit prepare` makes a store of: files and folders, or a benchmark as its authors distribute it.

Keys of a benchmark's videos follow the annotations' order, so that ``video_7`` is the video that the field's files call
so, also where others are missing.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import Annotation, Summaries
from clipit_lightning.data.content import natural_order
from clipit_lightning.data.importing import find_distributed
from clipit_lightning.data.official_shots import plain_name
from clipit_lightning.pipelines.labels import Labels, Segment, annotation_of, read_labels
from clipit_lightning.video.captions import KINDS, Captions, read_captions
from clipit_lightning.video.reader import open_video
from clipit_lightning.video.subtitles import subtitles_of

SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".ogv", ".ts", ".vob", ".webm", ".wmv"),
)
"""Types of files that are taken from a folder; a file that is named may have any."""
DATASETS = tuple(sorted(name for name, benchmark in BENCHMARKS.items() if benchmark.raw_files))
"""Benchmarks whose distributions hold videos."""


@dataclass(frozen=True)
class Source:
    """One raw video, the name and key that it has in the store, and the user's captions of it."""

    key: str
    name: str
    path: Path
    captions: Captions | None = None


@dataclass(frozen=True)
class Collection:
    """The videos of one store."""

    dataset: str
    sources: tuple[Source, ...]
    annotate: Callable[[Source, NDArray[np.float64], float], Annotation | None]
    """A video's annotation, from its frames' seconds (frames,) and its duration; None where nobody annotated it."""
    annotations_sha256: str
    has_captions: bool = False
    notes: tuple[str, ...] = ()
    """Lines on what is missing."""


def make_collection(
    name: str,
    videos: Path | str | Sequence[Path | str],
    dataset: tuple[str, Path | str] | None = None,
    labels: Path | str | None = None,
    captions: Path | str | None = None,
    subtitles: bool = False,
    part: str | None = None,
) -> Collection:
    """The videos that a user names, for a store of this name: files and folders, or a data set and its folder.

    Raises:
        UserError: Both are given or neither, or something that is named is not there.
    """
    files = [Path(path) for path in ([videos] if isinstance(videos, Path | str) else videos)]
    if bool(files) == bool(dataset):
        raise UserError("name videos or folders, or --dataset summe|tvsum ROOT; not both")
    if dataset and labels:
        raise ArgumentError("labels", "are for your own videos; --dataset brings its annotations")
    if not dataset and name.casefold() in BENCHMARKS:
        raise ArgumentError("to", f"{name} is the name of a benchmark; call a store of your own otherwise")
    if not dataset:
        collection = from_files(files, name, None if labels is None else read_labels(Path(labels)))
    elif dataset[0] in DATASETS:
        collection = from_benchmark(dataset[0], Path(dataset[1]))
    else:
        raise ArgumentError("dataset", f"{dataset[0]}: there are {', '.join(DATASETS)}")
    if subtitles:
        collection = with_subtitles(collection)
    elif captions is not None:
        collection = with_captions(collection, Path(captions))
    return collection if part is None else part_of(collection, part)


def part_of(collection: Collection, part: str) -> Collection:
    """A part ``K/N`` of a collection: every N-th video from the K-th on, with its key and annotation in the whole.

    Raises:
        UserError: It is written otherwise, or has no video.
    """
    numbers = re.fullmatch(r"([0-9]+)/([0-9]+)", part)
    first, step = map(int, numbers.groups()) if numbers else (0, 0)
    if not 1 <= first <= step:
        raise ArgumentError("part", f"{part}: give K/N with K from 1 to N, such as 1/4")
    if not (sources := collection.sources[first - 1 :: step]):
        raise ArgumentError("part", f"{part}: has no video; there are {len(collection.sources)}")
    note = f"part {part}: {len(sources)} of {len(collection.sources)} videos"
    return replace(collection, sources=sources, notes=(*collection.notes, note))


def from_files(paths: Sequence[Path], dataset: str, labels: Labels | None = None) -> Collection:
    """Videos of the user's: files, and folders that are searched to any depth. Each file counts once.

    A video is called as its file without the type, or with as much of its path as tells it from the others. Labels may
    annotate some or all of them.

    Raises:
        UserError: A path does not exist, a folder holds no video, or labels are of a video that is not there.
    """
    files = list({file.resolve(): file for path in reversed(paths) for file in _files(path)}.values())
    named = dict(zip(_names(files), files, strict=True))
    sources = tuple(Source(f"video_{n}", name, named[name]) for n, name in enumerate(natural_order(named), 1))
    if labels is None:
        return Collection(dataset, sources, lambda *_: None, "none")
    segments, notes = _labelled(sources, labels)

    def annotate(source: Source, frame_times: NDArray[np.float64], duration: float) -> Annotation | None:
        labelled = segments.get(source.name)
        return None if labelled is None else annotation_of(labelled, source.name, frame_times, duration)

    digest = hashlib.sha256(labels.path.read_bytes()).hexdigest()
    return Collection(dataset, sources, annotate, digest, notes=notes)


def from_benchmark(dataset: str, root: Path) -> Collection:
    """The videos and annotations of SumMe or TVSum below a folder. Videos that are missing are named in ``notes``.

    Raises:
        UserError: There are no annotations, or no video of theirs; the message says what should lie there.
    """
    annotations = find_distributed([root]).annotations(dataset)
    title, needs = BENCHMARKS[dataset].title, BENCHMARKS[dataset].raw_files
    if not annotations:
        raise UserError(f"{root}: no annotations of {title}; its folder should hold {needs}")
    videos = files_by_name(root)
    paths = {key: videos.get(plain_name(annotation.name)) for key, annotation in annotations.items()}
    sources = tuple(Source(key, annotations[key].name, path) for key, path in paths.items() if path)
    if not sources:
        raise UserError(f"{root}: none of {title}'s {len(annotations)} videos; its folder should hold {needs}")
    missing = [annotations[key].name for key, path in paths.items() if path is None]
    note = f"{root}: {len(missing)} of {len(annotations)} videos of {title} are not there: {_some(missing)}"
    notes = (note,) if missing else ()
    return Collection(dataset, sources, lambda source, *_: annotations[source.key], _hash(annotations), notes=notes)


def files_by_name(folder: Path) -> dict[str, Path]:
    """The videos in a folder, a UserError if none, by their plain name without type; of several an ``.mp4`` first."""
    files = sorted(_files(folder), key=lambda file: (file.suffix.lower() != ".mp4", file))
    return {plain_name(file.stem): file for file in reversed(files)}


def with_captions(collection: Collection, path: Path) -> Collection:
    """Add the user's captions to videos: a file for a single video, or a folder of ``NAME.json|.srt|.vtt``.

    Raises:
        UserError: The path does not exist, a file is damaged, or there are none for any of the videos.
    """
    if not path.is_dir():
        if len(collection.sources) > 1:
            raise UserError(f"{path}: one file for {len(collection.sources)} videos; give a folder, NAME.srt for each")
        only = replace(collection.sources[0], captions=read_captions(path))
        return replace(collection, sources=(only,), has_captions=True)
    sources = tuple(replace(source, captions=_captions_in(path, source)) for source in collection.sources)
    bare = [source.name for source in sources if source.captions is None]
    if len(bare) == len(sources):
        raise UserError(f"{path}: captions of none of the videos; name them as the videos, such as {bare[0]}.srt")
    note = (f"{path}: no captions of {len(bare)} of {len(sources)} videos: {_some(bare)}",) if bare else ()
    return replace(collection, sources=sources, has_captions=True, notes=(*collection.notes, *note))


def with_subtitles(collection: Collection) -> Collection:
    """Add to each video the subtitles beside it, or inside it, as captions.

    Raises:
        UserError: No video has any.
    """
    sources = tuple(replace(source, captions=_subtitles_of(source)) for source in collection.sources)
    bare = [source.name for source in sources if source.captions is None]
    if len(bare) == len(sources):
        raise ArgumentError("subtitles", f"none of the videos has any; put {bare[0]}.srt beside it, or omit it")
    note = (f"no subtitles of {len(bare)} of {len(sources)} videos: {_some(bare)}",) if bare else ()
    return replace(collection, sources=sources, has_captions=True, notes=(*collection.notes, *note))


def _subtitles_of(source: Source) -> Captions | None:
    with suppress(UserError):  # a video that cannot be opened is skipped later, with the reason
        return subtitles_of(source.path)
    return None


def _files(path: Path) -> list[Path]:
    """A file itself, or the videos in a folder; hidden files are no videos."""
    if path.is_file():
        return [path]
    if not path.exists():
        open_video(path)  # says what is wrong, of an address too
    if not path.is_dir():
        raise UserError(f"{path}: is neither a file nor a folder; check the path")
    files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not (shown := [file for file in files if not file.name.startswith(".")]):
        raise UserError(f"{path}: no videos in this folder; there should be files such as .mp4, .mkv, .webm")
    return shown


def _names(files: Sequence[Path]) -> list[str]:
    """For each file the shortest of its names that no other file shares, as text that can be written."""
    forms = [(file.stem, file.name, f"{file.parent.name}/{file.name}", str(file)) for file in files]
    counts = [Counter(column) for column in zip(*forms, strict=True)]
    names = [next(name for name, count in zip(form, counts, strict=True) if count[name] == 1) for form in forms]
    return [name.encode("utf-8", "backslashreplace").decode() for name in names]  # file names may be any bytes


def _labelled(sources: Sequence[Source], labels: Labels) -> tuple[dict[str, tuple[Segment, ...]], tuple[str, ...]]:
    """The segments of videos by their names, by whichever word the labels call them, and a note on what has none.

    Labels of other videos are only noted where every video has labels; else their names are most likely mistyped, and
    the videos would be extracted for a store that lacks them.
    """
    labelled: dict[str, tuple[Segment, ...]] = {}
    others: list[str] = []
    for word, segments in labels.videos.items():
        named = [source for source in sources if word in (source.name, source.path.name, source.path.stem)]
        names = sorted({source.name for source in named})
        if len(names) > 1:
            raise UserError(f"{segments[0].where}: several videos are called {word}: {_some(names)}; name them so")
        if not names:
            others.append(word)
            continue
        if names[0] in labelled:
            raise UserError(f"{labels.path}: {names[0]} is called by several names; use one")
        labelled[names[0]] = segments
    bare = [source.name for source in sources if source.name not in labelled]
    without = f"no labels of {len(bare)} of {len(sources)} videos: {_some(bare)}" if bare else ""
    if others and bare:
        near = [f"{word} (did you mean {video}?)" for word in others for video in get_close_matches(word, bare, 1)]
        unknown = _some([*near, *(word for word in others if not get_close_matches(word, bare, 1))])
        raise UserError(f"{labels.path}: no video is called {unknown}; {without}; correct the names or omit the lines")
    notes = [without, f"labels of {len(others)} other videos are omitted: {_some(others)}" if others else ""]
    return labelled, tuple(f"{labels.path}: {note}" for note in notes if note)


def _captions_in(folder: Path, source: Source) -> Captions | None:
    """A video's captions in a folder of them."""
    names = dict.fromkeys([source.name, source.path.name, source.path.stem])
    paths = [folder / f"{name}{suffix}" for name in names for suffix in KINDS]
    if not (files := [path for path in paths if path.is_file()]):
        return None
    if len(files) > 1:
        raise UserError(f"{files[0]} and {files[1]} are both of {source.name}; keep one of them")
    return read_captions(files[0])


def _hash(annotations: Mapping[str, Annotation]) -> str:
    digest = hashlib.sha256()
    for key, annotation in annotations.items():
        array = annotation.user_summary if isinstance(annotation, Summaries) else annotation.ratings
        digest.update(f"{key}:{annotation.name}:{array.shape};".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
