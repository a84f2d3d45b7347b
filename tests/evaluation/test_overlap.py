import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipit_lightning.evaluation import Annotations, measure
from clipit_lightning.evaluation.overlap import f1
from clipit_lightning.evaluation.rules import Rules


@st.composite
def judged_videos(draw):
    """Lengths of shots, picks, their scores in eighths (sums are exact, ties frequent), and annotators' frames."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    frames = st.lists(st.sampled_from([0, 1]), min_size=sum(lengths), max_size=sum(lengths))
    picks = sorted(draw(st.sets(st.integers(0, sum(lengths) - 1), min_size=1)))
    scores = draw(st.lists(st.integers(-8, 16), min_size=len(picks), max_size=len(picks)))
    return lengths, picks, [score / 8 for score in scores], draw(st.lists(frames, min_size=1, max_size=4))


def naive_f1(ours, theirs):
    overlap = sum(a and b for a, b in zip(ours, theirs, strict=True))
    if overlap == 0:
        return 0.0
    precision, recall = Fraction(overlap, sum(ours)), Fraction(overlap, sum(theirs))
    return float(2 * precision * recall / (precision + recall))


def best_summaries(lengths, picks, scores, limit):
    """Every summary of the highest worth, a shot's mean score, within so many frames."""
    holders = [max([step for step, pick in enumerate(picks) if pick <= at], default=0) for at in range(sum(lengths))]
    ends = list(itertools.accumulate(lengths))
    shots = [
        [Fraction(scores[step]) for step in holders[end - size : end]] for end, size in zip(ends, lengths, strict=True)
    ]
    worth = [sum(shot) / len(shot) for shot in shots]
    choices = [
        choice
        for choice in itertools.product(*([0, 1] if value > 0 else [0] for value in worth))
        if np.dot(choice, lengths) <= limit
    ]
    totals = [sum(itertools.compress(worth, choice)) for choice in choices]
    best = [choice for choice, total in zip(choices, totals, strict=True) if total == max(totals)]
    return [np.repeat(choice, lengths).tolist() for choice in best]


@pytest.mark.filterwarnings("ignore:.*all scores are equal")
@given(judged_videos(), st.sampled_from([15, 40, 100]))
def test_f1_of_scores_equals_a_naive_rewriting(video, percent):
    lengths, picks, scores, people = video
    borders = np.cumsum([0, *lengths])
    shots = np.stack([borders[:-1], borders[1:] - 1], axis=1)
    annotations = Annotations(shots, sum(lengths), picks, user_summary=people)
    expected = [
        [naive_f1(summary, person) for person in people]
        for summary in best_summaries(lengths, picks, scores, percent * sum(lengths) // 100)
    ]
    for convention in ("mean", "max"):
        measured = measure(scores, annotations, Rules(convention, "mean-annotator", budget=percent / 100))
        assert measured["f1"] == measured[f"f1_{convention}"]
        pairs = [(np.mean(row), max(row)) for row in expected]
        assert any(np.allclose((measured["f1_mean"], measured["f1_max"]), pair, atol=1e-12) for pair in pairs)


@given(st.data(), st.integers(1, 60))
def test_f1_of_any_summary_equals_precision_and_recall_counted_frame_by_frame(data, n_frames):
    frames = st.lists(st.sampled_from([0, 1]), min_size=n_frames, max_size=n_frames)
    ours, people = data.draw(frames), data.draw(st.lists(frames, min_size=1, max_size=4))
    expected = [naive_f1(ours, person) for person in people]
    assert abs(f1(ours, people) - sum(expected) / len(expected)) < 1e-12
    assert abs(f1(ours, people, over="max") - max(expected)) < 1e-12
