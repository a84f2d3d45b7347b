"""A perceptron on each step: what features alone say, without language and without neighbours."""

from torch import Tensor, nn
from torch.nn.functional import normalize

from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput


class MlpScorer(Scorer):
    """A perceptron of two layers from the unit-norm features of a step to its score.

    It knows neither text nor other steps: what a scorer with attention gains over it, attention gains.
    """

    title = "MLP"

    def __init__(self, feature_dim: int, text_dim: int, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden = nn.Linear(feature_dim, width)
        self.dropout = Dropout(dropout)
        self.score_head = nn.Linear(width, 1)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by itself."""
        # As in CLIP-It: unit vectors of many features have tiny entries; layers are made for entries near 1.
        hidden = self.hidden(normalize(features, dim=-1) * features.shape[-1] ** 0.5).relu()  # (..., steps, width)
        return ScorerOutput(self.score_head(self.dropout(hidden)).squeeze(-1))
