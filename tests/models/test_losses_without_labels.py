"""Losses without labels: optima where they should be, all pairs in parts, extreme scores."""

import math

import pytest
import torch

from clipit_lightning.models.losses import SummaryLoss
from clipit_lightning.models.losses_without_labels import language_loss, rarity_loss, spread_loss
from clipit_lightning.models.scorer import ScorerOutput
from tests.support.batches import make_stack

SHARPNESS = 4.0


@pytest.fixture
def stack():
    return make_stack(((7,), (3,)))


def test_the_optimum_is_the_ratio_of_the_densities(stack):
    logits = torch.zeros(7, requires_grad=True)
    loss = SummaryLoss(
        keyframe=0, correlation=0, diversity=0, reconstruction=0, length=0, rarity=1, language=2, spread=4,
        sharpness=SHARPNESS,
    )  # fmt: skip
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        loss(ScorerOutput(logits), *stack, logits, logits)["total"].backward()
        optimizer.step()
    features, text = (rows / rows.norm(dim=1, keepdim=True) for rows in stack)
    common, told = ((SHARPNESS * features @ examples.T).exp().sum(1) for examples in (features, text))
    expected = (told**2 / common) ** (1 / 4)
    scores = logits.detach().sigmoid()
    torch.testing.assert_close(scores / scores.sum(), expected / expected.sum(), rtol=1e-3, atol=0)


def test_many_steps_are_compared_in_parts(stack, monkeypatch):
    logits = torch.arange(7.0)
    whole = rarity_loss(logits, stack[0], SHARPNESS), language_loss(logits, *stack, SHARPNESS)
    monkeypatch.setattr("clipit_lightning.models.step_cues.ROWS_AT_ONCE", 3)
    assert whole == (rarity_loss(logits, stack[0], SHARPNESS), language_loss(logits, *stack, SHARPNESS))


def test_extreme_scores_give_finite_terms_and_gradients(stack):
    logits = (1000 * torch.randn(7)).requires_grad_()
    terms = rarity_loss(logits, stack[0], SHARPNESS), language_loss(logits, *stack, SHARPNESS), spread_loss(logits)
    torch.stack(terms).sum().backward()
    assert logits.grad.isfinite().all()
    one = torch.tensor([200.0, -200.0, -200.0])
    assert spread_loss(one).item() == pytest.approx(math.log(3), rel=1e-5)
