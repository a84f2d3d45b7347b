"""What every scorer returns."""

from typing import NamedTuple

import torch
from torch import Tensor


class ScorerOutput(NamedTuple):
    """What every scorer returns; both parts are 0 where a step is padding.

    Attributes:
        logits: Importance of each step before the sigmoid, (items, steps).
        reconstruction: The features of each step as the scorer rebuilds them, in the units of its input,
            (items, steps, features); None from a scorer that does not rebuild them.
    """

    logits: Tensor
    reconstruction: Tensor | None

    @property
    def scores(self) -> Tensor:
        """Importance of each step, 0 to 1, (items, steps)."""
        return torch.sigmoid(self.logits)
