"""Scores of a raw video's steps by a rule without training (zero-shot).

By a query, or by what represents the video without repeats. Everything is standardised within the video
(mean 0, deviation 1 over its steps), because cosines of one encoder lie in a narrow band that differs from encoder to
encoder; a logistic function leads to scores between 0 and 1. Nothing in them has been fitted to any data.
"""

import re

import numpy as np
from numpy.typing import NDArray

SMOOTH = 5
"""Steps over which a query's similarities are averaged: single frames are noisy, and a shot is what is shown."""
WITHIN = 0.25
"""How much a step's likeness to its shot counts beside the value of the shot, for scores without a query."""

_BETWEEN = re.compile(r"\s*[,;]\s*(?:and\s+)?|\s+and\s+", re.IGNORECASE)

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
    matches = np.stack([_standard(row) for row in cosines.T])  # (texts, steps)
    match = matches[0] if len(matches) == 1 else (matches[0] + matches[1:].max(axis=0)) / 2  # (steps,)
    return _logistic(_standard(_smooth(match, SMOOTH)))


def generic_scores(
    features: NDArray[np.floating], picks: NDArray[np.integer], change_points: NDArray[np.integer]
) -> Row:
    """How well each step represents the video, less what better shots show already.

    Summaries are commonly asked to be representative and diverse (Lin and Bilmes, ACL 2011; Gygli, Grabner and Van
    Gool, CVPR 2015). Here shots are ordered by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the
    next one is that of the largest

        value(s) = z(cos(s, m)) - max over t before s of z'(cos(s, t))

    where s is the mean feature of a shot, m that of all steps, z standardises over shots, and z' over pairs of shots,
    so that the least similar pair has 0. A shot that repeats an earlier one falls by what the earlier one shows of
    it. A step's score is the logistic function of its shot's standardised value, plus ``WITHIN`` times its
    standardised cosine with its own shot less the shot's mean, so that the most typical frame of a shot is its peak.

    Args:
        features: Of the steps, unit norm, (steps, features).
        picks: Frame number of each step, increasing, (steps,).
        change_points: First and last frame of each shot, inclusive, (shots, 2).

    Returns:
        Scores between 0 and 1, (steps,).
    """
    rows = np.asarray(features, np.float64)  # (steps, features)
    own = np.searchsorted(change_points[:, 1], picks)  # (steps,) shot of each step
    _, shot, counts = np.unique(own, return_inverse=True, return_counts=True)  # shots without a step take no part
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    shots = _unit(np.add.reduceat(rows, starts, axis=0))  # (shots, features)
    typical = np.einsum("sf,sf->s", rows, shots[shot])  # (steps,)
    typical -= (np.add.reduceat(typical, starts) / counts)[shot]
    values = _standard(_marginal_values(shots, _unit(rows.sum(axis=0, keepdims=True))[0]))  # (shots,)
    return _logistic(values[shot] + WITHIN * _standard(typical))


def _marginal_values(shots: Row, whole: Row) -> Row:
    """Value of each shot when its turn comes, (shots,); see ``generic_scores``."""
    relevance = _standard(shots @ whole)  # (shots,)
    alike = shots @ shots.T  # (shots, shots)
    spread = alike.std()
    alike = (alike - alike.min()) / spread if spread > 1e-9 else np.zeros_like(alike)
    repeats, values = np.zeros(len(shots)), np.full(len(shots), np.nan)
    for _ in range(len(shots)):
        value = np.where(np.isnan(values), relevance - repeats, -np.inf)
        best = int(value.argmax())  # of equal ones the earliest
        values[best] = value[best]
        repeats = np.maximum(repeats, alike[best])
    return values


def _smooth(values: Row, window: int) -> Row:
    """Means over a window around each step; at the ends over what there is of it."""
    kernel = np.ones(min(window, 2 * len(values) - 1))
    middle = slice(len(kernel) // 2, len(kernel) // 2 + len(values))
    return (np.convolve(values, kernel)[middle]) / np.convolve(np.ones_like(values), kernel)[middle]


def _standard(values: Row) -> Row:
    """Mean 0 and deviation 1; values that are all alike become 0."""
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 1e-9 else np.zeros_like(values)


def _unit(rows: Row) -> Row:
    norms: Row = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1e-12)


def _logistic(values: Row) -> Row:
    return 1 / (1 + np.exp(-values))
