"""TriPSS's choice of key frames as scores of the steps."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.models.streams import stream_slices
from clipit_lightning.models.tripss_rule import caption_at, key_steps

CHOSEN = 0.9
"""Score of a key frame; that of every other step is what is left to 1."""


class TripssScorer(Scorer):
    """TriPSS (Cakmak, Agarwal, Poudel, 2025, arXiv 2506.05395): key frames score 0.9, all other steps 0.1.

    Structure is the features of a step, colour a stream `colour` of the store where there is one, meaning the caption
    that holds at a step where the store says when each holds; ``tripss_rule.key_steps`` says what is done with them.
    Captions without times, a query and other streams are not read. A store has no pictures, so that no step is left
    out as too dark, too bright, blurred or a near duplicate. There is nothing to learn, and no parameter.
    """

    title = "TriPSS"
    fit = "none"
    reads_spans = True

    def __init__(self, feature_dim: int, text_dim: int, streams: Mapping[str, int] | None = None) -> None:
        super().__init__()
        columns = stream_slices(streams or {"visual": feature_dim})
        # the last column of a stream beside `visual` is its mask
        self.colour = slice(columns["colour"].start, columns["colour"].stop - 1) if "colour" in columns else None
        self.structure = columns.get("visual", slice(0, feature_dim))

    def forward(self, features: Tensor, text: Tensor, spans: Tensor | None = None) -> ScorerOutput:
        """Score the key frames; ``spans`` are the steps between which each caption holds, (..., tokens, 2)."""
        leading: tuple[int, ...] = features.shape[:-2]
        timed = spans is not None and spans.shape[-2] == text.shape[-2] > 0
        if spans is not None and timed:
            leading = np.broadcast_shapes(leading, text.shape[:-2], spans.shape[:-2])
        videos = _items(features, leading)  # (items, steps, features)
        texts = _items(text, leading) if timed else [None] * len(videos)
        starts = _items(spans, leading) if spans is not None and timed else texts
        scores = features.new_full((len(videos), features.shape[-2]), 1 - CHOSEN)
        for row, video, captions, begun in zip(scores, videos, texts, starts, strict=True):
            modalities = [video[:, part] for part in (self.colour, self.structure) if part is not None]
            if captions is not None and begun is not None:
                order = np.lexsort(begun.T[::-1])  # by when they begin
                modalities.append(captions[order][caption_at(begun[order, 0], np.arange(len(video)))])
            row[torch.from_numpy(key_steps(modalities).steps).to(row.device)] = CHOSEN
        return ScorerOutput(torch.logit(scores).view(*leading, -1))


def _items(values: Tensor, leading: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Arrays of a tensor with two more axes than the leading ones, of each item."""
    spread = values.detach().double().cpu().expand(*leading, -1, -1)
    return [item.numpy() for item in spread.reshape(-1, *values.shape[-2:])]
