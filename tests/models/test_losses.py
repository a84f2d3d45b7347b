"""Losses: values and gradients against naive formulas, degenerate videos, and which terms count."""

import pytest
import torch

from clipit_lightning.models.losses import (
    SummaryLoss,
    correlation_loss,
    diversity_loss,
    keyframe_loss,
    reconstruction_loss,
)
from clipit_lightning.models.scorer import ScorerOutput
from tests.models import reference
from tests.support.batches import BATCHES, FEATURES, alone, make_stack

WEIGHTS = {
    "keyframe": 1.0, "correlation": 0.9, "diversity": 0.8, "reconstruction": 0.7, "length": 0.6, "rarity": 0.5,
    "language": 0.4, "spread": 0.3,
}  # fmt: skip
SHARPNESS = 4.0


def make_targets(items, steps):
    """Logits, reconstruction, key frames and importance, of so many items."""
    generator = torch.Generator().manual_seed(3)
    logits, keyframes, importance = torch.randn(3, items, steps, generator=generator)
    reconstruction = torch.randn(items, steps, FEATURES, generator=generator)
    return logits.requires_grad_(), reconstruction.requires_grad_(), (keyframes > 0).float(), importance.sigmoid()


@pytest.mark.parametrize("shapes", [shapes for stacks in BATCHES.values() for shapes in stacks], ids=str)
def test_terms_and_gradients_are_means_over_items_of_the_equations(shapes):
    features, text = make_stack(shapes)
    items = alone(features, text)
    logits, reconstruction, keyframes, importance = make_targets(len(items), shapes[0][-1])
    loss = SummaryLoss(**WEIGHTS, sharpness=SHARPNESS)
    terms = loss(ScorerOutput(logits, reconstruction), features, text, keyframes, importance)
    rows = zip(logits, reconstruction, *zip(*items, strict=True), keyframes, importance, strict=True)
    by_item = [reference.terms(*(value.double() for value in row), SHARPNESS) for row in rows]
    expected = {name: torch.stack([values[name] for values in by_item]).mean() for name in WEIGHTS}
    expected["total"] = sum(weight * expected[name] for name, weight in WEIGHTS.items())
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name].float(), rtol=1e-5, atol=1e-5, msg=name)
        gradients, wanted = (
            torch.autograd.grad(value, [logits, reconstruction], retain_graph=True, materialize_grads=True)
            for value in (term, expected[name])
        )
        torch.testing.assert_close(gradients, wanted, rtol=1e-5, atol=1e-5, msg=name)


def test_a_video_without_leading_axes_is_a_stack_of_one():
    features, text = make_stack(((9,), (3,)))
    stacked = make_targets(1, 9)
    terms = []
    for values in (stacked, [value[0] for value in stacked]):
        logits, reconstruction, keyframes, importance = values
        loss = SummaryLoss(**WEIGHTS)
        terms.append(loss(ScorerOutput(logits, reconstruction), features, text, keyframes, importance))
    torch.testing.assert_close(*terms)


def test_unsupervised_terms_never_read_an_annotation():
    features, text = make_stack(((2, 9), (2, 3)))
    logits, reconstruction, *_ = make_targets(2, 9)
    nothing = torch.full_like(logits, float("nan"))
    loss = SummaryLoss(**WEIGHTS | {"keyframe": 0.0, "correlation": 0.0})
    terms = loss(ScorerOutput(logits, reconstruction), features, text, nothing, nothing)
    terms["total"].backward()
    assert terms.keys() == WEIGHTS.keys() - {"keyframe", "correlation"} | {"total"}
    assert terms["total"].isfinite()
    assert logits.grad.isfinite().all()


def test_terms_without_reconstruction_or_comparable_text_are_left_out():
    features, text = make_stack(((2, 9), (2, 3)), text_dim=3)
    logits, _, *annotations = make_targets(2, 9)
    terms = SummaryLoss(**WEIGHTS)(ScorerOutput(logits), features, text, *annotations)
    assert terms.keys() == WEIGHTS.keys() - {"diversity", "reconstruction", "language"} | {"total"}
    unsupervised = SummaryLoss(keyframe=0.0, correlation=0.0, length=0.0)
    with pytest.raises(ValueError, match="need a scorer that reconstructs features"):
        unsupervised(ScorerOutput(logits), features, text, *annotations)


@pytest.mark.parametrize(
    "term",
    [
        lambda logits: correlation_loss(logits, torch.full_like(logits, 0.5)),
        lambda logits: correlation_loss(0 * logits, torch.full_like(logits, 0.5)),
        lambda logits: keyframe_loss(logits, torch.zeros_like(logits)),
        lambda logits: keyframe_loss(logits, torch.ones_like(logits)),
        lambda logits: diversity_loss(0 * logits.unsqueeze(-1), logits.sigmoid()),
        lambda logits: reconstruction_loss(logits.unsqueeze(-1), torch.zeros(2, 6, 1), (-100 + 0 * logits).sigmoid()),
    ],
    ids=["flat importance", "flat logits", "no keys", "keys only", "reconstruction of 0", "nothing chosen"],
)
def test_degenerate_videos_give_finite_terms_and_gradients(term):
    logits = torch.randn(2, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = term(logits)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_key_frames_without_balance_have_the_plain_mean_over_steps():
    logits = torch.tensor([[2.0, -1.0, 0.0, 0.5], [1.0, 1.0, -3.0, 0.0]])
    keyframes = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    chance = torch.where(keyframes > 0, logits.sigmoid(), 1 - logits.sigmoid())
    expected = -chance.log().mean()
    torch.testing.assert_close(keyframe_loss(logits, keyframes, balanced=False), expected)
    zero = dict.fromkeys(("correlation", "diversity", "reconstruction", "length"), 0.0)
    loss = SummaryLoss(**zero, balanced=False)
    terms = loss(ScorerOutput(logits), torch.ones(2, 4, 3), torch.ones(2, 1, 3), keyframes, keyframes)
    torch.testing.assert_close(terms["total"], expected)
    assert not torch.allclose(keyframe_loss(logits, keyframes), expected)
