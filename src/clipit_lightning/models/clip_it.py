"""The CLIP-It scorer as the paper describes it: language-guided attention, then a transformer that scores steps."""

from torch import Tensor, nn
from torch.nn.functional import normalize

from clipit_lightning.models.attention import LanguageGuidedAttention
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.transformer import Activation, FrameScoringTransformer


class ClipItScorer(Scorer):
    """CLIP-It (Narasimhan, Rohrbach, Darrell, NeurIPS 2021, arXiv 2107.00650), section 3.

    Steps and text tokens (a video's captions, or a query's phrases) are projected to `width`; language-guided
    attention adds to each step what the text says; an encoder and a decoder over the attended steps lead to one linear
    head for the score and one that reconstructs the features. Ours are the scale of the features, to the norm of a
    vector of ones, and the place of norms, before attention and feed-forward. `dropout` is the probability of dropping
    a feature of what any layer adds, and of what the score head reads. `language_heads` are those of the
    language-guided attention, by default `heads`; for `feedforward`, `activation`, and `exact` see
    ``FrameScoringTransformer``. Defaults are a size for few training videos; the overlay `paper` has the paper's.

    Raises:
        ValueError: `heads` or `language_heads` does not divide `width`.
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
        exact: bool = False,
        feedforward: int | None = None,
        activation: Activation = "gelu",
        language_heads: int | None = None,
    ) -> None:
        super().__init__()
        self.frame_projection = nn.Linear(feature_dim, width)
        self.text_projection = nn.Linear(text_dim, width)
        self.language = LanguageGuidedAttention(width, language_heads or heads, dropout)
        self.transformer = FrameScoringTransformer(
            width, heads, encoder_layers, decoder_layers, dropout, exact, feedforward, activation
        )
        self.dropout = Dropout(dropout)
        self.score_head = nn.Linear(width, 1)
        self.reconstruction_head = nn.Linear(width, feature_dim)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by what the video shows and the text says, and reconstruct it while training."""
        # Unit vectors of many features have tiny entries; layers are made for entries near 1.
        steps = self.frame_projection(normalize(features, dim=-1) * features.shape[-1] ** 0.5)  # (..., steps, width)
        tokens = self.text_projection(normalize(text, dim=-1) * text.shape[-1] ** 0.5)  # (..., tokens, width)
        decoded = self.transformer(self.language(steps, tokens))  # (..., steps, width)
        logits = self.score_head(self.dropout(decoded)).squeeze(-1)  # (..., steps)
        return ScorerOutput(logits, self.reconstruction_head(decoded) if self.training else None)
