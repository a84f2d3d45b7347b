"""Every rule of ``evaluation.md`` against a naive reference written from its text, on random cases with ties."""

import itertools
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation import rank_correlation as ranks
from clipit_lightning.evaluation.correlation import ConstantScoresWarning, RankCorrelation, correlate
from clipit_lightning.evaluation.f1 import SummaryF1
from clipit_lightning.summary.key_shots import budget_frames, key_shot_summary
from clipit_lightning.summary.knapsack import greedy

CASES = 200


def draw(rng, dataset):
    """A small video: eighths as scores, so that sums are exact and ties are frequent; now and then degenerate."""
    steps = int(rng.choice([1, 2, rng.integers(3, 25)]))
    n_frames = int(rng.integers(steps, 6 * steps + 3))
    picks = np.sort(rng.choice(n_frames, steps, replace=False))  # the first need not be frame 0
    cuts = np.sort(rng.choice(np.arange(1, n_frames), min(n_frames - 1, int(rng.integers(0, 8))), replace=False))
    shots = np.stack([np.append(0, cuts), np.append(cuts, n_frames) - 1], axis=1).astype(np.int64)
    people = int(rng.integers(1, 5))
    summaries = (rng.random((people, n_frames)) < rng.choice([0.0, 0.2, 0.5, 1.0], (people, 1))).astype(np.uint8)
    ratings = rng.integers(1, rng.choice([2, 4, 6], (people, 1)), size=(people, steps)).astype(np.float32)
    importance = (ratings.mean(axis=0) - 1) / 4 if dataset == "tvsum" else summaries[:, picks].mean(axis=0)
    return Video(
        dataset,
        "video_1",
        features=np.zeros((steps, 1), np.float32),
        picks=picks,
        n_frames=n_frames,
        change_points=shots,
        gtscore=importance.astype(np.float32),
        gtsummary=np.zeros(steps, np.float32),
        user_summary=summaries,
        user_scores=ratings if dataset == "tvsum" else None,
    )


def draw_scores(rng, video):
    return (
        rng.integers(0, rng.choice([1, 3, 9, 9, 9]), video.n_steps) / 8
        if rng.random() < 0.7
        else rng.random(video.n_steps)
    )


# The text: "each score holds from its pick to the next; the last holds to the end".
def spread(values, video):
    frames, step = [], 0
    for frame in range(video.n_frames):
        while step + 1 < video.n_steps and video.picks[step + 1] <= frame:
            step += 1
        frames.append(float(values[step]))
    return frames


def mean(rows):
    return [sum(float(row[at]) for row in rows) / len(rows) for at in range(len(rows[0]))]


def at_picks(row, video):
    return [float(row[pick]) for pick in video.picks]


def two_sides(video, scores, summary, rule):
    """What is correlated with what, rule by rule, from the table of ``evaluation.md``."""
    scores = [float(each) for each in scores]
    if rule == "binary-summary":
        return [float(each) for each in summary], [mean(video.user_summary)]
    if video.dataset == "tvsum":
        steps, frames = list(video.user_scores), [spread(row, video) for row in video.user_scores]
    else:
        steps, frames = [at_picks(row, video) for row in video.user_summary], list(video.user_summary)
    return {
        "per-annotator": (scores, steps),
        "mean-annotator": (scores, [mean(steps)]),
        "all-frames": (spread(scores, video), frames),
        "mean-annotator-all-frames": (spread(scores, video), [mean(frames)]),
    }[rule]


def naive_correlation(ours, rows, constant):
    """Means of scipy's over the rows that are not constant; 0 where we are constant or all of them are."""
    varied = [row for row in rows if len(set(map(float, row))) > 1]
    if constant or len(set(ours)) == 1 or not varied:
        return 0.0, 0.0, len(rows) - len(varied)
    taus = [stats.kendalltau(ours, row).statistic for row in varied]
    rhos = [stats.spearmanr(ours, row).statistic for row in varied]
    return sum(taus) / len(taus), sum(rhos) / len(rhos), len(rows) - len(varied)


