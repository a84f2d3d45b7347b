"""What is told while a step is shown, for scorers that read when their text holds."""

import torch
from torch import Tensor


def told_in(spans: Tensor, steps: int) -> Tensor:
    """Whether each text token holds in each step: one of a moment, in the step of that moment.

    Args:
        spans: First and end of each token in steps, where step i is the time from i to i + 1, (..., tokens, 2).
        steps: Number of steps.

    Returns:
        Truths, (..., steps, tokens).
    """
    step = torch.arange(steps, device=spans.device).unsqueeze(-1)  # (steps, 1)
    first, end = spans[..., 0].floor().unsqueeze(-2), spans[..., 1].unsqueeze(-2)  # (..., 1, tokens)
    return (first <= step) & ((step < end) | (step == first))
