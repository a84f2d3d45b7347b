"""Numbers that are odd by definition: they stay as they are, and are counted and named."""

import json

import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation import Annotations, Rules
from clipit_lightning.evaluation.odd import count_odd
from clipit_lightning.summary.key_shots import shot_lengths

SHOTS = [[0, 1], [2, 4], [5, 9]]
RATINGS = [[1, 2, 3], [3, 3, 3]]


@pytest.mark.parametrize(
    ("scores", "budget", "ratings", "expected"),
    [
        ([0.1, 0.2, 0.3], 0.3, RATINGS[:1], {}),
        ([-0.1, -0.2, 0.3], 0.3, RATINGS[:1], {"empty_summaries": 1}),  # the only shot above 0 is too long
        ([0.1, 0.2, 0.3], 0.1, RATINGS[:1], {"no_shot_fits": 1}),
        ([0.2, 0.2, 0.2], 0.3, RATINGS, {"constant_scores": 1, "annotators_omitted": 1}),
    ],
)
def test_what_is_odd_is_counted(scores, budget, ratings, expected):
    video = Annotations(SHOTS, 10, picks=[0, 2, 5], user_summary=[1] * 2 + [0] * 8, user_scores=ratings)
    assert count_odd([(video, np.array(scores))], Rules("mean", "per-annotator", budget)) == expected


def test_scores_that_choose_nothing_are_named_where_they_are_measured(stores, tmp_path, capsys):
    videos = Store(stores / "summe.h5").read()
    fit = [video for video in videos if shot_lengths(video.change_points).min() <= 0.15 * video.n_frames]
    scores = {video.key: (np.arange(video.n_steps) - video.n_steps).tolist() for video in videos}
    (tmp_path / "logits.json").write_text(json.dumps(scores))
    words = ["evaluate", str(tmp_path / "logits.json"), "--dataset", "summe", "--root", str(stores), "--draws", "2"]
    assert main(words) == 0
    note = f"NOTE: {len(fit)} summaries are empty, since no shot that fits the budget has a score above 0"
    assert note in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    (measured,) = json.loads(capsys.readouterr().out)
    assert measured["odd"] == {"empty_summaries": len(fit), "no_shot_fits": len(videos) - len(fit)}
    assert measured["rows"][0]["f1"] == 0
