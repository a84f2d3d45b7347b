"""The rule of TriPSS against scikit-learn's and scipy's parts put together plainly, and the scorer that takes it."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from clipit_lightning.models import make_scorer, tripss_rule
from clipit_lightning.models.tripss_rule import caption_at, clusters, distances_of, key_steps, principal, spanning_edges


def scenes(seed, steps=90, width=6):
    """Features of a video of scenes of unequal length, with steps between them that are like nothing."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(8, width)) * 4, rng.integers(2, 25, 8), axis=0)[:steps]
    rows = rows + rng.normal(size=rows.shape) * 0.4
    rows[rng.choice(len(rows), len(rows) // 8, replace=False)] *= 3
    return rows


def naive_validity(rows, labels, size):
    distances = cdist(rows, rows)
    core = np.sort(distances, axis=1)[:, size - 1]
    reach = np.array([[max(d, core[i], core[j]) for j, d in enumerate(row)] for i, row in enumerate(distances)])
    total = 0.0
    for label in set(labels) - {-1}:
        inside = [i for i, at in enumerate(labels) if at == label]
        outside = [i for i, at in enumerate(labels) if at != label]
        tree = minimum_spanning_tree(reach[np.ix_(inside, inside)]).toarray()
        separation = min(reach[i, j] for i in inside for j in outside) if outside else reach.max()
        total += len(inside) * (separation - tree[tree > 0].mean()) / separation
    return total / sum(labels >= 0)


def naive_steps(modalities, components):
    """Chosen steps and labels, nothing omitted."""
    fused = np.hstack([StandardScaler().fit_transform(rows) for rows in modalities])
    rows = PCA(min(components, *fused.shape), svd_solver="full").fit_transform(fused)
    best, labels = -np.inf, np.zeros(len(rows), int)
    for size in (3, 4, 5):
        for neighbours in (3, 4, 5):
            given = HDBSCAN(min_cluster_size=size, min_samples=neighbours + 1, copy=True).fit_predict(rows)
            if (given >= 0).any() and (value := naive_validity(rows, given, size)) > best + 1e-12:
                best, labels = value, given
    steps = []
    for label in set(labels) - {-1}:
        inside = np.flatnonzero(labels == label)
        steps.append(inside[cdist(rows[inside], rows[inside]).sum(1).argmin()])
    return sorted(steps), labels


@pytest.mark.parametrize("components", [512, 4])
@pytest.mark.parametrize("seed", range(6))
def test_the_choice_is_that_of_the_parts_put_together_plainly(seed, components):
    modalities = [scenes(seed), scenes(seed)[:, :3] ** 2 + 7]
    steps, labels = naive_steps(modalities, components)
    choice = key_steps(modalities, components=components)
    assert choice.steps.tolist() == steps
    assert len(set(labels)) > 3
    np.testing.assert_array_equal(choice.labels, labels)


def test_principal_components_keep_the_distances_of_a_full_decomposition():
    for shape in ((30, 12), (12, 30)):
        rows = np.random.default_rng(0).normal(size=shape)
        expected = PCA(5, svd_solver="full").fit_transform(rows)
        np.testing.assert_allclose(distances_of(principal(rows, 5)), cdist(expected, expected), atol=1e-9)


def test_edges_of_the_spanning_tree_are_those_of_scipy():
    distances = cdist(*2 * [np.random.default_rng(0).normal(size=(40, 3))])
    expected = minimum_spanning_tree(distances).toarray()
    np.testing.assert_allclose(np.sort(spanning_edges(distances)), np.sort(expected[expected > 0]))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7])
def test_few_steps_and_steps_without_a_cluster_have_one_key_step(steps):
    rows = np.random.default_rng(0).normal(size=(steps, 50))
    choice = key_steps([rows])
    assert len(choice.steps) == 1
    assert not choice.labels.any(), "the video is one cluster"
    totals = cdist(*2 * [StandardScaler().fit_transform(rows)]).sum(1)
    assert totals[choice.steps[0]] == pytest.approx(totals.min())


def test_steps_that_are_all_alike_have_one_key_step_and_as_many_as_are_asked_for():
    rows = np.full((20, 3), 0.1)
    assert key_steps([rows]).steps.tolist() == [0]
    assert key_steps([rows], count=4).steps.tolist() == [0, 2, 4, 6], "apart, while there are such"
    assert key_steps([rows], count=4, alike=lambda one, other: True).steps.tolist() == [0]


def test_a_count_takes_the_largest_clusters_then_what_is_farthest():
    rows = np.repeat([[0.0, 0], [10, 0], [0, 10]], [20, 12, 6], axis=0) + np.random.default_rng(0).random((38, 2))
    choice = key_steps([rows])
    largest, middle, smallest = [next(step for step in choice.steps if part(step)) for part in PARTS]
    assert len(choice.steps) == 3
    assert key_steps([rows], count=1).steps.tolist() == [largest]
    assert key_steps([rows], count=2).steps.tolist() == [largest, middle]
    fused = StandardScaler().fit_transform(rows)
    near = cdist(fused, fused[choice.steps]).min(1)
    apart = np.abs(np.arange(38)[:, None] - choice.steps).min(1) > 38 // (4 * 4)
    assert set(key_steps([rows], count=4).steps) == {largest, middle, smallest, np.where(apart, near, 0).argmax()}
    assert key_steps([rows], count=99).steps.tolist() == list(range(38)), "more than there are"


