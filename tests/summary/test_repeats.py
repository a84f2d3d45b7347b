import numpy as np
import pytest

from clipit_lightning.summary.repeats import repeated_shots


def walk(steps, seed=0):
    """Pictures that change from step to step, as a moving camera's do."""
    changes = np.random.default_rng(seed).normal(scale=6, size=(steps, 16, 16, 3))
    return (128 + changes.cumsum(axis=0)).clip(0, 255)


def still(steps, noise):
    """Pictures of one scene, with noise of so many levels."""
    return walk(1) + noise * np.random.default_rng(1).normal(size=(steps, 16, 16, 3))


def shots(*lengths):
    """Shots of so many steps, five frames each; and the picks."""
    borders = 5 * np.cumsum([0, *lengths])
    return 5 * np.arange(sum(lengths)), np.stack([borders[:-1], borders[1:] - 1], axis=1)


def repeats(pictures, *lengths):
    return repeated_shots(pictures.round().clip(0, 255).astype(np.uint8), *shots(*lengths)).tolist()


def test_a_loop_is_a_repeat_wherever_its_borders_lie():
    once = walk(40)
    loop = np.concatenate([once, once, once[:20]])
    loop += 0.3 * np.random.default_rng(1).normal(size=loop.shape)  # as if encoded again
    assert repeats(loop, 10, 10, 10, 10, 7, 13, 20, 20) == [False] * 4 + [True] * 4


def test_a_slide_is_shown_once_and_what_follows_is_new():
    slides = np.concatenate([still(30, 0), walk(10, seed=2)])
    assert repeats(slides, 10, 10, 10, 10) == [False, True, True, False]


@pytest.mark.parametrize("noise", [1, 3, 20])
def test_a_fixed_camera_repeats_nothing(noise):
    assert not any(repeats(still(60, noise), 20, 20, 20))


@pytest.mark.parametrize("lengths", [[1], [2], [3, 0, 2], [0, 1]])
def test_short_videos_and_shots_without_a_step(lengths):
    assert not any(repeats(walk(sum(lengths)), *lengths))
