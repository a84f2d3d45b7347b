"""The content of a store: its videos in order, and hashes of what they hold."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import h5py
import numpy as np


def natural_order(file: Iterable[str]) -> list[str]:
    """Keys with their numbers in numeric order."""
    return sorted(file, key=lambda key: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", key)])


def add_content(digest: "hashlib._Hash", arrays: Mapping[str, Any], key: str, only: Collection[str] = ()) -> None:
    """Add every array of a video to a hash, however it was written, or arrays of some names."""
    for name in sorted(name for name in arrays if not only or name in only):
        value = arrays[name]
        array = np.asarray(value[()] if isinstance(value, h5py.Dataset) else value)
        content = repr(list(array.ravel())).encode() if array.dtype.hasobject else array.tobytes()
        digest.update(f"{key}/{name}:{array.shape}:{array.dtype};".encode() + content)