PARTS = (lambda step: step < 20, lambda step: 20 <= step < 32, lambda step: step >= 32)


def test_what_is_not_good_or_looks_as_another_is_omitted():
    rows = np.repeat([[0.0, 0], [10, 0], [0, 10]], [20, 12, 6], axis=0) + np.random.default_rng(0).random((38, 2))
    first, second, third = key_steps([rows]).steps.tolist()
    good = np.ones(38, bool)
    good[first] = False
    moved = key_steps([rows], good).steps.tolist()
    assert moved[0] != first
    assert moved[0] < 20, "the best good step of its cluster"
    good[20:32] = False
    assert key_steps([rows], good).steps.tolist() == [moved[0], third], "a cluster without a good step has none"
    assert key_steps([rows], ~np.ones(38, bool)).steps.tolist() == [first, second, third], "all are bad: all count"
    pair = {first, second}
    alike = key_steps([rows], alike=lambda one, other: {one, other} == pair)
    assert alike.steps.tolist() == [first, third], "that of the larger cluster stays"


def test_a_modality_that_is_constant_or_scaled_changes_nothing():
    rows = scenes(0)
    expected = key_steps([rows]).steps
    assert key_steps([rows * 1e4 + 3, np.full((len(rows), 9), 0.3)]).steps.tolist() == expected.tolist()
    with_meaning = key_steps([rows, np.repeat(np.eye(3), len(rows) // 3 + 1, axis=0)[: len(rows)] * 50])
    assert with_meaning.steps.tolist() != expected.tolist()


def test_long_videos_are_clustered_in_equal_stretches(monkeypatch):
    rows = np.concatenate([scenes(0), scenes(1), scenes(2)])
    monkeypatch.setattr(tripss_rule, "LONGEST", len(rows) // 2)
    fused = StandardScaler().fit_transform(rows)
    borders = [0, len(rows) // 3, 2 * len(rows) // 3, len(rows)]
    choice, most = key_steps([rows]), -1
    for start, stop in pairwise(borders):
        part = clusters(distances_of(fused[start:stop]))
        np.testing.assert_array_equal(choice.labels[start:stop], np.where(part < 0, -1, part + most + 1))
        most += part.max() + 1
    assert len(choice.steps) == most + 1


def test_modalities_of_other_lengths_are_an_error():
    for modalities in ([], [np.zeros((0, 3))], [np.zeros((3, 3)), np.zeros((4, 3))]):
        with pytest.raises(ValueError, match="modalities"):
            key_steps(modalities)


def test_a_caption_holds_until_the_next_begins():
    assert caption_at(np.array([1.0, 4, 4, 9]), np.array([0, 1, 3.9, 4, 100])).tolist() == [0, 0, 0, 2, 3]


def logits(scorer, *values):
    return scorer(*(torch.as_tensor(value, dtype=torch.float64) for value in values)).logits


def test_the_scorer_marks_the_key_steps_of_what_the_store_has():
    video, colour = scenes(0), scenes(1)[:60]
    video = video[:60]
    text = np.random.default_rng(0).normal(size=(4, 3))
    spans = np.array([[5.0, 9], [20, 20], [21, 30], [50, 59]])
    features = np.hstack([video, colour, np.ones((60, 1)), np.random.default_rng(1).normal(size=(60, 3))])
    streams = {"visual": video.shape[1], "colour": colour.shape[1] + 1, "motion": 3}
    scorer = make_scorer("tripss", feature_dim=features.shape[1], text_dim=3, streams=streams)
    plain = make_scorer("tripss", feature_dim=video.shape[1], text_dim=3)
    told = np.repeat(text, [20, 1, 29, 10], axis=0)
    for of_scorer, expected in (
        (logits(plain, video, text), key_steps([video])),
        (logits(plain, video, text, spans), key_steps([video, told])),
        (logits(plain, video, text, np.zeros((0, 2))), key_steps([video])),
        (logits(scorer, features, text), key_steps([colour, video])),
        (logits(scorer, features, text, spans), key_steps([colour, video, told])),
    ):
        assert np.flatnonzero(of_scorer > 0).tolist() == expected.steps.tolist()
        assert set(of_scorer.sigmoid().numpy().round(6)) == {0.1, 0.9}
    assert not list(scorer.parameters())


def test_texts_of_one_video_with_times_of_their_own_are_items():
    video = scenes(0)
    texts = np.random.default_rng(0).normal(size=(2, 3, 4))
    spans = np.array([[[0.0, 9], [30, 40], [60, 70]], [[0, 1], [2, 3], [4, 5]]])
    scorer = make_scorer("tripss", feature_dim=video.shape[1], text_dim=4)
    expected = torch.stack([logits(scorer, video, *item) for item in zip(texts, spans, strict=True)])
    assert torch.equal(logits(scorer, video[None], texts, spans), expected)
    assert not torch.equal(expected[0], expected[1])
