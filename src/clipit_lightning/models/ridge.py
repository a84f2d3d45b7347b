"""Ridge regression: the best that a linear function of a step and its surroundings can do, in closed form."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.step_cues import cue_count, step_cues, window_mean

CUE_GAIN = 0.2
"""What cues, of variance 1, are multiplied with beside features, of norm 1."""


class RidgeScorer(Scorer):
    """Ridge regression (Hoerl and Kennard, Technometrics 1970) from what stands at a step to its importance.

    A step's inputs are its unit-norm features, their means over each of `windows`, and its cues (see `step_cues`), with
    its similarity to the text where features and text have one size, as those of one encoder do. Logits are means over
    `score_window` steps, since annotators rate whole shots.

    Nothing in it learns by gradients: a fit in closed form reads `inputs` and gives the weights to `set_weights`.
    """

    title = "Linear"
    fit = "closed form"
    selects = "alpha"
    feature_weights: Tensor
    """Of the features and of their means over each window, (1 + windows, features)."""
    cue_weights: Tensor
    """(cues,)."""
    offset: Tensor
    """Added to every logit, ()."""

    def __init__(
        self, feature_dim: int, text_dim: int, windows: Sequence[int] = (5, 21), score_window: int = 9
    ) -> None:
        super().__init__()
        self.windows, self.score_window = tuple(windows), score_window
        self.reads_language = feature_dim == text_dim  # only features of one encoder can be compared
        cues = cue_count(self.windows, self.reads_language)
        self.register_buffer("feature_weights", torch.zeros(1 + len(self.windows), feature_dim))
        self.register_buffer("cue_weights", torch.zeros(cues))
        self.register_buffer("offset", torch.zeros(()))

    def inputs(self, features: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """What the regression reads of the arguments of `forward`.

        Returns:
            Features and their means over each window, (..., steps, (1 + windows) * features), with the leading axes of
            features; and cues, (..., steps, cues), with those of text too where it is compared.
        """
        seen = normalize(features, dim=-1)  # (..., steps, features)
        around = [window_mean(seen, window) for window in self.windows]
        return torch.cat([seen, *around], dim=-1), self._cues(seen, text)

    def _cues(self, seen: Tensor, text: Tensor) -> Tensor:
        compared = normalize(text, dim=-1) if self.reads_language else None  # (..., tokens, features)
        return CUE_GAIN * step_cues(seen, compared, self.windows)  # (..., steps, cues)

    def set_weights(self, weights: Tensor, offset: Tensor) -> None:
        """Take the result of a fit: weights of the inputs, those of features first, (inputs,), and offset, ()."""
        features = self.feature_weights.numel()
        of_features, of_cues = weights[:features], weights[features:]
        self.feature_weights.copy_(of_features.view_as(self.feature_weights))
        self.cue_weights.copy_(of_cues)
        self.offset.copy_(offset)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by its inputs."""
        # In 32-bit numbers always: what differs between steps is small beside what their features have in common.
        with torch.autocast(features.device.type, enabled=False):
            seen = normalize(features, dim=-1)  # (..., steps, features)
            # Averaging what was weighted is the same as weighting averages, with far fewer features to average.
            apart = (seen @ self.feature_weights.T).split(1, dim=-1)  # 1 + windows of (..., steps, 1)
            averaged = [window_mean(of, window) for of, window in zip(apart, (1, *self.windows), strict=True)]
            logits = torch.stack(averaged).sum(0).squeeze(-1) + self._cues(seen, text) @ self.cue_weights + self.offset
            return ScorerOutput(window_mean(logits.unsqueeze(-1), self.score_window).squeeze(-1))
