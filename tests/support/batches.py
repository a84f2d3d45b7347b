"""Stacks of items in every shape that scorers and losses take, their items alone, and a scorer that reads all."""

import torch
from torch import Tensor, nn

from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.timed_text import told_in

FEATURES = 5
STREAMS = {"visual": 1, "audio": 2, "motion": 2}

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
"""Of features and of text, each but for the last axis."""

BATCHES: dict[str, list[Shapes]] = {
    "a video": [((9,), (3,))],
    "a video without text": [((7,), (0,))],
    "one step": [((1,), (2,))],
    "two steps": [((1, 2), (1, 1))],
    "windows of one length": [((3, 8), (3, 2))],
    "texts of one video": [((1, 8), (3, 2))],
    "texts of one video without leading axes": [((8,), (3, 2))],
    "videos of unequal lengths": [((1, 6), (1, 2)), ((2, 11), (2, 1)), ((1, 1), (1, 3)), ((1, 4), (1, 0))],
}
"""By name, stacks of items of one size each."""


def make_stack(shapes: Shapes, text_dim: int = FEATURES, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features, (..., steps, features), and text, (..., tokens, features)."""
    generator = torch.Generator().manual_seed(seed)
    of_features, of_text = shapes
    return (
        torch.randn(*of_features, FEATURES, generator=generator),
        torch.randn(*of_text, text_dim, generator=generator),
    )


def timed_stack(shapes: Shapes, text_dim: int = FEATURES) -> tuple[Tensor, Tensor, Tensor]:
    """Features that keep to `STREAMS`, text, and spans of its tokens, (..., tokens, 2), some out of the steps."""
    features, text = make_stack(shapes, text_dim)
    for end, width in ((3, 2), (5, 2)):
        mask = (features[..., end - 1 : end] > -1).float()  # (..., steps, 1)
        features[..., end - width : end] *= mask
        features[..., end - 1 : end] = mask
    chance = torch.rand(*shapes[1], 2, generator=torch.Generator().manual_seed(1))
    spans = (chance * (features.shape[-2] + 4) - 2).sort(dim=-1).values  # (..., tokens, 2)
    return features, text, spans


def alone(*stack: Tensor) -> list[tuple[Tensor, ...]]:
    """Each item of a stack by itself: features, (steps, features), text, (tokens, features), and perhaps spans."""
    items = max(value.shape[0] if value.dim() == 3 else 1 for value in stack)
    return list(zip(*(value.expand(items, *value.shape[-2:]) for value in stack), strict=True))


class TimedScorer(Scorer):
    """Each stream by a layer of its own, and the mean of the text that is told while a step is shown."""

    title = "Timed"
    reads_language = True
    reads_spans = True

    def __init__(self, feature_dim: int, text_dim: int, streams: dict[str, int], width: int = 4) -> None:
        super().__init__()
        self.streams = streams
        self.layers = nn.ModuleDict({name: nn.Linear(size, width) for name, size in streams.items()})
        self.text_projection = nn.Linear(text_dim, width)
        self.head = nn.Linear(width, 1)

    def forward(self, features: Tensor, text: Tensor, spans: Tensor) -> ScorerOutput:  # type: ignore[override]
        streams = zip(self.layers.values(), features.split(list(self.streams.values()), dim=-1), strict=True)
        seen = sum(layer(columns) for layer, columns in streams)  # (..., steps, width)
        held = told_in(spans, features.shape[-2]).to(text.dtype)  # (..., steps, tokens)
        if spans.shape[-2] < text.shape[-2]:  # when the text holds is not known
            held = text.new_ones(*text.shape[:-2], features.shape[-2], text.shape[-2])
        told = held @ self.text_projection(text) / held.sum(-1, keepdim=True).clamp_min(1)  # (..., steps, width)
        return ScorerOutput(self.head(torch.tanh(seen + told)).squeeze(-1))
