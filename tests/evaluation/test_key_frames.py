import itertools

import networkx as nx
import numpy as np
import pytest

from clipit_lightning.evaluation import keyframe_f1, keyframe_matching
from clipit_lightning.evaluation.matching import Match


def cosine(one, other):
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    return one @ other / norms if norms else 0.0


def most_pairs(chosen, reference, threshold):
    """By trying every way to give each chosen frame another one of the reference, or none."""
    options = [
        [None, *(j for j, theirs in enumerate(reference) if cosine(ours, theirs) > threshold)] for ours in chosen
    ]
    ways = [[j for j in way if j is not None] for way in itertools.product(*options)]
    return max(len(way) for way in ways if len(set(way)) == len(way))


def test_pairs_are_as_many_as_any_way_to_match_gives():
    rng, counts = np.random.default_rng(0), set()
    for _ in range(60):
        chosen, reference = (rng.normal(size=(rng.integers(1, 6), 2)) for _ in range(2))
        pairs = most_pairs(chosen, reference, 0.5)
        expected = 2 * pairs / (len(chosen) + len(reference)), pairs / len(chosen), pairs / len(reference)
        assert keyframe_matching(chosen, reference, 0.5) == pytest.approx(expected, abs=1e-12)
        counts.add(pairs)
    assert counts >= {0, 1, 2, 3}


def test_pairs_of_many_are_those_of_networkx():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        chosen, reference = (rng.normal(size=(rng.integers(1, 25), 4)) for _ in range(2))
        graph = nx.Graph()
        for (i, ours), (j, theirs) in itertools.product(enumerate(chosen), enumerate(reference)):
            if cosine(ours, theirs) > 0.6:
                graph.add_edge(("ours", i), ("theirs", j))
        pairs = len(nx.max_weight_matching(graph, maxcardinality=True))
        assert keyframe_f1(chosen, reference, 0.6) == pytest.approx(2 * pairs / (len(chosen) + len(reference)))


def test_the_most_similar_pair_first_would_leave_one_out():
    chosen, reference = [[1, 0], [1, 0.5]], [[1, 0.1], [1, 0.9]]
    assert keyframe_matching(chosen, reference, 0.94) == Match(1, 1, 1)
    assert cosine(*np.array([chosen[1], reference[0]])) > 0.92 > cosine(*np.array([chosen[0], reference[1]]))


def test_a_frame_is_matched_once_and_equal_sets_agree():
    rows = np.eye(3)
    assert keyframe_matching(rows, rows) == Match(1, 1, 1)
    assert keyframe_matching(rows[[0, 0, 0]], rows[:1]) == Match(0.5, pytest.approx(1 / 3), 1)
    assert keyframe_f1(rows, rows, threshold=1.0) == 0, "above the threshold, not at it"


def test_nothing_to_match_is_0_and_never_nan():
    for chosen, reference in (([], [[1, 0]]), ([[1, 0]], []), ([], []), ([[0, 0]], [[0, 0]])):
        assert keyframe_matching(chosen, reference) == Match(0, 0, 0)


@pytest.mark.parametrize("chosen", [[[1.0, 0.0, 0.0]], [1.0, 0.0], [[np.nan, 0.0]]])
def test_other_features_are_an_error(chosen):
    with pytest.raises(ValueError, match="features"):
        keyframe_matching(chosen, [[1.0, 0.0]])
