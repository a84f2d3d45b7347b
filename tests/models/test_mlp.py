"""The perceptron sees one step at a time."""

import pytest
import torch

from clipit_lightning.models.mlp import MlpScorer
from tests.support.batches import make_batch


@pytest.fixture
def scorer() -> MlpScorer:
    torch.manual_seed(0)
    return MlpScorer(5, 3, width=7).eval()


def test_a_step_has_the_score_of_its_own_unit_features(scorer: MlpScorer) -> None:
    features, step_mask, *rest = make_batch([4, 7], garbage=float("nan"))
    logits = scorer(features, step_mask, *rest).logits
    for video, step in step_mask.nonzero().tolist():
        seen = features[video, step] / features[video, step].norm() * 5**0.5
        hidden = torch.clamp(scorer.hidden.weight @ seen + scorer.hidden.bias, min=0)
        expected = scorer.score_head.weight[0] @ hidden + scorer.score_head.bias[0]
        torch.testing.assert_close(logits[video, step], expected)
