"""How a scorer learns: the optimizer, and its learning rate from step to step."""

import math


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at a step: linear rise over ``warmup * steps``, then a cosine to 0."""
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))
