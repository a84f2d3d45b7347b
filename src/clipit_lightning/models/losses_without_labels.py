"""Losses that rank steps without annotations: rare in the video, and told of by the text.

A video's scores, as shares that add up to 1, are a distribution over its steps. `rarity_loss` and `language_loss` are
expectations under it, and `spread_loss` keeps it from falling onto one step. Together, with weights r, l and s, they
have their optimum where a step's share is proportional to ``(density of the text ** l / density of the video ** r) **
(1 / s)``: with equal weights these are the importance weights that make the video's steps distributed as what the text
tells. A scorer learns them over all training videos.

Densities are kernel estimates (Parzen 1962) with the von Mises-Fisher kernel ``exp(sharpness * cosine)``. They are
compared within a video only, so that text may lie beside the frames in the space, as CLIP's does. Padding weighs
nothing; memory grows linearly with the steps, time with their square, as in ``alike_mean``.
"""

import torch
from torch import Tensor
from torch.nn import functional

from clipit_lightning.models.step_cues import likeness, unit


def rarity_loss(logits: Tensor, step_mask: Tensor, features: Tensor, sharpness: float) -> Tensor:
    """How much more common the selected steps are in their video than the mean step, in nats (ours).

    The paper's diversity loss (CLIP-It, arXiv 2107.00650, section 3.2) compares reconstructed features, which a
    scorer can move; this compares the features themselves, and with a kernel, since only near steps repeat each other.

    Args:
        logits: Importance of each step before the sigmoid, (items, steps).
        step_mask: True where a step is real, (items, steps).
        features: Features of the steps, (videos, steps, features): a video an item, or one that all items share.
        sharpness: How near two steps must be to count as the same; 0 tells none apart.

    Returns:
        Mean over items, (); 0 for equal scores, below 0 where rare steps are preferred.
    """
    own = step_mask[: len(features)]  # (videos, steps)
    with torch.no_grad():
        steps = unit(features, own)  # (videos, steps, features)
        density = _log_density(steps, steps, own, sharpness)  # (videos, steps)
    return _preferred(density.expand(len(step_mask), -1), logits, step_mask).mean()


def language_loss(
    logits: Tensor, step_mask: Tensor, features: Tensor, text: Tensor, text_mask: Tensor, sharpness: float
) -> Tensor:
    """How much less the text tells of the selected steps than of the mean step, in nats (ours).

    CLIP-It lets the language guide the attention alone; without labels nothing says that what it tells is important.

    Args:
        logits: Importance of each step before the sigmoid, (items, steps).
        step_mask: True where a step is real, (items, steps).
        features: Features of the steps, (videos, steps, features): a video an item, or one that all items share.
        text: Features of the text tokens, from the same encoder, (items, tokens, features).
        text_mask: True where a token is real, (items, tokens); an item without any counts 0.
        sharpness: How near a step must be to a token for the token to tell of it; 0 tells none apart.

    Returns:
        Mean over items, (); 0 for equal scores, below 0 where steps near the text are preferred.
    """
    with torch.no_grad():
        steps, tokens = unit(features, step_mask[: len(features)]), unit(text, text_mask)
        # steps: (videos, steps, features), tokens: (items, tokens, features)
        told = _log_density(steps, tokens, text_mask, sharpness)  # (items, steps)
    return -_preferred(told, logits, step_mask).mean()


def spread_loss(logits: Tensor, step_mask: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the shares from equal shares, in nats (ours).

    The other losses are best served by one single step; against this each of the others finds its rank.

    Args:
        logits: Importance of each step before the sigmoid, (items, steps).
        step_mask: True where a step is real, (items, steps).

    Returns:
        Mean over items, (); 0 for equal scores, the logarithm of the number of steps where one has all.
    """
    log_shares = _log_shares(logits, step_mask)  # (items, steps)
    negative_entropy = (log_shares.exp() * log_shares.masked_fill(~step_mask, 0.0)).sum(1)  # (items,)
    return (negative_entropy + step_mask.sum(1).log()).mean()


def _log_density(steps: Tensor, examples: Tensor, examples_mask: Tensor, sharpness: float) -> Tensor:
    """Logarithm of the density of examples at each step but for a constant, 0 where there is none, (items, steps).

    Steps are (videos, steps, features), examples (items, examples, features), both of norm 1.
    """
    rows = [torch.logsumexp(alike, dim=2) for alike in likeness(steps, examples, examples_mask, sharpness)]
    density = torch.cat(rows, dim=1)  # (items, steps)
    return density.masked_fill(~examples_mask.any(1, keepdim=True), 0.0)


def _log_shares(logits: Tensor, step_mask: Tensor) -> Tensor:
    """Logarithms of a video's scores as shares that add up to 1, -inf in the padding, (items, steps)."""
    scores = functional.logsigmoid(logits.masked_fill(~step_mask, 0.0))  # (items, steps)
    return torch.log_softmax(scores.masked_fill(~step_mask, -torch.inf), dim=1)


def _preferred(values: Tensor, logits: Tensor, step_mask: Tensor) -> Tensor:
    """Mean of values over the shares, less their plain mean over the video, (items,)."""
    shares = _log_shares(logits, step_mask).exp()  # (items, steps)
    equal = step_mask / step_mask.sum(1, keepdim=True)  # (items, steps)
    return ((shares - equal) * values).sum(1)
