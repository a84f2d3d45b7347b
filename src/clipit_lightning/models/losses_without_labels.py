"""Losses that rank steps without annotations: rare in the video, and told of by the text.

A video's scores, as shares that add up to 1, are a distribution over its steps. `rarity_loss` and `language_loss` are
expectations under it, and `spread_loss` keeps it from falling onto one step. Together, with weights r, l and s, they
have their optimum where a step's share is proportional to ``(density of the text ** l / density of the video ** r) **
(1 / s)``: with equal weights these are the importance weights that make the video's steps distributed as what the text
tells. A scorer learns them over all training videos.

Densities are kernel estimates (Parzen 1962) with the von Mises-Fisher kernel ``exp(sharpness * cosine)``. They are
compared within a video only, so that text may lie beside the frames in the space, as CLIP's does. Memory grows
linearly with the steps, time with their square, as in ``alike_mean``.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, normalize

from clipit_lightning.models.step_cues import likeness


def rarity_loss(logits: Tensor, features: Tensor, sharpness: float) -> Tensor:
    """How much more common the selected steps are in their video than the mean step, in nats (ours).

    The paper's diversity loss (CLIP-It, arXiv 2107.00650, section 3.2) compares reconstructed features, which a
    scorer can move; this compares the features themselves, and with a kernel, since only near steps repeat each other.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        features: Features of the steps, (..., steps, features).
        sharpness: How near two steps must be to count as the same; 0 tells none apart.

    Returns:
        Mean over videos, (); 0 for equal scores, below 0 where rare steps are preferred.
    """
    with torch.no_grad():
        steps = normalize(features, dim=-1)  # (..., steps, features)
        density = _log_density(steps, steps, sharpness)  # (..., steps)
    return _preferred(density, logits).mean()


def language_loss(logits: Tensor, features: Tensor, text: Tensor, sharpness: float) -> Tensor:
    """How much less the text tells of the selected steps than of the mean step, in nats (ours).

    CLIP-It lets the language guide the attention alone; without labels nothing says that what it tells is important.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        features: Features of the steps, (..., steps, features).
        text: Features of the text tokens, from the same encoder, (..., tokens, features); without any the loss is 0.
        sharpness: How near a step must be to a token for the token to tell of it; 0 tells none apart.

    Returns:
        Mean over items, (); 0 for equal scores, below 0 where steps near the text are preferred.
    """
    if text.shape[-2] == 0:
        return 0.0 * logits.sum()
    with torch.no_grad():
        told = _log_density(normalize(features, dim=-1), normalize(text, dim=-1), sharpness)  # (..., steps)
    return -_preferred(told, logits).mean()


def spread_loss(logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the shares from equal shares, in nats (ours).

    The other losses are best served by one single step; against this each of the others finds its rank.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).

    Returns:
        Mean over videos, (); 0 for equal scores, the logarithm of the number of steps where one has all.
    """
    log_shares = _log_shares(logits)  # (..., steps)
    return (log_shares.exp() * log_shares).sum(-1).mean() + math.log(logits.shape[-1])


def _log_density(steps: Tensor, examples: Tensor, sharpness: float) -> Tensor:
    """Logarithm of the density of examples at each step but for a constant, (..., steps).

    Steps are (..., steps, features), examples (..., examples, features), both of norm 1.
    """
    rows = [torch.logsumexp(alike, dim=-1) for alike in likeness(steps, examples, sharpness)]
    return torch.cat(rows, dim=-1)


def _log_shares(logits: Tensor) -> Tensor:
    """Logarithms of a video's scores as shares that add up to 1, (..., steps)."""
    return torch.log_softmax(logsigmoid(logits), dim=-1)


def _preferred(values: Tensor, logits: Tensor) -> Tensor:
    """Mean of values over the shares, less their plain mean over the video, (...)."""
    return (_log_shares(logits).exp() * values).sum(-1) - values.mean(-1)
