import itertools

import numpy as np
import pytest

from clipit_lightning.summary import kts
from tests.synthetic import SHARED, needs_shared


def cost(unit, borders):
    parts = np.split(unit, borders)
    return sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)


@pytest.mark.parametrize("seed", range(12))
def test_finds_the_segments_of_least_variance(seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(9, 3))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    segments = int(rng.integers(1, 5))
    first = kts.segment(features, segments)
    best = min(cost(unit, borders) for borders in itertools.combinations(range(1, 9), segments - 1))
    assert len(first) == segments
    assert cost(unit, first[1:]) == pytest.approx(best, abs=1e-9)


def test_never_more_segments_than_steps():
    assert kts.segment(np.eye(3), 10).tolist() == [0, 1, 2]


def test_shots_cover_the_video_without_gaps():
    rng = np.random.default_rng(0)
    picks = np.arange(3, 1000, 15)
    shots = kts.change_points(rng.normal(size=(len(picks), 5)), picks, 1000)
    assert shots[0, 0] == 0
    assert shots[-1, 1] == 999
    assert (shots[1:, 0] == shots[:-1, 1] + 1).all()
    assert len(shots) == 7  # ceil(1000 / 150)


@needs_shared
def test_equals_the_segmentation_that_the_tvsum_file_was_made_with():
    import h5py

    with h5py.File(SHARED / "h5" / "eccv16_dataset_tvsum_blip_minilm.h5") as file:
        same = []
        for key in list(file)[:8]:
            group = file[key]
            ours = kts.change_points(group["features"][()], group["picks"][()], int(group["n_frames"][()]))
            theirs = group["change_points"][()]
            assert len(ours) == len(theirs)
            same.append(len(set(ours[:, 0].tolist()) & set(theirs[:, 0].tolist())) / len(theirs))
    assert np.mean(same) > 0.95
