"""Floors and ceilings; ``tests/test_calibration.py`` has their numbers on the real annotations."""

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

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def videos(stores):
    return {name: Store(stores / f"{name}.h5").read() for name in ("tvsum", "summe")}


@pytest.mark.parametrize("dataset", ["tvsum", "summe"])
@pytest.mark.parametrize("rule", [name for name, rule in CORRELATION_RULES.items() if rule.of_people])
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
