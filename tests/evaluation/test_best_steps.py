"""F1 of the best steps, against the public code's rule written anew, and the floors."""

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini_scripts import make_script_videos
from clipit_lightning.data.store_file import write_store
from clipit_lightning.evaluation.best_steps import ScriptRules, best_steps_f1, items_of_test_part, script_floors
from clipit_lightning.evaluation.evaluate import baseline_tables, evaluate_scores, format_evaluation


@pytest.fixture(scope="module")
def videos():
    return list(make_script_videos())


@pytest.fixture(scope="module")
def items(videos):
    return items_of_test_part(videos)


@pytest.fixture(scope="module")
def root(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    write_store(folder / "s-videoxum.h5", videos, {"dataset": "s-videoxum", "features": "mini", "data": "mini"})
    return folder


def naive_f1(scores, summary):
    """As the public code says, by loops: the score at place int(0.15 n) of the falling order is the threshold."""
    falling = sorted(scores, reverse=True)
    chosen = [score >= falling[int(0.15 * len(scores))] for score in scores]
    if sum(chosen) / len(chosen) > 0.25:
        return 0.0
    both = sum(1 for one, other in zip(chosen, summary, strict=True) if one and other)
    return 2 * both / (sum(chosen) + sum(summary)) if both else 0.0


@pytest.mark.parametrize("steps", [1, 3, 4, 7, 20, 60, 140, 201])
def test_f1_is_that_of_the_rule(steps):
    rng = np.random.default_rng(steps)
    for ties in (1000, 6):
        scores, summary = rng.integers(0, ties, steps) / ties, rng.integers(0, 2, steps)
        assert best_steps_f1(scores, summary) == pytest.approx(naive_f1(scores.tolist(), summary.tolist()))


def test_one_step_more_than_the_share_is_chosen_and_equal_scores_together():
    assert len(ScriptRules().choose(np.arange(100.0))) == 16
    assert len(ScriptRules().choose(np.r_[np.ones(20), np.zeros(80)])) == 20
    assert best_steps_f1(np.r_[np.ones(26), np.zeros(74)], np.r_[np.ones(26), np.zeros(74)]) == 0  # above a quarter
    assert ScriptRules(budget=1.0).choose(np.arange(5.0)).tolist() == [0, 1, 2, 3, 4]


def test_floors_are_in_order(items):
    table = script_floors(items, ScriptRules(), draws=5).set_index("name")
    assert table.loc["random", "f1"] == pytest.approx(0.17, abs=0.03)
    assert table.loc["oracle", "f1"] > 0.85
    assert table["f1"].idxmax() == "oracle"
    assert table.loc["uniform", "f1_std"] == 0 < table.loc["random", "f1_std"]
    assert not table.isna().any().any()


def test_scores_of_a_file_are_measured_beside_floors(root, items):
    scores = {}
    for item in items:
        scores.setdefault(item.video.key, {})[str(item.script)] = item.gtscore.tolist()
    result = evaluate_scores(scores, "s-videoxum", root, draws=2)
    by_id = {item.id: best_steps_f1(item.gtscore, item.summary) for item in items}
    assert result["rows"][0]["f1"] == pytest.approx(np.mean(list(by_id.values())))  # four scripts a video
    assert result["rows"][0]["query_drop"] > 0.3
    assert result["queries"] == len(items) == 48
    assert "48 scripts, steps above the best 15 %, without shots" in format_evaluation(result, details=True)
    again = evaluate_scores({item.id: item.gtscore.tolist() for item in items}, "s-videoxum", root, draws=2)
    assert again["rows"] == result["rows"]
    assert list(baseline_tables("s-videoxum", root, draws=2)) == ["none"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda scores, id: scores.pop(id), "scores are missing for 1 scripts: s-videoxum/video_5"),
        (lambda scores, id: scores.update({id: [0.5]}), r"scores of shape \(1,\), expected \d+ finite numbers"),
        (lambda scores, id: scores.update({id: ["a"]}), "scores must be a list of numbers"),
        (lambda scores, id: scores.update({"video_1/0": [0.5]}), "video_1/0: no such video and script"),
        (lambda scores, id: scores.update({id.partition("/")[2]: scores[id]}), "is given twice"),
    ],
)
def test_scores_that_do_not_fit_are_one_line(root, items, change, problem):
    scores = {item.id: item.gtscore.tolist() for item in items}
    change(scores, items[0].id)
    with pytest.raises(UserError, match=problem) as error:
        evaluate_scores(scores, "s-videoxum", root)
    assert "\n" not in str(error.value)
