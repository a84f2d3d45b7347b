"""The CLIP-It scorer: language-guided attention, then a transformer that scores every step."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from clipit_lightning.models.attention import LanguageGuidedAttention, TransformerLayer, sinusoidal_positions


class ScorerOutput(NamedTuple):
    """What every scorer returns; both parts are 0 where a step is padding.

    Attributes:
        logits: Importance of each step before the sigmoid, (videos, steps).
        reconstruction: The features of each step as the scorer rebuilds them, in the units of its input,
            (videos, steps, features); None from a scorer that does not rebuild them.
    """

    logits: Tensor
    reconstruction: Tensor | None

    @property
    def scores(self) -> Tensor:
        """Importance of each step, 0 to 1, (videos, steps)."""
        return torch.sigmoid(self.logits)


class ClipItScorer(nn.Module):
    """CLIP-It (Narasimhan, Rohrbach, Darrell, NeurIPS 2021, arXiv 2107.00650), section 3.

    Steps and captions are projected to `width`; language-guided attention adds to each step what the captions
    say; an encoder and a decoder over the attended steps, both with sinusoidal positions, lead to one linear
    head for the score and one that rebuilds the features.

    The paper does not say what the decoder's input is: here the attended steps, as the encoder's. `width` and
    the first two projections are ours (the paper works in CLIP's 512 features), so that small data sets can
    have small models and image and text features may differ in number.

    Args:
        feature_dim: Number of features of a step.
        text_dim: Number of features of a caption.
        width: Number of features inside.
        heads: Heads of every attention; must divide `width`.
        encoder_layers: Layers of the encoder; at least 0.
        decoder_layers: Layers of the decoder; at least 0.
        dropout: Probability of dropping an input feature, or a feature of what any part adds.

    Raises:
        ValueError: `heads` does not divide `width`.
    """

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        width: int = 64,
        heads: int = 4,
        encoder_layers: int = 1,
        decoder_layers: int = 1,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.frame_projection = nn.Linear(feature_dim, width)
        self.text_projection = nn.Linear(text_dim, width)
        self.dropout = nn.Dropout(dropout)
        self.language = LanguageGuidedAttention(width, heads, dropout)
        self.encoder = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(encoder_layers))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(
            TransformerLayer(width, heads, dropout, memory=True) for _ in range(decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.score_head = nn.Linear(width, 1)
        self.reconstruction_head = nn.Linear(width, feature_dim)

    def forward(
        self, features: Tensor, step_mask: Tensor, captions: Tensor, caption_mask: Tensor
    ) -> ScorerOutput:
        """Score every step of every video.

        Args:
            features: Features of the steps, (videos, steps, features).
            step_mask: True where a step is real, (videos, steps).
            captions: Features of the caption tokens, (videos, captions, features); `captions` may be 0.
            caption_mask: True where a caption is real, (videos, captions); a video may have none.

        Returns:
            Logits and rebuilt features; what stands in the padding has no influence on either.
        """
        padding = ~step_mask.unsqueeze(2)  # (videos, steps, 1)
        features = self.dropout(features.masked_fill(padding, 0.0))  # (videos, steps, features)
        steps = self.frame_projection(features)  # (videos, steps, width)
        captions = captions.masked_fill(~caption_mask.unsqueeze(2), 0.0)  # (videos, captions, features)
        tokens = self.text_projection(captions)  # (videos, captions, width)
        attended = self.language(steps, tokens, caption_mask)  # (videos, steps, width)
        decoded = self._transform(attended, step_mask)  # (videos, steps, width)
        logits = self.score_head(decoded).masked_fill(padding, 0.0).squeeze(2)  # (videos, steps)
        rebuilt = self.reconstruction_head(decoded).masked_fill(padding, 0.0)  # (videos, steps, features)
        return ScorerOutput(logits, rebuilt)

    def _transform(self, attended: Tensor, step_mask: Tensor) -> Tensor:
        """The frame-scoring transformer: encoder, then decoder, (videos, steps, width) to the same."""
        _, count, width = attended.shape
        placed = attended + sinusoidal_positions(count, width, attended.device)  # (videos, steps, width)
        memory: Tensor = placed  # (videos, steps, width)
        for layer in self.encoder:
            memory = layer(memory, step_mask)  # (videos, steps, width)
        memory = self.encoder_norm(memory)  # (videos, steps, width)
        decoded = placed  # (videos, steps, width)
        for layer in self.decoder:
            decoded = layer(decoded, step_mask, memory)  # (videos, steps, width)
        if len(self.decoder) == 0:
            return memory
        normed: Tensor = self.decoder_norm(decoded)  # (videos, steps, width)
        return normed
