"""How a scorer learns: the optimizer, and its learning rate from step to step."""

import math

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
"""By name: adamw decays weights apart from the gradient, adam adds the decay to the gradient."""
SCHEDULES = ("cosine", "constant")


def make_schedule(optimizer: Optimizer, updates: float, warmup: float, schedule: str) -> LambdaLR:
    """The learning rate of an optimizer over so many updates, see ``rate_factor``.

    Raises:
        ValueError: The updates have no end; one line.
    """
    if math.isinf(updates):
        raise ValueError("the rate follows the length of training; give the trainer max_epochs or max_steps")
    steps = max(1, int(updates))
    return LambdaLR(optimizer, lambda step: rate_factor(step, steps, warmup, schedule))


def rate_factor(step: int, steps: int, warmup: float, schedule: str = "cosine") -> float:
    """Share of the peak learning rate at a step: linear rise over ``warmup * steps``, then a cosine to 0, or 1."""
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))
