"""Windows over a video that is too long to compare every step with every other."""

from collections.abc import Callable

import torch
from torch import Tensor

LONGEST = 4096
"""Steps up to which a video is scored exactly: 34 minutes at 2 frames a second."""
WINDOW = 2048
"""Steps of a window over a longer video."""


def in_windows(function: Callable[[Tensor], Tensor], steps: Tensor) -> Tensor:
    """Apply a function of whole videos to windows of ``WINDOW`` steps, each half over the next (ours).

    Where windows overlap, their results are blended: a window weighs least at its ends, where it lacks surroundings.
    The last window ends where the video ends. Time and memory grow linearly with the steps.

    Args:
        function: Gives steps of the shape that it gets.
        steps: At least ``WINDOW`` of them, (..., steps, width).

    Returns:
        (..., steps, width).
    """
    count = steps.shape[-2]
    ramp = torch.arange(1, WINDOW + 1, device=steps.device).unsqueeze(1)  # (window, 1)
    weights = torch.minimum(ramp, ramp.flip(0))  # (window, 1)
    blended, total = torch.zeros_like(steps), weights.new_zeros(count, 1)
    for start in [*range(0, count - WINDOW, WINDOW // 2), count - WINDOW]:
        window = slice(start, start + WINDOW)
        blended[..., window, :] += weights * function(steps[..., window, :])
        total[window] += weights
    return blended / total
