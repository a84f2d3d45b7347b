"""The features of a summarized video, kept beside the result: another budget or query then decodes no frame for them.

They are known by the video's content and by how they were made, in words (``extract.provenance``); where any of that is
another, or the file is damaged, they are made again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from clipit_lightning.core.hdf5 import atomic_hdf5, open_hdf5
from clipit_lightning.core.log import log
from clipit_lightning.video.extract import VideoFeatures
from clipit_lightning.video.reader import VideoInfo

NAME = "features.h5"
"""The file in the folder of a summary."""
_ARRAYS = ("frame_times", "picks", "features", "change_points", "caption_times", "text_spans", "pictures")


def kept_features(folder: Path, video: Path, settings: str, extract: Callable[[], VideoFeatures]) -> VideoFeatures:
    """The features of a video in the folder of its summary, or those that ``extract`` makes, which are kept there.

    ``settings`` are all that they depend on, in words.
    """
    path = folder / NAME
    try:
        features = _read(path, video, settings)
    except (OSError, ValueError, KeyError, TypeError):  # there are none, or the file is damaged or of an older state
        features = None
    if features is not None:
        log.info(f"{video}: features as in {path}")
        return features
    features = extract()
    with atomic_hdf5(path) as file:
        _write(file, features, settings)
    return features


def _read(path: Path, video: Path, settings: str) -> VideoFeatures | None:
    with open_hdf5(path) as file:
        facts: dict[str, Any] = json.loads(file["facts"].asstr()[()])
        if facts["settings"] != settings:
            return None
        arrays: dict[str, Any] = {name: file[name][()] for name in _ARRAYS}
        captions = file["caption_features"][()] if "caption_features" in file else None
        streams = {name: file[f"streams/{name}"][()] for name in facts["streams"]}
    info = VideoInfo(path=video, **facts["info"])
    texts = tuple(facts["captions"])
    named: dict[str, Any] = {"names": tuple(map(tuple, facts["names"])), "provenance": facts["provenance"]}
    return VideoFeatures(info=info, captions=texts, caption_features=captions, streams=streams, **named, **arrays)


def _write(file: h5py.File, features: VideoFeatures, settings: str) -> None:
    for name in _ARRAYS:
        file.create_dataset(name, data=np.asarray(getattr(features, name)), track_times=False)
    if features.caption_features is not None:
        file.create_dataset("caption_features", data=features.caption_features, track_times=False)
    info = {name: value for name, value in asdict(replace(features.info, path=Path())).items() if name != "path"}
    facts = {"settings": settings, "info": info, "captions": features.captions, "names": features.names}
    facts |= {"provenance": features.provenance, "streams": list(features.streams)}
    for name, columns in features.streams.items():
        file.create_dataset(f"streams/{name}", data=columns, track_times=False)
    file.create_dataset("facts", data=json.dumps(facts), track_times=False)
