"""Anybody's scores: read them, and match them with the videos or queries of a store."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array
from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import check_is_file, named_once, read_json
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.data.query_video import QueryItem, QueryVideo
from clipit_lightning.data.schema import is_in_place, storage_problems
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.matching import QueryRules, Shots
from clipit_lightning.evaluation.shot_scores import ShotScores, shot_numbers, spread_over_frames

Scores = NDArray[np.float64]
IN_MEMORY = "scores"
"""What messages and tables call scores that are given without a file."""


class Matched(NamedTuple):
    """A video of a store with its scores."""

    video: Video
    scores: Scores
    """Step scores, (steps,), or frame scores, (frames,)."""
    without_score: int | None = None
    """Number of shots that got the lowest score of the video; None where step or frame scores were given."""


def read_scores(source: Path | Mapping[str, ArrayLike | Mapping[str, float]]) -> dict[str, Scores | ShotScores]:
    """Read scores of videos from JSON (an object), NPZ or HDF5 (datasets, or groups with ``scores`` or ``score``).

    In JSON a video's scores are a list, or an object of shot number, counted from 0, to score.

    Returns:
        What the file, or a mapping in its place, calls a video, to its scores.

    Raises:
        UserError: The file is missing, damaged, of another kind, or holds something that is not a row of numbers.
    """
    content = _read(source) if isinstance(source, Path) else source
    where = source if isinstance(source, Path) else IN_MEMORY
    if not content:
        raise UserError(f"{where}: holds no video")
    return {name: _of_video(where, name, values) for name, values in content.items()}


def _of_video(where: Path | str, name: str, values: Any) -> Scores | ShotScores:  # noqa: ANN401 - whatever was given
    if isinstance(values, Mapping):
        return ShotScores(shot_numbers(f"{where}: {name}", values), _row(where, name, list(values.values())))
    return _row(where, name, values)


def _read(path: Path) -> dict[str, Any]:
    readers = {".json": _read_json, ".npz": _read_npz, ".h5": _read_hdf5, ".hdf5": _read_hdf5}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: scores are read from .json, .npz or .h5 files")
    try:
        check_is_file(path)
        return readers[path.suffix.lower()](path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except Exception as error:  # numpy, zipfile and h5py raise many kinds for a damaged file
        advice = "write scores as video key to list of numbers"
        raise UserError(f"{path}: cannot be read ({first_line(error)}); {advice}") from error


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=named_once)
    if not isinstance(content, dict):
        raise ValueError(f"it is a {type(content).__name__}, not an object")
    return content


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _read_hdf5(path: Path) -> dict[str, Any]:
    with open_hdf5(path) as file:
        return {name: _read_member(file, name) for name in file}


def _read_member(file: h5py.File, name: str) -> NDArray[Any]:
    """The scores of a video: an array, or the array ``scores`` of a group, or ``score``, as DR-DSN's code writes it."""
    if not is_in_place(file, name):
        raise ValueError(f"{name} is a link, not scores in their place")
    nested = isinstance(file[name], h5py.Group)
    group, array = (file[name], "scores") if nested else (file, name)
    if nested and "scores" not in (there := set(group)) and "score" in there:
        array = "score"
    if problems := storage_problems(group, [array], [array], [], only=[array]):
        raise ValueError(f"{name}: {problems[0]}")
    return np.asarray(group[array])


def numbers(values: Any) -> Scores:  # noqa: ANN401 - whatever stood in a file
    """Numbers of any kind; a ValueError for what numpy would make numbers of: texts, truths, complex numbers."""
    array = as_array(values)
    if array.size and (array.dtype.kind not in "iuf" or (isinstance(values, list) and _has_truths(values))):
        raise ValueError("numbers are needed")
    return array.astype(np.float64)


def _has_truths(values: list[Any]) -> bool:
    return any(_has_truths(value) if isinstance(value, list) else isinstance(value, bool) for value in values)


