import numpy as np
import pytest

from clipit_lightning.core.errors import ArgumentError
from clipit_lightning.summary.shot_lengths import check_lengths, with_lengths


def shots_of(*lengths):
    borders = np.cumsum([0, *lengths])
    return np.stack([borders[:-1], borders[1:] - 1], axis=1)


def lengths_of(shots):
    return (shots[:, 1] - shots[:, 0] + 1).tolist()


def reshaped(lengths, scenes, **limits):
    """Shots of ten frames a second, a step every other frame, each shot showing one of several scenes."""
    shots = shots_of(*lengths)
    n_frames = int(shots[-1, 1]) + 1
    picks = np.arange(0, n_frames, 2)
    features = np.eye(4)[np.repeat(scenes, lengths)[picks]]
    return with_lengths(shots, np.arange(n_frames) / 10, n_frames / 10, features, picks, **limits)


@pytest.mark.parametrize(
    ("lengths", "scenes", "least", "expected"),
    [
        ([40, 6, 40], [0, 0, 1], 1.0, [46, 40]),  # to the neighbour that looks like it
        ([40, 6, 40], [0, 1, 1], 1.0, [40, 46]),
        ([6, 40, 8], [0, 1, 2], 1.0, [54]),
        ([4, 4, 4, 4], [0, 0, 1, 1], 0.7, [8, 8]),
        ([20, 20], [0, 1], 1.0, [20, 20]),
        ([6], [0], 1.0, [6]),  # the whole video is shorter
    ],
)
def test_short_shots_are_joined(lengths, scenes, least, expected):
    assert lengths_of(reshaped(lengths, scenes, least=least)) == expected


@pytest.mark.parametrize(
    ("lengths", "most", "expected"),
    [([40], 2.0, [20, 20]), ([41], 2.0, [14, 14, 13]), ([10, 30], 2.0, [10, 15, 15]), ([3], 0.05, [1, 1, 1])],
)
def test_long_shots_are_divided_evenly(lengths, most, expected):
    assert lengths_of(reshaped(lengths, [0] * len(lengths), most=most)) == expected


def test_any_shots_are_a_partition_within_the_limits():
    generator = np.random.default_rng(0)
    for _ in range(50):
        lengths = generator.integers(1, 60, size=generator.integers(1, 12)).tolist()
        shots = reshaped(lengths, generator.integers(4, size=len(lengths)), least=1.0, most=2.5)
        assert shots[0, 0] == 0
        assert shots[-1, 1] == sum(lengths) - 1
        assert (shots[1:, 0] == shots[:-1, 1] + 1).all()
        assert max(lengths_of(shots)) <= 26  # frames last 0.1 s, and a part may have one more
        assert min(lengths_of(shots)) >= min(10, sum(lengths))


@pytest.mark.parametrize(
    ("limits", "message"),
    [((0, None), "min_shot: 0"), ((None, -1), "max_shot: -1"), ((2, 3), "max_shot: 3 s must be at least twice")],
)
def test_lengths_that_no_shot_can_have(limits, message):
    with pytest.raises(ArgumentError, match=message):
        check_lengths(*limits)
