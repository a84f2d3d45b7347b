"""Metrics alone, as a user calls them: on lists, arrays and tensors, without a store or a video."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import clipit_lightning.evaluation
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation import (
    CORRELATION_RULES,
    Annotations,
    Rules,
    evaluate_scores,
    f1,
    floors,
    kendall_tau,
    measure,
    select_shots,
    semantic_f1,
    spearman_rho,
)

SHOTS = [[0, 1], [2, 4], [5, 9]]


def given(**changes):
    return {"change_points": SHOTS, "n_frames": 10, "picks": [0, 3, 6], "user_summary": [[1] * 2 + [0] * 8]} | changes


def annotations_of(video):
    names = ("change_points", "n_frames", "picks", "user_summary", "user_scores", "gtscore", "id")
    return Annotations(**{name: getattr(video, name) for name in names})


def test_every_public_name_is_there():
    assert set(clipit_lightning.evaluation.__all__) <= set(dir(clipit_lightning.evaluation))
    for name in clipit_lightning.evaluation.__all__:
        assert getattr(clipit_lightning.evaluation, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'f2'"):
        clipit_lightning.evaluation.f2  # noqa: B018


def test_metrics_import_no_torch():
    names = "f1, kendall_tau, measure, select_shots, semantic_f1, spearman_rho"
    code = f"from clipit_lightning.evaluation import {names}; import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.filterwarnings("ignore::clipit_lightning.evaluation.rules.ConstantScoresWarning")
@pytest.mark.parametrize("dataset", ["tvsum", "summe"])
@pytest.mark.parametrize("rule", CORRELATION_RULES)
def test_annotations_are_measured_as_the_video_is(rule, dataset, stores):
    videos = Store(stores / f"{dataset}.h5").read()[:3]
    rules, rng = Rules("max", rule), np.random.default_rng(0)
    for video in videos:
        for scores in (rng.random(video.n_steps), rng.random(video.n_frames)):
            assert measure(scores, annotations_of(video), rules) == measure(scores, video, rules)
    tables = [floors(of, rules, draws=2) for of in (videos, [annotations_of(video) for video in videos])]
    assert tables[0].equals(tables[1])


def test_the_mean_importance_is_that_of_the_annotators(stores):
    for dataset in ("tvsum", "summe"):
        video = Store(stores / f"{dataset}.h5").read()[0]
        own = Annotations(video.change_points, video.n_frames, video.picks, video.user_summary, video.user_scores)
        np.testing.assert_allclose(own.gtscore, video.gtscore, atol=1e-6)


def test_ratings_of_frames_are_taken_at_the_picks():
    ratings = np.arange(20).reshape(2, 10)
    assert Annotations(**given(user_scores=ratings)).user_scores.tolist() == [[0, 3, 6], [10, 13, 16]]


@pytest.mark.parametrize(
    "make",
    [list, np.asarray, torch.tensor, lambda row: torch.tensor(row, requires_grad=True).float().to(torch.bfloat16)],
)
def test_lists_arrays_and_tensors_give_the_same(make):
    scores, ratings = make([0.5, 0.25, 1.0]), make([2.0, 1.0, 5.0])
    assert (kendall_tau(scores, ratings), spearman_rho(scores, ratings)) == pytest.approx((1, 1))
    summary = select_shots(scores, SHOTS, 10, [0, 3, 6], budget=0.5)
    assert summary.tolist() == [0] * 5 + [1] * 5
    assert f1(summary, make([0.0] * 5 + [1.0] * 5)) == 1
    rules = Rules("mean", "per-annotator", budget=0.5)
    assert measure(scores, Annotations(**given(user_scores=ratings)), rules)["kendall_tau"] == 1


def test_f1_is_over_annotators_their_mean_or_best():
    people = [[1, 1, 0, 0], [0, 0, 1, 1]]
    assert (f1([1, 1, 0, 0], people), f1([1, 1, 0, 0], people, over="max")) == (0.5, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kendall_tau([1, 2, 3], [1, 2]), "3 scores, but 2 values of each annotator"),
        (lambda: spearman_rho([1, 2, 3], np.ones((5, 4))), "3 scores, but 4 values of each annotator"),
        (lambda: kendall_tau([[1, 2]], [1, 2]), r"scores have shape \(1, 2\)"),
        (lambda: kendall_tau([1, np.nan], [1, 2]), "must be finite"),
        (lambda: f1([1, 0, 1], [[1, 0]]), "3 frames of a summary, but 2 values of each annotator"),
        (lambda: f1([0.5, 0.1], [1, 0]), "a summary is 0 or 1 at each frame; select_shots makes one"),
        (lambda: f1([1, 0], [1, 0], over="median"), "over='median': there are"),  # type: ignore[arg-type]
        (lambda: select_shots([1, 2], SHOTS, 10, [0, 3, 6]), "2 scores, but 3 picks"),
        (lambda: select_shots([1, 2], SHOTS, 10), "2 scores, but 10 frames; of step scores, give their picks"),
        (lambda: select_shots([1.0] * 12, SHOTS, 12), "change_points do not cover frames 0 to 11"),
        (lambda: select_shots([1.0] * 10, [0, 5], 10), r"change_points have shape \(2,\)"),
        (lambda: kendall_tau(["a", "b"], [1, 2]), "must be numbers, not <U1 and int64"),
        (lambda: f1([1, 0], np.zeros((0, 2))), "there is no annotator"),
        (lambda: select_shots([[1.0] * 10], SHOTS, 10), r"scores have shape \(1, 10\)"),
        (lambda: select_shots([1, 2, 3], SHOTS, 10, [0, 6, 3]), "picks must increase"),
        (lambda: select_shots([1, 2, 3], SHOTS, 10, [0, 3.5, 6]), "picks must be whole numbers"),
        (lambda: select_shots([1.0] * 10, SHOTS, 10, solver="knapsak"), "solver='knapsak': there are knapsack, greedy"),  # type: ignore[arg-type]
        (lambda: select_shots([1.0] * 10, SHOTS, 10, budget=15), "budget=15: a share of the video is needed"),
        (lambda: semantic_f1([0.5], [0], np.eye(3)), "chosen must be whole numbers"),
        (lambda: semantic_f1([1], [0], 2 * np.eye(3)), r"tags are 0 or 1, \(shots, concepts\)"),
        (lambda: Annotations(**given(user_summary=[7] * 10)), "user_summary is 0 or 1 at each frame"),
        (lambda: semantic_f1([3], [0], np.eye(3)), "shots 3 to 3, but tags of 3 shots"),
        (lambda: semantic_f1([0, 0, 1], [0], np.eye(3)), "a shot stands twice"),
        (lambda: Rules("mean", "spearman"), "correlation='spearman': there are per-annotator, mean-annotator"),
        (lambda: Rules("median", "per-annotator"), "f1='median': there are"),  # type: ignore[arg-type]
        (lambda: Annotations(**given(picks=[0, 3, 10])), "picks must increase, from 0 or more to at most 9"),
        (lambda: Annotations(**given(user_summary=[1, 0])), "2 frames of each annotator, but the video has 10"),
        (
            lambda: Annotations(**given(user_scores=[1, 0])),
            "user_scores has 2 values .*, but there are 3 picks",
        ),
        (lambda: Annotations(**given(user_summary=None)), "annotations need user_summary, user_scores or gtscore"),
        (
            lambda: measure([1, 2], Annotations(**given()), Rules("max", "per-annotator")),
            "video: 2 scores, but the video has 3 steps and 10 frames",
        ),
    ],
)
def test_wrong_arguments_are_one_line_with_both_lengths(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_an_unknown_benchmark_or_protocol_is_one_line(stores):
    with pytest.raises(ValueError, match="dataset='tvsumm': there are tvsum, summe, qfvs"):
        evaluate_scores({}, "tvsumm", stores)
    with pytest.raises(ValueError, match="preset='dsn': there are default, pglsum"):
        evaluate_scores({}, "tvsum", stores, preset="dsn")


def test_scores_in_memory_are_evaluated_as_their_file_is(stores, tmp_path):
    videos = Store(stores / "summe.h5").read()
    scores = {video.key: torch.rand(video.n_steps) for video in videos}
    np.savez(tmp_path / "scores.npz", **{key: row.numpy() for key, row in scores.items()})
    of_file = evaluate_scores(tmp_path / "scores.npz", "summe", stores, draws=2)
    assert evaluate_scores(scores, "summe", str(stores), draws=2) == of_file
    with pytest.raises(UserError, match=r"scores: video_1: score 0 is NaN"):
        evaluate_scores(scores | {"video_1": [float("nan")]}, "summe", stores, draws=2)


def test_predictions_in_memory_are_evaluated_as_their_file_is(stores, tmp_path):
    videos = Store(stores / "qfvs.h5").read_queries()
    rows = {item.id: np.random.default_rng(0).random(item.n_steps) for video in videos for item in video.items()}
    (tmp_path / "scores.json").write_text(json.dumps({name: row.tolist() for name, row in rows.items()}))
    of_file = evaluate_scores(tmp_path / "scores.json", "qfvs", stores, draws=2)
    assert evaluate_scores(rows, "qfvs", stores, draws=2) == of_file
