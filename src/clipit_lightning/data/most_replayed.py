"""Videos with YouTube's "most replayed" curve, one step a second: what MR.HiSum and MoSu are distributed as.

Two forms, each with a JSON of the parts, lists ``train_keys``, ``val_keys`` and ``test_keys``:

- That of MR.HiSum's authors: ``mr_hisum.h5``, a group a video with ``gtscore`` (steps,), ``change_points`` (shots, 2),
  ``gtsummary``, which their loader calls ``gt_summary``, (steps,), and ``features`` (steps, 1024), which their script
  adds from YouTube-8M. Read in README, ``dataset/DATASET.md``, ``preprocess/preprocess.py`` and ``model/`` of
  github.com/MRHiSum/MR.HiSum (commit aeb667f).
- That of TripleSumm's: ``NAME_gt.h5``, a group a video with ``gt_score``, ``gt_summary`` and ``change_points``, and
  ``NAME_feat_visual_MODEL.h5``, ``..._audio_...`` and ``..._text_...``, an array (steps, size) a video. Read in README,
  ``dataset.py`` and ``utils/`` of github.com/smkim37/TripleSumm (commit b7a8e7e).

Neither has picks or a number of frames: the loaders take steps for frames, and so do we. What they show of the arrays:

- Shots meet: a shot ends with the step before the next one. MR.HiSum's code takes ends as exclusive, TripleSumm's as
  inclusive; that of SummDiff (github.com/Kwanseok-K/SummDiff, commit b7b5f49), which reads the same file, mends a last
  end that is one short of the video. So the first steps of shots and the length of the video decide here.
- Loaders pad what is shorter than the rest. Here a video has the steps that all its arrays have, where they differ by
  at most 5; a summary that is shorter than these ends with zeros, as in MR.HiSum's evaluation.
- TSMD's notes on these files (github.com/boyuan-ch/TSMD, commit 4595ac7) say that listing the names in MoSu's features
  can fail, and that a few videos cannot be opened: names are taken from the parts, and what cannot be opened is omitted
  and counted.

The streams beside what is seen have a row for every second (TripleSumm's code pads all three alike, and the data set's
page calls them synchronized), so that text, too, is a stream, not captions with times. A row of zeros is a missing one.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.data.benchmark import FileImport
from clipit_lightning.data.distributed import DistributedVideos, describe_parts, read_splits
from clipit_lightning.data.schema import DAMAGED, is_in_place, open_group, read_member
from clipit_lightning.data.streams import VISUAL, format_streams
from clipit_lightning.data.video import Video

SLACK = 5
"""Steps by which the arrays of a video may differ in length."""
_SCORES, _SUMMARIES = ("gtscore", "gt_score"), ("gtsummary", "gt_summary")
_HDF5 = (".h5", ".hdf5")
_STREAMS = (VISUAL, "audio", "text")


class Distribution(NamedTuple):
    """The files of one set of features."""

    name: str
    """Of the features, such as ``clip+ast+roberta``."""
    annotations: Path
    splits: Path | None
    streams: Mapping[str, Path]
    """Files of features by stream; empty where they lie in the groups of the annotations."""


class MostReplayed(DistributedVideos[Video]):
    """The videos of a distribution, each with the streams that lie there.

    Args:
        dataset: Name of the benchmark.
        files: Where arrays lie.
        splits: The part of each video by its name; videos keep this order.
        names: YouTube ids, where known.
    """

    def __init__(
        self, dataset: str, files: Distribution, splits: Mapping[str, str], names: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(files.annotations, splits)
        self.dataset, self.streams, self.names = dataset, files.streams, names or {}

    def _read(self, key: str) -> Video:
        with open_hdf5(self.path, texts=False) as file:
            group = open_group(file, key)
            importance = np.atleast_1d(np.squeeze(read_member(group, _one_of(group, _SCORES))))  # (steps,)
            summary = np.atleast_1d(np.squeeze(read_member(group, _one_of(group, _SUMMARIES))))  # (steps,)
            shots = read_member(group, "change_points")  # (shots, 2)
            arrays = {} if self.streams else {VISUAL: read_member(group, "features")}
        for stream, path in self.streams.items():
            with open_hdf5(path, texts=False) as file:
                arrays[stream] = read_member(file, key)  # (steps, size)
        shapes = {"scores": importance.shape, "summary": summary.shape}
        shapes |= {stream: array.shape for stream, array in arrays.items()}
        flat = importance.ndim == summary.ndim == 1 and all(array.ndim == 2 for array in arrays.values())
        lengths = [shape[0] for shape in shapes.values()] if flat else [0]
        steps = min(len(importance), *(len(array) for array in arrays.values())) if flat else 0
        if not steps or max(lengths) - min(lengths) > SLACK:
            raise ValueError(f"shapes do not fit: {', '.join(f'{name} {shape}' for name, shape in shapes.items())}")
        if not np.isin(summary, (0, 1)).all():
            raise ValueError("the summary has values other than 0 and 1")
        summary = np.pad(summary[:steps], (0, max(0, steps - len(summary))))
        return Video(
            dataset=self.dataset,
            key=key,
            features=joined_streams({stream: array[:steps] for stream, array in arrays.items()}),
            picks=np.arange(steps),
            n_frames=steps,
            change_points=fitted_shots(shots, steps),
            gtscore=importance[:steps].astype(np.float32),
            gtsummary=summary.astype(np.float32),
            user_summary=summary.astype(np.uint8)[None],
            name=self.names.get(key, ""),
            split=self.splits[key],
            fps=1.0,  # steps are the frames
        )


def joined_streams(streams: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """What is seen and the streams beside it, each with its mask column, as one row a step, (steps, features)."""
    columns: list[NDArray[np.float32]] = []
    for name, array in streams.items():
        rows = array.astype(np.float32)  # (steps, size)
        there = np.any(rows, axis=1, keepdims=True)  # (steps, 1)
        columns += [rows] if name == VISUAL else [rows, np.asarray(there, np.float32)]
    return np.concatenate(columns, axis=1)


def fitted_shots(change_points: NDArray[Any], steps: int) -> NDArray[np.int64]:
    """First and last step of each shot, inclusive, (shots, 2), of shots whose ends are inclusive or exclusive.

    Raises:
        ValueError: Shots do not meet, or do not cover the video.
    """
    if change_points.ndim != 2 or change_points.shape[1] != 2 or not len(change_points):
        raise ValueError(f"change_points have shape {change_points.shape}, expected (shots, 2)")
    first, last = change_points.astype(np.int64).T
    gaps = first[1:] - last[:-1]
    if (change_points != np.floor(change_points)).any() or not np.isin(gaps, (0, 1)).all() or (last < first).any():
        raise ValueError("change_points are no shots that meet")
    if first[0] or abs(int(last[-1]) - steps) > SLACK:
        raise ValueError(f"change_points run from {first[0]} to {last[-1]}, the video has {steps} steps")
    starts = np.unique(first[first < steps])
    return np.stack([starts, np.append(starts[1:], steps) - 1], axis=1)


def read_most_replayed(
    dataset: str, published: Mapping[str, int], paths: Sequence[Path], features: str | None = None
) -> FileImport:
    """Join the annotations, parts and features of a benchmark in either form. Videos are read when needed.

    Args:
        dataset: Name of the benchmark, with which the files of TripleSumm's form begin.
        published: Videos of each part.
        paths: All files under the searched folders.
        features: Which features to take where there are several; the name of what is seen, such as ``clip``, takes
            these without the streams beside.

    Raises:
        UserError: A file is damaged, there are several sets of features and none is named, or a video is in two parts.
    """
    known = list(_distributions(dataset, paths))
    chosen = [files for files in known if features in (None, files.name)]
    if not chosen:  # what is seen alone
        chosen = [_visual_alone(files) for files in known if features == files.name.partition("+")[0]]
    if not chosen:
        return FileImport(missing="all" if not known else f"features called {features}")
    if len(chosen) > 1:
        names = ", ".join(files.name for files in chosen)
        raise UserError(f"{dataset}: several sets of features: {names}; name one with --features NAME")
    files = chosen[0]
    if files.splits is None:
        missing = f"{dataset if files.streams else files.annotations.stem}_split.json"
        return FileImport(features=files.name, missing=missing)
    splits = read_splits(files.splits)
    there = _openable(files.annotations, splits, "" if files.streams else "features")
    for path in files.streams.values():
        there &= _openable(path, splits)
    kept = {key: split for key, split in splits.items() if key in there}
    if not kept:
        return FileImport(features=files.name, missing="features of the listed videos")
    parts, notices = describe_parts(kept, published)
    if lacking := len(splits) - len(kept):
        notices.append(f"{lacking} listed videos lack features or annotations, or cannot be opened, and are omitted")
    videos = MostReplayed(dataset, files, kept, _youtube_ids(paths, dataset))
    held = f"importance and a summary; {parts}"
    return FileImport(videos, files.name, notices, annotations=held, streams=_stream_widths(files, kept))


def _distributions(dataset: str, paths: Sequence[Path]) -> Iterator[Distribution]:
    """The sets of features that lie there: the authors' form, then TripleSumm's, one for each file of what is seen."""
    named = {path.name.lower(): path for path in paths}
    if dataset == "mrhisum" and "mr_hisum.h5" in named:
        yield Distribution("youtube-8m", named["mr_hisum.h5"], named.get("mr_hisum_split.json"), {})
    if (annotations := named.get(f"{dataset}_gt.h5")) is None:
        return
    by_stream: dict[str, dict[str, Path]] = {stream: {} for stream in _STREAMS}
    for path in paths:
        match = re.fullmatch(rf"{dataset}_feat_({'|'.join(_STREAMS)})_(.+)", path.stem, re.IGNORECASE)
        if match and path.suffix.lower() in _HDF5:
            by_stream[match[1].lower()][match[2]] = path
    seen, *others = by_stream.values()
    for model, path in seen.items():
        for of_stream in others:
            if len(of_stream) > 1:
                names = ", ".join(str(path) for path in of_stream.values())
                raise UserError(f"{dataset}: {names} are of one stream; leave one of them there")
        models = [model, *(name for of_stream in others for name in of_stream)]
        streams = {VISUAL: path}
        streams |= {name: next(iter(files.values())) for name, files in by_stream.items() if name != VISUAL and files}
        yield Distribution("+".join(models), annotations, named.get(f"{dataset}_split.json"), streams)


def _visual_alone(files: Distribution) -> Distribution:
    streams = {VISUAL: files.streams[VISUAL]} if files.streams else files.streams
    return files._replace(name=files.name.partition("+")[0], streams=streams)


def _openable(path: Path, keys: Mapping[str, str], member: str = "") -> set[str]:
    """Those videos that a file has in their place, with a member where one is named."""
    with open_hdf5(path, texts=False) as file:
        return {key for key in keys if _can_open(file, key, member)}


def _can_open(file: h5py.File, key: str, member: str) -> bool:
    try:
        return is_in_place(file, key) and (not member or is_in_place(file[key], member)) and bool(file[key])
    except DAMAGED:
        return False


def _one_of(group: h5py.Group, names: Sequence[str]) -> str:
    """The name that a group has, or the first one."""
    return next((name for name in names if is_in_place(group, name)), names[0])


def _stream_widths(files: Distribution, keys: Mapping[str, str]) -> str:
    """The store's attribute ``streams``; empty where there is only what is seen."""
    if len(files.streams) < 2:
        return ""
    key, widths = next(iter(keys)), dict[str, int]()
    for stream, path in files.streams.items():
        with open_hdf5(path, texts=False) as file:
            array = file[key]
            width = array.shape[-1] if isinstance(array, h5py.Dataset) and array.shape else 0
            widths[stream] = width + int(stream != VISUAL)
    return format_streams(widths)


def _youtube_ids(paths: Sequence[Path], dataset: str) -> dict[str, str]:
    """YouTube ids by name of the video, of the table ``metadata.csv`` where it lies there; else none."""
    for path in paths:
        if path.name.lower() not in ("metadata.csv", f"{dataset}_metadata.csv"):
            continue
        try:
            with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                rows = [(row.get("video_id"), row.get("youtube_id")) for row in csv.DictReader(file)]
        except (OSError, csv.Error):
            continue
        if names := {key: name for key, name in rows if key and name and name.isprintable() and len(name) <= 100}:
            return names
    return {}
