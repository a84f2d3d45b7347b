"""HDF5 files: opened when they cannot hang the library, and written whole."""

import io
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py

from clipit_lightning.core.files import atomic_path

_HEAP = b"GCOL\x01\0\0\0"  # signature, version and reserved bytes of a global heap collection


def open_hdf5(path: Path, texts: bool = True) -> h5py.File:
    """Open a file to read it; with ``texts`` False, of which numbers alone are read, it is not read whole before.

    Raises:
        OSError: It is no HDF5 file, or damaged where the library would read without end.
    """
    status = path.stat()
    if texts and path.is_file() and status.st_size:
        _check_heaps(path, status.st_size, status.st_mtime_ns)
    return h5py.File(path, "r")


@lru_cache(maxsize=1024)
def _check_heaps(path: Path, size: int, time: int) -> None:
    """Walk through the heaps of texts: on an unused object of no size, libhdf5 2.0 turns in a circle.

    Layout: section III.E, "Global Heap", of the HDF5 File Format Specification.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_HEAP)
        while 0 <= start <= size - 16:
            at, end = start + 16, start + struct.unpack_from("<Q", content, start + 8)[0]
            while end - at >= 16:
                if end > size:
                    raise OSError("damaged: a heap reaches beyond the end of the file")
                index, length = struct.unpack_from("<H6xQ", content, at)
                taken = 16 + -(-length // 8) * 8 if index else length  # an unused object counts its header, too
                if not 16 <= taken <= end - at:
                    raise OSError(f"damaged: an object of a heap takes {taken} bytes of {end - at}")
                at += taken
            start = content.find(_HEAP, start + 16)


@contextmanager
def atomic_hdf5(path: Path) -> Iterator[h5py.File]:
    """Yield an HDF5 file that takes the place of ``path`` when the block ends well, as with `atomic_path`.

    Raises:
        UserError: The file cannot be written.
    """
    with atomic_path(path) as temporary, new_hdf5(temporary) as file:
        yield file


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Yield an HDF5 file that is made anew, whose writes do not fail unheard.

    Raises:
        OSError: A write failed; where the block ends.
    """
    with _Disk(path, "w+") as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file
        finally:
            if disk.problem is not None:
                raise disk.problem


class _Disk(io.FileIO):
    """A file that keeps its first problem and tells HDF5 of none: where a write fails, that loses it, or crashes."""

    problem: OSError | None = None

    def write(self, content: Any) -> int:  # noqa: ANN401 - bytes, or an array of them
        """Write all of the content."""
        left = memoryview(content).cast("B")
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self.problem = self.problem or error
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Resize the file."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.problem = self.problem or error
            return size or 0
