"""PGL-SUM against the paper's equations, written out step by step."""

import math

import pytest
import torch
from torch import Tensor

from clipit_lightning.models.attention import MultiHeadAttention
from clipit_lightning.models.pglsum import PglSumScorer
from tests.models.test_vasnet import regress
from tests.support.batches import make_batch


@pytest.fixture
def scorer() -> PglSumScorer:
    """Five features on 2 and 3 heads; weights large enough for attention that differs from a mean."""
    torch.manual_seed(0)
    scorer = PglSumScorer(5, 3, global_heads=2, local_heads=3, segments=4).eval()
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.normal_()
    return scorer


def attend(attention: MultiHeadAttention, steps: list[Tensor]) -> list[Tensor]:
    """What each step gets from all of them."""
    size = len(attention.query.weight) // attention.heads
    found = []
    for p, step in enumerate(steps):
        heads = []
        for head in range(attention.heads):
            rows = slice(head * size, (head + 1) * size)
            query = attention.query.weight[rows] @ step
            energies = []
            for k, other in enumerate(steps):
                angle = p / 10_000 ** (2 * (k // 2) / len(step))
                position = math.cos(angle) if k % 2 else math.sin(angle)
                energies.append(query @ (attention.key.weight[rows] @ other) + position)
            weights = torch.softmax(torch.stack(energies), dim=0)
            heads.append(sum(w * (attention.value.weight[rows] @ x) for w, x in zip(weights, steps, strict=True)))
        merged = attention.merge.weight @ torch.cat(heads)
        found.append(merged / merged.norm())
    return found


@pytest.mark.parametrize("length", [1, 3, 5, 8, 11])
def test_scores_are_those_of_the_equations(scorer: PglSumScorer, length: int) -> None:
    """With 5 steps, segments have 2, 2, 1 and no step."""
    features, *rest = make_batch([length, 13], garbage=float("nan"))
    logits = scorer(features, *rest).logits[0]
    steps = list(features[0, :length])
    overall = attend(scorer.overall, steps)
    size = math.ceil(length / 4)
    local = [
        row
        for segment, attention in enumerate(scorer.local)
        if isinstance(attention, MultiHeadAttention)
        for row in attend(attention, steps[segment * size : (segment + 1) * size])
    ]
    for t, step in enumerate(steps):
        expected = regress(scorer.regressor, overall[t] + local[t] + step)
        torch.testing.assert_close(logits[t], expected, rtol=1e-5, atol=1e-5)


def test_the_default_has_the_papers_sizes() -> None:
    scorer = PglSumScorer(1024, 512)
    assert scorer.overall.heads == 8
    assert scorer.overall.query.weight.shape == (1024, 1024)
    local = [each for each in scorer.local if isinstance(each, MultiHeadAttention)]
    assert [each.heads for each in local] == [4] * 4
    assert [tuple(each.query.weight.shape) for each in local] == [(256, 1024)] * 4