@pytest.mark.parametrize("dataset", ["tvsum", "summe"])
@pytest.mark.parametrize(
    "rule", ["per-annotator", "mean-annotator", "all-frames", "mean-annotator-all-frames", "binary-summary"]
)
def test_correlation_rules_equal_their_text(rule, dataset):
    rng = np.random.default_rng(11)
    seen = {"constant": 0, "left out": 0, "one step": 0, "usual": 0}
    for case in range(CASES):
        video = draw(rng, dataset)
        scores = draw_scores(rng, video)
        summary = (rng.random(video.n_frames) < rng.choice([0.0, 0.3, 0.3, 1.0])).astype(np.uint8)
        ours, rows = two_sides(video, scores, summary, rule)
        constant = len(set(scores)) == 1
        tau, rho, left_out = naive_correlation(ours, rows, constant)
        metric = RankCorrelation()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = correlate(video, scores, rule, summary)
            metric.update(0, scores, video, rule, summary)
        assert found.kendall_tau == pytest.approx(tau, abs=1e-9), case
        assert found.spearman_rho == pytest.approx(rho, abs=1e-9), case
        assert found.left_out == left_out, case
        assert metric.table().iloc[0, 1:].tolist() == [found.kendall_tau, found.spearman_rho]
        said = [str(each.message) for each in caught if each.category is ConstantScoresWarning]
        assert len(said) == len(caught) == 2 * (constant or len(set(ours)) == 1), case
        assert all(f"{dataset}/video_1" in line for line in said)
        seen["constant"] += bool(said)
        seen["left out"] += left_out > 0
        seen["one step"] += video.n_steps == 1
        seen["usual"] += tau != 0
    assert min(seen.values()) > 20, seen  # the cases cover what they are meant to cover


def test_a_rule_that_lacks_its_annotations_or_summary_is_refused():
    video = draw(np.random.default_rng(0), "summe")
    bare = Video(**{**vars(video), "user_summary": None})
    scores = np.arange(video.n_steps) / 8
    with pytest.raises(ValueError, match=r"summe/video_1.*none was given"):
        correlate(video, scores, "binary-summary")
    with pytest.raises(ValueError, match=r"summe/video_1.*do not fit"):
        correlate(video, np.zeros(video.n_steps + 1), "all-frames")
    for rule in ("per-annotator", "all-frames", "binary-summary"):
        with pytest.raises(UserError, match=rf"summe/video_1.*correlation={rule}.*mean-annotator"):
            correlate(bare, scores, rule, np.zeros(video.n_frames, np.uint8))


@pytest.mark.parametrize("cells", [0, ranks.CELLS_PER_VALUE], ids=["by scipy", "by the table"])
def test_kendall_and_spearman_equal_scipy_by_either_way(cells, monkeypatch):
    monkeypatch.setattr(ranks, "CELLS_PER_VALUE", cells)
    rng = np.random.default_rng(3)
    for case in range(CASES):
        length, levels = int(rng.integers(2, 400)), rng.choice([2, 3, 20, 10**6], 2)
        one, other = (rng.integers(0, count, length) for count in levels)
        one[0], other[0] = one[1] + 1, other[1] + 1
        ours, theirs = ranks.rank(one), ranks.rank(other)
        expected = stats.kendalltau(one, other).statistic, stats.spearmanr(one, other).statistic
        found = ranks.kendall_tau_b(ours, theirs), ranks.spearman_rho(ours, theirs)
        assert found == pytest.approx(expected, abs=1e-12), case


def test_a_table_of_levels_is_bounded_by_its_rows_and_by_memory(monkeypatch):
    tables = []
    made = ranks._table
    monkeypatch.setattr(ranks, "_table", lambda *rows: tables.append(made(*rows).size) or made(*rows))
    rng = np.random.default_rng(5)
    for levels, length in ((20, 5_000), (500, 5_000), (100, 100_000)):  # the last is past the bound on memory
        ranks.kendall_tau_b(ranks.rank(rng.integers(0, levels, length)), ranks.rank(rng.random(length)))
    assert tables == [20 * 5_000]


def test_kendall_equals_scipy_where_pairs_do_not_fit_32_bits():
    rng = np.random.default_rng(4)
    scores = np.repeat(rng.random(2_000), 100)  # a step's score over its frames
    people = (rng.random((2, 200_000)) < 0.15).sum(axis=0)
    found = ranks.kendall_tau_b(ranks.rank(scores), ranks.rank(people))
    assert found == pytest.approx(stats.kendalltau(scores, people).statistic, abs=1e-12)


def shot_worth(video, scores, shot_value):
    frames = spread(scores, video)
    sums = [sum(frames[first : last + 1]) for first, last in video.change_points]
    lengths = [int(last - first + 1) for first, last in video.change_points]
    return [
        total / (length if shot_value == "mean" else 1) for total, length in zip(sums, lengths, strict=True)
    ], lengths


def whole_frames(n_frames, rounding):
    exact = Fraction(15, 100) * n_frames
    return {"floor": math.floor, "round": round, "ceil": math.ceil}[rounding](exact)


