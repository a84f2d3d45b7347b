"""Where a number is odd by definition: the videos, summaries and annotators that it is so for are counted."""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.evaluation.annotations import Annotated
from clipit_lightning.evaluation.rules import Rules, references
from clipit_lightning.summary.key_shots import budget_frames, shot_lengths

ODD = {
    "constant_scores": "videos have equal scores everywhere: their rank correlation counts as 0",
    "empty_summaries": "summaries are empty, since no shot that fits the budget has a score above 0: their F1 is 0",
    "no_shot_fits": "videos have no shot that fits the budget: their summaries are empty, their F1 is 0",
    "annotators_omitted": "annotators of a video gave everything the same value: correlations omit them",
}
"""Every kind by name, and what is said of it after its number."""


def count_odd(scored: Iterable[tuple[Annotated, NDArray[np.floating]]], rules: Rules) -> dict[str, int]:
    """Count what is odd of videos with their step scores, (steps,), or frame scores, (frames,).

    Returns:
        The numbers by name in `ODD`; those of 0 are omitted.
    """
    counts: Counter[str] = Counter()
    for video, scores in scored:
        budget = budget_frames(video.n_frames, rules.budget, rules.rounding)
        fits = int(shot_lengths(video.change_points).min()) <= budget
        equal = np.ptp(references(video, rules.correlation), axis=1) == 0  # (annotators,)
        counts["constant_scores"] += int(np.ptp(scores) == 0)
        counts["empty_summaries"] += int(fits and not rules.summary(video, scores).any())
        counts["no_shot_fits"] += int(not fits)
        counts["annotators_omitted"] += int(equal.sum())
    return {name: counts[name] for name in ODD if counts[name]}


def odd_lines(counts: Mapping[str, int]) -> list[str]:
    """What `count_odd` counted, a sentence each."""
    return [f"NOTE: {number} {ODD[name]}" for name, number in counts.items() if name in ODD]
