import numpy as np
import pytest
from scipy import stats

from clipit_lightning.evaluation import rank_correlation as ranks
from clipit_lightning.evaluation.rank_correlation import rank_correlation


@pytest.mark.parametrize("cells", [0, ranks.CELLS_PER_VALUE], ids=["by scipy", "by the table"])
def test_equals_scipy_with_ties(cells, monkeypatch):
    monkeypatch.setattr(ranks, "CELLS_PER_VALUE", cells)
    rng = np.random.default_rng(3)
    for case in range(200):
        length, levels = int(rng.integers(2, 400)), rng.choice([2, 3, 20, 10**6], 4)
        scores, *references = (rng.integers(0, count, length) for count in levels)
        for row in (scores, *references):
            row[0] = row[1] + 1
        taus = [stats.kendalltau(scores, row).statistic for row in references]
        rhos = [stats.spearmanr(scores, row).statistic for row in references]
        ours = rank_correlation(scores, np.stack(references))
        assert ours == pytest.approx((np.mean(taus), np.mean(rhos)), abs=1e-12), case


def test_constant_scores_and_constant_annotators_are_never_nan():
    ratings = np.array([[1.0, 2, 3, 4], [2, 2, 2, 2]])
    rising = np.array([0.1, 0.2, 0.3, 0.4])
    assert rank_correlation(rising, ratings) == pytest.approx((1, 1)), "the mean omits the constant annotator"
    assert rank_correlation(np.full(4, 0.5), ratings) == (0, 0)
    assert rank_correlation(rising, ratings[1:]) == (0, 0)


def test_kendall_equals_scipy_where_pairs_do_not_fit_32_bits():
    rng = np.random.default_rng(4)
    scores = np.repeat(rng.random(2_000), 100)  # a step's score over its frames
    people = (rng.random((2, 200_000)) < 0.15).sum(axis=0)
    tau = ranks.kendall_tau_b(ranks.rank(scores), ranks.rank(people))
    assert tau == pytest.approx(stats.kendalltau(scores, people).statistic, abs=1e-12)
