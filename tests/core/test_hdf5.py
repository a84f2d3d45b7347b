import resource

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.hdf5 import atomic_hdf5


@pytest.mark.parametrize("limit", [1, 3000, 40_000])
def test_a_disk_that_fills_up_is_one_line_and_the_old_file_stays(tmp_path, limit):
    """By itself HDF5 crashes the process, or leaves a file with a hole."""

    def write(value):
        with atomic_hdf5(tmp_path / "x.h5") as file:
            for number in range(10):
                file[f"video_{number}/features"] = np.full(1000, value)

    write(1.0)
    before = (tmp_path / "x.h5").read_bytes()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*x\.h5: File too large"):
            write(2.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    assert (tmp_path / "x.h5").read_bytes() == before
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["video_9/features"][()].tolist() == [1.0] * 1000
