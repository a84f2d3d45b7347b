import numpy as np
import pytest

from clipit_lightning.summary.repeats import repeated_shots


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def walk(steps, seed=0):
    """Features that change slowly from step to step, as a camera's do."""
    return unit(8 + np.random.default_rng(seed).normal(size=(steps, 16)).cumsum(axis=0)).astype(np.float32)


def shots(*lengths):
    """Shots of so many steps, five frames each; and the picks."""
    borders = 5 * np.cumsum([0, *lengths])
    return 5 * np.arange(sum(lengths)), np.stack([borders[:-1], borders[1:] - 1], axis=1)


def test_a_loop_is_a_repeat_wherever_its_borders_lie():
    once = walk(40)
    noise = 1e-3 * np.random.default_rng(1).normal(size=(100, 16))
    features = unit(np.concatenate([once, once, once[:20]]) + noise)  # as if encoded again
    picks, borders = shots(10, 10, 10, 10, 7, 13, 20, 20)
    assert repeated_shots(features, picks, borders).tolist() == [False] * 4 + [True] * 4


def test_a_slide_is_shown_once_and_what_follows_is_new():
    slide = np.repeat(walk(1), 30, axis=0)
    picks, borders = shots(10, 10, 10, 10)
    repeated = repeated_shots(np.concatenate([slide, walk(10, seed=2)]), picks, borders)
    assert repeated.tolist() == [False, True, True, False]


@pytest.mark.parametrize("noise", [1e-3, 1e-2, 0.3])
def test_a_fixed_camera_repeats_nothing(noise):
    features = unit(walk(1) + noise * np.random.default_rng(0).normal(size=(60, 16)))
    assert not repeated_shots(features, *shots(20, 20, 20)).any()


@pytest.mark.parametrize("lengths", [[1], [2], [3, 0, 2], [0, 1]])
def test_short_videos_and_shots_without_a_step(lengths):
    assert not repeated_shots(walk(sum(lengths)), *shots(*lengths)).any()
