import numpy as np
import pytest

from clipit_lightning.models.zero_shot import WITHIN, generic_scores, phrases, query_scores


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def video(*lengths, dim=8, seed=0):
    """Steps whose shots have features of their own, a little noise each; shots of ten frames a step."""
    generator = np.random.default_rng(seed)
    centres = unit(np.abs(generator.normal(size=(len(lengths), dim))))
    rows = np.concatenate([np.repeat(centres[[n]], length, axis=0) for n, length in enumerate(lengths)])
    features = unit(rows + 0.02 * generator.normal(size=rows.shape)).astype(np.float32)
    picks = 10 * np.arange(len(features))
    borders = 10 * np.cumsum([0, *lengths])
    return features, picks, np.stack([borders[:-1], borders[1:] - 1], axis=1), centres


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a dog", ["a dog"]),
        ("  a \n dog ", ["a dog"]),
        ("a dog, a cat", ["a dog, a cat", "a dog", "a cat"]),
        ("a dog and a cat", ["a dog and a cat", "a dog", "a cat"]),
        ("a dog, a cat, and a hen", ["a dog, a cat, and a hen", "a dog", "a cat", "a hen"]),
        ("a dog; a cat AND a hen", ["a dog; a cat AND a hen", "a dog", "a cat", "a hen"]),
        ("sand on a bandstand", ["sand on a bandstand"]),
        ("a dog,", ["a dog,"]),
        (",", [","]),
    ],
)
def test_a_query_is_the_whole_and_its_phrases(query, expected):
    assert phrases(query) == expected


def test_query_scores_equal_the_written_rule():
    features, _, _, centres = video(7, 9, 5)
    text = centres[:3]
    cosines = [[float(np.dot(step, each)) for step in features.astype(np.float64)] for each in text]
    z = [[(value - np.mean(row)) / np.std(row) for value in row] for row in cosines]
    match = [(z[0][i] + max(z[1][i], z[2][i])) / 2 for i in range(21)]
    smooth = [np.mean(match[max(0, i - 2) : i + 3]) for i in range(21)]
    expected = [1 / (1 + np.exp(-(value - np.mean(smooth)) / np.std(smooth))) for value in smooth]
    np.testing.assert_allclose(query_scores(features, text), expected, atol=1e-12)


def test_generic_scores_equal_the_written_rule():
    features, picks, shots, _ = video(7, 9, 5, 7, seed=3)
    rows = features.astype(np.float64)
    parts = [rows[0:7], rows[7:16], rows[16:21], rows[21:28]]
    means = [unit(part.mean(axis=0)) for part in parts]
    whole = unit(rows.mean(axis=0))
    relevance = np.array([mean @ whole for mean in means])
    relevance = (relevance - relevance.mean()) / relevance.std()
    alike = np.array([[one @ other for other in means] for one in means])
    alike = (alike - alike.min()) / alike.std()
    values, order = {}, []
    while len(order) < 4:
        left = {s: relevance[s] - max((alike[s][t] for t in order), default=0.0) for s in range(4) if s not in order}
        best = max(left, key=lambda shot: left[shot])
        values[best] = left[best]
        order.append(best)
    value = np.array([values[s] for s in range(4)])
    value = (value - value.mean()) / value.std()
    typical = [part @ mean - np.mean(part @ mean) for part, mean in zip(parts, means, strict=True)]
    flat = np.concatenate(typical) / np.std(np.concatenate(typical))
    expected = 1 / (1 + np.exp(-(np.repeat(value, [7, 9, 5, 7]) + WITHIN * flat)))
    np.testing.assert_allclose(generic_scores(features, picks, shots), expected, atol=1e-9)


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_short_and_constant_videos_have_scores_in_the_middle(n_steps):
    features = np.full((n_steps, 4), 0.5, dtype=np.float32)
    picks, shots = 10 * np.arange(n_steps), np.array([[0, 10 * n_steps - 1]])
    np.testing.assert_allclose(generic_scores(features, picks, shots), 0.5)
    np.testing.assert_allclose(query_scores(features, features[:1]), 0.5)


def test_shots_without_a_step_do_not_matter():
    features, picks, shots, _ = video(6, 6)
    more = np.concatenate([shots[:1], [[60, 61], [62, 119]]])
    picks = np.where(picks == 60, 63, picks)
    np.testing.assert_array_equal(generic_scores(features, picks, shots), generic_scores(features, picks, more))
