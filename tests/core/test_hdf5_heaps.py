"""Files on which libhdf5 would read without end."""

import h5py
import pytest

from clipit_lightning.core.hdf5 import open_hdf5


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        file.attrs["dataset"] = "a text of a heap"
    return path


def change(path, at, content):
    data = bytearray(path.read_bytes())
    start = data.index(b"GCOL")
    data[start + at : start + at + len(content)] = content
    path.write_bytes(data)


def test_a_sound_file_is_opened(path):
    with open_hdf5(path) as file:
        assert file.attrs["dataset"] == "a text of a heap"


@pytest.mark.parametrize(
    ("at", "size"),
    [(16 + 16 + 16 + 8, 0), (16 + 8, 2**64 - 1), (16 + 8, 5000), (8, 2**40)],
    ids=["unused-of-no-size", "wraps", "too-long", "beyond-the-file"],
)
def test_a_damaged_heap_is_refused(path, at, size):
    change(path, at, size.to_bytes(8, "little"))
    with pytest.raises(OSError, match="damaged"):
        open_hdf5(path)
