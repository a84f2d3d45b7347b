"""Segments that steps propose: DSNet's anchor-free heads, their loss, and the scores of steps that segments leave.

As in DSNet (Zhu, Lu, Li, Zhou, TIP 2020), read in its public code (github.com/li-plus/DSNet, 1804176, `anchor_free`
and `helpers`), not in the paper. A step has an importance, its distances to the first and the last step of the segment
around it, and a centre-ness, which is 1 in the middle of a segment and 0 at its ends. Segments to learn are the runs of
key frames. All is in steps; nothing is padded, and each item is by itself.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import ScorerOutput

LEAST_SCORE = 1e-6
"""Score of a step that no segment covers, which is 0 in DSNet; a logit is finite."""
_TINY = 1e-8  # as in DSNet: keeps quotients and logarithms finite


class SegmentHeads(nn.Module):
    """A hidden layer and three linear heads: importance, the logarithms of two distances, and centre-ness.

    While it trains the logits are the importance; else those of `segment_scores`.

    Raises:
        ValueError: ``nms_threshold`` is not above 0 and at most 1.
    """

    def __init__(self, features: int, hidden: int, dropout: float, nms_threshold: float) -> None:
        super().__init__()
        if not 0 < nms_threshold <= 1:
            raise ValueError(f"nms_threshold ({nms_threshold}) must be above 0 and at most 1")
        self.hidden = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), Dropout(dropout), nn.LayerNorm(hidden))
        self.score_head = nn.Linear(hidden, 1)
        self.distance_head = nn.Linear(hidden, 2)
        self.centre_head = nn.Linear(hidden, 1)
        self.nms_threshold = nms_threshold

    def forward(self, steps: Tensor) -> ScorerOutput:
        """What steps, (..., steps, features), propose."""
        hidden = self.hidden(steps)  # (..., steps, hidden)
        logits: Tensor = self.score_head(hidden).squeeze(-1)  # (..., steps)
        segments = torch.cat([self.distance_head(hidden), self.centre_head(hidden)], dim=-1)  # (..., steps, 3)
        if self.training:
            return ScorerOutput(logits, segments=segments)
        return ScorerOutput(segment_scores(logits, segments, self.nms_threshold).logit(LEAST_SCORE))


def segment_scores(logits: Tensor, segments: Tensor, nms_threshold: float) -> Tensor:
    """Scores of steps by the segments that non-maximum suppression keeps.

    The confidence of a segment is importance times centre-ness, over the largest of the video. The most confident one
    is kept, those that overlap it by the threshold or more are dropped, and so on; of equal ones the first is kept. A
    step has the confidence of the best kept segment that covers it: that is the first one, as they come in order. Time
    grows with steps times kept segments, memory with the steps.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        segments: As of `ScorerOutput`, (..., steps, 3).
        nms_threshold: Intersection over union from which a segment is dropped, above 0, at most 1.

    Returns:
        0 (no segment covers it) to 1, (..., steps).
    """
    kind = torch.promote_types(logits.dtype, torch.float32)
    logits, segments = logits.to(kind), segments.to(kind)
    confidence = torch.sigmoid(logits) * torch.sigmoid(segments[..., 2])  # (..., steps)
    confidence = confidence / (confidence.amax(-1, keepdim=True) + _TINY)
    index, steps = torch.arange(logits.shape[-1], device=logits.device), logits.shape[-1]  # (steps,)
    start = (index - segments[..., 0].exp()).clamp(0, steps).round()  # (..., steps)
    end = (index + segments[..., 1].exp() + 1).clamp(0, steps).round()  # (..., steps), the step after the last
    left = torch.ones_like(confidence, dtype=torch.bool)  # (..., steps), segments that are neither kept nor dropped
    scores, covered = torch.zeros_like(confidence), torch.zeros_like(left)
    while left.any():
        best = confidence.masked_fill(~left, -1).argmax(-1, keepdim=True)  # (..., 1)
        first, last, score = (values.gather(-1, best) for values in (start, end, confidence))  # (..., 1)
        new = (index >= first) & (index < last) & ~covered & left.gather(-1, best)  # none of an item that is done
        scores, covered = torch.where(new, score, scores), covered | new
        shared = (torch.minimum(end, last) - torch.maximum(start, first)).clamp_min(0)  # (..., steps)
        union = torch.maximum(end, last) - torch.minimum(start, first)  # where they share a step
        left = left & (shared < nms_threshold * union)
    return scores


def segment_targets(keyframes: Tensor) -> Tensor:
    """Steps from each key frame to the first and to the last one of its run.

    Args:
        keyframes: 1 where a step belongs to the summary, else 0, (..., steps).

    Returns:
        0 where a step is no key frame, (..., steps, 2).
    """
    keys = keyframes > 0  # (..., steps)
    distances = [_since_start(keys), _since_start(keys.flip(-1)).flip(-1)]  # (..., steps)
    return torch.stack(distances, dim=-1) * keys.unsqueeze(-1)


def _since_start(keys: Tensor) -> Tensor:
    """Steps since the run began in which a step lies, (..., steps)."""
    index = torch.arange(keys.shape[-1], device=keys.device).expand(keys.shape)  # (..., steps)
    before = torch.cat([torch.zeros_like(keys[..., :1]), keys[..., :-1]], dim=-1)  # (..., steps)
    return index - torch.where(keys & ~before, index, 0).cummax(-1).values


def segments_loss(logits: Tensor, segments: Tensor, keyframes: Tensor) -> Tensor:
    """DSNet's anchor-free loss: focal loss of importance, IoU loss of distances, cross-entropy of centre-ness.

    The focal loss ``(1 - p) ** 2 * -log(p)``, p the probability of what a step is, is summed over all steps, and over
    the number of key frames; DSNet weighs its two classes by 0.25 and 0.75, but sums both for each step, so that the
    weights add up to 1. ``-log(IoU)`` and the binary cross-entropy of centre-ness, whose target is the shorter over the
    longer distance, are means over key frames. The three count the same, as by default there. A run of one step has
    both distances 0, and can be met by no prediction: it adds a constant. DSNet omits a video without key frames.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        segments: As of `ScorerOutput`, (..., steps, 3), or with fewer leading axes.
        keyframes: 1 where a step belongs to the summary, else 0, (..., steps).

    Returns:
        Mean over videos, in nats, (); a video without key frames counts 0.
    """
    keys = (keyframes > 0).to(logits)  # (..., steps)
    signed = torch.where(keys > 0, logits, -logits)  # (..., steps)
    focal = -torch.sigmoid(-signed).square() * logsigmoid(signed)  # (..., steps)
    wanted, predicted = segment_targets(keyframes).to(logits), segments[..., :2].exp()  # (..., steps, 2)
    shared = torch.minimum(predicted, wanted).sum(-1)  # (..., steps)
    iou = shared / ((predicted + wanted).sum(-1) - shared).clamp_min(_TINY)
    middle = wanted.amin(-1) / (wanted.amax(-1) + _TINY)  # (..., steps)
    centre = segments[..., 2].expand_as(middle)
    of_keys = binary_cross_entropy_with_logits(centre, middle, reduction="none") - (iou + _TINY).log()  # (..., steps)
    count = keys.sum(-1)  # (...)
    return ((focal + of_keys * keys).sum(-1) / count.clamp_min(1) * (count > 0)).mean()
