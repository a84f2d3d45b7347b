"""SD-VSum: every frame becomes what it attends to of a script, and a transformer scores the frames."""

import math

import torch
from torch import Tensor, nn

from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.transformer import Activation

_BIAS = 0.1  # every bias of their code starts at it


class SdVsumScorer(Scorer):
    """SD-VSum (Mylonas, Apostolidis, Mezaris, ACM MM 2025, arXiv 2505.03319).

    Read in its public code, github.com/IDT-ITI/SD-VSum (commit d896c93: ``model/layers/attention.py``,
    ``model/layers/summarizer.py``, ``model/solver.py``, ``main.py``); of the paper we read the abstract. Frames are
    queries and the sentences of a script keys and values of one cross-attention: linear maps without bias, energies
    that no scale divides, dropout of the weights, heads joined by a linear map, no residual. What the code has beside
    that: sinusoidal positions are added to what comes out (`script_positions`), with wavelengths that grow half as fast
    in the exponent as those of Vaswani et al.; then dropout, a norm (epsilon 1e-6), PyTorch's own transformer, whose
    source and target are both these frames, a linear layer and a sigmoid. Weights start as there: Xavier with the gain
    of ReLU, every head by itself, and biases at 0.1.

    There everything is as wide as the features of a frame, 512; here it is `width`, whatever the features are, of
    frames (`feature_dim`) and of text (`text_dim`). Features are read as they are, not normalized; `feature_gain`
    multiplies both, for encoders of unit vectors: the product of unit vectors of 512 numbers leaves the unscaled
    energies near 0. `heads` are the transformer's, `language_heads` the cross-attention's (8 both there), `dropout`
    that of the cross-attention and behind it, and a fifth of it is the transformer's: 0.5 and 0.1 there. The overlay
    `sd-vsum` has the sizes of the code: 45,190,657 parameters.

    Videos are never too long for the positions (the code ends at 4,096 frames). Without text nothing of a frame is
    left but its position.

    Raises:
        ValueError: `heads` or `language_heads` does not divide `width`.
    """

    title = "SD-VSum"
    reads_language = True

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        width: int = 64,
        heads: int = 4,
        encoder_layers: int = 1,
        decoder_layers: int = 1,
        dropout: float = 0.5,
        feedforward: int | None = None,
        activation: Activation = "gelu",
        language_heads: int | None = None,
        feature_gain: float = 1.0,
    ) -> None:
        super().__init__()
        for name, number in (("heads", heads), ("language_heads", language_heads or heads)):
            if width % number:
                raise ValueError(f"width ({width}) must be a multiple of {name} ({number})")
        self.feature_gain = feature_gain
        self.language = ScriptAttention(feature_dim, text_dim, width, language_heads or heads, dropout)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        layer = (width, heads, feedforward or 2 * width, dropout / 5, activation)
        self.encoder = self.decoder = None
        if encoder_layers:
            encoder = nn.TransformerEncoderLayer(*layer)
            self.encoder = nn.TransformerEncoder(encoder, encoder_layers, nn.LayerNorm(width), False)
        if decoder_layers:
            decoder = nn.TransformerDecoderLayer(*layer)
            self.decoder = nn.TransformerDecoder(decoder, decoder_layers, nn.LayerNorm(width))
        self.score_head = nn.Linear(width, 1)
        with torch.no_grad():
            for name, values in self.named_parameters():
                if name.endswith("bias"):
                    values.fill_(_BIAS)
                elif "norm" not in name and not name.startswith("language"):
                    nn.init.xavier_uniform_(values, math.sqrt(2))

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by what it finds in the text."""
        attended = self.language(self.feature_gain * features, self.feature_gain * text)  # (..., steps, width)
        count, width = attended.shape[-2:]
        positions = script_positions(count, width, attended.device).to(attended)  # (steps, width)
        steps = self.norm(self.dropout(attended + positions))  # (..., steps, width)
        steps = steps.reshape(-1, *steps.shape[-2:]).transpose(0, 1)  # (steps, items, width), as PyTorch takes them
        memory = steps if self.encoder is None else self.encoder(steps)
        decoded = memory if self.decoder is None else self.decoder(steps, memory)
        logits = self.score_head(decoded).squeeze(-1).T  # (items, steps)
        return ScorerOutput(logits.reshape(attended.shape[:-1]))


class ScriptAttention(nn.Module):
    """What every step finds in the sentences of a script, by multi-head attention whose energies have no scale.

    Args:
        feature_dim: Features of a step.
        text_dim: Features of a sentence.
        width: Features of what comes out; a head has `width` over `heads` of them.
        heads: Number of heads.
        dropout: Probability with which a weight of a sentence is dropped.
    """

    def __init__(self, feature_dim: int, text_dim: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(feature_dim, width, bias=False)
        self.key = nn.Linear(text_dim, width, bias=False)
        self.value = nn.Linear(text_dim, width, bias=False)
        self.merge = nn.Linear(width, width, bias=False)
        self.dropout = Dropout(dropout)
        with torch.no_grad():
            for layer in (self.query, self.key, self.value):
                for head in layer.weight.chunk(heads):  # (head size, features)
                    nn.init.xavier_uniform_(head, math.sqrt(2))
            nn.init.xavier_uniform_(self.merge.weight, math.sqrt(2))

    def forward(self, steps: Tensor, text: Tensor) -> Tensor:
        """Let every step look at the text; leading axes of both broadcast.

        Args:
            steps: (..., steps, features).
            text: (..., tokens, features); `tokens` may be 0.

        Returns:
            (..., steps, width); 0 where there is no token.
        """
        query, key, value = (
            rows.unflatten(-1, (self.heads, -1)).transpose(-2, -3)  # (..., heads, steps or tokens, head size)
            for rows in (self.query(steps), self.key(text), self.value(text))
        )
        weights = self.dropout((query @ key.mT).softmax(-1))  # (..., heads, steps, tokens)
        merged: Tensor = self.merge((weights @ value).transpose(-2, -3).flatten(-2))  # (..., steps, width)
        return merged


def script_positions(steps: int, width: int, device: torch.device | None = None) -> Tensor:
    """Positions as the public code has them: sine and cosine in turn, of wavelengths up to 2 pi times 100.

    The exponent of 10,000 is i / width for the pair i of features, where Vaswani et al. have 2 i / width.

    Returns:
        Positions in [-1, 1], (steps, width).
    """
    exponents = torch.arange(-(-width // 2), device=device) / width  # (pairs,)
    angles = torch.arange(steps, device=device).unsqueeze(1) / 10_000**exponents  # (steps, pairs)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]  # (steps, width)
