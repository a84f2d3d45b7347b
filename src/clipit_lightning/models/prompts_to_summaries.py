"""Prompts-to-Summaries: a judge's scores of shots become scores of steps, by what holds and what varies within a shot.

Closed form; nothing is trained.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipit_lightning.models.scorer import Scorer, ScorerOutput

Norm = Literal["none", "min-max", "exp", "min-max-exp"]

STEPS_A_SECOND = 2
"""As in the field's files, nearly: what lengths in seconds are taken for."""
MOST_CLUSTERS = 10
"""Clusters of a shot's steps at most; a cluster has two steps or more on average."""
NO_SCORE = 50.0
"""Score of a shot in a video of which no shot has one."""
_ROUNDS = 20  # of k-means, which mostly settles sooner

Row = NDArray[np.float64]


class PromptsToSummariesScorer(Scorer):
    """Prompts-to-Summaries (Barbara and Maalouf, 2025, arXiv 2506.10807), from scores that stand in the store.

    Read were the abstract and the authors' code (github.com/mario998-hash/ZeroShotVideoSummary, 543dcf2), whose rule
    `step_scores` follows. The last two features of a step are the number of its shot and the judge's score of that,
    which the datamodules append (`judge`); the others are compared. It has nothing to learn, and no parameter.
    """

    title = "Prompts-to-Summaries"
    fit = "none"
    reads_judge = True

    def __init__(self, feature_dim: int, text_dim: int, shot_norm: Norm = "exp") -> None:
        super().__init__()
        self.shot_norm = shot_norm

    def forward(self, features: Tensor, text: Tensor) -> ScorerOutput:
        """Score every step by its shot's score and by its part of the shot."""
        items = features.detach().double().cpu().reshape(-1, *features.shape[-2:]).numpy()  # (items, steps, features)
        rows = [step_scores(item[:, :-2], item[:, -2], item[:, -1], self.shot_norm) for item in items]
        # The order of the values and their ratios are what they mean: the best of a video has 0.99.
        scores = np.stack([0.99 * row / max(row.max(), 1e-12) for row in rows])  # (items, steps)
        logits = torch.logit(torch.from_numpy(scores), eps=1e-6).to(features.device, features.dtype)
        return ScorerOutput(logits.view(features.shape[:-1]))


def step_scores(features: NDArray[np.floating], shots: Row, judged: Row, norm: Norm = "exp") -> Row:
    """Propagate scores of shots to steps.

    1. Scores of shots go through `norm`; a shot without one has the mean of the others.
    2. From the middle of a shot to the middle of the next the score s follows half a cosine.
    3. The steps of a shot are clustered. In each part of the shot of W seconds, c is the share of steps in the part's
       most frequent cluster (consistency), and u the mean distance of its steps from their mean (uniqueness).
    4. A step has s (w c + (1 - w) u); within each shot these values go through `norm`.

    W and w are those of the authors' code by the length of the video: 3 and 0.3 up to 1.8 minutes, 1 and 1 up to 9,
    then 1 and 0.1.

    Theirs computes with all frames and scenes of at least 150 of them, ours with the steps of any shots; in place of
    k-means++ and the package `kneed` stand k-means from the steps farthest apart, and the number of clusters at the
    largest distance of the curve of squared distances from its chord. Shots of less than four steps are one cluster.

    Args:
        features: Of the steps, of any norm but 0, (steps, features).
        shots: A number for each step, the same for neighbouring steps of one shot, (steps,).
        judged: Score of each step's shot, 0 to 100; below 0 where there is none, (steps,).
        norm: ``none``, ``min-max`` to 0 and 1, ``exp`` of a hundredth, or ``min-max-exp``, the exponential of min-max.

    Returns:
        Values from 0 on, (steps,).
    """
    rows = np.asarray(features, np.float64)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)  # (steps, features)
    parts = list(_runs(np.asarray(shots)))
    scores = normed(_whole(np.asarray(judged, np.float64)[[part.start for part in parts]]), norm)  # (shots,)
    smooth = transition(scores, np.array([(part.start + part.stop - 1) / 2 for part in parts]), len(rows))  # (steps,)
    seconds, weight = settings_of(len(rows))
    values = np.empty(len(rows))
    for part in parts:
        held, new = consistency_and_uniqueness(rows[part], seconds * STEPS_A_SECOND)  # (steps of the shot,)
        values[part] = normed(smooth[part] * (weight * held + (1 - weight) * new), norm)
    return values


