"""A transcript beside the steps: a transformer over both, in which a step and a sentence meet where they share time."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from clipit_lightning.models.attention import sinusoidal_positions, sinusoids
from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.timed_text import told_in
from clipit_lightning.models.transformer import Activation, TransformerLayer


class TranscriptScorer(Scorer):
    """The network of transcript-assisted highlights (Barbakos et al., 2025, arXiv 2505.23268), as far as we could read.

    Read were the abstract, the beginning of a review of the paper (themoonlight.io), a summary of it
    (sciencestack.ai), and the code of Align and Attend, whose mask it takes (A2Summ, He et al., CVPR 2023,
    github.com/boheumd/A2Summ, 73aa441, `Model_BLiSS`). Steps and sentences are projected to one width and get a
    position and a segment embedding; a sentence shares the latter with the steps in which it is told. In a transformer
    over both, steps attend to all steps, sentences to all sentences, and a step and a sentence to each other where they
    share time. A hidden layer and a linear one give the logit of a step, as in A2Summ's code.

    Ours: positions are sinusoids, of a sentence at the middle of its time, so that neither videos nor transcripts are
    too long, and sentences may come in any order. The segment embedding is a linear map of the sinusoids of how many
    sentences begin earlier; a step has the mean of its sentences' (A2Summ's code: learned rows of a table, and the
    sum). Layers have weights and norms of their own, and one feed-forward part for steps and sentences. A2Summ's tokens
    of a whole video, which its contrastive losses read, are left. Text whose time is not known holds for the whole
    video. Time and memory grow with the square of steps and sentences.

    With the sizes of ``configs/transcript.yaml`` 528,385 parameters for 384 features of steps and of sentences.

    Raises:
        ValueError: `heads` does not divide `width`.
    """

    title = "Transcript-assisted"
    reads_language = True
    reads_spans = True

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        width: int = 64,
        heads: int = 4,
        encoder_layers: int = 1,
        dropout: float = 0.5,
        feedforward: int | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__()
        self.width = width
        self.frame_projection = nn.Linear(feature_dim, width)
        self.text_projection = nn.Linear(text_dim, width)
        self.segments = nn.Linear(width, width, bias=False)
        self.dropout = Dropout(dropout)
        hidden = feedforward or 2 * width
        self.layers = nn.ModuleList(
            TransformerLayer(width, heads, dropout, hidden, activation) for _ in range(encoder_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), Dropout(dropout), nn.Linear(width, 1))

    def forward(self, features: Tensor, text: Tensor, spans: Tensor) -> ScorerOutput:  # type: ignore[override]
        """Score every step by what the video shows, and by what is told while it shows that."""
        steps, tokens = features.shape[-2], text.shape[-2]
        if spans.shape[-2] < tokens:  # when the text holds is not known
            spans = text.new_tensor([0, steps]).expand(*text.shape[:-1], 2)  # (..., tokens, 2)
        told = told_in(spans, steps)  # (..., steps, tokens)
        shares = told.to(text) / told.sum(-1, keepdim=True).clamp_min(1)  # (..., steps, tokens)
        segments = self.segments(sinusoids(_earlier(spans).to(text), self.width))  # (..., tokens, width)
        # As in CLIP-It: unit vectors of many features have tiny entries; layers are made for entries near 1.
        seen = self.dropout(self.frame_projection(normalize(features, dim=-1) * features.shape[-1] ** 0.5))
        said = self.dropout(self.text_projection(normalize(text, dim=-1) * text.shape[-1] ** 0.5))
        seen = (
            seen + sinusoidal_positions(steps, self.width, features.device) + shares @ segments
        )  # (..., steps, width)
        said = said + sinusoids(spans.mean(-1) - 0.5, self.width) + segments  # (..., tokens, width)
        joined = torch.cat([seen, said.expand(*seen.shape[:-2], -1, -1)], dim=-2)  # (..., steps + tokens, width)
        mask = alignment(told)
        for layer in self.layers:
            joined = layer(joined, mask=mask)
        return ScorerOutput(self.head(self.norm(joined[..., :steps, :])).squeeze(-1))


def alignment(told: Tensor) -> Tensor:
    """Which step or sentence (row) attends to which: all to their kind, and to the other kind where they share time.

    Args:
        told: Whether each sentence is told in each step, (..., steps, tokens).

    Returns:
        Truths, steps before sentences, (..., 1, steps + tokens, steps + tokens): an axis for the heads.
    """
    *items, steps, tokens = told.shape
    of_steps = torch.cat([told.new_ones(*items, steps, steps), told], dim=-1)
    of_tokens = torch.cat([told.mT, told.new_ones(*items, tokens, tokens)], dim=-1)
    return torch.cat([of_steps, of_tokens], dim=-2).unsqueeze(-3)


def _earlier(spans: Tensor) -> Tensor:
    """How many tokens begin before each one, (..., tokens): the number of its segment."""
    begin = spans[..., 0]  # (..., tokens)
    return (begin.unsqueeze(-2) < begin.unsqueeze(-1)).sum(-1)
