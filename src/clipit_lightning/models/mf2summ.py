"""MF2Summ: what a video shows and what it sounds like, joined by attention; then DSNet's segments."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from clipit_lightning.models.attention import MultiHeadAttention, sinusoidal_positions
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.segments import SegmentHeads
from clipit_lightning.models.streams import stream_slices

STREAMS = ("visual", "audio")


class Mf2SummScorer(Scorer):
    """MF2Summ (Wang, Zhang, 2025, arXiv 2506.10430), as far as it could be read.

    Read were its abstract and the beginning of a summary of it (themoonlight.io), not its equations: no public code was
    met, and the paper's text could not be had. They name self-attention over the visual stream with a residual,
    sinusoidal positions, a cross-modal transformer after MulT, alignment-guided self-attention, and DSNet's heads with
    non-maximum suppression. The parts are therefore those of the public code that the names point to: MulT's layers
    (github.com/yaohungt/Multimodal-Transformer, a670936), A2Summ's layers (He et al., CVPR 2023,
    github.com/boheumd/A2Summ, 5c7dcea, `Model_VideoSumm`) and DSNet's heads (`models.segments`).

    Each stream is projected to `width` and normed (ours: they differ in scale). In `encoder_layers` layers, steps of
    one stream attend to all steps of the other, both ways. In `decoder_layers` layers, steps of both streams attend to
    all of their own stream, and in the other to the same step alone, which is what A2Summ's mask of times leaves where
    a step has one sound; each stream has a feed-forward part of its own. Both halves of a step, with a residual around
    these layers and a norm, are concatenated for the heads. Dropout is on what each part adds, and in the attention
    over the visual stream, as DSNet has it, on the weights too.

    A video without sound is zeros, and the audio's mask column says so to the projection; with a store that names no
    stream `audio` all videos are such, and the scorer sees alone. With 8 heads and a width of 128, 1,409,412 parameters
    for 384 visual and 64 audio features.
    """

    title = "MF2Summ"

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        streams: Mapping[str, int],
        width: int = 128,
        heads: int = 8,
        encoder_layers: int = 1,
        decoder_layers: int = 1,
        dropout: float = 0.5,
        nms_threshold: float = 0.4,
    ) -> None:
        super().__init__()
        columns = stream_slices(streams)
        self.slices = [columns[name] for name in STREAMS if name in columns]
        visual, audio = streams["visual"], streams.get("audio", 1)  # at least the mask column
        self.attention = MultiHeadAttention(visual, heads, -(-visual // heads), bias=False, dropout=dropout)
        self.dropout = Dropout(dropout)
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(size, width), nn.LayerNorm(width)) for size in (visual, audio)
        )
        self.crossing = nn.ModuleList(_Crossing(width, heads, encoder_layers, dropout) for _ in STREAMS)
        self.aligned = nn.ModuleList(_AlignedLayer(width, heads, dropout) for _ in range(decoder_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in STREAMS)
        self.heads = SegmentHeads(2 * width, width, dropout, nms_threshold)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by the segments that steps propose after they have seen and heard."""
        visual, *heard = (features[..., part] for part in self.slices)  # (..., steps, features of the stream)
        audio = heard[0] if heard else torch.zeros_like(features[..., :1])
        visual = visual + self.dropout(self.attention(visual, visual))
        projected = [project(stream) for project, stream in zip(self.projections, (visual, audio), strict=True)]
        one, other = (_placed(stream) for stream in projected)  # (..., steps, width)
        crossed = [self.crossing[0](one, other), self.crossing[1](other, one)]  # of (..., steps, width)
        joined = torch.cat(crossed, dim=-2)  # (..., 2 * steps, width)
        energies = alignment(features.shape[-2], joined)
        for layer in self.aligned:
            joined = layer(joined, energies)
        halves = zip(self.norms, crossed, joined.chunk(2, dim=-2), strict=True)
        both = torch.cat([norm(before + after) for norm, before, after in halves], dim=-1)  # (..., steps, 2 * width)
        proposed: ScorerOutput = self.heads(both)
        return proposed


def alignment(steps: int, like: Tensor) -> Tensor:
    """Energies by which each of two streams behind each other sees all of itself, and of the other its own time.

    Returns:
        0 where a step (row) sees another (column), else minus infinity, (2 * steps, 2 * steps).
    """
    own = torch.eye(2, device=like.device).repeat_interleave(steps, 0).repeat_interleave(steps, 1)
    same_time = torch.eye(steps, device=like.device).repeat(2, 2)  # (2 * steps, 2 * steps)
    return torch.zeros_like(own, dtype=like.dtype).masked_fill(own + same_time == 0, -torch.inf)


def _placed(steps: Tensor) -> Tensor:
    """Steps, (..., steps, width), at the scale of MulT, with positions."""
    count, width = steps.shape[-2:]
    positions = sinusoidal_positions(count, width, steps.device)  # (steps, width)
    return steps * math.sqrt(width) + positions.to(steps.dtype)


class _FeedForward(nn.Sequential):
    """A norm, a hidden layer four times as wide, and dropout after both of its layers."""

    def __init__(self, width: int, dropout: float, activation: nn.Module) -> None:
        layers = [nn.Linear(width, 4 * width), activation, Dropout(dropout), nn.Linear(4 * width, width)]
        super().__init__(nn.LayerNorm(width), *layers, Dropout(dropout))


class _Crossing(nn.Module):
    """MulT's cross-modal transformer: one stream attends to the other as it came in, layer by layer, then a norm."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(MultiHeadAttention(width, heads) for _ in range(layers))
        self.attention_norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))  # of both streams
        self.feedforwards = nn.ModuleList(_FeedForward(width, dropout, nn.ReLU()) for _ in range(layers))
        self.norm, self.dropout = nn.LayerNorm(width), Dropout(dropout)

    def forward(self, steps: Tensor, others: Tensor) -> Tensor:
        for attention, norm, feedforward in zip(self.attentions, self.attention_norms, self.feedforwards, strict=True):
            steps = steps + self.dropout(attention(norm(steps), norm(others)))  # (..., steps, width)
            steps = steps + feedforward(steps)
        normed: Tensor = self.norm(steps)
        return normed


class _AlignedLayer(nn.Module):
    """A2Summ's layer: attention over both streams, with a mask, then a feed-forward part for each."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), MultiHeadAttention(width, heads)
        self.feedforwards = nn.ModuleList(_FeedForward(width, dropout, nn.GELU()) for _ in STREAMS)
        self.dropout = Dropout(dropout)

    def forward(self, joined: Tensor, energies: Tensor) -> Tensor:
        normed = self.norm(joined)  # (..., 2 * steps, width)
        joined = joined + self.dropout(self.attention(normed, normed, energies))
        halves = zip(self.feedforwards, joined.chunk(2, dim=-2), strict=True)
        return torch.cat([half + feedforward(half) for feedforward, half in halves], dim=-2)
