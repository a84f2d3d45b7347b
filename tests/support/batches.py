"""Stacks of items in every shape that scorers and losses take, and their items alone."""

import torch
from torch import Tensor

FEATURES = 5

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


def alone(features: Tensor, text: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each item of a stack by itself: features, (steps, features), and text, (tokens, features)."""
    items = max(value.shape[0] if value.dim() == 3 else 1 for value in (features, text))
    return list(zip(*(value.expand(items, *value.shape[-2:]) for value in (features, text)), strict=True))
