"""Attention over real keys, and positions of any length."""

import torch

from clipit_lightning.models.attention import sinusoidal_positions


def test_positions_differ_and_do_not_depend_on_the_length() -> None:
    short, long = sinusoidal_positions(50, 7), sinusoidal_positions(20_000, 7)
    assert long.shape == (20_000, 7)
    assert torch.equal(long[:50], short)
    assert torch.cdist(short, short).fill_diagonal_(1.0).min() > 0.1
