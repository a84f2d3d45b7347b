"""The CLIP-It scorer as the paper describes it: language-guided attention, then a transformer that scores steps."""

from torch import Tensor, nn

from clipit_lightning.models.attention import LanguageGuidedAttention
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.step_cues import unit
from clipit_lightning.models.transformer import FrameScoringTransformer


class ClipItScorer(Scorer):
    """CLIP-It (Narasimhan, Rohrbach, Darrell, NeurIPS 2021, arXiv 2107.00650), section 3.

    Steps and text tokens (a video's captions, or a query's phrases) are projected to `width`; language-guided
    attention adds to each step what the text says; an encoder and a decoder over the attended steps lead to one linear
    head for the score and one that reconstructs the features. Ours are the scale of the features, to the norm of a
    vector of ones, and the place of norms, before attention and feed-forward. `dropout` is the probability of dropping
    a feature of what any layer adds, and of what the score head reads.

    Raises:
        ValueError: `heads` does not divide `width`.
    """

    title = "CLIP-It"
    reads_language = True

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        width: int = 64,
        heads: int = 4,
        encoder_layers: int = 1,
        decoder_layers: int = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.frame_projection = nn.Linear(feature_dim, width)
        self.text_projection = nn.Linear(text_dim, width)
        self.language = LanguageGuidedAttention(width, heads, dropout)
        self.transformer = FrameScoringTransformer(width, heads, encoder_layers, decoder_layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.score_head = nn.Linear(width, 1)
        self.reconstruction_head = nn.Linear(width, feature_dim)

    def forward(self, features: Tensor, step_mask: Tensor, text: Tensor, text_mask: Tensor) -> ScorerOutput:
        """Score and reconstruct every step by what the video shows and the text says."""
        # Unit vectors of many features have tiny entries; layers are made for entries near 1.
        seen = unit(features, step_mask[: len(features)]) * features.shape[2] ** 0.5  # (videos, steps, features)
        steps = self.frame_projection(seen).expand(len(step_mask), -1, -1)  # (items, steps, width)
        tokens = self.text_projection(unit(text, text_mask) * text.shape[2] ** 0.5)  # (items, tokens, width)
        decoded = self.transformer(self.language(steps, tokens, text_mask), step_mask)  # (items, steps, width)
        logits = self.score_head(self.dropout(decoded)).squeeze(2)  # (items, steps)
        reconstruction = self.reconstruction_head(decoded)  # (items, steps, features)
        padding = ~step_mask  # (items, steps)
        return ScorerOutput(logits.masked_fill(padding, 0.0), reconstruction.masked_fill(padding.unsqueeze(2), 0.0))