def _row(where: Path | str, name: str, values: Any) -> Scores:  # noqa: ANN401 - whatever was given
    try:
        array = numbers(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: {name}: scores must be a list of numbers") from error
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if array.ndim != 1:
        raise UserError(f"{where}: {name}: scores have shape {array.shape}, expected one row of numbers")
    if not np.isfinite(array).all():
        raise UserError(f"{where}: {name}: score {int(np.argmin(np.isfinite(array)))} is NaN or infinite")
    return array


def match_scores(
    scores: Mapping[str, Scores | ShotScores], videos: Sequence[Video], needed: Collection[str]
) -> list[Matched]:
    """Join scores with videos by key (``video_7``), id (``tvsum/video_7``), or name (a YouTube id, a SumMe title).

    Returns:
        The videos whose ids are needed, in their order, each with its scores.

    Raises:
        UserError: A video is unknown, is given twice, has neither a score for each step nor for each frame nor scores
            of its shots, or is missing.
    """
    known = {_plain(name): video.id for video in videos for name in (video.key, video.id, video.name) if name}
    given = _names_by_id({name: known.get(_plain(name)) for name in scores}, "video", videos[0].key)
    matched = {video.id: _matched(video, given[video.id], scores) for video in videos if video.id in given}
    wanted = [video.id for video in videos if video.id in needed]
    _check_complete(matched, wanted, "videos")
    return [matched[id] for id in wanted]


def _matched(video: Video, name: str, scores: Mapping[str, Scores | ShotScores]) -> Matched:
    row, steps, frames = scores[name], video.n_steps, video.n_frames
    if isinstance(row, ShotScores):
        return Matched(video, spread_over_frames(row, video, name), len(video.change_points) - len(row.shots))
    if len(row) not in (steps, frames):
        raise UserError(f"{name}: {len(row)} scores, expected {steps} (steps) or {frames} (frames)")
    return Matched(video, row)


def shots_without_score(matched: Sequence[Matched]) -> int | None:
    """How many shots got the lowest score of their video; None where no scores of shots were given."""
    numbers = [given.without_score for given in matched if given.without_score is not None]
    return sum(numbers) if numbers else None


def _plain(name: str) -> str:
    """SumMe's titles come with spaces and with underscores; YouTube ids differ by case."""
    return re.sub(r"[ _]+", "_", name.removesuffix(".mp4"))


def _names_by_id(ids: Mapping[str, str | None], what: str, example: str) -> dict[str, str]:
    """The name in a file for each id, from the id that each name stands for; None where there is no such ``what``."""
    names: dict[str, str] = {}
    for name, id in ids.items():
        if id is None:
            raise UserError(f"{name}: no such {what}; names are such as {example}")
        if id in names:
            raise UserError(f"{name}: {id} is given twice")
        names[id] = name
    return names


def _check_complete(given: Collection[str], needed: Iterable[str], what: str) -> None:
    if missing := [id for id in needed if id not in given]:
        dots = " ..." if len(missing) > 5 else ""
        raise UserError(f"scores are missing for {len(missing)} {what}: {', '.join(missing[:5])}{dots}")


def read_predictions(
    source: Path | Mapping[str, Any], videos: Sequence[QueryVideo], rules: QueryRules
) -> dict[str, Shots]:
    """Read predictions: JSON, or a mapping, of video to query to prediction, or of ``video/query`` to prediction.

    A prediction is a list with a score for each shot, of which the best are taken, or ``{"shots": [...]}``: chosen
    shots, counted from 1 as in the oracle files. A query is named by its concepts in any order, such as ``Car_Food``.

    Returns:
        The chosen shots, counted from 0, by id of the item.

    Raises:
        UserError: The file cannot be read, a video or query is unknown, missing or given twice, or a prediction does
            not fit the video.
    """
    content, where = (read_json(source), str(source)) if isinstance(source, Path) else (source, IN_MEMORY)
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: holds a {type(content).__name__}; write video to query to scores")
    flat: dict[str, Any] = {}
    for name, value in content.items():
        nested = isinstance(value, Mapping) and "shots" not in value
        flat |= {f"{name}/{query}": row for query, row in value.items()} if nested else {name: value}
    items = {item.id: item for video in videos for item in video.items()}
    known = {name.casefold(): item.id for item in items.values() for name in _names(item)}
    ids = {name: known.get(name.casefold().removesuffix("_oracle")) for name in flat}
    given = _names_by_id(ids, "video and query", next(iter(items)))
    chosen = {id: _chosen(f"{where}: {name}", flat[name], items[id], rules) for id, name in given.items()}
    _check_complete(chosen, items, "queries")
    return chosen


def _names(item: QueryItem) -> list[str]:
    """Every way to name an item: with or without the benchmark, the concepts in either order."""
    concepts = [item.video.concepts[concept] for concept in item.video.queries[item.query]]
    queries = ("_".join(concepts), "_".join(reversed(concepts)))
    return [f"{video}/{query}" for video in (item.video.id, item.video.key) for query in queries]


def _chosen(where: str, prediction: Any, item: QueryItem, rules: QueryRules) -> Shots:  # noqa: ANN401 - as in the file
    shots = isinstance(prediction, dict)
    try:
        row = numbers(prediction["shots"] if shots else prediction)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise UserError(f"{where}: neither a list of scores, finite numbers, nor {{'shots': [numbers]}}") from error
    if row.ndim != 1 or not np.isfinite(row).all():
        raise UserError(f"{where}: a row of finite numbers is needed")
    if not shots:
        if len(row) != item.n_steps:
            problem = f"{len(row)} scores, expected {item.n_steps}, one for each shot"
            raise UserError(f'{where}: {problem}; chosen shots are written as {{"shots": [...]}}')
        return rules.choose(row)
    if not len(row) or (row != np.floor(row)).any() or row.min() < 1 or row.max() > item.n_steps:
        raise UserError(f"{where}: shots are whole numbers from 1 to {item.n_steps}, at least one")
    if len(np.unique(row)) < len(row):
        raise UserError(f"{where}: a shot stands twice")
    return np.sort(row.astype(np.int64) - 1)
