"""Floors and ceilings, and the numbers of ``evaluation.md`` that they reach on the real annotations."""

from dataclasses import replace

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.baselines import floors, random_draws, uniform_summary
from clipit_lightning.evaluation.best_possible import best_possible
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS
from clipit_lightning.evaluation.overlap import f1_scores
from clipit_lightning.evaluation.rank_correlation import rank_correlation
from clipit_lightning.evaluation.rules import CORRELATION_RULES, Rules, measure
from tests.support.synthetic import needs_shared

pytestmark = pytest.mark.slow

DRAWS = 100


@pytest.fixture(scope="module")
def tvsum(real_stores):
    return floors(Store(real_stores / "tvsum.h5").read(), Rules("mean", "per-annotator"), draws=2).set_index("name")


@pytest.fixture(scope="module")
def summe(real_stores):
    return floors(Store(real_stores / "summe.h5").read(), Rules("max", "binary-summary"), DRAWS).set_index("name")


@needs_shared
def test_people_on_tvsum(tvsum):
    correlations = (
        ("human-pairwise", 0.177, 0.204),
        ("human-leave-one-out", 0.314, 0.396),
        ("mean-annotator", 0.378, 0.473),
    )
    for name, tau, rho in correlations:
        assert tvsum.loc[name, ["kendall_tau", "spearman_rho"]].tolist() == pytest.approx([tau, rho], abs=5e-4), name
    for name, f1 in (("human-pairwise", 0.538), ("mean-annotator", 0.637)):  # on the official shots
        assert tvsum.loc[name, "f1"] == pytest.approx(f1, abs=1e-3), name


@needs_shared
def test_people_on_summe(summe):
    assert summe.loc["human-pairwise", "f1_mean"] == pytest.approx(0.311, abs=5e-4)
    assert summe.loc["human-pairwise", "f1_max"] == pytest.approx(0.543, abs=5e-4)
    best = summe.loc["mean-annotator"]  # its binary summary is the best possible one
    assert best[["f1", "f1_mean"]].tolist() == pytest.approx([0.6425, 0.3513], abs=5e-5)
    assert best[["kendall_tau", "spearman_rho"]].tolist() == pytest.approx([0.405, 0.452], abs=5e-4)


@needs_shared
def test_random_on_summe(summe):
    chance = summe.loc["random"]
    for metric, expected in (("f1_max", 0.404), ("f1_mean", 0.183)):
        assert abs(chance[metric] - expected) < 3 * chance[f"{metric}_std"] / DRAWS**0.5
    # 600 draws give 0.0950 (standard error 0.0007) and 0.1056; the 0.086 / 0.095 of `evaluation.md` lie half a single
    # draw's deviation below, as the mean of about ten draws may.
    for metric, many, noted in (("kendall_tau", 0.0950, 0.086), ("spearman_rho", 0.1056, 0.095)):
        assert abs(chance[metric] - many) < 3 * chance[f"{metric}_std"] / DRAWS**0.5
        assert abs(chance[metric] - noted) < chance[f"{metric}_std"]


@needs_shared
def test_chance_and_even_spacing_do_not_correlate_with_ratings(tvsum):
    assert tvsum.loc["uniform", ["kendall_tau", "spearman_rho"]].tolist() == [0, 0]
    assert abs(tvsum.loc["random", "kendall_tau"]) < 0.01
    assert tvsum.loc["random", "f1"] == pytest.approx(0.544, abs=0.005)


@pytest.fixture(scope="module")
def videos(stores):
    return {name: Store(stores / f"{name}.h5").read() for name in ("tvsum", "summe")}


@pytest.mark.parametrize("dataset", ["tvsum", "summe"])
@pytest.mark.parametrize("rule", CORRELATION_RULES)
def test_every_rule_has_all_rows_and_metrics_but_correlations_of_the_best_f1(videos, dataset, rule):
    table = floors(videos[dataset], Rules("max", rule), draws=3, seed=5)
    names = ["random", "uniform", "human-pairwise", "human-leave-one-out", "mean-annotator", "best-possible"]
    assert table["name"].tolist() == names
    assert table.columns.tolist() == ["name", *ANNOTATOR_METRICS, *(f"{metric}_std" for metric in ANNOTATOR_METRICS)]
    no_metric = table.set_index("name").isna().stack()
    assert no_metric[no_metric].index.tolist() == [("best-possible", "kendall_tau"), ("best-possible", "spearman_rho")]
    for metric in ("f1_mean", "f1_max"):
        assert (table.loc[[0, 1, 4], metric] <= table.loc[5, metric] + 1e-9).all()  # people need not take whole shots
    assert (table["f1"] == table["f1_max"]).all()
    assert (table.loc[0, [f"{metric}_std" for metric in ANNOTATOR_METRICS]] > 0).all()
    assert table.equals(floors(videos[dataset], Rules("max", rule), draws=3, seed=5))
    if rule.startswith("mean-annotator") and dataset == "tvsum":  # SumMe's mean differs within a step's frames
        assert table.loc[4, "kendall_tau"] == pytest.approx(1)


