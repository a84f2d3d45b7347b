"""A perceptron on each step: what features alone say, without language and without neighbours."""

from torch import Tensor, nn

from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.step_cues import unit


class MlpScorer(Scorer):
    """A perceptron of two layers from the unit-norm features of a step to its score.

    It knows neither text nor other steps: what a scorer with attention gains over it, attention gains.
    """

    title = "MLP"

    def __init__(self, feature_dim: int, text_dim: int, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden = nn.Linear(feature_dim, width)
        self.dropout = nn.Dropout(dropout)
        self.score_head = nn.Linear(width, 1)

    def forward(self, features: Tensor, step_mask: Tensor, text: Tensor, text_mask: Tensor) -> ScorerOutput:
        """Score every step by itself."""
        seen = unit(features, step_mask[: len(features)])  # (videos, steps, features)
        # As in CLIP-It: unit vectors of many features have tiny entries; layers are made for entries near 1.
        hidden = self.hidden(seen * features.shape[2] ** 0.5).relu()  # (videos, steps, width)
        logits = self.score_head(self.dropout(hidden)).squeeze(2)  # (videos, steps)
        return ScorerOutput(logits.expand(step_mask.shape).masked_fill(~step_mask, 0.0), None)
