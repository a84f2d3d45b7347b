import json
from pathlib import Path

import pytest
import yaml

from clipit_lightning.core.errors import UserError
from clipit_lightning.studies.grid import read_grid
from clipit_lightning.studies.kept import KEPT, runs_in
from clipit_lightning.training.run import Run
from tests.support.results import CONTENT, fold_result, result

pytestmark = pytest.mark.slow

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_kept_results_have_the_hashes_of_the_configurations_that_made_them(tmp_path):
    (tmp_path / "grid.yaml").write_text(
        yaml.dump(yaml.safe_load((EXPERIMENTS / "benchmark.yaml").read_text()) | {"seeds": [0]})
    )
    kept = {run.path.name: run.result().config_hash for run in runs_in(KEPT)}
    runs = [run for run in read_grid(tmp_path / "grid.yaml").runs if run.name in kept]
    assert len(runs) > 20
    assert {run.name: run.hash for run in runs} == {run.name: kept[run.name] for run in runs}


def test_what_is_written_is_read(tmp_path):
    run = Run(tmp_path)
    fold = fold_result(
        per_video=[{"video": "tvsum/video_1", "kendall_tau": 0.25, "fold": 0}],
        scores={"tvsum/video_1": [0.5, 0.25]},
    )
    assert run.fold_result(0) is None
    run.write_fold(fold)
    run.write(result(), [fold])
    assert run.fold_result(0) == fold
    assert run.result() == result()
    assert run.scores() == fold.scores
    assert run.rows().to_dict("records") == [{"video": "tvsum/video_1", "fold": 0, "kendall_tau": 0.25}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {"f1": {"mean": "0.5", "std": None, "folds": [0.5]}}}, "'metrics.f1.mean': the value should be a"),
        ({"folds": []}, "'folds': is empty"),
        ({"seed": None}, "'seed': the value should be a valid integer"),
    ],
)
def test_a_damaged_result_is_one_line_that_names_the_value(tmp_path, changes, message):
    (tmp_path / "result.json").write_text(json.dumps(CONTENT | changes))
    with pytest.raises(UserError, match=rf"result.json: not a result of clipit train \({message}.*restore it") as error:
        Run(tmp_path).result()
    assert "\n" not in str(error.value)


def test_a_result_that_an_earlier_version_wrote_without_later_keys_is_read(tmp_path):
    content = {key: value for key, value in CONTENT.items() if key not in ("odd", "versions")}
    (tmp_path / "result.json").write_text(json.dumps(content))
    assert (Run(tmp_path).result().odd, Run(tmp_path).result().version) == ({}, "unknown")
