"""The frame-scoring transformer: an encoder and a decoder over the steps of a video."""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from clipit_lightning.models.attention import MultiHeadAttention, sinusoidal_positions
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.windows import LONGEST, in_windows

Activation = Literal["gelu", "relu"]
"""Activation of a feed-forward's hidden layer."""


class FrameScoringTransformer(nn.Module):
    """Encoder and decoder of CLIP-It (section 3.2) with sinusoidal positions of any length.

    The decoder's input are the attended steps, as the encoder's. Either may have no layer; without a decoder the
    encoder's output is returned. `dropout` is the probability of dropping a feature of what any layer adds,
    `feedforward` the size of the layers' hidden layer, by default twice the width, and `activation` its activation.

    Time grows with the square of the steps. So, when it does not train, a video of more than ``LONGEST`` steps is
    scored in windows that overlap (see ``in_windows``), each like a video of its own, unless `exact`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        encoder_layers: int,
        decoder_layers: int,
        dropout: float,
        exact: bool = False,
        feedforward: int | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__()
        self.exact = exact
        layer = partial(TransformerLayer, width, heads, dropout, feedforward or 2 * width, activation)
        self.encoder = nn.ModuleList(layer() for _ in range(encoder_layers))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(layer(memory=True) for _ in range(decoder_layers))
        self.decoder_norm = nn.LayerNorm(width)

    def forward(self, attended: Tensor) -> Tensor:
        """Let the attended steps, (..., steps, width), look at each other; of the same shape."""
        if attended.shape[-2] > LONGEST and not self.training and not self.exact:
            return in_windows(self._decoded, attended)
        return self._decoded(attended)

    def _decoded(self, attended: Tensor) -> Tensor:
        count, width = attended.shape[-2:]
        placed = attended + sinusoidal_positions(count, width, attended.device)  # (..., steps, width)
        memory: Tensor = placed  # (..., steps, width)
        for layer in self.encoder:
            memory = layer(memory)
        memory = self.encoder_norm(memory)
        if len(self.decoder) == 0:
            return memory
        decoded: Tensor = placed  # (..., steps, width)
        for layer in self.decoder:
            decoded = layer(decoded, memory)
        normed: Tensor = self.decoder_norm(decoded)  # (..., steps, width)
        return normed


class TransformerLayer(nn.Module):
    """One layer of the frame-scoring transformer: an encoder layer, or with `memory` a decoder layer.

    Pre-norm, unlike in Vaswani et al. 2017: it trains without a warm-up.
    """

    def __init__(
        self, width: int, heads: int, dropout: float, feedforward: int, activation: Activation, memory: bool = False
    ) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.memory_norm = nn.LayerNorm(width) if memory else None
        self.memory_attention = MultiHeadAttention(width, heads) if memory else None
        self.feedforward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, feedforward),
            {"gelu": nn.GELU, "relu": nn.ReLU}[activation](),
            nn.Linear(feedforward, width),
        )
        self.dropout = Dropout(dropout)

    def forward(self, steps: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Let the steps of a video look at each other, and at the encoder's.

        No causal mask: a summary may depend on what comes later. Steps, memory (the encoder's output) and the result
        are (..., steps, width); `mask` says which step (row) looks at which, as ``MultiHeadAttention`` takes it.
        """
        normed = self.self_norm(steps)  # (..., steps, width)
        steps = steps + self.dropout(self.self_attention(normed, normed, mask))
        if self.memory_attention is not None and self.memory_norm is not None and memory is not None:
            steps = steps + self.dropout(self.memory_attention(self.memory_norm(steps), memory))
        layered: Tensor = steps + self.dropout(self.feedforward(steps))  # (..., steps, width)
        return layered
