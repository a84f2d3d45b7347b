"""The usual code of the field, for ``training.py``: one video at a time, attention as explicit matrices.

Written anew, after what public code does:

- An optimizer step a video, in random order (VASNet).
- Attention as ``softmax(Q K^T / sqrt(d)) V`` with all matrices in memory (VASNet, PGL-SUM), and the diversity loss by
  the matrix of all pairs' similarities (as DSN's reward has it).
- After each epoch the test videos one by one (CSTA; VASNet with F1 alone): scores spread over frames in a loop, shots
  chosen by dynamic programming cell by cell over Python lists (PGL-SUM, CSTA; DSN has the same over a numpy table,
  which takes three times as long; VASNet calls a solver in C++), F1 by annotator (VASNet), scipy's ``kendalltau`` and
  ``spearmanr`` by annotator (CSTA). Then the weights are saved.

Where public code differs, the faster way was taken: videos are held in memory (VASNet and CSTA read files in each
epoch), heads are computed together (PGL-SUM loops over them), positions are made once, nothing is printed.
"""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_model import ModelConfig
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.rules import ratings_or_summaries, user_summaries
from clipit_lightning.models.attention import sinusoidal_positions

LONGEST = 4096
BUDGET = 0.15
USUAL_METRICS = ("f1", "kendall_tau", "spearman_rho")


class ExplicitAttention(nn.Module):
    """Multi-head attention of one video whose weights are matrices in memory, (heads, queries, keys)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.merge = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Let steps, (queries, width), look at others or at tokens, (keys, width)."""
        query, key, value = map(self._split, (self.query(queries), self.key(keys), self.value(keys)))
        energies = query @ key.transpose(1, 2) / math.sqrt(query.shape[2])  # (heads, queries, keys)
        weights = self.dropout(torch.softmax(energies, dim=2))  # (heads, queries, keys)
        merged: Tensor = self.merge((weights @ value).transpose(0, 1).flatten(1))  # (queries, width)
        return merged

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.view(len(tokens), self.heads, -1).transpose(0, 1)  # (heads, tokens, width / heads)


class UsualLayer(nn.Module):
    """A layer of an encoder, or with ``memory`` of a decoder; parameters have the names of ours."""

    def __init__(self, width: int, heads: int, dropout: float, of_weights: float, memory: bool) -> None:
        super().__init__()
        self.self_norm, self.self_attention = nn.LayerNorm(width), ExplicitAttention(width, heads, of_weights)
        if memory:
            self.memory_norm, self.memory_attention = nn.LayerNorm(width), ExplicitAttention(width, heads, of_weights)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, steps: Tensor, memory: Tensor | None = None) -> Tensor:
        """Steps and the encoder's output, (steps, width) each."""
        normed = self.self_norm(steps)
        steps = steps + self.dropout(self.self_attention(normed, normed))
        if memory is not None:
            steps = steps + self.dropout(self.memory_attention(self.memory_norm(steps), memory))
        layered: Tensor = steps + self.dropout(self.feedforward(steps))
        return layered


