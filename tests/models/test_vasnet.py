"""VASNet against the paper's equations, written out step by step."""

import pytest
import torch
from torch import Tensor

from clipit_lightning.models.vasnet import Regressor, VasNetScorer
from tests.support.batches import make_batch


@pytest.fixture
def scorer() -> VasNetScorer:
    """Weights large enough for attention that differs from a mean."""
    torch.manual_seed(0)
    scorer = VasNetScorer(5, 3).eval()
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.normal_()
    return scorer


def norm(values: Tensor, layer: torch.nn.LayerNorm) -> Tensor:
    variance = ((values - values.mean()) ** 2).mean()
    return (values - values.mean()) / torch.sqrt(variance + 1e-6) * layer.weight + layer.bias


def regress(regressor: Regressor, attended: Tensor) -> Tensor:
    """Logit of one attended step."""
    hidden = regressor.hidden.weight @ norm(attended, regressor.norm) + regressor.hidden.bias
    normed = norm(torch.clamp(hidden, min=0), regressor.hidden_norm)
    return regressor.score_head.weight[0] @ normed + regressor.score_head.bias[0]


@pytest.mark.parametrize("length", [1, 2, 11])
def test_scores_are_those_of_the_equations(scorer: VasNetScorer, length: int) -> None:
    features, *rest = make_batch([length, 13], garbage=float("nan"))
    logits = scorer(features, *rest).logits[0]
    steps = list(features[0, :length])
    for t, step in enumerate(steps):
        energies = torch.stack([0.06 * (scorer.key.weight @ x) @ (scorer.query.weight @ step) for x in steps])
        weights = torch.exp(energies) / torch.exp(energies).sum()
        context = sum(weight * (scorer.value.weight @ x) for weight, x in zip(weights, steps, strict=True))
        expected = regress(scorer.regressor, scorer.merge.weight @ context + step)
        torch.testing.assert_close(logits[t], expected, rtol=1e-5, atol=1e-5)
