"""A bidirectional LSTM over the steps: what their order says, without attention and without language."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from clipit_lightning.models.dropout import Dropout
from clipit_lightning.models.scorer import Scorer, ScorerOutput


class BiLstmScorer(Scorer):
    """A bidirectional LSTM (Hochreiter and Schmidhuber 1997; Graves and Schmidhuber 2005), then a linear head.

    The other baseline of the CLIP-It paper, and since vsLSTM (Zhang et al., ECCV 2016) the field's. Each direction has
    `width` features. Text is not read; time grows linearly with the steps.
    """

    title = "BiLSTM"

    def __init__(self, feature_dim: int, text_dim: int, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        self.lstm = nn.LSTM(feature_dim, width, batch_first=True, bidirectional=True)
        self.dropout = Dropout(dropout)
        self.score_head = nn.Linear(2 * width, 1)

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by what the video shows before and after it."""
        # As in CLIP-It: unit vectors of many features have tiny entries; layers are made for entries near 1.
        scaled = normalize(features, dim=-1) * features.shape[-1] ** 0.5  # (..., steps, features)
        with torch.autocast(features.device.type, enabled=False):  # not every CPU has an LSTM of 16 bits
            hidden, _ = self.lstm(scaled)  # (..., steps, 2 * width)
        return ScorerOutput(self.score_head(self.dropout(hidden)).squeeze(-1))
