"""What every scorer is, and what it returns."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn


class ScorerOutput(NamedTuple):
    """Scores of the steps of a video, or of several items."""

    logits: Tensor
    """Importance of each step before the sigmoid, (..., steps)."""
    reconstruction: Tensor | None = None
    """The features of each step in the units of the input, (..., steps, features), from a scorer that reconstructs
    them, while it trains."""
    segments: Tensor | None = None
    """What each step says of the segment around it, from a scorer that proposes segments, while it trains: logarithms
    of its distances, in steps, to the first and to the last step, and centre-ness before the sigmoid, (..., steps, 3).
    Its logits, while it does not train, are of the segments."""
    pairs: Tensor | None = None
    """Of each text token the unit vectors of the motion while it is told and of itself, which ``loss.contrast``
    compares, (..., tokens, 2, width); 0 instead of a motion that is not known."""

    @property
    def scores(self) -> Tensor:
        """Importance of each step, 0 to 1, (..., steps)."""
        return torch.sigmoid(self.logits)


class Scorer(nn.Module, ABC):
    """Base class of all scorers, with what training, summaries and pages ask of one.

    The constructor takes `feature_dim` and `text_dim`, the numbers of features of a step and of a text token, and by
    name any key of the configuration's section `model`, and `seed`. One that names `streams` gets the widths of the
    parts of a step's features, by name, as they follow one another: ``{"visual": 384, "audio": 64}``. All but
    ``visual`` end with a mask column, 1 where a step has the part, which is else 0. Where a store names none, that is
    ``{"visual": feature_dim}``.
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
    reads_spans: ClassVar[bool] = False
    """Whether `forward` takes `spans` too: when each text token holds."""
    reads_judge: ClassVar[bool] = False
    """Whether the last two features of a step are the number of its shot and a judge's score of that."""
    contrasts: bool = False
    """Whether it returns pairs of motion and text; of a scorer that needs a stream for it, whether it has that."""

    @abstractmethod
    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step of a video by what it shows and by its text: its captions, or a query.

        Nothing is padded, so that there is no mask. Leading axes are items and broadcast as everywhere in PyTorch:
        texts, (items, tokens, features), of one video, (steps, features), are queries; features, (items, steps,
        features), are videos of one length. Code that counts axes from the last (``dim=-1``) serves them all.

        With the class attribute ``reads_spans = True`` it is ``forward(features, text, spans)``: first and end of each
        token in steps, where step i is the time from i to i + 1, (..., tokens, 2), with the leading axes of `text`; in
        a window of a video they may lie outside of it. Where the data do not know them, spans are (..., 0, 2).

        Args:
            features: Features of the steps, (..., steps, features).
            text: Features of the text tokens, (..., tokens, features); `tokens` may be 0.

        Returns:
            Logits with the leading axes of both, or of ``features`` alone where the scorer reads no text.
        """


def output_of(scorer: Scorer, features: Tensor, text: Tensor, spans: Tensor) -> ScorerOutput:
    """Call a scorer with what it reads: with `spans`, (..., tokens, 2), only where its ``reads_spans`` says so.

    Raises:
        TypeError: It returns something else than a ``ScorerOutput``; one line.
    """
    output: object = scorer(features, text, spans) if scorer.reads_spans else scorer(features, text)
    if not isinstance(output, ScorerOutput):
        name, kind = type(scorer).__name__, type(output).__name__
        raise TypeError(f"{name} returns a {kind}; wrap its logits, (..., steps): ScorerOutput(logits)")
    return output
