"""VASNet: soft self-attention over the whole video, then a regressor of two layers."""

from torch import Tensor, nn

from clipit_lightning.models.attention import MultiHeadAttention
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput


class Regressor(nn.Module):
    """From attended steps to logits: dropout and norm, a hidden layer with ReLU, dropout and norm, a linear layer.

    VASNet's, which PGL-SUM took over. A step and the hidden layer have `width` features.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.hidden = nn.Linear(width, width)
        self.hidden_norm = nn.LayerNorm(width, eps=1e-6)
        self.score_head = nn.Linear(width, 1)

    def forward(self, attended: Tensor) -> Tensor:
        """Logits, (..., steps), of attended steps, (..., steps, width)."""
        normed = self.norm(self.dropout(attended))  # (..., steps, width)
        hidden = self.hidden_norm(self.dropout(self.hidden(normed).relu()))  # (..., steps, width)
        logits: Tensor = self.score_head(hidden).squeeze(-1)  # (..., steps)
        return logits


class VasNetScorer(Scorer):
    """VASNet (Fajtl, Sokeh, Argyriou, Monekosso, Remagnino, ACCV-W 2018, arXiv 1812.01969), section 3.

    One head of attention without biases over all steps of the video: energies ``0.06 * (U x_i) . (V x_t)``, their
    softmax over i, the weighted sum of ``C x_i``, a linear layer, the residual, and the regressor. Features are taken
    as distributed, as in the paper; those of the field's files have norm 1 already. Text is not read.

    As in the authors' code, attention weights have dropout too: while it trains, the (steps, steps) weights of a video
    are in memory. Their code then sums over t where the paper's equation sums over i; here the equation stands.
    """

    title = "VASNet"

    def __init__(self, feature_dim: int, text_dim: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(feature_dim, heads=1, bias=False, dropout=dropout, scale=0.06)
        self.regressor = Regressor(feature_dim, dropout)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by itself and by what the video shows elsewhere."""
        return ScorerOutput(self.regressor(self.attention(features, features) + features))
