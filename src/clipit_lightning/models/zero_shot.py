"""Scores of a raw video's steps by a rule without training (zero-shot).

By a query, or by what stands out of the video. Everything is standardised within the video (mean 0, deviation 1 over
its steps), because cosines of one encoder lie in a narrow band that differs from encoder to encoder; a logistic
function leads to scores between 0 and 1. Nothing is trained.
"""

import math
import re

import numpy as np
from numpy.typing import NDArray

SMOOTH = 5
"""Steps over which a query's similarities are averaged: single frames are noisy, and a shot is what is shown."""
STEADY = 9
"""Steps over which rarity and likeness to the captions are averaged, for scores without a query."""
SHARPNESS = 12.0
"""How near two steps must be to count as the same: likeness falls by e within a 12th of the cosines' deviation."""
ENDS = 0.2
"""Share of the video at its beginning, and at its end, in which steps count less the nearer they are to the end."""
CAPTIONS = 0.5
"""How much the captions count."""

_BETWEEN = re.compile(r"\s*[,;]\s*(?:and\s+)?|\s+and\s+", re.IGNORECASE)

_BLOCK = 1024  # steps that are compared with all at once

Row = NDArray[np.float64]


def phrases(query: str) -> list[str]:
    """The texts that a query is compared by: the whole query, then its phrases where it has several.

    Phrases stand between commas, semicolons and the word "and".
    """
    whole = " ".join(query.split())
    several = [phrase for phrase in _BETWEEN.split(whole) if phrase]
    return [whole, *several] if len(several) > 1 else [whole]


def query_scores(features: NDArray[np.floating], text: NDArray[np.floating]) -> Row:
    """How well each step matches a query, by the cosine of image and text (CLIP, Radford et al., ICML 2021).

    With z for "standardised over the steps of the video", q for the whole query and p for its phrases, a step x has

        z(cos(x, q))                                            where the query is one phrase,
        (z(cos(x, q)) + max over p of z(cos(x, p))) / 2         where it has several:

    a step that shows one of several things counts, one that fits the whole counts more. The values are averaged over
    ``SMOOTH`` steps, standardised again, and go through a logistic function.

    Args:
        features: Of the steps, unit norm, (steps, features).
        text: Of the texts that ``phrases`` gives, unit norm, by the same encoder, (texts, features).

    Returns:
        Scores between 0 and 1, (steps,).
    """
    cosines = np.asarray(features, np.float64) @ np.asarray(text, np.float64).T  # (steps, texts)
    matches = np.stack([standard(row) for row in cosines.T])  # (texts, steps)
    match = matches[0] if len(matches) == 1 else (matches[0] + matches[1:].max(axis=0)) / 2  # (steps,)
    return _logistic(standard(smooth(match, SMOOTH)))


def sentence_scores(
    features: NDArray[np.floating], texts: NDArray[np.floating], importance: NDArray[np.floating] | None = None
) -> Row:
    """How well each step shows each sentence of a script: for each its `query_scores` as one phrase.

    With the importance of the steps, as a trained scorer sees it, each has z(z(match) + z(importance)) in place of
    z(match): a step counts that shows the sentence and what the scorer holds for important.

    Args:
        features: Of the steps, unit norm, (steps, features).
        texts: Of the sentences, unit norm, by the same encoder, (sentences, features).
        importance: Of the steps, (steps,).

    Returns:
        Scores between 0 and 1, (sentences, steps).
    """
    cosines = np.asarray(texts, np.float64) @ np.asarray(features, np.float64).T  # (sentences, steps)
    matches = [standard(smooth(standard(row), SMOOTH)) for row in cosines]
    if importance is not None:
        also = standard(np.asarray(importance, np.float64))  # (steps,)
        matches = [standard(match + also) for match in matches]
    return _logistic(np.stack(matches))


def generic_scores(features: NDArray[np.floating], captions: NDArray[np.floating] | None = None) -> Row:
    """How much each step stands out of its video, away from the ends of it, and is told of by the captions.

    With z for "standardised over the steps of the video", a step x at a share t of the video has

        z(rarity(x)) + z(min(t, 1 - t, ENDS)) + CAPTIONS * z(mean over captions c of cos(x, c))

    where the first and the last are averaged over ``STEADY`` steps, and

        rarity(x) = -log of the sum over the steps y of exp(SHARPNESS * (cos(x, y) - 1) / d)

    with d for the deviation of the cosines in the video: a kernel estimate of how common a step is (Parzen 1962).
    Rules that reward what represents the video rank the wrong way on SumMe. This one was chosen by its tau on all
    videos of TVSum and SumMe, so that its numbers there are optimistic: ``experiments/rules_without_labels.py`` prints
    them beside those of other rules.

    Args:
        features: Of the steps, unit norm, (steps, features).
        captions: Of the captions, unit norm, by the same encoder, (captions, features).

    Returns:
        Scores between 0 and 1, (steps,).
    """
    rows = np.asarray(features, np.float64)  # (steps, features)
    share = (np.arange(len(rows)) + 0.5) / len(rows)  # (steps,)
    values = standard(smooth(rarity(rows), STEADY)) + standard(np.minimum(np.minimum(share, 1 - share), ENDS))
    if captions is not None and len(captions):
        told = rows @ np.asarray(captions, np.float64).mean(axis=0)  # (steps,)
        values += CAPTIONS * standard(smooth(told, STEADY))
    return _logistic(standard(values))


def rarity(rows: Row) -> Row:
    """Rarity of each step in its video, (steps,), as in `generic_scores`; rows of unit norm, (steps, features)."""
    mean = float((rows.mean(axis=0) ** 2).sum())  # of the cosines of all pairs
    deviation = math.sqrt(max(0.0, float(((rows.T @ rows / len(rows)) ** 2).sum()) - mean**2))
    if deviation < 1e-9:
        return np.zeros(len(rows))
    blocks = (rows[start : start + _BLOCK] @ rows.T for start in range(0, len(rows), _BLOCK))  # (block, steps)
    return -np.concatenate([np.log(np.exp(SHARPNESS * (block - 1) / deviation).sum(axis=1)) for block in blocks])


def smooth(values: Row, window: int) -> Row:
    """Means over a window around each step; at the ends over what there is of it."""
    kernel = np.ones(min(window, 2 * len(values) - 1))
    middle = slice(len(kernel) // 2, len(kernel) // 2 + len(values))
    return (np.convolve(values, kernel)[middle]) / np.convolve(np.ones_like(values), kernel)[middle]


def standard(values: Row) -> Row:
    """Mean 0 and deviation 1; values that are all alike become 0."""
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 1e-9 else np.zeros_like(values)


def _logistic(values: Row) -> Row:
    return 1 / (1 + np.exp(-values))
