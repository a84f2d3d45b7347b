"""HDF5 files that are written whole."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from clipit_lightning.core.files import atomic_path


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
