import numpy as np
import pytest

from clipit_lightning.models.zero_shot import CAPTIONS, ENDS, SHARPNESS, generic_scores, phrases, query_scores


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


@pytest.mark.parametrize("captions", [None, 3])
def test_generic_scores_equal_the_written_rule(captions):
    features, _, _, centres = video(7, 9, 5, 7, seed=3)
    rows, text = features.astype(np.float64), centres[:captions] if captions else None
    n = len(rows)
    cosines = [[float(np.dot(one, other)) for other in rows] for one in rows]
    rarity = [-np.log(sum(np.exp(SHARPNESS * (value - 1) / np.std(cosines)) for value in row)) for row in cosines]
    ends = np.array([min((i + 0.5) / n, 1 - (i + 0.5) / n, ENDS) for i in range(n)])
    value = standard(smooth(rarity)) + standard(ends)
    if captions:
        value += CAPTIONS * standard(smooth([np.mean([step @ caption for caption in text]) for step in rows]))
    expected = 1 / (1 + np.exp(-standard(value)))
    np.testing.assert_allclose(generic_scores(features, text), expected, atol=1e-6)


def smooth(values):
    return np.array([np.mean(values[max(0, i - 4) : i + 5]) for i in range(len(values))])


def standard(values):
    return (values - np.mean(values)) / np.std(values)


def test_what_is_rare_in_the_middle_ranks_highest():
    features, *_ = video(20, 5, 20, dim=16)
    features[:20] = features[25:]  # the same scene before and after a short one
    scores = generic_scores(features)
    assert scores[20:25].min() > max(scores[:18].max(), scores[27:].max())


def test_long_videos_are_compared_block_by_block():
    features = unit(np.random.default_rng(0).normal(size=(2500, 8)))
    cosines = features @ features.T
    rarity = -np.log(np.exp(SHARPNESS * (cosines - 1) / cosines.std()).sum(axis=1))
    share = (np.arange(2500) + 0.5) / 2500
    value = standard(smooth(rarity)) + standard(np.minimum(np.minimum(share, 1 - share), ENDS))
    np.testing.assert_allclose(generic_scores(features), 1 / (1 + np.exp(-standard(value))), atol=1e-9)


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_short_and_constant_videos_have_scores_without_a_warning(n_steps):
    features = np.full((n_steps, 4), 0.5, dtype=np.float32)
    scores = generic_scores(features, features[:1])
    np.testing.assert_allclose(scores, scores[::-1])
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(query_scores(features, features[:1]), 0.5)
