"""Chance: what a scorer must beat."""

import zlib

import torch
from torch import Tensor

from clipit_lightning.models.scorer import Scorer, ScorerOutput


class RandomScorer(Scorer):
    """Uniform random scores, the same for a video in every batch, order and process.

    The chance of a video follows from `seed` and its features alone. It has nothing to learn, and no parameter.
    """

    title = "Random"
    fit = "none"

    def __init__(self, feature_dim: int, text_dim: int, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Draw a score for every step."""
        videos = features.detach().float().cpu().reshape(-1, *features.shape[-2:])  # (videos, steps, features)
        seeds = [zlib.crc32(video.numpy().tobytes(), self.seed) for video in videos]
        draws = [torch.rand(videos.shape[1], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        logits = torch.logit(torch.stack(draws), eps=1e-6)  # (videos, steps)
        return ScorerOutput(logits.view(features.shape[:-1]).to(features.device))
