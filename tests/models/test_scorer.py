"""What every scorer returns."""

import torch

from clipit_lightning.models.scorer import ScorerOutput


def test_scores_lie_between_0_and_1() -> None:
    output = ScorerOutput(torch.tensor([[-200.0, 0.0, 200.0]]), None)
    torch.testing.assert_close(output.scores, torch.tensor([[0.0, 0.5, 1.0]]))
