"""VASNet: soft self-attention over the whole video, then a regressor of two layers."""

from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.models.scorer import Scorer, ScorerOutput

SCALE = 0.06
"""What attention energies are multiplied with (VASNet, section 3)."""


class Regressor(nn.Module):
    """From attended steps to logits: dropout and norm, a hidden layer with ReLU, dropout and norm, a linear layer.

    VASNet's, which PGL-SUM took over. A step and the hidden layer have `width` features.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.hidden = nn.Linear(width, width)
        self.hidden_norm = nn.LayerNorm(width, eps=1e-6)
        self.score_head = nn.Linear(width, 1)

    def forward(self, attended: Tensor) -> Tensor:
        """Logits, (videos, steps), of attended steps, (videos, steps, width)."""
        normed = self.norm(self.dropout(attended))  # (videos, steps, width)
        hidden = self.hidden_norm(self.dropout(self.hidden(normed).relu()))  # (videos, steps, width)
        logits: Tensor = self.score_head(hidden).squeeze(2)  # (videos, steps)
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
        self.dropout = dropout
        self.query = nn.Linear(feature_dim, feature_dim, bias=False)
        self.key = nn.Linear(feature_dim, feature_dim, bias=False)
        self.value = nn.Linear(feature_dim, feature_dim, bias=False)
        self.merge = nn.Linear(feature_dim, feature_dim, bias=False)
        self.regressor = Regressor(feature_dim, dropout)

    def forward(self, features: Tensor, step_mask: Tensor, text: Tensor, text_mask: Tensor) -> ScorerOutput:
        """Score every step by itself and by what the video shows elsewhere."""
        own = step_mask[: len(features)]  # (videos, steps)
        steps = features.masked_fill(~own.unsqueeze(2), 0.0)  # (videos, steps, features)
        context = functional.scaled_dot_product_attention(
            self.query(steps),
            self.key(steps),
            self.value(steps),
            attn_mask=own.unsqueeze(1),
            dropout_p=self.dropout if self.training else 0.0,
            scale=SCALE,
        )  # (videos, steps, features)
        logits = self.regressor(self.merge(context) + steps)  # (videos, steps)
        return ScorerOutput(logits.expand(step_mask.shape).masked_fill(~step_mask, 0.0), None)
