"""A store's file: written whole, from the videos that it shall hold."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import atomic_path
from clipit_lightning.core.hdf5 import new_hdf5
from clipit_lightning.data.benchmark import Kind
from clipit_lightning.data.layouts import FIELDS, IMPORTANCE, LAYOUTS
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.script_video import ScriptVideo
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video

Videos = Iterable[Video | QueryVideo | ScriptVideo]
"""What a store holds."""
Content = tuple[Videos, dict[str, str]]
"""Videos and attributes of a store."""


def write_store(path: Path, videos: Videos, attributes: dict[str, str]) -> None:
    """Write a store atomically: a reader never sees a part of it. Equal content gives an equal file."""
    with atomic_path(path) as temporary:
        write_videos(temporary, videos, attributes)


def write_checked(stores: Mapping[Path, Content]) -> None:
    """Write stores as `write_store` does, of videos and attributes by path: all of them, or none if one is unsound.

    Raises:
        UserError: A store has a fault; the message has the first.
    """
    with ExitStack() as stack:
        for path, (videos, attributes) in stores.items():
            temporary = stack.enter_context(atomic_path(path))
            write_videos(temporary, videos, attributes)
            if problems := Store(temporary).check(path.stem):
                raise UserError(f"{path}: {problems[0]} (nothing was written)")


def write_videos(path: Path, videos: Videos, attributes: dict[str, str], packed: bool = False) -> None:
    """Write a store's file, which others may see before it is whole; with ``packed`` features are compressed."""
    with new_hdf5(path) as file:
        file.attrs.update(attributes)
        for video in videos:
            group = file.create_group(video.key)
            _write(group, video, packed)
            if isinstance(video, Video):
                group["n_steps"] = video.n_steps
                group["n_frame_per_seg"] = np.diff(video.change_points, axis=1).ravel().astype(np.int32) + 1
            else:
                file.attrs["layout"] = _kind_of(video)


def _write(group: h5py.Group, video: Video | QueryVideo | ScriptVideo, packed: bool) -> None:
    skipped = IMPORTANCE if isinstance(video, Video) and not video.is_annotated else ()
    if skipped:
        group.attrs["annotations"] = "none"
    for name, array in LAYOUTS[_kind_of(video)].items():
        value = getattr(video, FIELDS.get(name, name))
        if value is None or (array.shape and not len(value)) or name in skipped or (name == "split" and not value):
            continue
        if array.dtype is str:
            group.create_dataset(name, data=list(value) if array.shape else value, dtype=h5py.string_dtype())
        elif name == "features" and packed and value.size:
            # What does not become smaller is stored as it is, so that reading it costs nothing.
            group.create_dataset(name, data=value, chunks=value.shape, compression="lzf")
        elif array.packed:
            group.create_dataset(name, data=value, compression="gzip", compression_opts=1)
        else:
            group[name] = value if array.stored is None else value.astype(array.stored)


def _kind_of(video: Video | QueryVideo | ScriptVideo) -> Kind:
    if isinstance(video, Video):
        return "annotated"
    return "scripts" if isinstance(video, ScriptVideo) else "queries"