def best_worth(values, lengths, limit):
    subsets = itertools.product((0, 1), repeat=len(values))
    return max(np.dot(values, each) for each in subsets if np.dot(lengths, each) <= limit)


def one_by_one(values, lengths, limit):
    chosen = []
    for shot in sorted(range(len(values)), key=lambda shot: (-values[shot] / lengths[shot], shot)):
        if values[shot] > 0 and sum(lengths[each] for each in chosen) + lengths[shot] <= limit:
            chosen.append(shot)
    return sorted(chosen)


@pytest.mark.parametrize("shot_value", ["mean", "sum"])
@pytest.mark.parametrize("rounding", ["floor", "round", "ceil"])
@pytest.mark.parametrize("solver", ["knapsack", "greedy"])
def test_summary_rules_equal_their_text(shot_value, rounding, solver):
    rng = np.random.default_rng(12)
    empty = 0
    for case in range(CASES):
        video = draw(rng, "summe")
        scores = rng.integers(0, 9, video.n_steps) / 8
        values, lengths = shot_worth(video, scores, shot_value)
        limit = whole_frames(video.n_frames, rounding)
        summary = key_shot_summary(
            scores,
            video.picks,
            video.change_points,
            video.n_frames,
            shot_value=shot_value,
            rounding=rounding,
            solver=solver,
        )
        parts = [summary[first : last + 1].tolist() for first, last in video.change_points]
        assert all(len(set(part)) == 1 for part in parts), case
        chosen = [shot for shot, part in enumerate(parts) if part[0]]
        assert summary.sum() <= limit, case
        if solver == "greedy":
            assert chosen == one_by_one(values, lengths, limit), case
        else:
            worth = sum(values[shot] for shot in chosen)
            assert worth == pytest.approx(best_worth(values, lengths, limit), abs=1e-9), case
        empty += not chosen
    assert 20 < empty < CASES - 20


def test_roundings_at_halves_and_whole_numbers():
    found = {
        n_frames: [budget_frames(n_frames, 0.15, each) for each in ("floor", "round", "ceil")]
        for n_frames in (10, 20, 30, 33, 34)
    }
    assert found == {10: [1, 2, 2], 20: [3, 3, 3], 30: [4, 4, 5], 33: [4, 5, 5], 34: [5, 5, 6]}
    for budget, whole in ((0.29, 29), (0.07, 7)):  # in floats 28.999999999999996 and 7.000000000000001
        assert {budget_frames(100, budget, each) for each in ("floor", "round", "ceil")} == {whole}


def test_greedy_goes_by_value_per_weight_passes_over_and_breaks_ties_by_order():
    assert greedy(np.array([6.0, 5, 5]), np.array([6, 4, 4]), 8).tolist() == [False, True, True]
    assert greedy(np.array([4.0, 30, 2]), np.array([2, 20, 1]), 3).tolist() == [
        True,
        False,
        True,
    ]  # the second: no room
    assert greedy(np.array([1.0, 1, 1]), np.array([1, 1, 1]), 2).tolist() == [True, True, False]
    assert not greedy(np.array([0.0, -1]), np.array([1, 1]), 5).any()
    with pytest.raises(ValueError, match="finite"):
        greedy(np.array([np.inf]), np.array([1]), 1)


def naive_f1(ours, theirs):
    overlap = sum(a and b for a, b in zip(ours, theirs, strict=True))
    precision = overlap / sum(ours) if sum(ours) else 0.0
    recall = overlap / sum(theirs) if sum(theirs) else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("convention", ["mean", "max"])
def test_f1_over_annotators_equals_its_text(convention):
    rng = np.random.default_rng(13)
    one_shot, metric, expected = 0, SummaryF1(), []
    for case in range(CASES):
        video = draw(rng, "summe")
        summary = key_shot_summary(
            draw_scores(rng, video), video.picks, video.change_points, video.n_frames, budget=0.5
        )
        metric.update(case, summary, video.user_summary, convention)
        scores = [naive_f1(summary.tolist(), row.tolist()) for row in video.user_summary]
        mean, best = sum(scores) / len(scores), max(scores)
        expected.append([best if convention == "max" else mean, mean, best])
        if len(video.change_points) == 1:
            assert expected[-1] == [0, 0, 0]  # one shot longer than the budget: an empty summary
            one_shot += 1
    np.testing.assert_allclose(metric.table()[["f1", "f1_mean", "f1_max"]], expected, atol=1e-9)
    assert one_shot > 10
