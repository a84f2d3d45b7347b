import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.correlation import ConstantScoresWarning, RankCorrelation, rank_correlation, references


def naive_tau_b(x, y):
    agree = ties_x = ties_y = pairs = 0
    for i in range(len(x)):
        for j in range(i):
            pairs += 1
            agree += np.sign(x[i] - x[j]) * np.sign(y[i] - y[j])
            ties_x += x[i] == x[j]
            ties_y += y[i] == y[j]
    return agree / np.sqrt((pairs - ties_x) * (pairs - ties_y))


@pytest.mark.parametrize("seed", range(25))
def test_equals_the_definition_and_scipy_with_ties(seed):
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(3, 40))
    scores = np.round(rng.random(steps), 1)
    ratings = rng.integers(1, 6, size=(3, steps)).astype(float)
    if np.ptp(scores) == 0 or (np.ptp(ratings, axis=1) == 0).any():
        pytest.skip("constant by chance")
    found = rank_correlation(scores, ratings)
    assert found.kendall_tau == pytest.approx(np.mean([naive_tau_b(scores, row) for row in ratings]), abs=1e-9)
    rho = np.mean([stats.spearmanr(scores, row).statistic for row in ratings])
    assert found.spearman_rho == pytest.approx(rho, abs=1e-9)
    assert found.left_out == 0


def test_constant_scores_and_constant_annotators_are_never_nan():
    ratings = np.array([[1.0, 2, 3, 4], [2, 2, 2, 2]])
    found = rank_correlation(np.array([0.1, 0.2, 0.3, 0.4]), ratings)
    assert (found.kendall_tau, found.spearman_rho, found.left_out) == (1.0, pytest.approx(1.0), 1)
    flat = rank_correlation(np.full(4, 0.5), ratings)
    assert (flat.kendall_tau, flat.spearman_rho) == (0.0, 0.0)
    silent = rank_correlation(np.array([0.1, 0.2, 0.3, 0.4]), ratings[1:])
    assert (silent.kendall_tau, silent.spearman_rho, silent.left_out) == (0.0, 0.0, 1)


def test_refuses_wrong_lengths_and_nan():
    with pytest.raises(ValueError, match="do not fit"):
        rank_correlation(np.zeros(3), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        rank_correlation(np.array([1.0, np.nan]), np.zeros((2, 2)))


def test_the_metric_names_the_video_with_constant_scores(stores):
    video = Store(stores / "tvsum.h5").read(["video_3"])[0]
    metric = RankCorrelation()
    with pytest.warns(ConstantScoresWarning, match="tvsum/video_3"):
        metric.update(0, np.full(video.n_steps, 0.5), video, "per-annotator")
    assert metric.compute()["kendall_tau"] == 0


def test_rules_differ_in_their_references(stores):
    tvsum = Store(stores / "tvsum.h5").read(["video_1"])[0]
    assert references(tvsum, "per-annotator").shape == (4, tvsum.n_steps)
    np.testing.assert_allclose(references(tvsum, "mean-annotator")[0], 1 + 4 * tvsum.gtscore, atol=1e-6)
    summe = Store(stores / "summe.h5").read(["video_1"])[0]
    np.testing.assert_allclose(references(summe, "mean-annotator")[0], summe.user_summary[:, summe.picks].mean(axis=0))
    assert references(summe, "per-annotator").tolist() == summe.user_summary[:, summe.picks].tolist()
    with pytest.raises(UserError, match=r"tvsum/video_1.*mean-annotator"):
        references(replace(tvsum, user_scores=None), "per-annotator")


def test_means_are_over_videos_and_repeats_count_once(stores):
    videos = Store(stores / "tvsum.h5").read(["video_1", "video_2"])
    metric = RankCorrelation()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in (0, 1, 1, 0, 1):
            metric.update(number, videos[number].gtscore, videos[number], "per-annotator")
    expected = np.mean([rank_correlation(video.gtscore, video.user_scores).kendall_tau for video in videos])
    assert float(metric.compute()["kendall_tau"]) == pytest.approx(expected, abs=1e-12)
    assert metric.table()["index"].tolist() == [0, 1]
