import json

import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.evaluate import evaluate_scores
from clipit_lightning.evaluation.matching import QueryRules, measure_query
from clipit_lightning.evaluation.scores import read_predictions


@pytest.fixture(scope="module")
def videos(stores):
    return Store(stores / "qfvs.h5").read_queries()


@pytest.fixture
def scores(videos):
    rng = np.random.default_rng(0)
    return {video.key: {name: rng.random(video.n_steps).tolist() for name in video.names} for video in videos}


def write(tmp_path, content):
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(content))
    return path


def test_the_mean_is_over_queries_then_videos(videos, scores, stores, tmp_path):
    evaluation = evaluate_scores(write(tmp_path, scores), "qfvs", stores, draws=2)
    means = []
    for video in videos:
        rows = [
            measure_query(item, QueryRules().choose(np.array(scores[video.key][video.names[item.query]]))).f1
            for item in video.items()
        ]
        means.append(np.mean(rows))
        assert evaluation["rows"][0][video.key] == pytest.approx(means[-1])
    assert evaluation["rows"][0]["f1"] == pytest.approx(np.mean(means))
    names = ["predictions", "random", "uniform", "both-concepts", "oracle"]
    assert [row["name"] for row in evaluation["rows"]] == names


def test_names_in_any_order_and_layout_and_chosen_shots_from_1(videos, scores, stores, tmp_path):
    rules = QueryRules()
    chosen = {
        f"qfvs/{key}/{'_'.join(reversed(query.split('_')))}_oracle": {
            "shots": (1 + rules.choose(np.array(row))).tolist()
        }
        for key, queries in scores.items()
        for query, row in queries.items()
    }
    one = read_predictions(write(tmp_path, scores), videos, rules)
    other = read_predictions(write(tmp_path, chosen), videos, rules)
    assert set(one) == set(other)
    assert all(one[name].tolist() == other[name].tolist() for name in one)


def test_predictions_of_another_length_are_measured_with_a_note(scores, stores, tmp_path, capsys):
    scores["P01"]["Car_Food"] = {"shots": [1, 5, 9, 120]}
    path = write(tmp_path, scores)
    assert main(["evaluate", str(path), "--dataset", "qfvs", "--root", str(stores), "--draws", "2", "--per-video"]) == 0
    out = capsys.readouterr().out
    assert "1 predictions have another number of shots" in out
    assert "Car_Food" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["P01"].pop("Car_Food"), r"missing for 1 queries: qfvs/P01/Car_Food"),
        (lambda s: s["P01"].update(Car_Boat=[1.0]), "P01/Car_Boat: no such video and query"),
        (lambda s: s["P01"].update(Food_Car=s["P01"]["Car_Food"]), "given twice"),
        (lambda s: s["P01"]["Car_Food"].append(0.5), r"121 scores, expected 120.*\"shots\""),
        (lambda s: s["P01"]["Car_Food"].__setitem__(3, None), "finite"),
        (lambda s: s["P01"].update(Car_Food="high"), "neither a list of scores"),
        (lambda s: s["P01"].update(Car_Food={"shots": [3, 121]}), "whole numbers from 1 to 120"),
        (lambda s: s["P01"].update(Car_Food={"shots": [3, 3]}), "stands twice"),
        (lambda s: s["P01"].update(Car_Food={"shots": []}), "at least one"),
    ],
)
def test_what_does_not_fit_is_one_line(videos, scores, tmp_path, change, message):
    change(scores)
    with pytest.raises(UserError, match=message):
        read_predictions(write(tmp_path, scores), videos, QueryRules())


def test_a_file_that_is_no_object_or_no_json_and_options_without_meaning(stores, tmp_path, capsys):
    (tmp_path / "bad.json").write_text("{")
    for content in ([1, 2], "bad"):
        path = tmp_path / "bad.json" if content == "bad" else write(tmp_path, content)
        assert main(["evaluate", str(path), "--dataset", "qfvs", "--root", str(stores)]) == 2
    assert main(["evaluate", "x.json", "--dataset", "qfvs", "--root", str(stores), "--folds", "kfold"]) == 2
    assert "--folds: is for benchmarks with annotators" in capsys.readouterr().err
    assert main(["baselines", "--dataset", "qfvs", "--root", str(tmp_path)]) == 2
    assert "qfvs.h5" in capsys.readouterr().err


def test_baselines_are_printed_and_kept_for_the_board(stores, tmp_path, capsys):
    words = ["baselines", "--dataset", "qfvs", "--root", str(stores), "--draws", "3", "--keep", str(tmp_path)]
    assert main(words) == 0
    assert "both-concepts" in capsys.readouterr().out
    (kept,) = tmp_path.glob("qfvs-*.json")
    assert next(row["name"] for row in json.loads(kept.read_text())["rules"]["none"]) == "random"
