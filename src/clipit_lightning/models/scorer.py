"""The CLIP-It scorer: language-guided attention, then a transformer that scores every step."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from clipit_lightning.models.attention import LanguageGuidedAttention, TransformerLayer, sinusoidal_positions
from clipit_lightning.models.cues import prefer_peaks, step_cues, unit, window_mean


class ScorerOutput(NamedTuple):
    """What every scorer returns; both parts are 0 where a step is padding.

    Attributes:
        logits: Importance of each step before the sigmoid, (items, steps).
        reconstruction: The features of each step as the scorer rebuilds them, in the units of its input,
            (items, steps, features); None from a scorer that does not rebuild them.
    """

    logits: Tensor
    reconstruction: Tensor | None

    @property
    def scores(self) -> Tensor:
        """Importance of each step, 0 to 1, (items, steps)."""
        return torch.sigmoid(self.logits)


class ClipItScorer(nn.Module):
    """CLIP-It (Narasimhan, Rohrbach, Darrell, NeurIPS 2021, arXiv 2107.00650), section 3.

    Steps and text tokens (a video's captions, or a query's phrases) are projected to `width`; language-guided
    attention adds to each step what the text says; an encoder and a decoder over the attended steps, both with
    sinusoidal positions, lead to one linear head for the score and one that rebuilds the features.

    The paper does not say what the decoder's input is: here the attended steps, as the encoder's. What follows
    is ours, because benchmarks have 20 to 40 training videos and the paper's network learns those by heart:

    - `width` may be far below CLIP's 512, and image and text features may differ in number.
    - The step's projection sees means over its surroundings too (`windows`), and a few cues (see `step_cues`).
    - With `linear_path`, a linear layer on the same inputs adds to the logit. It starts at 0.
    - With `score_window` above 1, the logits are means over that many steps: annotators rate whole shots.
    - With `peak_window` above 1, peaks of the logits stand above all other steps when the scorer does not train.

    Args:
        feature_dim: Number of features of a step.
        text_dim: Number of features of a text token.
        width: Number of features inside.
        heads: Heads of every attention; must divide `width`.
        encoder_layers: Layers of the encoder; at least 0.
        decoder_layers: Layers of the decoder; at least 0. Without, the encoder's output is scored.
        dropout: Probability of dropping a feature of what any part adds, and of what the score head reads.
        input_dropout: Probability of dropping an input feature.
        feature_gain: How loud features are beside cues, 1 for equal entries; below 1 the cues are learned first.
        windows: Sizes in steps, odd, of the surroundings that the input shows beside the step itself.
        linear_path: Whether a linear layer on the inputs adds to the logit.
        transformer_gain: What the transformer's logit is multiplied with; below 1 the linear path learns first.
        score_window: Size in steps, odd, of the surroundings over which logits are averaged; 1 for none.
        peak_window: Size in steps, odd, of the surroundings of which the best step is preferred (`prefer_peaks`); 1
            for none.

    Raises:
        ValueError: `heads` does not divide `width`, or the size of a surrounding is not odd.
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
        input_dropout: float = 0.0,
        feature_gain: float = 1.0,
        windows: Sequence[int] = (5, 21),
        linear_path: bool = True,
        transformer_gain: float = 1.0,
        score_window: int = 1,
        peak_window: int = 1,
    ) -> None:
        super().__init__()
        if not all(window % 2 for window in (*windows, score_window, peak_window)):
            raise ValueError(
                f"windows ({list(windows)}), score_window ({score_window}) and peak_window ({peak_window}) must be "
                "odd: a step is their middle"
            )
        self.feature_gain = feature_gain
        self.transformer_gain = transformer_gain
        self.windows = tuple(windows)
        self.score_window, self.peak_window = score_window, peak_window
        # Only features of one encoder can be compared before anything is learned.
        self.comparable = feature_dim == text_dim
        cues = 3 + len(self.windows) + 2 * self.comparable
        self.frame_projection = nn.Linear(feature_dim, width * (1 + len(self.windows)))
        self.cue_projection = nn.Linear(cues, width)
        self.text_projection = nn.Linear(text_dim, width)
        self.input_dropout = nn.Dropout(input_dropout)
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
        self.linear_path: nn.ModuleList | None = None
        if linear_path:
            self.linear_path = nn.ModuleList(
                [nn.Linear(feature_dim, 1 + len(self.windows)), nn.Linear(cues, 1, bias=False)]
            )
            for parameter in self.linear_path.parameters():
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor, step_mask: Tensor, text: Tensor, text_mask: Tensor) -> ScorerOutput:
        """Score every step of every item: a video with its captions, or with a query.

        Args:
            features: Features of the steps, (videos, steps, features): as many videos as items, or one that all items
                share, whose features are then projected once.
            step_mask: True where a step is real, (items, steps).
            text: Features of the text tokens, (items, tokens, features); `tokens` may be 0.
            text_mask: True where a token is real, (items, tokens); an item may have none.

        Returns:
            Logits and rebuilt features; what stands in the padding has no influence on either.
        """
        own = step_mask[: len(features)]  # (videos, steps)
        features = unit(features, own)  # (videos, steps, features)
        text = unit(text, text_mask)  # (items, tokens, features)
        compared = text if self.comparable else None
        cues = step_cues(features, own, compared, text_mask, self.windows)  # (items, steps, cues)
        # Unit vectors of many features have tiny entries; layers are made for entries near 1.
        gain = self.feature_gain * features.shape[2] ** 0.5
        seen = self.input_dropout(features * gain)  # (videos, steps, features)
        steps = self._surrounded(self.frame_projection(seen), own)  # (videos, steps, width)
        steps = self.dropout(steps + self.cue_projection(cues))  # (items, steps, width)
        steps = steps.expand(len(text), -1, -1)  # (items, steps, width)
        tokens = self.text_projection(text * text.shape[2] ** 0.5)  # (items, tokens, width)
        decoded = self._transform(self.language(steps, tokens, text_mask), step_mask)
        logits = self.transformer_gain * self.score_head(self.dropout(decoded))  # (items, steps, 1)
        if self.linear_path is not None:
            of_features, of_cues = self.linear_path
            linear = self._surrounded(of_features(seen), own)  # (videos, steps, 1)
            logits = logits + linear + of_cues(cues)  # (items, steps, 1)
        logits = window_mean(logits, step_mask, self.score_window).squeeze(2)  # (items, steps)
        if not self.training:
            logits = prefer_peaks(logits, step_mask, self.peak_window)  # (items, steps)
        rebuilt = self.reconstruction_head(decoded)  # (items, steps, features)
        padding = ~step_mask  # (items, steps)
        return ScorerOutput(logits.masked_fill(padding, 0.0), rebuilt.masked_fill(padding.unsqueeze(2), 0.0))

    def _surrounded(self, projected: Tensor, step_mask: Tensor) -> Tensor:
        """Sum of one part as it is and one part averaged over each window.

        Averaging what was projected is the same as projecting averages, with far fewer features to average.
        """
        here, *around = projected.chunk(1 + len(self.windows), dim=2)
        for part, window in zip(around, self.windows, strict=True):
            here = here + window_mean(part, step_mask, window)
        return here

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
