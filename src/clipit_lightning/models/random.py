"""Chance: what a scorer must beat."""

import zlib

import torch
from torch import Tensor

from clipit_lightning.models.scorer import Scorer, ScorerOutput


class RandomScorer(Scorer):
    """Uniform random scores, the same for a video in every batch, order, padding and process.

    The chance of a video follows from `seed` and its features alone. It has nothing to learn, and no parameter.
    """

    title = "Random"
    fit = "none"

    def __init__(self, feature_dim: int, text_dim: int, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, features: Tensor, step_mask: Tensor, text: Tensor, text_mask: Tensor) -> ScorerOutput:
        """Draw a score for every step."""
        own = step_mask[: len(features)].cpu()  # (videos, steps)
        logits = torch.zeros(own.shape)  # (videos, steps)
        for video, (steps, mask) in enumerate(zip(features.detach().cpu(), own, strict=True)):
            fingerprint = zlib.crc32(steps[mask].float().numpy().tobytes(), self.seed)
            generator = torch.Generator().manual_seed(fingerprint)
            draw = torch.rand(int(mask.sum()), generator=generator)  # (steps,)
            logits[video, mask] = torch.logit(draw, eps=1e-6)
        return ScorerOutput(logits.to(features.device).expand(step_mask.shape), None)
