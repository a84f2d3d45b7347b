"""The CLIP-It scorer: language-guided attention, then a transformer that scores every step."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.models.attention import LanguageGuidedAttention, TransformerLayer, sinusoidal_positions


class ScorerOutput(NamedTuple):
    """What every scorer returns; both parts are 0 where a step is padding.

    Attributes:
        logits: Importance of each step before the sigmoid, (videos, steps).
        reconstruction: The features of each step as the scorer rebuilds them, in the units of its input,
            (videos, steps, features); None from a scorer that does not rebuild them.
    """

    logits: Tensor
    reconstruction: Tensor | None

    @property
    def scores(self) -> Tensor:
        """Importance of each step, 0 to 1, (videos, steps)."""
        return torch.sigmoid(self.logits)


class ClipItScorer(nn.Module):
    """CLIP-It (Narasimhan, Rohrbach, Darrell, NeurIPS 2021, arXiv 2107.00650), section 3.

    Steps and captions are projected to `width`; language-guided attention adds to each step what the captions
    say; an encoder and a decoder over the attended steps, both with sinusoidal positions, lead to one linear
    head for the score and one that rebuilds the features.

    The paper does not say what the decoder's input is: here the attended steps, as the encoder's. What follows
    is ours, because benchmarks have 20 to 40 training videos and the paper's network learns those by heart:

    - `width` may be far below CLIP's 512, and image and text features may differ in number.
    - The step's projection sees means over its surroundings too (`windows`), and a few cues (see `step_cues`).
    - With `linear_path`, a linear layer on the same inputs adds to the logit. It starts at 0.
    - With `score_window` above 1, the logits are means over that many steps: annotators rate whole shots.

    Args:
        feature_dim: Number of features of a step.
        text_dim: Number of features of a caption.
        width: Number of features inside.
        heads: Heads of every attention; must divide `width`.
        encoder_layers: Layers of the encoder; at least 0.
        decoder_layers: Layers of the decoder; at least 0. Without, the encoder's output is scored.
        dropout: Probability of dropping a feature of what any part adds, and of what the score head reads.
        input_dropout: Probability of dropping an input feature.
        feature_gain: How loud features are beside cues, 1 for equal entries; below 1 the cues are learned first.
        windows: Sizes in steps, odd, of the surroundings that the input shows beside the step itself.
        linear_path: Whether a linear layer on the inputs adds to the logit.
        transformer_gain: What the transformer's logit is multiplied with; below 1 the linear path learns first.
        score_window: Size in steps, odd, of the surroundings over which logits are averaged; 1 for none.

    Raises:
        ValueError: `heads` does not divide `width`, or the size of a surrounding is not odd.
    """

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        width: int = 64,
        heads: int = 4,
        encoder_layers: int = 1,
        decoder_layers: int = 1,
        dropout: float = 0.3,
        input_dropout: float = 0.0,
        feature_gain: float = 1.0,
        windows: Sequence[int] = (5, 21),
        linear_path: bool = True,
        transformer_gain: float = 1.0,
        score_window: int = 1,
    ) -> None:
        super().__init__()
        if not all(window % 2 for window in (*windows, score_window)):
            raise ValueError(
                f"windows ({list(windows)}) and score_window ({score_window}) must be odd: a step is their middle"
            )
        self.feature_gain = feature_gain
        self.transformer_gain = transformer_gain
        self.windows = tuple(windows)
        self.score_window = score_window
        # Only features of one encoder can be compared before anything is learned.
        self.comparable = feature_dim == text_dim
        cues = 3 + len(self.windows) + 2 * self.comparable
        self.frame_projection = nn.Linear(feature_dim, width * (1 + len(self.windows)))
        self.cue_projection = nn.Linear(cues, width)
        self.text_projection = nn.Linear(text_dim, width)
        self.input_dropout = nn.Dropout(input_dropout)
        self.dropout = nn.Dropout(dropout)
        self.language = LanguageGuidedAttention(width, heads, dropout)
        self.encoder = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(encoder_layers))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(
            TransformerLayer(width, heads, dropout, memory=True) for _ in range(decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.score_head = nn.Linear(width, 1)
        self.reconstruction_head = nn.Linear(width, feature_dim)
        self.linear_path: nn.ModuleList | None = None
        if linear_path:
            self.linear_path = nn.ModuleList(
                [nn.Linear(feature_dim, 1 + len(self.windows)), nn.Linear(cues, 1, bias=False)]
            )
            for parameter in self.linear_path.parameters():
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor, step_mask: Tensor, captions: Tensor, caption_mask: Tensor) -> ScorerOutput:
        """Score every step of every video.

        Args:
            features: Features of the steps, (videos, steps, features).
            step_mask: True where a step is real, (videos, steps).
            captions: Features of the caption tokens, (videos, captions, features); `captions` may be 0.
            caption_mask: True where a caption is real, (videos, captions); a video may have none.

        Returns:
            Logits and rebuilt features; what stands in the padding has no influence on either.
        """
        padding = ~step_mask.unsqueeze(2)  # (videos, steps, 1)
        features = _unit(features, step_mask)  # (videos, steps, features)
        captions = _unit(captions, caption_mask)  # (videos, captions, features)
        texts = captions if self.comparable else None
        cues = step_cues(features, step_mask, texts, caption_mask, self.windows)  # (videos, steps, cues)
        # Unit vectors of many features have tiny entries; layers are made for entries near 1.
        gain = self.feature_gain * features.shape[2] ** 0.5
        seen = self.input_dropout(features * gain)  # (videos, steps, features)
        steps = self._surrounded(self.frame_projection(seen), step_mask)  # (videos, steps, width)
        steps = self.dropout(steps + self.cue_projection(cues))  # (videos, steps, width)
        tokens = self.text_projection(captions * captions.shape[2] ** 0.5)  # (videos, captions, width)
        decoded = self._transform(self.language(steps, tokens, caption_mask), step_mask)
        logits = self.transformer_gain * self.score_head(self.dropout(decoded))  # (videos, steps, 1)
        if self.linear_path is not None:
            of_features, of_cues = self.linear_path
            linear = self._surrounded(of_features(seen), step_mask)  # (videos, steps, 1)
            logits = logits + linear + of_cues(cues)  # (videos, steps, 1)
        logits = window_mean(logits, step_mask, self.score_window)  # (videos, steps, 1)
        rebuilt = self.reconstruction_head(decoded)  # (videos, steps, features)
        return ScorerOutput(logits.masked_fill(padding, 0.0).squeeze(2), rebuilt.masked_fill(padding, 0.0))

    def _surrounded(self, projected: Tensor, step_mask: Tensor) -> Tensor:
        """Sum of one part as it is and one part averaged over each window.

        Averaging what was projected is the same as projecting averages, with far fewer features to average.
        """
        here, *around = projected.chunk(1 + len(self.windows), dim=2)
        for part, window in zip(around, self.windows, strict=True):
            here = here + window_mean(part, step_mask, window)
        return here

    def _transform(self, attended: Tensor, step_mask: Tensor) -> Tensor:
        """The frame-scoring transformer: encoder, then decoder, (videos, steps, width) to the same."""
        _, count, width = attended.shape
        placed = attended + sinusoidal_positions(count, width, attended.device)  # (videos, steps, width)
        memory: Tensor = placed  # (videos, steps, width)
        for layer in self.encoder:
            memory = layer(memory, step_mask)  # (videos, steps, width)
        memory = self.encoder_norm(memory)  # (videos, steps, width)
        decoded = placed  # (videos, steps, width)
        for layer in self.decoder:
            decoded = layer(decoded, step_mask, memory)  # (videos, steps, width)
        if len(self.decoder) == 0:
            return memory
        normed: Tensor = self.decoder_norm(decoded)  # (videos, steps, width)
        return normed


def window_mean(values: Tensor, step_mask: Tensor, window: int) -> Tensor:
    """Mean over the real steps around each step, by running sums: the cost does not depend on the window.

    Args:
        values: (videos, steps, features).
        step_mask: True where a step is real, (videos, steps).
        window: Size of the surroundings in steps, odd; at the ends of a video only what is there counts.

    Returns:
        (videos, steps, features); `values` themselves for a window of 1.
    """
    if window == 1:
        return values
    places = torch.arange(values.shape[1], device=values.device)  # (steps,)
    first = (places - window // 2).clamp_min(0)  # (steps,)
    behind = (places + window // 2 + 1).clamp_max(values.shape[1])  # (steps,)
    read = values.masked_fill(~step_mask.unsqueeze(2), 0.0)  # (videos, steps, features)
    sums = functional.pad(read.cumsum(1), (0, 0, 1, 0))  # (videos, steps + 1, features)
    counts = functional.pad(step_mask.cumsum(1), (1, 0)).unsqueeze(2)  # (videos, steps + 1, 1)
    return (sums[:, behind] - sums[:, first]) / (counts[:, behind] - counts[:, first]).clamp_min(1)


def step_cues(
    features: Tensor, step_mask: Tensor, captions: Tensor | None, caption_mask: Tensor, windows: Sequence[int]
) -> Tensor:
    """What a step is to its video, in a few numbers that a small data set is enough to learn from (ours).

    In this order: similarity to the video's mean; place in the video, 0 to 1; distance from the nearer end, up
    to 0.15 of the video; similarity to the mean of each window; with captions, the highest and the mean
    similarity to one. Every cue has mean 0 and variance 1 over its video (a constant one is 0).

    Args:
        features: Steps of norm 1, 0 in the padding, (videos, steps, features).
        step_mask: True where a step is real, (videos, steps).
        captions: Captions of norm 1 from the same encoder, 0 in the padding, (videos, captions, features); None
            where steps and captions cannot be compared.
        caption_mask: True where a caption is real, (videos, captions).
        windows: Sizes in steps, odd, of the surroundings to compare with.

    Returns:
        (videos, steps, cues), 0 in the padding.
    """
    count = step_mask.sum(1, keepdim=True).clamp_min(1)  # (videos, 1)
    place = (torch.arange(features.shape[1], device=features.device) + 0.5) / count  # (videos, steps)
    mean = features.sum(1) / count  # (videos, features)
    cues = [torch.einsum("vsf,vf->vs", features, mean), place, torch.minimum(place, 1 - place).clamp_max(0.15)]
    for window in windows:
        around = functional.normalize(window_mean(features, step_mask, window), dim=2)
        cues.append((features * around).sum(2))  # (videos, steps)
    if captions is not None:
        unread = ~caption_mask.unsqueeze(1)  # (videos, 1, captions)
        match = torch.einsum("vsf,vcf->vsc", features, captions)  # (videos, steps, captions)
        # One column of -1, the lowest similarity, keeps the maximum defined for a video without captions.
        best = functional.pad(match.masked_fill(unread, -1.0), (0, 1), value=-1.0).amax(2)  # (videos, steps)
        cues += [best, match.sum(2) / caption_mask.sum(1, keepdim=True).clamp_min(1)]
    stacked = torch.stack(cues, dim=2)  # (videos, steps, cues)
    real = step_mask.unsqueeze(2)  # (videos, steps, 1)
    centred = (stacked - (stacked * real).sum(1, keepdim=True) / count.unsqueeze(2)) * real
    variance = centred.square().sum(1, keepdim=True) / count.unsqueeze(2)  # (videos, 1, cues)
    return centred / (variance + 1e-6).sqrt()


def _unit(tokens: Tensor, mask: Tensor) -> Tensor:
    """Tokens of norm 1, 0 in the padding whatever stood there, (videos, tokens, features)."""
    return functional.normalize(tokens.masked_fill(~mask.unsqueeze(2), 0.0), dim=2)