def settings_of(steps: int) -> tuple[int, float]:
    """W, the seconds of a part of a shot, and w, the weight of consistency, in a video of so many steps."""
    minutes = steps / STEPS_A_SECOND / 60
    if minutes > 9:
        return 1, 0.1
    return (1, 1.0) if minutes > 1.8 else (3, 0.3)


def normed(values: Row, norm: Norm) -> Row:
    """Values through one of the four norms, of the same shape."""
    if norm == "exp":
        return np.exp(values / 100)
    if norm == "none":
        return values
    scaled: Row = (values - values.min()) / (values.max() - values.min() + 1e-8)
    return np.exp(scaled) if norm == "min-max-exp" else scaled


def transition(scores: Row, middles: Row, steps: int) -> Row:
    """Scores of steps, (steps,), that lead from each shot's, (shots,), at its middle to the next by half a cosine."""
    at = np.interp(np.arange(steps), middles, np.arange(len(middles)))  # (steps,) in shots from the first middle on
    before = at.astype(np.int64)
    after = np.minimum(before + 1, len(scores) - 1)
    share = (1 - np.cos(np.pi * (at - before))) / 2
    return scores[before] + (scores[after] - scores[before]) * share


def consistency_and_uniqueness(rows: Row, length: int) -> tuple[Row, Row]:
    """What holds and what varies in each part of a shot, for each of its steps.

    Args:
        rows: Features of the shot's steps, (steps, features).
        length: Steps of a part; the last may be shorter.

    Returns:
        Share of the part's steps in its most frequent cluster, and mean distance of them from their mean; (steps,).
    """
    labels = clusters(rows)
    held, new = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), length):
        part = slice(start, start + length)
        held[part] = np.bincount(labels[part]).max() / len(labels[part])
        new[part] = np.linalg.norm(rows[part] - rows[part].mean(axis=0), axis=1).mean()
    return held, new


def clusters(rows: Row) -> NDArray[np.int64]:
    """Cluster the steps of a shot by k-means, k from 2 on at the bend of the curve of squared distances; (steps,)."""
    most = min(MOST_CLUSTERS, len(rows) // 2)
    if most < 2:
        return np.zeros(len(rows), np.int64)
    order = _far_apart(rows, most)
    made = [_k_means(rows, order[:count]) for count in range(2, most + 1)]
    curve = np.array([error for _, error in made])  # (counts,)
    fall = curve[0] - curve[-1]
    if len(made) == 1 or fall <= 1e-12:
        return made[0][0]
    chord = np.linspace(0, 1, len(made))
    return made[int(np.argmax((curve[0] - curve) / fall - chord))][0]


def _far_apart(rows: Row, count: int) -> list[int]:
    """Steps far from one another: the one farthest from the mean, then always the one farthest from those."""
    chosen = [int(np.argmax(((rows - rows.mean(axis=0)) ** 2).sum(axis=1)))]
    distances = ((rows - rows[chosen[0]]) ** 2).sum(axis=1)  # (steps,) to the nearest of the chosen
    while len(chosen) < count:
        chosen.append(int(np.argmax(distances)))
        distances = np.minimum(distances, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
    return chosen


def _k_means(rows: Row, first: list[int]) -> tuple[NDArray[np.int64], float]:
    """Lloyd's algorithm from some of the rows: the cluster of each row, (rows,), and the sum of squared distances."""
    centres, labels = rows[first], np.full(len(rows), -1)  # (clusters, features), (rows,)
    for _ in range(_ROUNDS):
        distances = ((rows[:, None] - centres) ** 2).sum(axis=2)  # (rows, clusters)
        nearest = distances.argmin(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        there = np.unique(labels)  # a cluster that lost its rows keeps its centre
        centres = centres.copy()
        centres[there] = [rows[labels == one].mean(axis=0) for one in there]
    return labels, float(distances[np.arange(len(rows)), labels].sum())


def _runs(shots: Row) -> Iterator[slice]:
    """Where neighbouring steps have one number."""
    starts = [0, *(np.flatnonzero(np.diff(shots)) + 1).tolist(), len(shots)]
    return (slice(start, stop) for start, stop in pairwise(starts))


def _whole(scores: Row) -> Row:
    """Scores of shots with the mean of those that there are for those that lack."""
    there = scores >= 0
    return np.where(there, scores, scores[there].mean() if there.any() else NO_SCORE)
