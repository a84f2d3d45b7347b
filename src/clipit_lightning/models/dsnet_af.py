"""DSNet without anchors: self-attention over the video, then every step proposes a segment of the summary."""

from torch import Tensor, nn

from clipit_lightning.models.attention import MultiHeadAttention
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.segments import SegmentHeads


class DsNetAfScorer(Scorer):
    """DSNet's anchor-free network (Zhu, Lu, Li, Zhou, TIP 2020), with self-attention as its extractor.

    Read was the public code at its defaults (github.com/li-plus/DSNet, 1804176), not the paper. Multi-head attention
    without biases over all steps, the residual and a norm, then the heads of `models.segments`, whose hidden layer has
    `width` features. Learns by `loss.segments`. When it does not train, segments that overlap a better one by
    `nms_threshold` are dropped, and a step has the score of the best one that covers it. Features are taken as
    distributed, theirs are GoogLeNet's; text is not read. Attention weights have dropout, as in their code: while it
    trains, the (heads, steps, steps) weights of a video are in memory.

    Where the heads do not divide the features, a head has as many as the quotient rounded up. With 8 heads and a width
    of 128, as there, 4,328,324 parameters for 1,024 features, 640,644 for 384.
    """

    title = "DSNet, anchor-free"

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        width: int = 128,
        heads: int = 8,
        dropout: float = 0.5,
        nms_threshold: float = 0.4,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(feature_dim, heads, -(-feature_dim // heads), bias=False, dropout=dropout)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(feature_dim)
        self.heads = SegmentHeads(feature_dim, width, dropout, nms_threshold)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by the segments that it and others propose."""
        attended = self.dropout(self.attention(features, features))  # (..., steps, features)
        proposed: ScorerOutput = self.heads(self.norm(attended + features))
        return proposed
