"""The terms a scorer learns from, and their weighted sum.

Every function treats each video by itself and returns the mean over the leading axes, so that a long video weighs as
much as a short one. Work and memory grow linearly with the steps. Equations are those of CLIP-It (arXiv 2107.00650),
section 3.2; `losses_without_labels` and `policy_gradient` add what ranks steps without labels, `segments` what learns
segments. `contrast` alone compares the items of a batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn import functional

from clipit_lightning.models.contrast import contrast_loss
from clipit_lightning.models.losses_without_labels import language_loss, rarity_loss, spread_loss
from clipit_lightning.models.policy_gradient import policy_loss, saliency_loss
from clipit_lightning.models.scorer import ScorerOutput
from clipit_lightning.models.segments import segments_loss


def keyframe_loss(logits: Tensor, keyframes: Tensor, balanced: bool = True) -> Tensor:
    """Binary cross-entropy on key frames, weighted unless told otherwise (classification loss of the paper).

    The paper weighs a class by the inverse of its frequency; here the frequency is that of each video: its
    key frames together weigh one half, the rest the other. A video with one class only has the plain mean.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        keyframes: 1 where a step belongs to the summary, else 0, (..., steps).
        balanced: Whether classes are weighted; else each step weighs the same.

    Returns:
        Mean over videos, in nats, ().
    """
    if not balanced:
        return functional.binary_cross_entropy_with_logits(logits, keyframes)
    keys = keyframes.sum(-1, keepdim=True)  # (..., 1)
    others = keyframes.shape[-1] - keys  # (..., 1)
    classes = (keys > 0).to(keys) + (others > 0).to(keys)  # (..., 1)
    weights = torch.where(keyframes > 0, 1 / keys, 1 / others) / classes  # (..., steps)
    entropy = functional.binary_cross_entropy_with_logits(logits, keyframes, weights, reduction="none")  # (..., steps)
    return entropy.sum(-1).mean()


def correlation_loss(logits: Tensor, importance: Tensor) -> Tensor:
    """One minus Pearson's correlation of logits and the annotators' mean importance (ours).

    Benchmarks are judged by rank correlation, which has no gradient; this is its smooth relative. Logits have
    the order of the scores without their saturation. A video where either side is constant has correlation 0.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        importance: Mean importance over annotators, 0 to 1, (..., steps).

    Returns:
        Mean over videos, 0 (perfect) to 2 (reversed), ().
    """
    ours = logits - logits.mean(-1, keepdim=True)  # (..., steps)
    theirs = importance - importance.mean(-1, keepdim=True)  # (..., steps)
    norms = vector_norm(ours, dim=-1).clamp_min(1e-6) * vector_norm(theirs, dim=-1).clamp_min(1e-6)  # (...)
    loss: Tensor = (1 - (ours * theirs).sum(-1) / norms).mean()
    return loss


def diversity_loss(reconstruction: Tensor, scores: Tensor) -> Tensor:
    """Mean cosine similarity of two different selected steps, by their reconstructed features (diversity loss).

    The paper averages over pairs of selected steps, a choice without gradient; here a pair weighs the product
    of its scores. The sum over pairs is the squared norm of the weighted sum of unit vectors, less what steps
    have with themselves: exact, and linear in the number of steps.

    Args:
        reconstruction: Reconstructed features, (..., steps, features).
        scores: Importance of each step, 0 to 1, (..., steps).

    Returns:
        Mean over videos, -1 (all different) to 1 (all alike), (); a video with one step counts 0.
    """
    share = _shares(scores)  # (..., steps)
    norms = (reconstruction * reconstruction).sum(-1).clamp_min(1e-24).sqrt()  # (..., steps)
    # Weights over norms, in the place of unit vectors: the features are read less often.
    total = (share / norms).unsqueeze(-2) @ reconstruction  # (..., 1, features)
    alone = (share.square() * (norms > 2e-12)).sum(-1)  # (...)
    pairs = 1 - share.square().sum(-1)  # (...)
    similarity = (total.square().sum((-2, -1)) - alone) / pairs.clamp_min(1e-6)  # (...)
    return (similarity * (pairs > 1e-6)).mean()  # with a single step only rounding would be left


def reconstruction_loss(reconstruction: Tensor, features: Tensor, scores: Tensor) -> Tensor:
    """Squared error of the reconstructed features of selected steps (reconstruction loss).

    A step weighs its score, as in `diversity_loss`. The error is relative to the mean squared norm of the
    video's features, which is 1 for normalized CLIP features as in the paper, so that other encoders need no
    other weight.

    Args:
        reconstruction: Reconstructed features, (..., steps, features).
        features: The features they should be, (..., steps, features).
        scores: Importance of each step, 0 to 1, (..., steps).

    Returns:
        Mean over videos; 1 is the loss of a reconstruction of zeros when all steps have the same score, ().
    """
    target = features.expand_as(reconstruction)
    errors = functional.mse_loss(reconstruction, target, reduction="none").sum(-1)  # (..., steps)
    energy: Tensor = vector_norm(features, dim=-1).square().mean(-1).clamp_min(1e-12)  # (...)
    return ((_shares(scores) * errors).sum(-1) / energy).mean()


def length_loss(scores: Tensor, target: float) -> Tensor:
    """Squared distance of a video's mean score from a target (ours).

    Diversity and reconstruction alone are best served by scores that all go to 0 or 1; this prevents both.

    Args:
        scores: Importance of each step, 0 to 1, (..., steps).
        target: Mean score wanted, 0 to 1: the share of a video that its summary may take.

    Returns:
        Mean over videos, 0 to 1, ().
    """
    return (scores.mean(-1) - target).square().mean()


def _shares(scores: Tensor) -> Tensor:
    """Scores of a video as shares that add up to 1, (..., steps)."""
    return scores / scores.sum(-1, keepdim=True).clamp_min(1e-12)


class NoTermError(ValueError):
    """No term has both a weight and what it needs; the message is one line."""


class SummaryLoss(nn.Module):
    """Weighted sum of the terms; a term with weight 0 is not computed.

    So the unsupervised loss (`keyframe`, `correlation` and `segments` 0) never reads an annotation, and gives the same
    result and gradient whatever stands there. `diversity` and `reconstruction` are omitted for a scorer that
    reconstructs nothing, `segments` for one that proposes none, `language` where there is no text or another encoder
    made it. In the paper the weights of `keyframe`, `diversity` and `reconstruction` are alpha, beta and lambda;
    `policy` is DR-DSN's and `segments` DSNet's, the other terms are ours. `contrast` is of a whole batch, and ranks no
    steps by itself.
    """

    def __init__(
        self,
        keyframe: float = 1.0,
        correlation: float = 1.0,
        diversity: float = 0.01,
        reconstruction: float = 0.01,
        length: float = 0.01,
        length_target: float = 0.15,
        rarity: float = 0.0,
        language: float = 0.0,
        spread: float = 0.0,
        sharpness: float = 10.0,
        policy: float = 0.0,
        episodes: int = 5,
        segments: float = 0.0,
        balanced: bool = True,
        contrast: float = 0.0,
        alike: float = 0.95,
        saliency: float = 0.0,
    ) -> None:
        super().__init__()
        self.weights = {
            "keyframe": keyframe,
            "correlation": correlation,
            "diversity": diversity,
            "reconstruction": reconstruction,
            "length": length,
            "rarity": rarity,
            "language": language,
            "spread": spread,
            "policy": policy,
            "segments": segments,
            "contrast": contrast,
            "saliency": saliency,
        }
        self.length_target, self.sharpness, self.balanced = length_target, sharpness, balanced
        self.alike = alike
        self.episodes = episodes if policy or saliency else 0
        """Summaries that are drawn of each video."""

    def forward(
        self,
        output: ScorerOutput,
        features: Tensor,
        text: Tensor,
        keyframes: Tensor,
        importance: Tensor,
        draws: Tensor | None = None,
        spans: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the terms that have a weight, and their weighted sum; `contrast` is added of a whole batch.

        Args:
            output: What the scorer returned: logits, (items, steps).
            features: Features of the steps, (items, steps, features), or (1, steps, features) that all items share.
            text: Features of the text tokens, (items, tokens, features), which `language` and `saliency` read.
            keyframes: 1 where a step belongs to the summary, else 0, (items, steps).
            importance: Mean importance over annotators, 0 to 1, (items, steps).
            draws: Uniform numbers by which `policy` and `saliency` draw the same summaries, (episodes, items, steps);
                by default torch's own.
            spans: When the text tokens hold, which `saliency` reads, in steps, (items, tokens, 2); by default, as
                (items, 0, 2), it is not known.

        Returns:
            Each term by its name, before its weight, and `total`, the weighted sum; all ().

        Raises:
            NoTermError: The only terms with a weight need a reconstruction, segments or text, and there is none.
        """
        logits, reconstruction, segments = output.logits, output.reconstruction, output.segments
        scores = torch.sigmoid(logits)  # (items, steps)
        if draws is None and self.episodes:
            draws = torch.rand(self.episodes, *logits.shape, device=logits.device)
        times = text.new_zeros(*text.shape[:-2], 0, 2) if spans is None else spans
        possible: dict[str, Callable[[], Tensor]] = {
            "keyframe": lambda: keyframe_loss(logits, keyframes, self.balanced),
            "correlation": lambda: correlation_loss(logits, importance),
            "length": lambda: length_loss(scores, self.length_target),
            "rarity": lambda: rarity_loss(logits, features, self.sharpness),
            "spread": lambda: spread_loss(logits),
        }
        if draws is not None:
            possible["policy"] = lambda: policy_loss(logits, features, draws)
            possible["saliency"] = lambda: saliency_loss(logits, text, times, draws)
        if reconstruction is not None:
            possible["diversity"] = lambda: diversity_loss(reconstruction, scores)
            possible["reconstruction"] = lambda: reconstruction_loss(reconstruction, features, scores)
        if segments is not None:
            possible["segments"] = lambda: segments_loss(logits, segments, keyframes)
        if text.shape[-1] == features.shape[-1]:
            possible["language"] = lambda: language_loss(logits, features, text, self.sharpness)
        terms = {name: term() for name, term in possible.items() if self.weights[name]}
        if not terms:
            raise NoTermError(
                "no loss is left: diversity and reconstruction need a scorer that reconstructs features, segments "
                "one that proposes them, language text of the same encoder; give keyframe, correlation, rarity or "
                "length a weight"
            )
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return terms | {"total": total}

    def with_contrast(self, terms: dict[str, Tensor], pairs: Tensor, text: Tensor) -> dict[str, Tensor]:
        """Add the contrast of a whole batch to its other terms; see ``contrast_loss``.

        Args:
            terms: Of the batch, with `total`, each ().
            pairs: Unit vectors of motion and of text, (pairs, 2, width).
            text: Features of the texts, (pairs, features).

        Returns:
            Each term by its name, before its weight, and `total`; all ().
        """
        contrast = contrast_loss(pairs, text, self.alike, self.sharpness)
        return terms | {"contrast": contrast, "total": terms["total"] + self.weights["contrast"] * contrast}
