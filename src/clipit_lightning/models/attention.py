"""Attention over steps and text tokens, and the positions it needs."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.models.dropout import Dropout


def sinusoidal_positions(steps: int, width: int, device: torch.device | None = None) -> Tensor:
    """Sine and cosine positions of Vaswani et al. 2017, section 3.5, for any number of steps.

    Computed when needed and not stored, so that no video is too long. Sines fill the first half of the features and
    cosines the second (the paper interleaves them; a linear layer cannot tell the difference).

    Returns:
        Positions in [-1, 1], (steps, width).
    """
    return sinusoids(torch.arange(steps, device=device), width)  # (steps, width)


def sinusoids(times: Tensor, width: int) -> Tensor:
    """Sines and cosines of times in steps, (...), as of ``sinusoidal_positions``: (..., width)."""
    half = (width + 1) // 2
    wavelengths = torch.exp(torch.arange(half, device=times.device) * (-math.log(10_000.0) / half))  # (half,)
    angles = times.unsqueeze(-1) * wavelengths  # (..., half)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :width]  # (..., width)


class MultiHeadAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, section 3.2.2).

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

    def forward(self, queries: Tensor, keys: Tensor, energies: Tensor | None = None) -> Tensor:
        """Let every query look at the keys; leading axes of both broadcast.

        Args:
            queries: (..., queries, width).
            keys: What gives both keys and values, (..., keys, width); `keys` may be 0.
            energies: Added to the energies of every head, (queries, keys); or truths, whether a query looks at a key,
                (queries, keys), or (items, 1, queries, keys).

        Returns:
            (..., queries, width); 0 where there is no key.
        """
        if keys.shape[-2] == 0:  # a zero takes the way of a key, and counts 0: every parameter keeps a gradient
            unread: Tensor = self(queries, functional.pad(keys, (0, 0, 0, 1)))  # (..., queries, width)
            return 0.0 * unread
        query, key, value = self.query(queries), self.key(keys), self.value(keys)
        if queries.shape[:-2] != keys.shape[:-2]:
            leading = torch.broadcast_shapes(queries.shape[:-2], keys.shape[:-2])  # type: ignore[no-untyped-call]
            query, key, value = (tokens.expand(*leading, -1, -1) for tokens in (query, key, value))
        mixed = functional.scaled_dot_product_attention(
            self._split(query),
            self._split(key),
            self._split(value),
            attn_mask=energies,
            dropout_p=self.dropout if self.training else 0.0,
            scale=self.scale,
        )  # (items, heads, queries, head size)
        merged: Tensor = self.merge(mixed.transpose(1, 2).reshape(query.shape))  # (..., queries, width)
        return merged

    def _split(self, tokens: Tensor) -> Tensor:
        """Heads apart, (items, heads, tokens, head size): four axes always, as PyTorch's fast attention needs."""
        *leading, count, inside = tokens.shape
        return tokens.reshape(math.prod(leading), count, self.heads, inside // self.heads).transpose(1, 2)


class LanguageGuidedAttention(nn.Module):
    """Language-guided attention of CLIP-It (section 3.1): frames are queries, text tokens are keys and values.

    Residual and norm keep the frame. Captions, or the phrases of a query, must be separate tokens: **with one single
    token the softmax is constant**, and every step of the video gets the same vector added, whatever the step shows.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, steps: Tensor, text: Tensor) -> Tensor:
        """Add to every step what the text says about it.

        Args:
            steps: (..., steps, width).
            text: (..., tokens, width); `tokens` may be 0.

        Returns:
            (..., steps, width); the normed steps alone without text.
        """
        attended: Tensor = self.norm(steps + self.dropout(self.attention(steps, text)))  # (..., steps, width)
        return attended
