"""CLIP-It+, the CLIP-It scorer for few training videos: surroundings, cues, and steps that look alike."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import normalize

from clipit_lightning.models.attention import LanguageGuidedAttention
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.step_cues import alike_mean, cue_count, prefer_peaks, step_cues, window_mean
from clipit_lightning.models.transformer import Activation, FrameScoringTransformer
from clipit_lightning.models.windows import LONGEST


class ClipItPlusScorer(Scorer):
    """CLIP-It (see ``ClipItScorer``) with what few training videos need: the paper's network learns 20 to 40 by heart.

    All of it is ours, and each addition can be switched off. Windows are sizes in steps, odd.

    - `width` may be far below CLIP's 512, and image and text features may differ in number.
    - The step's projection sees means over its surroundings too (`windows`), and a few cues (see `step_cues`).
      `feature_gain` multiplies the features beside the cues; below 1 the cues are learned first.
    - With `linear_path`, a linear layer on the same inputs adds to the logit. It starts at 0; with `transformer_gain`,
      the factor of the transformer's logit, below 1 it learns first.
    - With `alike_gain` above 0, the logits are means over the steps of the video that look alike (see `alike_mean`),
      judged by means over `alike_window` steps, when the scorer does not train: what is shown again is as important
      as before. Training through these means measured worse.
    - With `score_window` above 1, the logits are means over that many steps: annotators rate whole shots.
    - With `peak_window` above 1, peaks of the logits stand above all other steps when the scorer does not train.
    - A video of more than ``LONGEST`` steps is scored in windows (see ``FrameScoringTransformer``), and look-alike
      steps are sought among the means of ``LONGEST`` stretches of it, unless `exact`.

    Raises:
        ValueError: `heads` or `language_heads` does not divide `width`, or the size of a surrounding is not odd.
    """

    title = "CLIP-It+"
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
        input_dropout: float = 0.5,
        feature_gain: float = 1.0,
        windows: Sequence[int] = (5, 21),
        linear_path: bool = False,
        transformer_gain: float = 1.0,
        alike_gain: float = 3.0,
        alike_window: int = 9,
        score_window: int = 9,
        peak_window: int = 1,
        exact: bool = False,
        feedforward: int | None = None,
        activation: Activation = "gelu",
        language_heads: int | None = None,
    ) -> None:
        super().__init__()
        sizes = {"alike_window": alike_window, "score_window": score_window, "peak_window": peak_window}
        if not all(size % 2 for size in (*windows, *sizes.values())):
            named = ", ".join(f"{name} ({size})" for name, size in sizes.items())
            raise ValueError(f"windows ({list(windows)}), {named} must be odd: a step is their middle")
        self.feature_gain, self.transformer_gain, self.windows = feature_gain, transformer_gain, tuple(windows)
        self.alike_gain, self.alike_window = alike_gain, alike_window
        self.score_window, self.peak_window, self.exact = score_window, peak_window, exact
        # Only features of one encoder can be compared before anything is learned.
        self.comparable = self.reads_language and feature_dim == text_dim
        cues = cue_count(self.windows, self.comparable)
        self.frame_projection = nn.Linear(feature_dim, width * (1 + len(self.windows)))
        self.cue_projection = nn.Linear(cues, width)
        self.input_dropout = Dropout(input_dropout)
        self.dropout = Dropout(dropout)
        self.language: LanguageGuidedAttention | None = None
        if self.reads_language:
            self.text_projection = nn.Linear(text_dim, width)
            self.language = LanguageGuidedAttention(width, language_heads or heads, dropout)
        self.transformer = FrameScoringTransformer(
            width, heads, encoder_layers, decoder_layers, dropout, exact, feedforward, activation
        )
        self.score_head = nn.Linear(width, 1)
        self.reconstruction_head = nn.Linear(width, feature_dim)
        self.linear_path: nn.ModuleList | None = None
        if linear_path:
            self.linear_path = nn.ModuleList(
                [nn.Linear(feature_dim, 1 + len(self.windows)), nn.Linear(cues, 1, bias=False)]
            )
            for parameter in self.linear_path.parameters():
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by what the video shows and the text says, and reconstruct it while training."""
        features, text = normalize(features, dim=-1), normalize(text, dim=-1)
        cues = step_cues(features, text if self.comparable else None, self.windows)  # (..., steps, cues)
        # Unit vectors of many features have tiny entries; layers are made for entries near 1.
        gain = self.feature_gain * features.shape[-1] ** 0.5
        seen = self.input_dropout(features * gain)  # (..., steps, features)
        steps = self._surrounded(self.frame_projection(seen))  # (..., steps, width)
        steps = self.dropout(steps + self.cue_projection(cues))  # (..., steps, width)
        if self.language is not None:
            tokens = self.text_projection(text * text.shape[-1] ** 0.5)  # (..., tokens, width)
            steps = self.language(steps, tokens)  # (..., steps, width)
        decoded = self.transformer(steps)  # (..., steps, width)
        logits = self.transformer_gain * self.score_head(self.dropout(decoded))  # (..., steps, 1)
        if self.linear_path is not None:
            of_features, of_cues = self.linear_path
            logits = logits + self._surrounded(of_features(seen)) + of_cues(cues)  # (..., steps, 1)
        logits = self._shared(logits.squeeze(-1), features)  # (..., steps)
        return ScorerOutput(logits, self.reconstruction_head(decoded) if self.training else None)

    def _shared(self, logits: Tensor, features: Tensor) -> Tensor:
        """What steps that look alike, or lie together, have in common, (..., steps)."""
        if self.alike_gain and not self.training:
            anchors = None if self.exact else LONGEST
            logits = alike_mean(logits, window_mean(features, self.alike_window), self.alike_gain, anchors)
        logits = window_mean(logits.unsqueeze(-1), self.score_window).squeeze(-1)  # (..., steps)
        return logits if self.training else prefer_peaks(logits, self.peak_window)

    def _surrounded(self, projected: Tensor) -> Tensor:
        """Sum of the projection for the step itself and of those for each window, averaged over it.

        Averaging what was projected is the same as projecting averages, with far fewer features to average.
        """
        here, *around = projected.chunk(1 + len(self.windows), dim=-1)
        for surrounding, window in zip(around, self.windows, strict=True):
            here = here + window_mean(surrounding, window)
        return here


class TransformerScorer(ClipItPlusScorer):
    """CLIP-It+ without language: neither attention nor cues read the text."""

    title = "Transformer"
    reads_language = False