def test_random_is_mean_and_deviation_over_draws_of_means_over_videos(videos):
    rules = Rules("mean", "per-annotator")
    table = floors(videos["tvsum"], rules, draws=4, seed=9)
    rng = np.random.default_rng(9)
    draws = [
        np.mean([measure(rng.random(video.n_steps), video, rules)["f1_max"] for video in videos["tvsum"]])
        for _ in range(4)
    ]
    assert table.loc[0, "f1_max"] == pytest.approx(np.mean(draws))
    assert table.loc[0, "f1_max_std"] == pytest.approx(np.std(draws, ddof=1))
    assert random_draws(videos["tvsum"], rules, 4, 9)["f1_max"].tolist() == pytest.approx(draws)


def test_people_are_compared_with_the_others_only(videos):
    video = videos["summe"][0]
    table = floors([video], Rules("mean", "per-annotator"), draws=2).set_index("name")
    rows, at_picks = video.user_summary, video.user_summary[:, video.picks].astype(float)
    pairs = [(one, other) for one in range(len(rows)) for other in range(len(rows)) if one != other]
    f1 = [f1_scores(rows[one], rows[[other]])[0] for one, other in pairs]
    tau = [rank_correlation(at_picks[one], at_picks[[other]]).kendall_tau for one, other in pairs]
    left = [
        rank_correlation(row, np.delete(at_picks, one, axis=0).mean(axis=0)[None]).spearman_rho
        for one, row in enumerate(at_picks)
    ]
    assert table.loc["human-pairwise", "f1"] == pytest.approx(np.mean(f1))
    assert table.loc["human-pairwise", "kendall_tau"] == pytest.approx(np.mean(tau))
    assert table.loc["human-leave-one-out", "spearman_rho"] == pytest.approx(np.mean(left))
    assert table.loc["human-leave-one-out", "f1_max"] == table.loc["human-pairwise", "f1_max"]


def test_the_best_possible_f1_is_the_mean_over_videos_of_each_convention(videos):
    best = [best_possible(video.user_summary, video.change_points, video.n_frames // 5) for video in videos["tvsum"]]
    table = floors(videos["tvsum"], Rules("max", "per-annotator", budget=0.2), draws=2).set_index("name")
    expected = np.mean(best, axis=0)
    assert table.loc["best-possible", ["f1_mean", "f1_max"]].tolist() == pytest.approx(expected.tolist())
    assert table.loc["best-possible", "f1"] == table.loc["best-possible", "f1_max"]


def test_uniform_summary_is_evenly_spaced_whole_shots_within_the_budget(videos):
    shots = np.stack([np.arange(0, 200, 5), np.arange(0, 200, 5) + 4], axis=1)
    video = replace(videos["summe"][0], n_frames=200, change_points=shots)
    summary = uniform_summary(video, Rules("max", "per-annotator"))
    chosen = np.flatnonzero(summary[::5])
    assert summary.sum() == 30
    assert len(chosen) == 6
    assert np.ptp(np.diff(chosen)) <= 1
    whole = replace(video, change_points=np.array([[0, 199]]))
    assert uniform_summary(whole, Rules("max", "per-annotator")).sum() == 0


def test_refuses_what_cannot_be_measured(videos):
    video, rules = videos["summe"][0], Rules("max", "mean-annotator")
    with pytest.raises(ValueError, match="draws=1"):
        floors([video], rules, draws=1)
    with pytest.raises(UserError, match="no video"):
        floors([], rules)
    with pytest.raises(UserError, match=r"summe/video_1.*summaries"):
        floors([replace(video, user_summary=None)], rules, draws=2)
    with pytest.raises(UserError, match=r"summe/video_1.*at least two"):
        floors([replace(video, user_summary=video.user_summary[:1])], rules, draws=2)
