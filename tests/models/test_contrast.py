"""The contrast of motion and text against naive loops, and what it leaves out."""

import math

import pytest
import torch

from clipit_lightning.models.contrast import contrast_loss, joined_pairs
from clipit_lightning.models.losses import SummaryLoss
from tests.models import reference


def make_pairs(count, width=4, features=3):
    """Pairs, (count, 2, width), and features of texts, (count, features), of which the last two are nearly equal."""
    generator = torch.Generator().manual_seed(0)
    pairs = reference.unit(torch.randn(count, 2, width, generator=generator, dtype=torch.float64))
    text = torch.randn(count, features, generator=generator, dtype=torch.float64)
    if count > 1:
        text[-1] = 3 * text[-2] + 1e-3
    return pairs.requires_grad_(), text


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("alike", [-1.0, 0.3, 0.95, 1.0])
def test_values_and_gradients_are_those_of_the_equation(count, alike):
    pairs, text = make_pairs(count)
    loss = contrast_loss(pairs, text, alike, 4.0)
    expected = reference.contrast(pairs[:, 0], pairs[:, 1], text, alike, 4.0)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(value, pairs)[0] for value in (loss, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_texts_that_are_alike_fit_each_others_motion():
    """Two motions and two texts of equal features: all four fit; of unlike ones only those of a pair."""
    looks = torch.eye(4)
    pairs = torch.stack([looks, looks[[1, 0, 3, 2]]], 1)  # motion 0 looks like text 1, and so on
    text = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    wrong = contrast_loss(pairs, torch.eye(4), 0.95, 10.0)
    crossed = contrast_loss(pairs, text, 0.95, 10.0)
    own = contrast_loss(torch.stack([looks, looks], 1), torch.eye(4), 0.95, 10.0)
    assert own < 0.01 < crossed < wrong
    torch.testing.assert_close(crossed, torch.tensor(5 + math.log(1 + 3 * math.exp(-10))), rtol=1e-5, atol=0)


def test_pairs_of_a_batch_are_those_with_motion():
    pairs, text = torch.ones(2, 3, 2, 4), torch.arange(6.0).view(2, 3, 1)
    pairs[0, 1, 0] = 0
    joined, features = joined_pairs(pairs, text)
    assert joined.shape == (5, 2, 4)
    assert features.flatten().tolist() == [0, 2, 3, 4, 5]
    assert joined_pairs(pairs[0], text[0])[1].flatten().tolist() == [0, 2]


def test_the_term_is_added_to_the_others_with_its_weight():
    pairs, text = make_pairs(5)
    terms = {"keyframe": torch.tensor(1.0), "total": torch.tensor(2.0)}
    added = SummaryLoss(contrast=0.5, alike=0.3, sharpness=4).with_contrast(terms, pairs, text)
    expected = reference.contrast(pairs[:, 0], pairs[:, 1], text, 0.3, 4)
    torch.testing.assert_close(added["contrast"], expected)
    torch.testing.assert_close(added["total"], 2 + 0.5 * expected)
    nothing = SummaryLoss(contrast=0.5).with_contrast(terms, pairs[:0], text[:0])
    nothing["total"].backward()
    assert (nothing["contrast"], nothing["total"]) == (0, 2)
    assert not pairs.grad.any()