class UsualScorer(nn.Module):
    """The network of ``ClipItScorer`` for one video, with dropout of attention weights; parameters have its names."""

    positions: Tensor

    def __init__(self, feature_dim: int, text_dim: int, model: ModelConfig, of_weights: float) -> None:
        super().__init__()
        width, heads, dropout = model.width, model.heads, model.dropout
        self.frame_projection, self.text_projection = nn.Linear(feature_dim, width), nn.Linear(text_dim, width)
        attention = ExplicitAttention(width, heads, of_weights)
        self.language = nn.ModuleDict({"attention": attention, "norm": nn.LayerNorm(width)})
        sizes = (width, heads, dropout, of_weights)
        encoder = nn.ModuleList(UsualLayer(*sizes, memory=False) for _ in range(model.encoder_layers))
        decoder = nn.ModuleList(UsualLayer(*sizes, memory=True) for _ in range(model.decoder_layers))
        norms = {"encoder_norm": nn.LayerNorm(width), "decoder_norm": nn.LayerNorm(width)}
        self.transformer = nn.ModuleDict({"encoder": encoder, "decoder": decoder, **norms})
        self.score_head, self.reconstruction_head = nn.Linear(width, 1), nn.Linear(width, feature_dim)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("positions", sinusoidal_positions(LONGEST, width), persistent=False)

    def forward(self, features: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, (steps,), and reconstructed features, (steps, features), of one video and its tokens."""
        steps = self.frame_projection(functional.normalize(features, dim=1) * features.shape[1] ** 0.5)
        tokens = self.text_projection(functional.normalize(text, dim=1) * text.shape[1] ** 0.5)
        attended = self.dropout(self.language["attention"](steps, tokens))  # (steps, width)
        steps = self.language["norm"](steps + attended) + self.positions[: len(steps)]  # (steps, width)
        memory = decoded = steps
        for layer in self.transformer["encoder"].children():
            memory = layer(memory)
        memory = self.transformer["encoder_norm"](memory)
        for layer in self.transformer["decoder"].children():
            decoded = layer(decoded, memory)
        decoded = self.transformer["decoder_norm"](decoded) if len(self.transformer["decoder"]) else memory  # type: ignore[arg-type]
        return self.score_head(self.dropout(decoded)).squeeze(1), self.reconstruction_head(decoded)


def usual_losses(
    logits: Tensor, reconstruction: Tensor, features: Tensor, keyframes: Tensor, importance: Tensor, target: float
) -> dict[str, Tensor]:
    """The terms for one video by name, () each; diversity by the matrix of all pairs."""
    scores = torch.sigmoid(logits)  # (steps,)
    share = scores / scores.sum()  # (steps,)
    class_weights = keyframes / keyframes.sum() / 2 + (1 - keyframes) / (1 - keyframes).sum() / 2  # (steps,)
    units = functional.normalize(reconstruction, dim=1)  # (steps, features)
    others = 1 - torch.eye(len(units))  # (steps, steps)
    pairs = share.unsqueeze(1) * share.unsqueeze(0) * others  # (steps, steps)
    errors = (reconstruction - features).square().sum(1)  # (steps,)
    return {
        "keyframe": functional.binary_cross_entropy_with_logits(logits, keyframes, class_weights, reduction="sum"),
        "correlation": 1
        - functional.cosine_similarity(logits - logits.mean(), importance - importance.mean(), dim=0, eps=1e-6),
        "diversity": (pairs * (units @ units.T)).sum() / pairs.sum(),
        "reconstruction": (share * errors).sum() / features.square().sum(1).mean(),
        "length": (scores.mean() - target).square(),
    }


def usual_knapsack(values: Sequence[float], weights: Sequence[int], capacity: int) -> list[int]:
    """Indices of the items of the highest value within a capacity: a table over items and capacities, cell by cell."""
    table = [[0.0] * (capacity + 1)]
    for value, weight in zip(values, weights, strict=True):
        above, row = table[-1], []
        for room in range(capacity + 1):
            row.append(above[room] if weight > room else max(above[room], above[room - weight] + value))
        table.append(row)
    chosen, room = [], capacity
    for item in range(len(values) - 1, -1, -1):
        if table[item + 1][room] != table[item][room]:
            chosen.append(item)
            room -= weights[item]
    return chosen


def usual_metrics(video: Video, scores: NDArray[np.floating]) -> dict[str, float]:
    """Mean F1, tau and rho over the annotators of one video, from its step scores, (steps,)."""
    frames = np.zeros(video.n_frames)
    ends = [*video.picks[1:], video.n_frames]
    for score, first, end in zip(scores, video.picks, ends, strict=True):
        frames[first:end] = score
    values = [float(frames[first : last + 1].mean()) for first, last in video.change_points]
    lengths = [int(last - first + 1) for first, last in video.change_points]
    summary = np.zeros(video.n_frames, dtype=np.float32)
    for shot in usual_knapsack(values, lengths, int(video.n_frames * BUDGET)):
        first, last = video.change_points[shot]
        summary[first : last + 1] = 1
    f1 = []
    for row in user_summaries(video).astype(np.float32):
        overlap = (summary * row).sum()
        precision, recall = overlap / (summary.sum() + 1e-8), overlap / (row.sum() + 1e-8)
        f1.append(2 * precision * recall / (precision + recall) if overlap else 0.0)
    ratings = ratings_or_summaries(video)
    tau = [stats.kendalltau(stats.rankdata(scores), stats.rankdata(row))[0] for row in ratings]
    rho = [stats.spearmanr(scores, row)[0] for row in ratings]
    return dict(zip(USUAL_METRICS, (float(np.mean(values)) for values in (f1, tau, rho)), strict=True))


class Usual:
    """The usual code, an epoch at a time; with ``of_weights``, that share of the attention weights is dropped."""

    def __init__(
        self, config: Config, datamodule: SummarizationDataModule, folder: Path, of_weights: float = 0.0
    ) -> None:
        fold = datamodule.folds[datamodule.fold]
        self.config, self.path = config, folder / "usual.pt"
        self.videos, self.test = (
            [self._tensors(datamodule, number) for number in datamodule.numbers(ids)]
            for ids in (fold.train + fold.validation, fold.test)
        )
        self.scorer = UsualScorer(datamodule.feature_dim, datamodule.text_dim, config.model, of_weights)
        self.optimizer = torch.optim.AdamW(
            self.scorer.parameters(), lr=config.optim.lr, weight_decay=config.optim.weight_decay
        )

    def _tensors(self, datamodule: SummarizationDataModule, number: int) -> tuple[Video, list[Tensor]]:
        video = cast(Video, datamodule.item(number))
        tokens = cast(NDArray[np.float32], datamodule.text(video))
        return video, [torch.from_numpy(array) for array in (video.features, tokens, video.gtsummary, video.gtscore)]

    def train(self) -> None:
        """Train one epoch."""
        self.scorer.train()
        random.shuffle(self.videos)
        history = [self._step(*tensors) for _, tensors in self.videos]
        if not math.isfinite(sum(history)):
            raise FloatingPointError("the usual code does not train")

    def evaluate(self) -> None:
        """Measure the test videos, and save the weights."""
        self.scorer.eval()
        for video, tensors in self.test:
            usual_metrics(video, self.scores(*tensors[:2]))
        torch.save(self.scorer.state_dict(), self.path)

    def losses(self, features: Tensor, text: Tensor, keyframes: Tensor, importance: Tensor) -> dict[str, Tensor]:
        """The terms of one video by name, and their weighted sum as ``total``."""
        logits, reconstruction = self.scorer(features, text)
        terms = usual_losses(logits, reconstruction, features, keyframes, importance, self.config.loss.length_target)
        total = torch.stack([getattr(self.config.loss, name) * term for name, term in terms.items()]).sum()
        return terms | {"total": total}

    @torch.no_grad()
    def scores(self, features: Tensor, text: Tensor) -> NDArray[np.float32]:
        """Step scores of one video, (steps,)."""
        scores: NDArray[np.float32] = torch.sigmoid(self.scorer(features, text)[0]).numpy()
        return scores

    def _step(self, *tensors: Tensor) -> float:
        total = self.losses(*tensors)["total"]
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        if self.config.optim.clip:
            torch.nn.utils.clip_grad_norm_(self.scorer.parameters(), self.config.optim.clip)
        self.optimizer.step()
        return total.item()
