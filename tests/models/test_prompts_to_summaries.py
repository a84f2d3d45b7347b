"""Prompts-to-Summaries against its equations one step after another, and what each of its parts does."""

import math

import numpy as np
import pytest
import torch

from clipit_lightning.models import make_scorer
from clipit_lightning.models.prompts_to_summaries import clusters, consistency_and_uniqueness, step_scores

NORMS = ["none", "min-max", "exp", "min-max-exp"]


def scaled(values, norm):
    if norm == "none":
        return list(values)
    if norm == "exp":
        return [math.exp(value / 100) for value in values]
    low, high = min(values), max(values)
    shares = [(value - low) / (high - low + 1e-8) for value in values]
    return shares if norm == "min-max" else [math.exp(share) for share in shares]


def squared(one, other):
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def middle(rows):
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def k_means(rows, centres):
    labels = None
    for _ in range(20):
        distances = [[squared(row, centre) for centre in centres] for row in rows]
        nearest = [row.index(min(row)) for row in distances]
        if nearest == labels:
            break
        labels = nearest
        members = [[row for row, label in zip(rows, labels, strict=True) if label == k] for k in range(len(centres))]
        centres = [middle(own) if own else centre for own, centre in zip(members, centres, strict=True)]
    return labels, sum(row[label] for row, label in zip(distances, labels, strict=True))


def clustered(rows):
    most = min(10, len(rows) // 2)
    if most < 2:
        return [0] * len(rows)
    chosen = []
    while len(chosen) < most:
        far = [min(squared(row, rows[one]) for one in chosen) if chosen else squared(row, middle(rows)) for row in rows]
        chosen.append(far.index(max(far)))
    made = [k_means(rows, [rows[one] for one in chosen[:count]]) for count in range(2, most + 1)]
    first, last = made[0][1], made[-1][1]
    if len(made) == 1 or first - last <= 1e-12:
        return made[0][0]
    bends = [(first - error) / (first - last) - k / (len(made) - 1) for k, (_, error) in enumerate(made)]
    return made[bends.index(max(bends))][0]


def expected(features, shots, judged, norm):
    """Scores of the steps of a video, step by step."""
    rows = [[value / math.sqrt(sum(v * v for v in row)) for value in row] for row in features.tolist()]
    parts, steps = [], len(rows)
    for step in range(steps):
        if step and shots[step] == shots[step - 1]:
            parts[-1].append(step)
        else:
            parts.append([step])
    given = [judged[part[0]] for part in parts]
    there = [score for score in given if score >= 0]
    filled = [score if score >= 0 else (sum(there) / len(there) if there else 50.0) for score in given]
    of_shots, middles = scaled(filled, norm), [(part[0] + part[-1]) / 2 for part in parts]
    smooth = []
    for step in range(steps):
        after = sum(one <= step for one in middles)
        if after in (0, len(parts)):
            smooth.append(of_shots[max(0, after - 1)])
            continue
        share = (step - middles[after - 1]) / (middles[after] - middles[after - 1])
        one, other = of_shots[after - 1], of_shots[after]
        smooth.append(one + (other - one) * (1 - math.cos(math.pi * share)) / 2)
    length, weight = (6, 0.3) if steps <= 216 else (2, 1.0 if steps <= 1080 else 0.1)
    scores = []
    for part in parts:
        labels, values = clustered([rows[step] for step in part]), []
        for at, step in enumerate(part):
            start = at - at % length
            near = part[start : start + length]
            of_near = labels[start : start + length]
            held = max(of_near.count(label) for label in of_near) / len(near)
            centre = middle([rows[one] for one in near])
            new = sum(math.sqrt(squared(rows[one], centre)) for one in near) / len(near)
            values.append(smooth[step] * (weight * held + (1 - weight) * new))
        scores += scaled(values, norm)
    return scores


def video(steps, seed=0, features=6):
    """Features of shots that look alike within, numbers of shots from 1 to 30 steps, and scores, some of which lack."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 31, size=steps)
    shots = np.repeat(np.arange(len(lengths)), lengths)[:steps].astype(float)
    looks = np.repeat(rng.normal(size=(steps, features)), rng.integers(1, 6, size=steps), axis=0)[:steps]
    judged = np.where(rng.random(steps) < 0.2, -1, rng.integers(0, 101, size=steps)).astype(float)
    return looks + 0.3 * rng.normal(size=looks.shape), shots, judged[shots.astype(int)]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("steps", [1, 3, 150, 300, 1100])
def test_scores_are_those_of_the_equations(steps, norm):
    features, shots, judged = video(steps, seed=steps)
    np.testing.assert_allclose(
        step_scores(features, shots, judged, norm), expected(features, shots, judged, norm), rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize("norm", NORMS)
def test_the_scorer_keeps_their_order_and_ratios(norm):
    features, shots, judged = video(200)
    table = torch.from_numpy(np.column_stack([features, shots, judged])).float()
    scorer = make_scorer("prompts-to-summaries", feature_dim=table.shape[1], text_dim=3, shot_norm=norm)
    scores = scorer(table, torch.zeros(0, 3)).scores.double().numpy()
    values = np.array(expected(table[:, :-2].double().numpy(), shots, judged, norm))
    np.testing.assert_allclose(scores / scores.max(), values / values.max(), rtol=1e-4, atol=3e-6)
    assert scores.max() == pytest.approx(0.99)
    assert sum(parameter.numel() for parameter in scorer.parameters()) == 0


def test_without_any_score_all_shots_count_the_same():
    features, shots, judged = video(100)
    lacking, equal = np.full_like(judged, -1), np.full_like(judged, 50)
    np.testing.assert_array_equal(step_scores(features, shots, lacking), step_scores(features, shots, equal))
    assert (step_scores(features, shots, judged) != step_scores(features, shots, equal)).any()


def test_what_looks_alike_is_one_cluster_and_a_part_across_two_is_less_consistent():
    red, blue = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    rows = np.stack([red, red, red, blue, blue, blue, blue, blue])
    assert clusters(rows).tolist() in ([0] * 3 + [1] * 5, [1] * 3 + [0] * 5)
    held, new = consistency_and_uniqueness(rows, 2)
    assert held.tolist() == [1, 1, 0.5, 0.5, 1, 1, 1, 1]
    np.testing.assert_allclose(new, [0, 0, math.sqrt(0.5), math.sqrt(0.5), 0, 0, 0, 0])
