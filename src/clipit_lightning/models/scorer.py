"""What every scorer is, and what it returns."""

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn


class ScorerOutput(NamedTuple):
    """Scores of steps; both fields are 0 where a step is padding."""

    logits: Tensor
    """Importance of each step before the sigmoid, (items, steps)."""
    reconstruction: Tensor | None
    """The features of each step in the units of the input, (items, steps, features), where they are reconstructed."""

    @property
    def scores(self) -> Tensor:
        """Importance of each step, 0 to 1, (items, steps)."""
        return torch.sigmoid(self.logits)


class Scorer(nn.Module):
    """Base class of all scorers, with what training, summaries and pages ask of one.

    The constructor takes `feature_dim` and `text_dim`, the numbers of features of a step and of a text token, and by
    name any key of the configuration's section `model`, and `seed`.
    """

    title: ClassVar[str] = ""
    """Its name on a page; without one the page shows the name of the class."""
    fit: ClassVar[Literal["gradient", "closed form", "none"]] = "gradient"
    """How its weights are found: by gradient descent on the losses; by ridge regression, through `inputs` and
    `set_weights` as in ``RidgeScorer``; or not at all."""
    selects: ClassVar[Literal["epoch", "alpha"]] = "epoch"
    """What validation selects: an epoch, or one of the strengths ``model.alphas``."""
    reads_language: bool = False
    """Whether its scores depend on text."""

    def forward(self, features: Tensor, step_mask: Tensor, text: Tensor, text_mask: Tensor) -> ScorerOutput:
        """Score every step of every item: a video with its captions, or with a query.

        What stands in the padding may have no influence on scores or gradients.

        Args:
            features: Features of the steps, (videos, steps, features): as many videos as items, or one that all items
                share.
            step_mask: True where a step is real, (items, steps); real steps come first.
            text: Features of the text tokens, (items, tokens, features); `tokens` may be 0.
            text_mask: True where a token is real, (items, tokens); an item may have none.
        """
        raise NotImplementedError
