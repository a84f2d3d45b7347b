"""Every rule of ``evaluation.md`` against a naive reference written from its text, on random cases with ties."""

import itertools
import math
import warnings
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.rules import (
    CORRELATION_RULES,
    ConstantScoresWarning,
    Rules,
    correlate,
    measure,
    references,
)

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
    scores = scores.tolist()
    if rule == "binary-summary":
        return summary.tolist(), [mean(video.user_summary)]
    if video.dataset == "tvsum":
        steps, frames = list(video.user_scores), [spread(row, video) for row in video.user_scores]
    else:
        steps, frames = [at_picks(row, video) for row in video.user_summary], list(video.user_summary)
    return {
        "per-annotator": (scores, steps),
        "mean-annotator": (scores, [mean(steps)]),
        "importance": (scores, [video.gtscore]),
        "all-frames": (spread(scores, video), frames),
        "mean-annotator-all-frames": (spread(scores, video), [mean(frames)]),
    }[rule]


def naive_correlation(ours, rows, constant):
    """Means of scipy's over the rows that are not constant; 0 where we are constant or all of them are."""
    varied = [row for row in rows if len(set(map(float, row))) > 1]
    if constant or len(set(ours)) == 1 or not varied:
        return 0.0, 0.0
    taus = [stats.kendalltau(ours, row).statistic for row in varied]
    rhos = [stats.spearmanr(ours, row).statistic for row in varied]
    return sum(taus) / len(taus), sum(rhos) / len(rhos)


@pytest.mark.parametrize("dataset", ["tvsum", "summe"])
@pytest.mark.parametrize("rule", CORRELATION_RULES)
def test_correlation_rules_equal_their_text(rule, dataset):
    rng = np.random.default_rng(11)
    seen = {"constant": 0, "one step": 0, "usual": 0}
    for case in range(CASES):
        video = draw(rng, dataset)
        scores = draw_scores(rng, video)
        summary = (rng.random(video.n_frames) < rng.choice([0.0, 0.3, 0.3, 1.0])).astype(np.uint8)
        ours, rows = two_sides(video, scores, summary, rule)
        constant = len(set(scores)) == 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            correlation = correlate(video, scores, summary, rule)
        assert correlation == pytest.approx(naive_correlation(ours, rows, constant), abs=1e-9), case
        assert len(caught) == (constant or len(set(ours)) == 1), case
        for warning in caught:
            assert warning.category is ConstantScoresWarning
            assert f"{dataset}/video_1" in str(warning.message)
        seen["constant"] += bool(caught)
        seen["one step"] += video.n_steps == 1
        seen["usual"] += correlation.kendall_tau != 0
    assert min(seen.values()) > 20, seen  # the cases cover what they are meant to cover


def test_a_rule_that_lacks_its_annotations_is_one_line():
    for dataset, rules in (("summe", ("per-annotator", "all-frames", "binary-summary")), ("tvsum", ("per-annotator",))):
        video = replace(draw(np.random.default_rng(0), dataset), user_summary=None, user_scores=None)
        for rule in rules:
            with pytest.raises(UserError, match=rf"{dataset}/video_1.*correlation={rule}.*mean-annotator"):
                references(video, rule)
        assert references(video, "mean-annotator").tolist() == [video.gtscore.tolist()]


def test_without_summaries_there_is_a_correlation_and_no_f1():
    video, rules = draw(np.random.default_rng(9), "tvsum"), Rules("mean", "mean-annotator")
    scores = np.random.default_rng(2).random(video.n_steps)
    measured = measure(scores, replace(video, user_summary=None), rules)
    assert {name for name, value in measured.items() if math.isnan(value)} == {"f1", "f1_mean", "f1_max"}
    assert measured["kendall_tau"] == measure(scores, video, rules)["kendall_tau"] != 0


def test_benchmarks_name_rules_that_there_are():
    assert {benchmark.correlation for benchmark in BENCHMARKS.values()} <= set(CORRELATION_RULES)


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
    return max(np.dot(values, subset) for subset in subsets if np.dot(lengths, subset) <= limit)


def one_by_one(values, lengths, limit):
    chosen = []
    for shot in sorted(range(len(values)), key=lambda shot: (-values[shot] / lengths[shot], shot)):
        if values[shot] > 0 and sum(lengths[other] for other in chosen) + lengths[shot] <= limit:
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
        rules = Rules("max", "per-annotator", shot_value=shot_value, rounding=rounding, solver=solver)
        summary = rules.summary(video, scores)
        shots = [summary[first : last + 1].tolist() for first, last in video.change_points]
        assert all(len(set(frames)) == 1 for frames in shots), case
        chosen = [shot for shot, frames in enumerate(shots) if frames[0]]
        assert summary.sum() <= limit, case
        if solver == "greedy":
            assert chosen == one_by_one(values, lengths, limit), case
        else:
            worth = sum(values[shot] for shot in chosen)
            assert worth == pytest.approx(best_worth(values, lengths, limit), abs=1e-9), case
        empty += not chosen
    assert 20 < empty < CASES - 20
