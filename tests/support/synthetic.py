"""Synthetic benchmarks with the real files' layout, small enough for tests, and where the real data lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

SHARED = Path(__file__).parents[3] / "shared" / "data"
"""The real annotations, beside a developer's checkout; absent elsewhere."""

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real annotations (../shared/data) are not here")

FEATURES, STRIDE, ANNOTATORS = 8, 15, 4


def change_points(n_frames: int, length: int = 60) -> NDArray[np.int32]:
    """Equal shots that cover the video; the last takes what is left."""
    first = np.arange(0, n_frames, length)
    return np.stack([first, np.append(first[1:], n_frames) - 1], axis=1).astype(np.int32)


def write_field_file(
    path: Path,
    n_videos: int = 10,
    captions: bool = True,
    names: list[str] | None = None,
    features: int = FEATURES,
    seed: int = 0,
    data: str = "real",
) -> Path:
    """Write ``eccv16_dataset_<name>_<features>.h5`` as the field distributes it, of data that it says to be real."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["data"] = data  # what is called TVSum and real has to hold TVSum's videos
        for number in range(1, n_videos + 1):
            group = file.create_group(f"video_{number}")
            steps = int(rng.integers(12, 30))
            n_frames = steps * STRIDE - int(rng.integers(0, STRIDE))
            summary = (rng.random((ANNOTATORS, n_frames)) < 0.2).astype(np.float32)
            picks = np.arange(0, n_frames, STRIDE)
            group["features"] = rng.normal(size=(steps, features)).astype(np.float32)
            group["picks"] = picks.astype(np.int32)
            group["n_frames"] = n_frames
            group["n_steps"] = steps
            group["change_points"] = change_points(n_frames)
            group["n_frame_per_seg"] = np.diff(change_points(n_frames), axis=1).ravel() + 1
            group["user_summary"] = summary
            group["gtscore"] = summary[:, picks].mean(axis=0)
            group["gtsummary"] = (summary[0, picks] > 0).astype(np.float32)
            if names is not None:
                group["video_name"] = np.bytes_(names[number - 1])
            if captions:
                count = int(rng.integers(2, 10))
                group.create_dataset(
                    "captions", data=[f"caption {index}" for index in range(count)], dtype=h5py.string_dtype()
                )
                group["caption_features"] = rng.normal(size=(count, features)).astype(np.float32)
    return path


def tvsum_ratings(path: Path, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Ratings from 1 to 5 of every frame of the videos of a field file, by key, (annotators, frames)."""
    rng = np.random.default_rng(seed)
    with h5py.File(path) as file:
        frames = {key: int(file[key]["n_frames"][()]) for key in file}
    return {key: rng.integers(1, 6, size=(ANNOTATORS, count)).astype(float) for key, count in frames.items()}


def write_features(path: Path, frames: dict[str, int], stride: int = STRIDE, **arrays: Any) -> Path:
    """Write an HDF5 file of groups with ``features`` and nothing else but the given arrays, by key or of all."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for key, count in frames.items():
            file[f"{key}/features"] = rng.normal(size=(len(range(0, count, stride)), FEATURES)).astype(np.float32)
            for name, array in arrays.items():
                file[f"{key}/{name}"] = array[key] if isinstance(array, dict) else array
    return path


def write_tvsum_mat(path: Path, ratings: dict[str, NDArray[np.float64]], names: Sequence[str] = ()) -> None:
    """Write TVSum's MATLAB v7.3 file: references to one array a video, in the order of the keys' numbers."""
    keys = sorted(ratings, key=lambda key: int(key.split("_")[1]))
    with h5py.File(path, "w") as file:
        group = file.create_group("tvsum50")
        for name in ("video", "user_anno"):
            group.create_dataset(name, (len(keys), 1), dtype=h5py.ref_dtype)
        for index, key in enumerate(keys):
            name = names[index] if names else f"id-{key}"
            title = file.create_dataset(f"#refs#/v{index}", data=np.array([[ord(letter)] for letter in name], "u2"))
            anno = file.create_dataset(f"#refs#/a{index}", data=ratings[key])
            group["video"][index, 0] = title.ref
            group["user_anno"][index, 0] = anno.ref


def write_tvsum_tsv(path: Path, ratings: dict[str, NDArray[np.float64]]) -> None:
    """Write TVSum's other form: a line per video and annotator."""
    keys = sorted(ratings, key=lambda key: int(key.split("_")[1]))
    lines = [f"id-{key}\tVT\t{','.join(str(int(rating)) for rating in row)}" for key in keys for row in ratings[key]]
    path.write_text("\n".join(lines) + "\n")


def set_gtscore(path: Path, ratings: dict[str, NDArray[np.float64]]) -> None:
    """Give a field file the importance that follows from ratings, as the real one has."""
    with h5py.File(path, "a") as file:
        for key, rows in ratings.items():
            file[key]["gtscore"][...] = (rows[:, file[key]["picks"][()]].mean(axis=0) - 1) / 4


def write_summe_ground_truth(folder: Path, summaries: dict[str, NDArray[np.float64]]) -> None:
    """Write SumMe's ``GT/<name>.mat``, one a video; summaries are (annotators, frames), above 0 where chosen."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in summaries.items():
        scipy.io.savemat(folder / f"{name}.mat", {"user_score": rows.T, "nFrames": [[rows.shape[1]]], "FPS": [[25]]})
