"""Measuring anybody's scores: read them, match them with a store's videos, apply a protocol's rules."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import named_once, refuse_no_file
from clipit_lightning.data.folds import Fold
from clipit_lightning.data.schema import storage_problems
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS
from clipit_lightning.evaluation.rules import Rules, measure

Scores = NDArray[np.float64]


def read_scores(path: Path) -> dict[str, Scores]:
    """Read scores of videos from JSON (an object), NPZ or HDF5 (datasets, or groups with a dataset ``scores``).

    Returns:
        What the file calls a video, to its scores.

    Raises:
        UserError: The file is missing, damaged, of another kind, or holds something that is not a row of numbers.
    """
    readers = {".json": _read_json, ".npz": _read_npz, ".h5": _read_hdf5, ".hdf5": _read_hdf5}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: scores are read from .json, .npz or .h5 files")
    try:
        refuse_no_file(path)
        content = readers[path.suffix.lower()](path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UserError:
        raise
    except Exception as error:  # numpy, zipfile and h5py raise many kinds for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: cannot be read ({reason}); write scores as video key to list of numbers") from error
    if not content:
        raise UserError(f"{path}: holds no video")
    return {name: _row(path, name, values) for name, values in content.items()}


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=named_once)
    if not isinstance(content, dict):
        raise ValueError(f"it is a {type(content).__name__}, not an object")
    return content


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _read_hdf5(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as file:
        return {name: _read_member(file, name) for name in file}


def _read_member(file: h5py.File, name: str) -> NDArray[Any]:
    """The scores of a video: an array, or the array ``scores`` of a group."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link, not scores in their place")
    nested = isinstance(file[name], h5py.Group)
    group, array = (file[name], "scores") if nested else (file, name)
    if problems := storage_problems(group, [array], [array], [], only=[array]):
        raise ValueError(f"{name}: {problems[0]}")
    return np.asarray(group[array])


def numbers(values: Any) -> Scores:  # noqa: ANN401 - whatever stood in a file
    """Numbers of any kind, but not what numpy would make numbers of: texts, truths, complex numbers.

    Raises:
        ValueError: There is something else.
    """
    array = np.asarray(values)
    if array.size and (array.dtype.kind not in "iuf" or (isinstance(values, list) and _has_truths(values))):
        raise ValueError("numbers are needed")
    return array.astype(np.float64)


def _has_truths(values: list[Any]) -> bool:
    return any(_has_truths(each) if isinstance(each, list) else isinstance(each, bool) for each in values)


def _row(path: Path, name: str, values: Any) -> Scores:  # noqa: ANN401 - whatever stood in the file
    try:
        array = numbers(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: {name}: scores must be a list of numbers") from error
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if array.ndim != 1:
        raise UserError(f"{path}: {name}: scores have shape {array.shape}, expected one row of numbers")
    if not np.isfinite(array).all():
        raise UserError(f"{path}: {name}: score {int(np.argmin(np.isfinite(array)))} is NaN or infinite")
    return array


@dataclass(frozen=True)
class Prediction:
    """A video and the scores that were given for it."""

    video: Video
    scores: Scores
    """(steps,), or (frames,) where a score for every frame was given."""

    def row(self, rules: Rules) -> dict[str, float]:
        """F1 and correlations under the rules."""
        return measure(self.video, self.scores, rules)


def match_scores(scores: dict[str, Scores], videos: Sequence[Video], needed: Iterable[str]) -> list[Prediction]:
    """Join scores with videos by key (``video_7``), id (``tvsum/video_7``), or name (a YouTube id, a SumMe title).

    Args:
        scores: As read.
        videos: All videos of the data set.
        needed: Ids of the videos that the folds test.

    Raises:
        UserError: A video is unknown, is given twice, has neither a score for each step nor for each frame, or is
        missing.
    """
    known = {name: video for video in videos for name in _names(video)}
    found: dict[str, Prediction] = {}
    for name, values in scores.items():
        video = known.get(_plain(name))
        if video is None:
            raise UserError(f"{name}: no such video in {videos[0].dataset}; keys are such as {videos[0].key}")
        if video.id in found:
            raise UserError(f"{name}: scores for {video.id} are given twice")
        if len(values) not in (video.n_steps, video.n_frames):
            raise UserError(
                f"{name}: {len(values)} scores, expected {video.n_steps} (steps) or {video.n_frames} (frames)"
            )
        found[video.id] = Prediction(video, values)
    wanted = set(needed)
    if missing := sorted(wanted - set(found)):
        raise UserError(
            f"scores are missing for {len(missing)} videos: {', '.join(missing[:5])}{' ...' * (len(missing) > 5)}"
        )
    return [found[video.id] for video in videos if video.id in wanted]


def _names(video: Video) -> list[str]:
    return [_plain(name) for name in (video.key, video.id, video.name) if name]


def _plain(name: str) -> str:
    """SumMe's titles come with spaces and with underscores; YouTube ids differ by case."""
    return re.sub(r"[ _]+", "_", name.removesuffix(".mp4"))


def measure_all(predictions: Sequence[Prediction], folds: Sequence[Fold], rules: Rules) -> pd.DataFrame:
    """A row for every fold and test video: ``fold``, ``video``, and the metrics (fractions)."""
    rows = {each.video.id: each.row(rules) for each in predictions}
    return pd.DataFrame([{"fold": fold.index, "video": video, **rows[video]} for fold in folds for video in fold.test])


def over_folds(rows: pd.DataFrame) -> dict[str, float]:
    """Mean over a fold's videos, then over folds."""
    means = rows.groupby("fold")[list(ANNOTATOR_METRICS)].mean().mean()
    return {str(name): float(value) for name, value in means.items()}


def bootstrap_interval(values: Sequence[float], seed: int = 0, resamples: int = 10_000) -> tuple[float, float]:
    """Percentile interval (95 %) of a mean over videos: videos are drawn again, with replacement.

    Args:
        values: One value a video.
        seed: Of the draws.
        resamples: Number of draws.
    """
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = array[rng.integers(0, len(array), size=(resamples, len(array)))].mean(axis=1)  # (resamples,)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def intervals(rows: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each metric over videos; a video that several folds test counts once, with its mean."""
    videos = rows.groupby("video")[list(ANNOTATOR_METRICS)].mean()
    return {name: bootstrap_interval(videos[name].tolist()) for name in ANNOTATOR_METRICS}
