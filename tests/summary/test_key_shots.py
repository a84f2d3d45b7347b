import numpy as np
import pytest

from clipit_lightning.summary import key_shots
from tests.support.synthetic import change_points


def test_a_score_holds_from_its_pick_to_the_next_and_the_last_to_the_end():
    frames = key_shots.frame_scores(np.array([0.1, 0.5, 0.9]), np.array([0, 2, 5]), 8)
    assert frames.tolist() == [0.1, 0.1, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9]


def test_frames_before_the_first_pick_take_the_first_score():
    assert key_shots.frame_scores(np.array([0.2, 0.4]), np.array([2, 3]), 5).tolist() == [0.2, 0.2, 0.2, 0.4, 0.4]


def test_a_shot_is_worth_the_mean_of_its_frames_ends_inclusive():
    means = key_shots.shot_means(np.arange(6.0), np.array([[0, 0], [1, 3], [4, 5]]))
    assert means.tolist() == [0.0, 2.0, 4.5]


@pytest.mark.parametrize(
    ("n_frames", "budget", "expected"), [(20, 0.15, 3), (99, 0.15, 14), (100, 0.29, 29), (7, 1, 7)]
)
def test_budget_is_the_floor_and_not_hurt_by_float_error(n_frames, budget, expected):
    assert key_shots.budget_frames(n_frames, budget) == expected


@pytest.mark.parametrize("seed", range(20))
def test_a_summary_is_whole_shots_within_the_budget(seed):
    rng = np.random.default_rng(seed)
    n_frames = int(rng.integers(200, 900))
    picks = np.arange(0, n_frames, 15)
    shots = change_points(n_frames, int(rng.integers(5, 40)))
    summary = key_shots.select_shots(rng.random(len(picks)), shots, n_frames, picks)
    assert 0 < summary.sum() <= int(0.15 * n_frames)
    assert all(np.ptp(summary[first : last + 1]) == 0 for first, last in shots)


def test_one_shot_longer_than_the_budget_gives_an_empty_summary():
    summary = key_shots.select_shots(np.ones(4), np.array([[0, 59]]), 60, np.arange(4) * 15)
    assert summary.shape == (60,)
    assert summary.sum() == 0
