"""The working folder of `clipit prepare`: one small HDF5 file a video, so that a run can be interrupted.

A file is called by the hash of all that it depends on: encoder, sampling, captions, and the video's file, known by its
size, its time of change, and the SHA-256 of a mebibyte at each 64th of it, for to read hundreds of gigabytes at each
start would take too long. Several processes may share the folder. A video that failed has a file with the reason.
"""

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_json
from clipit_lightning.core.hdf5 import atomic_hdf5, open_hdf5
from clipit_lightning.data.official_shots import has_official_shots
from clipit_lightning.pipelines.collect import Collection, Source
from clipit_lightning.video.extract import VideoFeatures

_OURS = re.compile(r"\.?[0-9a-f]{32,64}\.(h5|json)(\..+)?")
"""Names in the working folder: of features, failures and captions, and of files that were being written."""
_BLOCK, _BLOCKS = 1 << 20, 64  # bytes of one, and how many are read of a long file


@dataclass(frozen=True)
class FeatureCache:
    """The videos that are extracted so far, in the working folder."""

    folder: Path
    settings: str
    """Everything beside the video and its own captions that changes the features."""

    def path(self, source: Source) -> Path:
        """Where the features of a video are, or will be; a UserError where its file cannot be read."""
        mark = content_mark(source)
        words = json.dumps((source.name, mark, str(source.path.stat().st_mtime_ns), self.settings))
        return self.folder / f"{hashlib.sha256(words.encode()).hexdigest()[:32]}.h5"

    def is_done(self, source: Source) -> bool:
        """Whether all of the video, as it is now, is there."""
        try:
            with open_hdf5(self.path(source)) as file:
                return "frame_times" in file
        except (OSError, UserError):
            return False

    def save(self, source: Source, features: VideoFeatures) -> None:
        """Keep a video's features, atomically, in the layout of a store's group."""
        path = self.path(source)
        with atomic_hdf5(path) as file:
            file["features"] = features.all_features
            file["picks"] = features.picks
            file["n_frames"] = features.info.n_frames
            file["change_points"] = features.change_points
            file["video_name"] = source.name
            file["duration"] = features.info.duration
            file["fps"] = features.info.fps
            if features.captions:
                file.create_dataset("captions", data=list(features.captions), dtype=h5py.string_dtype())
                file["text_spans"] = features.text_spans
            if features.caption_features is not None:
                file["caption_features"] = features.caption_features
            file.create_dataset("frame_times", data=np.asarray(features.frame_times), compression="gzip")
        path.with_suffix(".json").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the files of any settings, and the folder where nothing else lies in it."""
        for path in sorted(self.folder.rglob("*"), reverse=True):  # what lies in a folder comes before it
            if _OURS.fullmatch(path.name):
                path.unlink()
            elif path.is_dir():
                _remove_empty(path)
        _remove_empty(self.folder)

    def fail(self, source: Source, reason: str) -> None:
        """Keep the reason why a video cannot be extracted."""
        write_json(self._failure(source), {"video": source.name, "reason": reason})

    def failure(self, source: Source) -> str:
        """Why a video has no features."""
        try:
            return str(json.loads(self._failure(source).read_text(encoding="utf-8"))["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return "its file changed or was not read while this ran; run the same command again"

    def _failure(self, source: Source) -> Path:
        try:
            return self.path(source).with_suffix(".json")
        except UserError:
            return self.folder / f"{hashlib.sha256(os.fsencode(source.path)).hexdigest()[:32]}.json"


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def inputs_hash(collection: Collection, made: dict[str, str]) -> str:
    """Hash of all that a store is made from; where files are and when they changed is no part of it."""
    marks = [(source.key, source.name, mark_if_readable(source)) for source in collection.sources]
    shots = ["official shots"] if has_official_shots(collection.dataset) else []
    words = json.dumps([marks, made, collection.annotations_sha256, *shots])
    return hashlib.sha256(words.encode()).hexdigest()


def mark_if_readable(source: Source) -> str:
    """As `content_mark`; a word where the file cannot be read."""
    with suppress(UserError):
        return content_mark(source)
    return "unreadable"


def content_mark(source: Source) -> str:
    """Size and hash of a video's file, of blocks all over a long one, else a UserError, and hash of its captions."""
    digest = hashlib.sha256()
    try:
        size = source.path.stat().st_size
        with source.path.open("rb") as file:
            for start in (*range(0, size, max(_BLOCK, size // _BLOCKS)), max(0, size - _BLOCK)):
                file.seek(start)
                digest.update(file.read(_BLOCK))
    except OSError as error:
        raise UserError(f"cannot read {source.path}: {error.strerror or error}; check the file") from error
    return f"{size}:{digest.hexdigest()}:{hashlib.sha256(repr(source.captions).encode()).hexdigest()}"
