"""The terms a scorer learns from, and their weighted sum.

Every function takes a batch of padded videos, treats each video by itself, and returns the mean over videos:
a long video weighs as much as a short one, and padding weighs nothing. Work and memory grow linearly with the
steps. Equations are those of CLIP-It (arXiv 2107.00650), section 3.2; `unsupervised_losses` adds what ranks steps
without labels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.models.losses_without_labels import language_loss, rarity_loss, spread_loss
from clipit_lightning.models.scorer import ScorerOutput


def keyframe_loss(logits: Tensor, step_mask: Tensor, keyframes: Tensor) -> Tensor:
    """Weighted binary cross-entropy on key frames (classification loss of the paper).

    The paper weighs a class by the inverse of its frequency; here the frequency is that of each video: its
    key frames together weigh one half, the rest the other. A video with one class only has the plain mean.

    Args:
        logits: Importance of each step before the sigmoid, (videos, steps).
        step_mask: True where a step is real, (videos, steps).
        keyframes: 1 where a step belongs to the summary, else 0, (videos, steps).

    Returns:
        Mean over videos, in nats, ().
    """
    keys = keyframes.masked_fill(~step_mask, 0.0)  # (videos, steps)
    logits = logits.masked_fill(~step_mask, 0.0)  # (videos, steps)
    entropy = functional.binary_cross_entropy_with_logits(logits, keys, reduction="none")  # (videos, steps)
    others = step_mask.to(keys) - keys  # (videos, steps)
    means = torch.stack([_step_mean(entropy, keys), _step_mean(entropy, others)])  # (classes, videos)
    present = torch.stack([keys.sum(1) > 0, others.sum(1) > 0])  # (classes, videos)
    return ((means * present).sum(0) / present.sum(0).clamp_min(1)).mean()


def correlation_loss(logits: Tensor, step_mask: Tensor, importance: Tensor) -> Tensor:
    """One minus Pearson's correlation of logits and the annotators' mean importance (ours, not in the paper).

    Benchmarks are judged by rank correlation, which has no gradient; this is its smooth relative. Logits have
    the order of the scores without their saturation. A video where either side is constant has correlation 0.

    Args:
        logits: Importance of each step before the sigmoid, (videos, steps).
        step_mask: True where a step is real, (videos, steps).
        importance: Mean importance over annotators, 0 to 1, (videos, steps).

    Returns:
        Mean over videos, 0 (perfect) to 2 (reversed), ().
    """
    ours = _centred(logits, step_mask)  # (videos, steps)
    theirs = _centred(importance, step_mask)  # (videos, steps)
    pearson = functional.cosine_similarity(ours, theirs, dim=1, eps=1e-6)  # (videos,)
    return (1 - pearson).mean()


def diversity_loss(reconstruction: Tensor, step_mask: Tensor, scores: Tensor) -> Tensor:
    """Mean cosine similarity of two different selected steps, by their reconstructed features (diversity loss).

    The paper averages over pairs of selected steps, a choice without gradient; here a pair weighs the product
    of its scores. The sum over pairs is the squared norm of the weighted sum of unit vectors, less what steps
    have with themselves: exact, and linear in the number of steps.

    Args:
        reconstruction: Reconstructed features, (videos, steps, features).
        step_mask: True where a step is real, (videos, steps).
        scores: Importance of each step, 0 to 1, (videos, steps).

    Returns:
        Mean over videos, -1 (all different) to 1 (all alike), (); a video with one step counts 0.
    """
    share = _shares(scores, step_mask)  # (videos, steps)
    units = functional.normalize(reconstruction.masked_fill(~step_mask.unsqueeze(2), 0.0), dim=2)
    # units: (videos, steps, features)
    together = (share.unsqueeze(2) * units).sum(1).square().sum(1)  # (videos,)
    alone = (share.square() * units.square().sum(2)).sum(1)  # (videos,)
    pairs = 1 - share.square().sum(1)  # (videos,)
    return ((together - alone) / pairs.clamp_min(1e-6)).mean()


def reconstruction_loss(reconstruction: Tensor, features: Tensor, step_mask: Tensor, scores: Tensor) -> Tensor:
    """Squared error of the reconstructed features of selected steps (reconstruction loss).

    A step weighs its score, as in `diversity_loss`. The error is relative to the mean squared norm of the
    video's features, which is 1 for normalized CLIP features as in the paper, so that other encoders need no
    other weight.

    Args:
        reconstruction: Reconstructed features, (videos, steps, features).
        features: The features they should be, (videos, steps, features).
        step_mask: True where a step is real, (videos, steps).
        scores: Importance of each step, 0 to 1, (videos, steps).

    Returns:
        Mean over videos; 1 is the loss of a reconstruction of zeros when all steps have the same score, ().
    """
    padding = ~step_mask.unsqueeze(2)  # (videos, steps, 1)
    target = features.masked_fill(padding, 0.0)  # (videos, steps, features)
    errors = (reconstruction.masked_fill(padding, 0.0) - target).square().sum(2)  # (videos, steps)
    energy = _step_mean(target.square().sum(2), step_mask).clamp_min(1e-12)  # (videos,)
    return ((_shares(scores, step_mask) * errors).sum(1) / energy).mean()


def length_loss(scores: Tensor, step_mask: Tensor, target: float) -> Tensor:
    """Squared distance of a video's mean score from a target (ours, not in the paper).

    Diversity and reconstruction alone are best served by scores that all go to 0 or 1; this prevents both.

    Args:
        scores: Importance of each step, 0 to 1, (videos, steps).
        step_mask: True where a step is real, (videos, steps).
        target: Mean score wanted, 0 to 1: the share of a video that its summary may take.

    Returns:
        Mean over videos, 0 to 1, ().
    """
    return (_step_mean(scores, step_mask) - target).square().mean()


class SummaryLoss(nn.Module):
    """Weighted sum of the terms; a term with weight 0 is not computed.

    So the unsupervised loss (`keyframe=0, correlation=0`) never reads an annotation, and gives the same
    result and gradient whatever stands there. `diversity` and `reconstruction` are omitted for a scorer that
    reconstructs nothing, `language` where there is no text or another encoder made it. In the paper the weights of
    `keyframe`, `diversity` and `reconstruction` are alpha, beta and lambda; the other terms are ours.
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
        }
        self.length_target, self.sharpness = length_target, sharpness

    def forward(
        self,
        output: ScorerOutput,
        features: Tensor,
        step_mask: Tensor,
        keyframes: Tensor,
        importance: Tensor,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the terms that have a weight, and their weighted sum.

        Args:
            output: What the scorer returned.
            features: Features of the steps, (items, steps, features), or (1, steps, features) that all items share.
            step_mask: True where a step is real, (items, steps).
            keyframes: 1 where a step belongs to the summary, else 0, (items, steps).
            importance: Mean importance over annotators, 0 to 1, (items, steps).
            text: Features of the text tokens, (items, tokens, features), which `language` reads.
            text_mask: True where a token is real, (items, tokens).

        Returns:
            Each term by its name, before its weight, and `total`, the weighted sum; all ().

        Raises:
            ValueError: The only terms with a weight need a reconstruction or text, and there is none.
        """
        logits = output.logits.masked_fill(~step_mask, 0.0)  # (items, steps)
        terms: dict[str, Tensor] = {}
        if self.weights["keyframe"]:
            terms["keyframe"] = keyframe_loss(logits, step_mask, keyframes)
        if self.weights["correlation"]:
            terms["correlation"] = correlation_loss(logits, step_mask, importance)
        terms |= self._paper_terms(logits, output.reconstruction, features, step_mask)
        if self.weights["rarity"]:
            terms["rarity"] = rarity_loss(logits, step_mask, features, self.sharpness)
        if self.weights["spread"]:
            terms["spread"] = spread_loss(logits, step_mask)
        read = self.weights["language"] and text is not None and text.shape[2] == features.shape[2]
        if read and text is not None and text_mask is not None:
            terms["language"] = language_loss(logits, step_mask, features, text, text_mask, self.sharpness)
        if not terms:
            raise ValueError(
                "no loss is left: diversity and reconstruction need a scorer that reconstructs features, language "
                "needs text of the same encoder; give keyframe, correlation, rarity or length a weight"
            )
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return terms | {"total": total}

    def _paper_terms(
        self, logits: Tensor, reconstruction: Tensor | None, features: Tensor, step_mask: Tensor
    ) -> dict[str, Tensor]:
        """The terms of the paper that read no annotation, and the length that they need."""
        scores = torch.sigmoid(logits)  # (items, steps)
        terms: dict[str, Tensor] = {}
        if self.weights["length"]:
            terms["length"] = length_loss(scores, step_mask, self.length_target)
        if reconstruction is not None and self.weights["diversity"]:
            terms["diversity"] = diversity_loss(reconstruction, step_mask, scores)
        if reconstruction is not None and self.weights["reconstruction"]:
            terms["reconstruction"] = reconstruction_loss(reconstruction, features, step_mask, scores)
        return terms


def _step_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over steps, (videos,); a value without weight is not read. Both are (videos, steps)."""
    weights = weights.to(values)  # (videos, steps)
    read = values.masked_fill(weights == 0, 0.0)  # (videos, steps)
    return (read * weights).sum(1) / weights.sum(1).clamp_min(1e-12)


def _centred(values: Tensor, step_mask: Tensor) -> Tensor:
    """Distance from the mean of the video, 0 in the padding, (videos, steps)."""
    return (values - _step_mean(values, step_mask).unsqueeze(1)).masked_fill(~step_mask, 0.0)


def _shares(scores: Tensor, step_mask: Tensor) -> Tensor:
    """Scores of a video as shares that add up to 1, 0 in the padding, (videos, steps)."""
    chosen = scores.masked_fill(~step_mask, 0.0)  # (videos, steps)
    return chosen / chosen.sum(1, keepdim=True).clamp_min(1e-12)
