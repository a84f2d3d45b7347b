"""What the scorer reads beside the features of a step: its surroundings, and what it is to its video."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, max_pool1d, normalize, pad

ROWS_AT_ONCE = 1024
"""Steps that ``likeness`` compares with all others at once: 300 MB for a video of 10 hours at 2 frames a second."""


def window_mean(values: Tensor, window: int) -> Tensor:
    """Mean over the steps around each step, by running sums: the cost does not depend on the window.

    Args:
        values: (..., steps, features).
        window: Size of the surroundings in steps, odd; at the ends of a video only what is there counts.

    Returns:
        (..., steps, features); `values` themselves for a window of 1.
    """
    steps = values.shape[-2]
    reach = min(window // 2, steps - 1)
    if reach == 0:
        return values
    sums = pad(values, (0, 0, reach + 1, reach)).cumsum(-2)  # (..., steps + 2 * reach + 1, features)
    index = torch.arange(steps, device=values.device)  # (steps,)
    counts = (index + reach + 1).clamp_max(steps) - (index - reach).clamp_min(0)  # (steps,)
    return (sums[..., 2 * reach + 1 :, :] - sums[..., :steps, :]).div_(counts.unsqueeze(1))  # in place: videos are long


def alike_mean(values: Tensor, features: Tensor, gain: float, anchors: int | None = None) -> Tensor:
    """Mean over all steps of the video, each weighing as much as it looks like the step: non-local means.

    Annotators rate what is shown, and what is shown comes back: a score that all appearances share has less noise
    than each alone (Buades, Coll, Morel, CVPR 2005; Wang et al., Non-local Neural Networks, CVPR 2018, equation 3
    without its learned layers). The weights are the softmax of `gain` times the cosine similarity. Time grows with
    the steps times those that they are compared with.

    Args:
        values: (..., steps).
        features: What the steps look like, (..., steps, features); its leading axes broadcast with those of `values`.
        gain: How sharp, at least 0; 0 gives every step the mean of the video.
        anchors: Compare with the means of at most so many equal stretches of the video, not with every step.

    Returns:
        (..., steps).
    """
    features = normalize(features.detach(), dim=-1)  # (..., steps, features); what was given is freed
    others = features  # (..., others, features)
    if anchors is not None and anchors < values.shape[-1]:
        others = normalize(_stretches(features, anchors), dim=-1)
        values = _stretches(values.unsqueeze(-1), anchors).squeeze(-1)  # (..., others)
    read = values.unsqueeze(-1).float()  # (..., others, 1)
    shape = torch.broadcast_shapes(values.shape[:-1], features.shape[:-2])  # type: ignore[no-untyped-call]
    means = values.new_empty(*shape, features.shape[-2])  # (..., steps); parts would split freed memory
    starts = range(0, features.shape[-2], ROWS_AT_ONCE)
    for start, alike in zip(starts, likeness(features, others, gain), strict=True):
        means[..., start : start + ROWS_AT_ONCE] = (torch.softmax(alike, dim=-1) @ read).squeeze(-1)
    return means


def _stretches(values: Tensor, count: int) -> Tensor:
    """Means over so many equal stretches of a video, (..., steps, features) to (..., count, features)."""
    images = values.reshape(-1, *values.shape[-2:])  # (items, steps, features)
    return adaptive_avg_pool2d(images, (count, values.shape[-1])).view(*values.shape[:-2], count, -1)


def likeness(steps: Tensor, others: Tensor, gain: float) -> Iterator[Tensor]:
    """Cosine similarity of steps with others times a gain, some steps at a time: all pairs do not fit in memory.

    Args:
        steps: Of norm 1, (..., steps, features).
        others: Of norm 1, (..., others, features).
        gain: What similarities are multiplied with.

    Yields:
        In order, (..., rows, others) of at most `ROWS_AT_ONCE` rows, 32-bit.
    """
    for rows in torch.split(steps, ROWS_AT_ONCE, dim=-2):
        yield ((gain * rows) @ others.mT).float()


def cue_count(windows: Sequence[int], text: bool) -> int:
    """How many cues ``step_cues`` gives, with or without text to compare."""
    return 3 + len(windows) + 2 * text


def step_cues(features: Tensor, text: Tensor | None, windows: Sequence[int]) -> Tensor:
    """What a step is to its video, in a few numbers that a small data set is enough to learn from (ours).

    In this order: similarity to the video's mean; position in the video, 0 to 1; distance from the nearer end, up
    to 0.15 of the video; similarity to the mean of each window; with text, the highest and the mean similarity
    to a token. Every cue has mean 0 and variance 1 over its video (a constant one is 0).

    Args:
        features: Steps of norm 1, (..., steps, features).
        text: Tokens of norm 1 from the same encoder, (..., tokens, features); `tokens` may be 0. None where steps and
            text cannot be compared.
        windows: Sizes in steps, odd, of the surroundings to compare with.

    Returns:
        (..., steps, cues), with the leading axes of both.
    """
    steps = features.shape[-2]
    position = (torch.arange(steps, device=features.device) + 0.5) / steps  # (steps,)
    cues = [
        (features @ features.mean(-2).unsqueeze(-1)).squeeze(-1),  # (..., steps)
        position.to(features),
        torch.minimum(position, 1 - position).clamp_max(0.15).to(features),
    ]
    for window in windows:
        around = window_mean(features, window)  # (..., steps, features)
        cues.append((features * around).sum(-1) / around.norm(dim=-1).clamp_min(1e-12))
        del around  # of a long video it is large
    if text is not None:
        text = text if text.shape[-2] else pad(text, (0, 0, 0, 1))  # without text both similarities are constant
        match = features @ text.mT  # (..., steps, tokens)
        cues += [match.amax(-1), match.mean(-1)]
    shape = torch.broadcast_shapes(*(cue.shape for cue in cues))  # type: ignore[no-untyped-call]
    stacked = torch.stack([cue.expand(shape) for cue in cues], dim=-1)  # (..., steps, cues)
    variance, mean = torch.var_mean(stacked, dim=-2, correction=0, keepdim=True)  # (..., 1, cues)
    return (stacked - mean) / (variance + 1e-6).sqrt()


def prefer_peaks(logits: Tensor, window: int) -> Tensor:
    """Let every step that is the best of its surroundings stand above every step that is not (ours).

    Temporal non-maximum suppression, as of key points and boxes: where a summary takes the best steps wherever they
    are, neighbours that show the same would fill it. Scores of peaks are moved to 0.5 to 1, all others to 0 to 0.5,
    each group in its old order.

    Args:
        logits: Importance of each step before the sigmoid, (..., steps).
        window: Size of the surroundings in steps, odd.

    Returns:
        (..., steps); `logits` themselves for a window of 1.
    """
    if window == 1:
        return logits
    best = max_pool1d(logits.reshape(-1, 1, logits.shape[-1]), window, stride=1, padding=window // 2).view_as(logits)
    moved = (torch.sigmoid(logits) + (logits >= best).to(logits)) / 2  # (..., steps)
    return torch.logit(moved, eps=1e-7)
