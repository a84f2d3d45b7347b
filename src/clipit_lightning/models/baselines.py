"""What a scorer must beat: chance, and one linear layer."""

import zlib

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.models.scorer import ScorerOutput


class RandomScorer(nn.Module):
    """Uniform random scores, the same for a video in every batch, order, padding and process.

    The chance of a video follows from `seed` and its features alone. It has nothing to learn, and no
    parameter.

    Args:
        feature_dim: Number of features of a step; any will do.
        text_dim: Number of features of a caption; any will do.
        seed: Draws other scores.
    """

    def __init__(self, feature_dim: int, text_dim: int, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, features: Tensor, step_mask: Tensor, captions: Tensor, caption_mask: Tensor) -> ScorerOutput:
        """Draw a score for every step.

        Args:
            features: Features of the steps, (videos, steps, features).
            step_mask: True where a step is real, (videos, steps).
            captions: Not used.
            caption_mask: Not used.

        Returns:
            Logits whose sigmoid is uniform, and no reconstruction.
        """
        logits = torch.zeros(step_mask.shape)  # (videos, steps)
        for video, (steps, mask) in enumerate(zip(features.detach().cpu(), step_mask.cpu(), strict=True)):
            fingerprint = zlib.crc32(steps[mask].float().numpy().tobytes(), self.seed)
            generator = torch.Generator().manual_seed(fingerprint)
            draw = torch.rand(int(mask.sum()), generator=generator)  # (steps,)
            logits[video, mask] = torch.logit(draw, eps=1e-6)
        return ScorerOutput(logits.to(features.device), None)


class LinearScorer(nn.Module):
    """One linear layer from the unit-norm features of a step to its score: what needs neither language nor neighbours.

    Args:
        feature_dim: Number of features of a step.
        text_dim: Number of features of a caption; any will do.
    """

    def __init__(self, feature_dim: int, text_dim: int) -> None:
        super().__init__()
        self.score_head = nn.Linear(feature_dim, 1)

    def forward(self, features: Tensor, step_mask: Tensor, captions: Tensor, caption_mask: Tensor) -> ScorerOutput:
        """Score every step by itself.

        Args:
            features: Features of the steps, (videos, steps, features).
            step_mask: True where a step is real, (videos, steps).
            captions: Not used.
            caption_mask: Not used.

        Returns:
            Logits, and no reconstruction.
        """
        padding = ~step_mask.unsqueeze(2)  # (videos, steps, 1)
        seen = functional.normalize(features.masked_fill(padding, 0.0), dim=2)  # (videos, steps, features)
        # As in CLIP-It: unit vectors of many features have tiny entries; layers are made for entries near 1.
        logits = self.score_head(seen * features.shape[2] ** 0.5)  # (videos, steps, 1)
        return ScorerOutput(logits.masked_fill(padding, 0.0).squeeze(2), None)
