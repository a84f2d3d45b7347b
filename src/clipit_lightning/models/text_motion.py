"""A scorer that reads how a video moves beside what it shows, and whether that fits what is told meanwhile."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from clipit_lightning.models.attention import MultiHeadAttention
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.streams import stream_slices
from clipit_lightning.models.timed_text import told_in

MOTION = "motion"
"""The stream that it reads apart."""


class TextMotionScorer(Scorer):
    """Motion and timed text in one space, which `loss.contrast` shapes, and self-attention over steps that hold both.

    After the abstract of "Enhancing Video Memorability Prediction with Text-Motion Cross-modal Contrastive Loss and Its
    Application in Video Summarization" (Zhu, Wu, Lu, 2025, arXiv 2506.08649), which was all that could be read: motion
    is represented better where a contrastive loss by texts shapes it. The network is ours. Motion is normed and goes
    through two layers, text through one, all other streams through one, each to `width` features. A step is the sum of
    the three, of text the mean over the tokens that are told while it is shown. Self-attention over all steps, residual
    and norm; then two layers read the step, and the cosine of its motion and what is told: how well they fit.

    Of each text token it returns the pair of its motion, the sum over the steps while it is told, and of itself. A step
    without motion (mask 0) adds none; without a stream ``motion`` it scores by what is shown and told, and has no
    pairs. Where it is not known when text holds, all of it is told all the time. Attention is quadratic in the steps.

    With the defaults 76,673 parameters for 384 visual features, 32 of motion and 384 of text.
    """

    title = "Text and motion"
    reads_language = True
    reads_spans = True
    contrasts = True

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        streams: Mapping[str, int],
        width: int = 64,
        heads: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.columns = stream_slices(streams)
        of_motion = streams.get(MOTION, 0)
        self.contrasts = of_motion > 0
        self.frame_projection = nn.Linear(feature_dim - of_motion, width)
        self.text_projection = nn.Linear(text_dim, width)
        self.motion_projection = (
            nn.Sequential(nn.LayerNorm(of_motion), nn.Linear(of_motion, width), nn.GELU(), nn.Linear(width, width))
            if self.contrasts
            else None
        )
        self.attention = MultiHeadAttention(width, heads)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.score_head = nn.Sequential(nn.Linear(width + 1, width), nn.GELU(), Dropout(dropout), nn.Linear(width, 1))

    def forward(self, features: Tensor, text: Tensor, spans: Tensor) -> ScorerOutput:  # type: ignore[override]
        """Score every step by what it shows, how it moves, and what is told meanwhile."""
        streams = {name: features[..., columns] for name, columns in self.columns.items()}
        motion, moves = self._moved(streams.pop(MOTION, None), features)  # (..., steps, width), (..., steps, 1)
        # As in CLIP-It: unit vectors of many features have tiny entries; layers are made for entries near 1.
        seen = normalize(torch.cat(list(streams.values()), dim=-1), dim=-1)  # (..., steps, others)
        seen = self.frame_projection(seen * seen.shape[-1] ** 0.5)  # (..., steps, width)
        tokens = self.text_projection(normalize(text, dim=-1) * text.shape[-1] ** 0.5)  # (..., tokens, width)
        held = _held(spans, features, text)  # (..., steps, tokens)
        count = held.sum(-1, keepdim=True)  # (..., steps, 1)
        told = held @ tokens / count.clamp_min(1)  # (..., steps, width)
        hidden = seen + motion + told
        hidden = self.norm(hidden + self.dropout(self.attention(hidden, hidden)))  # (..., steps, width)
        # What is not there counts 0 after the norms: before them a gradient would be divided by next to nothing.
        fit = (normalize(motion, dim=-1) * normalize(told, dim=-1)).sum(-1, keepdim=True)  # (..., steps, 1)
        fit = fit * moves * (count > 0)
        logits = self.score_head(torch.cat([hidden, fit], dim=-1)).squeeze(-1)  # (..., steps)
        if self.motion_projection is None:
            return ScorerOutput(logits)
        meanwhile = normalize(held.mT @ motion, dim=-1) * (held.mT @ moves > 0)  # (..., tokens, width)
        both = torch.broadcast_tensors(meanwhile, normalize(tokens, dim=-1))  # type: ignore[no-untyped-call]
        pairs = torch.stack(both, dim=-2)  # (..., tokens, 2, width)
        return ScorerOutput(logits, pairs=pairs)

    def _moved(self, columns: Tensor | None, features: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding of the motion of each step, (..., steps, width), and 1 where it has some, (..., steps, 1)."""
        if columns is None or self.motion_projection is None:
            nothing = features.new_zeros(*features.shape[:-1], 1)  # (..., steps, 1)
            return nothing, nothing
        moves = columns[..., -1:]  # (..., steps, 1)
        return self.motion_projection(columns) * moves, moves


def _held(spans: Tensor, features: Tensor, text: Tensor) -> Tensor:
    """1 where a text token is told in a step, also where nobody knows when, (..., steps, tokens)."""
    steps = features.shape[-2]
    if spans.shape[-2] < text.shape[-2]:
        return features.new_ones(*text.shape[:-2], steps, text.shape[-2])
    return told_in(spans, steps).to(features.dtype)
