"""Average precision of clips, against a rewriting by loops, and against hand-made values."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipit_lightning.evaluation import Annotations, ConstantScoresWarning, Rules, measure
from clipit_lightning.evaluation.highlights import average_precision, highlight_precision


def naive_clips(values, clip, rule):
    means = []
    for start in range(0, len(values), clip):
        own = list(values[start : start + clip])
        if rule == "ceil":
            own += [0.0] * (clip - len(own))
        means.append(sum(own) / len(own))
    return means


def naive_precision(scores, labels):
    """Precision at each threshold, times the recall that it adds."""
    found, total, before = sum(labels), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = [label for score, label in zip(scores, labels, strict=True) if score >= threshold]
        recall = sum(taken) / found if found else 0.0
        total += (recall - before) * sum(taken) / len(taken)
        before = recall
    return total


def naive(scores, reference, share, rule, clip):
    ours, theirs = naive_clips(scores, clip, rule), naive_clips(reference, clip, rule)
    count = math.floor(len(theirs) * share) if rule == "floor" else math.ceil(len(theirs) * share)
    best = sorted(range(len(theirs)), key=lambda index: (-theirs[index], index))[:count]
    return naive_precision(ours, [index in best for index in range(len(theirs))])


values = st.integers(0, 8).map(lambda number: number / 8)  # sums of eighths are exact, so that equal clips are equal


@given(
    st.lists(st.tuples(values, values), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.15]),
    st.sampled_from(["floor", "ceil"]),
    st.sampled_from([1, 2, 4, 8]),
)
def test_equals_a_rewriting_by_loops(steps, share, rule, clip):
    scores, reference = zip(*steps, strict=True)
    expected = naive(scores, reference, share, rule, clip)
    assert highlight_precision(scores, reference, share, rule, clip) == pytest.approx(expected, abs=1e-9)


def test_the_rules_differ_in_the_last_clip_and_in_rounding():
    scores, reference = [0.0] * 5 + [0.5], [0.5] * 5 + [1.0]  # the last clip has one step
    assert highlight_precision(scores, reference, 0.5, "floor") == 1.0  # it is the best, with a mean of 1
    assert highlight_precision(scores, reference, 0.5, "ceil") == 0.5  # its mean is 0.2, and the first is the best
    assert highlight_precision(scores, reference, 0.15, "floor") == 0.0  # none of two clips is best
    assert highlight_precision(scores, reference, 0.15, "ceil") == 0.5


def test_equal_scores_share_a_threshold():
    assert average_precision(np.zeros(4), np.array([True, False, False, False])) == 0.25


@pytest.mark.parametrize(("scores", "reference"), [([0.1], [0.1, 0.2]), ([], []), ([[0.1]], [[0.1]])])
def test_what_is_no_pair_of_rows_is_refused(scores, reference):
    with pytest.raises(ValueError, match=r"both are \(steps,\)"):
        highlight_precision(scores, reference, 0.5)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="rule"):
        highlight_precision([0.1], [0.1], 0.5, "round")


@given(
    st.lists(st.tuples(values, values), min_size=1, max_size=60),
    st.sampled_from(["floor", "ceil"]),
    st.integers(1, 3),
)
def test_measure_has_the_mean_precision_at_both_shares(steps, rule, stride):
    """Scores of frames stand for the steps at the picks."""
    scores, reference = map(np.array, zip(*steps, strict=True))
    frames = len(scores) * stride
    video = Annotations([[0, frames - 1]], frames, np.arange(len(scores)) * stride, gtscore=reference)
    for given_scores in (scores, np.repeat(scores, stride)):
        with warnings.catch_warnings(action="ignore", category=ConstantScoresWarning):
            measured = measure(given_scores, video, Rules("mean", "importance", highlights=rule))
        for name, share in (("map50", 0.5), ("map15", 0.15)):
            assert measured[name] == pytest.approx(naive(scores, reference, share, rule, 5), abs=1e-9)


def test_no_rule_measures_nothing_and_is_told_of_nowhere():
    rules = Rules("mean", "importance")
    assert "map50" not in measure([0.1, 0.2], Annotations([[0, 1]], 2, gtscore=[0.3, 0.4]), rules)
    assert "highlights" not in rules.chosen
    assert Rules("mean", "importance", highlights="ceil").chosen["highlights"] == "ceil"
