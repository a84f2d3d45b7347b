"""Sizes of CSTA, and what reaches a step."""

import pytest
import torch

from clipit_lightning.models import make_scorer


@pytest.mark.parametrize(("features", "parameters"), [(384, 494_782), (1024, 3_244_222)])
def test_the_default_has_the_stated_sizes(features, parameters):
    scorer = make_scorer("csta", feature_dim=features, text_dim=3)
    assert sum(parameter.numel() for parameter in scorer.parameters()) == parameters
    assert sum(parameter.numel() for parameter in scorer.cnn.parameters()) == 24_764
    assert scorer.cnn(torch.zeros(1, 1, 320, features)).shape == (1, 64, 10, features // 32)


def test_the_cnn_and_the_maps_carry_a_step_to_all_others():
    scorer = make_scorer("csta", feature_dim=32, text_dim=3).double().eval()
    features = torch.randn(40, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    changed = features.clone()
    changed[20] *= 5
    text = torch.zeros(0, 3, dtype=torch.float64)
    moved = (scorer(features, text).logits - scorer(changed, text).logits).abs()  # (steps,)
    assert moved.min() > 0
    assert set(moved.topk(2).indices.tolist()) == {20, 21}  # a row and the next are averaged
