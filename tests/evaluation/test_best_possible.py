"""The best possible F1: against every summary of small videos, and by folds on the real annotations."""

from itertools import product

import numpy as np
import pytest

from clipit_lightning.evaluation.best_possible import best_possible
from clipit_lightning.evaluation.evaluate import best_by_folds
from clipit_lightning.evaluation.overlap import f1_scores
from clipit_lightning.summary.key_shots import chosen_to_frames, shot_lengths
from tests.support.synthetic import needs_shared


@pytest.mark.parametrize("seed", range(40))
def test_no_summary_of_a_small_video_is_better_and_one_is_as_good(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 8, size=rng.integers(1, 9))
    ends = np.cumsum(lengths)
    shots, n_frames = np.stack([ends - lengths, ends - 1], axis=1), int(ends[-1])
    shares = rng.choice([0, 0.1, 0.5], size=(rng.integers(1, 5), 1))  # of annotators, of whom some choose nothing
    people = (rng.random((len(shares), n_frames)) < shares).astype(np.uint8)
    budget = int(rng.integers(0, n_frames + 1))
    every = [np.array(chosen) for chosen in product([False, True], repeat=len(shots))]
    fitting = [chosen for chosen in every if shot_lengths(shots)[chosen].sum() <= budget]
    f1 = np.array([f1_scores(chosen_to_frames(chosen, shots, n_frames), people) for chosen in fitting])
    best = best_possible(people, shots, budget)
    assert max(best) <= 1
    assert best == pytest.approx((f1.mean(axis=1).max(), f1.max()), abs=1e-11)


def test_shots_that_do_not_cover_the_frames_are_an_error():
    with pytest.raises(ValueError, match="change_points do not cover frames 0 to 3"):
        best_possible([[0, 1, 0, 1]], [[0, 1]], budget=2)


@needs_shared
@pytest.mark.slow
def test_the_ceilings_of_published_folds_on_the_real_annotations(real_stores):
    expected = {"kfold": 0.666, "csta": 0.666, "msva": 0.666, "vasnet": 0.667, "pglsum": 0.678, "dsnet": 0.686}
    ceilings = best_by_folds("tvsum", real_stores)
    assert {family: ceilings[family] for family in expected} == pytest.approx(expected, abs=5e-4)
