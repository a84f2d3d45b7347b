import itertools

import networkx as nx
import numpy as np
import pytest

from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.evaluation.matching import Match, QueryRules, query_drops, semantic_matching, tag_iou


def draw_tags(rng, shots, concepts=6):
    return (rng.random((shots, concepts)) < 0.4).astype(np.uint8)


def naive_iou(one, other):
    ours, theirs = set(np.flatnonzero(one)), set(np.flatnonzero(other))
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 0.0


def total_overlap(tags, chosen, oracle):
    """Total weight of the matching that networkx finds by Edmonds' blossoms."""
    graph = nx.Graph()
    for ours, theirs in itertools.product(chosen, oracle):
        graph.add_edge(("ours", ours), ("theirs", theirs), weight=naive_iou(tags[ours], tags[theirs]))
    return sum(graph.edges[pair]["weight"] for pair in nx.max_weight_matching(graph))


def test_overlap_of_tags_against_sets():
    tags = draw_tags(np.random.default_rng(0), 40)
    tags[3] = tags[7] = 0
    expected = [[naive_iou(one, other) for other in tags] for one in tags]
    np.testing.assert_allclose(tag_iou(tags, tags), expected, atol=1e-12)
    assert tag_iou(tags[3:4], tags[7:8]) == 0, "two shots that show nothing are not alike"


def test_matching_equals_that_of_networkx():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tags = draw_tags(rng, 30)
        chosen, oracle = (rng.choice(30, rng.integers(1, 20), replace=False) for _ in range(2))
        total = total_overlap(tags, chosen, oracle)
        precision, recall = total / len(chosen), total / len(oracle)
        f1 = 2 * precision * recall / (precision + recall) if total else 0.0
        assert semantic_matching(chosen, oracle, tags) == pytest.approx((f1, precision, recall), abs=1e-9), seed


def test_nothing_chosen_and_nothing_alike_are_0_and_never_nan():
    tags = np.eye(4, dtype=np.uint8)
    none = np.array([], dtype=np.int64)
    assert semantic_matching(none, np.array([1]), tags) == Match(0, 0, 0)
    assert semantic_matching(np.array([0]), np.array([1]), tags) == Match(0, 0, 0)
    assert semantic_matching(np.array([2, 3]), np.array([2, 3]), tags) == Match(1, 1, 1)


def test_the_best_shots_are_taken_and_of_equals_the_earlier():
    scores = np.array([0.1, 0.9, 0.5, 0.9, 0.5, 0.5])
    assert QueryRules(budget=0.5).choose(scores).tolist() == [1, 2, 3]
    assert [len(QueryRules().choose(np.zeros(shots))) for shots in (2783, 3692, 2152, 3588)] == [55, 73, 43, 71]


@pytest.fixture
def video():
    rng = np.random.default_rng(1)
    return QueryVideo(
        dataset="qfvs",
        key="P01",
        features=rng.normal(size=(30, 4)).astype(np.float32),
        tags=draw_tags(rng, 30),
        concepts=tuple("abcdef"),
        queries=np.array([[0, 1], [2, 3], [4, 5]]),
        query_features=rng.normal(size=(3, 2, 4)).astype(np.float32),
        oracle=(rng.random((3, 30)) < 0.2).astype(np.uint8),
        shot_seconds=5.0,
    )


def test_the_drop_is_the_mean_over_all_other_queries(video):
    rng = np.random.default_rng(2)
    chosen = {query: np.sort(rng.choice(30, 5, replace=False)) for query in range(3)}
    f1 = [
        [semantic_matching(chosen[given], np.flatnonzero(video.oracle[asked]), video.tags).f1 for given in range(3)]
        for asked in range(3)
    ]
    expected = [
        f1[asked][asked] - np.mean([f1[asked][other] for other in range(3) if other != asked]) for asked in range(3)
    ]
    assert list(query_drops(video, chosen).values()) == pytest.approx(expected, abs=1e-12)


def test_a_prediction_that_ignores_the_query_drops_by_exactly_0(video):
    same = dict.fromkeys(range(3), np.array([1, 4, 9]))
    assert query_drops(video, same) == {0: 0.0, 1: 0.0, 2: 0.0}
    assert query_drops(video, {1: np.array([3])}) == {1: 0.0}
    own = {query: np.flatnonzero(video.oracle[query]) for query in range(3)}
    assert min(query_drops(video, own).values()) > 0
