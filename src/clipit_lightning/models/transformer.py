"""The frame-scoring transformer: an encoder and a decoder over the steps of a video."""

from torch import Tensor, nn

from clipit_lightning.models.attention import MultiHeadAttention, sinusoidal_positions


class FrameScoringTransformer(nn.Module):
    """Encoder and decoder of CLIP-It (section 3.2) with sinusoidal positions of any length.

    The decoder's input are the attended steps, as the encoder's. Either may have no layer; without a decoder the
    encoder's output is returned. `dropout` is the probability of dropping a feature of what any layer adds.
    """

    def __init__(self, width: int, heads: int, encoder_layers: int, decoder_layers: int, dropout: float) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(encoder_layers))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(
            TransformerLayer(width, heads, dropout, memory=True) for _ in range(decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)

    def forward(self, attended: Tensor, step_mask: Tensor) -> Tensor:
        """Let the attended steps of every item, (items, steps, width), look at each other; of the same shape."""
        _, count, width = attended.shape
        placed = attended + sinusoidal_positions(count, width, attended.device)  # (items, steps, width)
        memory: Tensor = placed  # (items, steps, width)
        for layer in self.encoder:
            memory = layer(memory, step_mask)  # (items, steps, width)
        memory = self.encoder_norm(memory)  # (items, steps, width)
        if len(self.decoder) == 0:
            return memory
        decoded: Tensor = placed  # (items, steps, width)
        for layer in self.decoder:
            decoded = layer(decoded, step_mask, memory)  # (items, steps, width)
        normed: Tensor = self.decoder_norm(decoded)  # (items, steps, width)
        return normed


class TransformerLayer(nn.Module):
    """One layer of the frame-scoring transformer: an encoder layer, or with `memory` a decoder layer.

    Pre-norm, unlike in Vaswani et al. 2017: it trains without a warm-up.
    """

    def __init__(self, width: int, heads: int, dropout: float, memory: bool = False) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.memory_norm = nn.LayerNorm(width) if memory else None
        self.memory_attention = MultiHeadAttention(width, heads) if memory else None
        self.feedforward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, steps: Tensor, step_mask: Tensor, memory: Tensor | None = None) -> Tensor:
        """Let the steps of a video look at each other, and at the encoder's.

        No causal mask: a summary may depend on what comes later. Steps, memory (the encoder's output) and the result
        are (videos, steps, width).
        """
        normed = self.self_norm(steps)  # (videos, steps, width)
        steps = steps + self.dropout(self.self_attention(normed, normed, step_mask))  # (videos, steps, width)
        if self.memory_attention is not None and self.memory_norm is not None and memory is not None:
            seen = self.memory_attention(self.memory_norm(steps), memory, step_mask)  # (videos, steps, width)
            steps = steps + self.dropout(seen)  # (videos, steps, width)
        layered: Tensor = steps + self.dropout(self.feedforward(steps))  # (videos, steps, width)
        return layered
