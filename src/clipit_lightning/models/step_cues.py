"""What the scorer reads beside the features of a step: its surroundings, and what it is to its video."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

ROWS_AT_ONCE = 1024
"""Steps that ``likeness`` compares with all others at once: 300 MB for a video of 10 hours at 2 frames a second."""


def window_mean(values: Tensor, step_mask: Tensor, window: int) -> Tensor:
    """Mean over the real steps around each step, by running sums: the cost does not depend on the window.

    Args:
        values: (videos, steps, features).
        step_mask: True where a step is real, (videos, steps).
        window: Size of the surroundings in steps, odd; at the ends of a video only what is there counts.

    Returns:
        (videos, steps, features); `values` themselves for a window of 1.
    """
    if window == 1:
        return values
    index = torch.arange(values.shape[1], device=values.device)  # (steps,)
    first = (index - window // 2).clamp_min(0)  # (steps,)
    behind = (index + window // 2 + 1).clamp_max(values.shape[1])  # (steps,)
    read = values.masked_fill(~step_mask.unsqueeze(2), 0.0)  # (videos, steps, features)
    sums = functional.pad(read.cumsum(1), (0, 0, 1, 0))  # (videos, steps + 1, features)
    counts = functional.pad(step_mask.cumsum(1), (1, 0)).unsqueeze(2)  # (videos, steps + 1, 1)
    return (sums[:, behind] - sums[:, first]) / (counts[:, behind] - counts[:, first]).clamp_min(1)


def alike_mean(values: Tensor, features: Tensor, step_mask: Tensor, gain: float) -> Tensor:
    """Mean over all steps of the video, each weighing as much as it looks like the step: non-local means.

    Annotators rate what is shown, and what is shown comes back: a score that all appearances share has less noise
    than each alone (Buades, Coll, Morel, CVPR 2005; Wang et al., Non-local Neural Networks, CVPR 2018, equation 3
    without its learned layers). The weights are the softmax of `gain` times the cosine similarity. Time grows with
    the square of the steps.

    Args:
        values: (items, steps, 1).
        features: What the steps look like, (videos, steps, features): a video an item, or one that all items share.
        step_mask: True where a step is real, (items, steps).
        gain: How sharp, at least 0; 0 gives every step the mean of the video.

    Returns:
        (items, steps, 1).
    """
    units = functional.normalize(features.detach(), dim=2)  # (videos, steps, features)
    read = values.masked_fill(~step_mask.unsqueeze(2), 0.0)  # (items, steps, 1)
    shared = len(features) < len(values)
    read = read.permute(2, 1, 0) if shared else read  # (videos, steps, columns)
    rows = [
        torch.softmax(alike, dim=2) @ read.float()  # (videos, rows, columns)
        for alike in likeness(units, units, step_mask[: len(features)], gain)
    ]
    means = torch.cat(rows, dim=1).to(values)  # (videos, steps, columns)
    return means.permute(2, 1, 0) if shared else means


def likeness(steps: Tensor, others: Tensor, others_mask: Tensor, gain: float) -> Iterator[Tensor]:
    """Cosine similarity of steps with others times a gain, some steps at a time: all pairs do not fit in memory.

    Args:
        steps: Of norm 1, (videos, steps, features).
        others: Of norm 1, (items, others, features); as many items as videos, or either is 1.
        others_mask: True where one of the others is real, (items, others); the rest has -infinity.
        gain: What similarities are multiplied with.

    Yields:
        In order, (items, rows, others) of at most `ROWS_AT_ONCE` rows, 32-bit.
    """
    for rows in torch.split(steps, ROWS_AT_ONCE, dim=1):
        alike = gain * (rows @ others.transpose(1, 2)).float()  # (items, rows, others)
        yield alike.masked_fill(~others_mask.unsqueeze(1), -torch.inf)


def cue_count(windows: Sequence[int], text: bool) -> int:
    """How many cues ``step_cues`` gives, with or without text to compare."""
    return 3 + len(windows) + 2 * text


def step_cues(
    features: Tensor, step_mask: Tensor, text: Tensor | None, text_mask: Tensor, windows: Sequence[int]
) -> Tensor:
    """What a step is to its video, in a few numbers that a small data set is enough to learn from (ours).

    In this order: similarity to the video's mean; position in the video, 0 to 1; distance from the nearer end, up
    to 0.15 of the video; similarity to the mean of each window; with text, the highest and the mean similarity
    to a token. Every cue has mean 0 and variance 1 over its video (a constant one is 0).

    Args:
        features: Steps of norm 1, 0 in the padding, (videos, steps, features).
        step_mask: True where a step is real, (videos, steps).
        text: Tokens of norm 1 from the same encoder, 0 in the padding, (items, tokens, features); as many items as
            videos, or any number that share one video. None where steps and text cannot be compared.
        text_mask: True where a token is real, (items, tokens).
        windows: Sizes in steps, odd, of the surroundings to compare with.

    Returns:
        (items, steps, cues), 0 in the padding; one item a video without text.
    """
    count = step_mask.sum(1, keepdim=True).clamp_min(1)  # (videos, 1)
    position = (torch.arange(features.shape[1], device=features.device) + 0.5) / count  # (videos, steps)
    mean = features.sum(1) / count  # (videos, features)
    cues = [torch.einsum("vsf,vf->vs", features, mean), position, torch.minimum(position, 1 - position).clamp_max(0.15)]
    for window in windows:
        around = functional.normalize(window_mean(features, step_mask, window), dim=2)
        cues.append((features * around).sum(2))  # (videos, steps)
    if text is not None:
        unread = ~text_mask.unsqueeze(1)  # (items, 1, tokens)
        match = features @ text.transpose(1, 2)  # (items, steps, tokens)
        # One column of -1, the lowest similarity, keeps the maximum defined for an item without text.
        best = functional.pad(match.masked_fill(unread, -1.0), (0, 1), value=-1.0).amax(2)  # (items, steps)
        cues += [best, match.sum(2) / text_mask.sum(1, keepdim=True).clamp_min(1)]
    items = len(text) if text is not None else len(features)
    stacked = torch.stack([cue.expand(items, -1) for cue in cues], dim=2)  # (items, steps, cues)
    real = step_mask.unsqueeze(2)  # (videos, steps, 1)
    centred = (stacked - (stacked * real).sum(1, keepdim=True) / count.unsqueeze(2)) * real
    variance = centred.square().sum(1, keepdim=True) / count.unsqueeze(2)  # (items, 1, cues)
    return centred / (variance + 1e-6).sqrt()


def prefer_peaks(logits: Tensor, step_mask: Tensor, window: int) -> Tensor:
    """Let every step that is the best of its surroundings stand above every step that is not (ours).

    Temporal non-maximum suppression, as of key points and boxes: where a summary takes the best steps wherever they
    are, neighbours that show the same would fill it. Scores of peaks are moved to 0.5 to 1, all others to 0 to 0.5,
    each group in its old order.

    Args:
        logits: Importance of each step before the sigmoid, (items, steps).
        step_mask: True where a step is real, (items, steps).
        window: Size of the surroundings in steps, odd.

    Returns:
        (items, steps); `logits` themselves for a window of 1.
    """
    if window == 1:
        return logits
    real = logits.masked_fill(~step_mask, -torch.inf)  # (items, steps)
    best = functional.max_pool1d(real.unsqueeze(1), window, stride=1, padding=window // 2).squeeze(1)  # (items, steps)
    moved = (torch.sigmoid(logits) + (real >= best).to(logits)) / 2  # (items, steps)
    return torch.logit(moved, eps=1e-7)


def unit(tokens: Tensor, mask: Tensor) -> Tensor:
    """Tokens of norm 1, 0 in the padding whatever stood there, (videos, tokens, features)."""
    return functional.normalize(tokens.masked_fill(~mask.unsqueeze(2), 0.0), dim=2)
