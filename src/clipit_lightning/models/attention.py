"""Attention over steps and text tokens that ignores padding, and the positions it needs."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def sinusoidal_positions(steps: int, width: int, device: torch.device | None = None) -> Tensor:
    """Sine and cosine positions of Vaswani et al. 2017, section 3.5, for any number of steps.

    Computed when needed and not stored, so that no video is too long. Sines fill the first half of the features and
    cosines the second (the paper interleaves them; a linear layer cannot tell the difference).

    Returns:
        Positions in [-1, 1], (steps, width).
    """
    half = (width + 1) // 2
    wavelengths = torch.exp(torch.arange(half, device=device) * (-math.log(10_000.0) / half))  # (half,)
    angles = torch.arange(steps, device=device).unsqueeze(1) * wavelengths  # (steps, half)
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]  # (steps, width)


class MultiHeadAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, section 3.2.2) with a mask over the keys.

    With dropout of the attention weights, PyTorch falls back to an implementation that holds the (steps, steps)
    weights of every head in memory, which a video of 10,000 steps does not allow.

    A head has `head_size` features, by default `width` over `heads`; energies are multiplied with `scale`, by default
    one over the root of the size of a head.

    Raises:
        ValueError: `heads` does not divide `width`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        head_size: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        if head_size is None and width % heads:
            raise ValueError(f"width ({width}) must be a multiple of heads ({heads})")
        self.heads, self.dropout, self.scale = heads, dropout, scale
        inside = heads * (head_size or width // heads)
        self.query = nn.Linear(width, inside, bias)
        self.key = nn.Linear(width, inside, bias)
        self.value = nn.Linear(width, inside, bias)
        self.merge = nn.Linear(inside, width, bias)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor, energies: Tensor | None = None) -> Tensor:
        """Let every query look at the keys of its own video.

        Args:
            queries: (videos, queries, width).
            keys: What gives both keys and values, (videos, keys, width); `keys` may be 0.
            key_mask: True where a key is real, (videos, keys).
            energies: Added to the energies of every head, (queries, keys).

        Returns:
            (videos, queries, width); exactly 0 for a video that has no real key.
        """
        if keys.shape[1] == 0:  # one masked key takes the way of all others: every parameter keeps a gradient
            keys = functional.pad(keys, (0, 0, 0, 1))  # (videos, 1, width)
            key_mask = functional.pad(key_mask, (0, 1))  # (videos, 1)
        has_key = key_mask.any(dim=1)  # (videos,)
        # A softmax over nothing is NaN: a video without a key looks at its padding; the result is dropped.
        visible = (key_mask | ~has_key.unsqueeze(1))[:, None, None, :]  # (videos, 1, 1, keys)
        mixed = functional.scaled_dot_product_attention(
            self._split(self.query(queries)),
            self._split(self.key(keys)),
            self._split(self.value(keys)),
            attn_mask=visible if energies is None else energies.masked_fill(~visible, -torch.inf),
            dropout_p=self.dropout if self.training else 0.0,
            scale=self.scale,
        )  # (videos, heads, queries, head size)
        merged: Tensor = self.merge(mixed.transpose(1, 2).flatten(2))  # (videos, queries, width)
        return merged.masked_fill(~has_key[:, None, None], 0.0)

    def _split(self, tokens: Tensor) -> Tensor:
        split = tokens.view(*tokens.shape[:2], self.heads, -1)  # (videos, tokens, heads, head size)
        return split.transpose(1, 2)


class LanguageGuidedAttention(nn.Module):
    """Language-guided attention of CLIP-It (section 3.1): frames are queries, text tokens are keys and values.

    Residual and norm keep the frame. Captions, or the phrases of a query, must be separate tokens: **with one single
    token the softmax is constant**, and every step of the video gets the same vector added, whatever the step shows.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, steps: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """Add to every step what the text says about it.

        Args:
            steps: (videos, steps, width).
            text: (videos, tokens, width); `tokens` may be 0.
            text_mask: True where a token is real, (videos, tokens).

        Returns:
            (videos, steps, width); the normed steps alone for a video without text.
        """
        added = self.attention(steps, text, text_mask)  # (videos, steps, width)
        attended: Tensor = self.norm(steps + self.dropout(added))  # (videos, steps, width)
        return attended
