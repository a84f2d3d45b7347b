import copy
import json

import pandas as pd
import pytest

from clipit_lightning.errors import UserError
from clipit_lightning.leaderboard import COLUMNS, format_board, make_board, write_board


def metric(*folds):
    return {"mean": sum(folds) / len(folds), "std": None, "folds": list(folds)}


BASE = {
    "run": "clip-it-seed0",
    "method": "clip-it",
    "dataset": "tvsum",
    "setting": "canonical",
    "supervision": "supervised",
    "features": "f",
    "data": "real",
    "selection": "val",
    "protocol": {"identifier": "p1"},
    "config_hash": "abc",
    "seed": 0,
    "metrics": {
        "f1": metric(0.5, 0.6),
        "f1_mean": metric(0.5, 0.6),
        "f1_max": metric(0.7, 0.8),
        "kendall_tau": metric(0.1, 0.3),
        "spearman_rho": metric(0.2, 0.4),
    },
    "folds": [{"fold": 0}, {"fold": 1}],
}


@pytest.fixture
def save(tmp_path):
    def call(run="clip-it-seed0", **changes):
        result = copy.deepcopy(BASE) | {"run": run} | changes
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "result.json").write_text(json.dumps(result))
        return tmp_path / "runs"

    return call


def test_columns_and_percent(save, tmp_path):
    board = make_board([save()])
    write_board(board, tmp_path / "board.csv")
    (row,) = pd.read_csv(tmp_path / "board.csv").to_dict("records")
    assert tuple(row) == COLUMNS
    assert (row["f1"], row["f1_max"], row["kendall_tau"]) == (55.0, 75.0, 0.2)
    assert row["f1_std"] == pytest.approx(7.0711)
    assert (row["folds"], row["seeds"]) == (2, 1)


def test_seeds_of_a_configuration_are_one_row(save):
    save("a", seed=0)
    other = copy.deepcopy(BASE["metrics"]) | {"kendall_tau": metric(0.3, 0.5)}
    board = make_board([save("b", seed=1, metrics=other)])
    assert board["seeds"].tolist() == [2]
    assert board["kendall_tau"].tolist() == [0.3]
    assert board["run"].tolist() == ["a b"]


def test_other_configurations_protocols_and_folds_are_other_rows(save):
    save("a")
    save("b", config_hash="other")
    save("c", protocol={"identifier": "p2"})
    assert len(make_board([save("d", folds=[{"fold": 0}])])) == 4


def test_a_result_found_twice_counts_once(save, tmp_path):
    runs = save("a")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/a.json").write_text((runs / "a/result.json").read_text())
    assert make_board([runs, tmp_path / "kept"])["seeds"].tolist() == [1]


def test_rows_are_sorted_by_tau_within_a_protocol(save):
    save("a", method="weak", config_hash="1")
    strong = copy.deepcopy(BASE["metrics"]) | {"kendall_tau": metric(0.6, 0.6)}
    board = make_board([save("b", method="strong", config_hash="2", metrics=strong)])
    assert board["method"].tolist() == ["strong", "weak"]


def test_names_are_safe_in_spreadsheets(save):
    assert make_board([save("=cmd()")])["run"].tolist() == ["'=cmd()"]


def test_one_fold_has_no_deviation_and_no_results_no_rows(save, tmp_path):
    single = {name: metric(0.5) for name in BASE["metrics"]}
    board = make_board([save("a", metrics=single, folds=[{"fold": 0}])])
    assert board["kendall_tau_std"].isna().all()
    assert "±" not in format_board(board)
    assert "no results yet" in format_board(make_board([tmp_path / "none"]))


def test_a_foreign_result_is_said(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/result.json").write_text('{"accuracy": 1}')
    with pytest.raises(UserError, match="not a result of clipit train"):
        make_board([tmp_path])
