"""PGL-SUM: attention over the whole video and within its segments, with positions, then a regressor of two layers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.models.attention import MultiHeadAttention
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.vasnet import Regressor


class PglSumScorer(Scorer):
    """PGL-SUM (Apostolidis, Balaouras, Mezaris, Patras, ISM 2021, zenodo.org/records/6655344), section III.

    Global multi-head attention over the whole video; local multi-head attention, with weights of its own for each of
    `segments` equal segments of the video's real length (the last may be shorter), and 1/`segments` of the features.
    Their outputs are added, each at norm 1 as in the authors' code, then the residual and VASNet's regressor. Features
    are taken as distributed, as in the paper. Text is not read.

    Where the heads do not divide the features, a head has as many as the quotient rounded up: the linear layer after
    the heads leads back to the features whatever their number. Attention weights have dropout, as in the authors' code:
    while it trains, the (heads, steps, steps) weights of a video are in memory.
    """

    title = "PGL-SUM"

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        global_heads: int = 8,
        local_heads: int = 4,
        segments: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()

        def attention(heads: int, head_size: int) -> MultiHeadAttention:
            return MultiHeadAttention(feature_dim, heads, head_size, bias=False, dropout=dropout, scale=1.0)

        local_size = -(-feature_dim // (segments * local_heads))
        self.overall = attention(global_heads, -(-feature_dim // global_heads))
        self.local = nn.ModuleList(attention(local_heads, local_size) for _ in range(segments))
        self.regressor = Regressor(feature_dim, dropout)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by itself, by its segment of the video and by the whole."""
        overall = functional.normalize(_attend(self.overall, features), dim=-1)  # (..., steps, features)
        size = -(-features.shape[-2] // len(self.local))
        starts = range(0, size * len(self.local), size)  # a very short video has empty segments at its end
        segments = [features[..., start : start + size, :] for start in starts]  # (..., size, features)
        attended = [_attend(*pair) for pair in zip(self.local, segments, strict=True)]
        local = functional.normalize(torch.cat(attended, dim=-2), dim=-1)  # (..., steps, features)
        return ScorerOutput(self.regressor(overall + local + features))


def _attend(attention: nn.Module, steps: Tensor) -> Tensor:
    """Let steps, (..., steps, features), look at each other and at their positions; of the same shape."""
    positions = energy_positions(steps.shape[-2], steps.shape[-1], steps.device).to(steps.dtype)  # (steps, steps)
    attended: Tensor = attention(steps, steps, positions)
    return attended


def energy_positions(steps: int, width: int, device: torch.device | None = None) -> Tensor:
    """Absolute positions that are added to attention energies: a row for each query, a column for each key.

    Row p has ``sin(p / 10000^(2i / width))`` in column 2i and its cosine in column 2i + 1: the first steps
    of two videos have the same, whatever their lengths. (The authors' code leaves the last column of an odd number of
    steps at 0.) ``width`` is the number of features of a step, the paper's D.

    Returns:
        Between -1 and 1, (steps, steps).
    """
    index = torch.arange(steps, device=device)  # (steps,)
    waves = torch.pow(10_000.0, -(index - index % 2) / width)  # (steps,)
    angles = index.unsqueeze(1) * waves  # (steps, steps)
    return torch.where(index % 2 == 0, angles.sin(), angles.cos())  # (steps, steps)
