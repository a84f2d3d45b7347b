import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from clipit_lightning.evaluation.names import ANNOTATOR_METRICS
from clipit_lightning.studies.leaderboard import COLUMNS, make_board, result_folders, write_board
from clipit_lightning.studies.tables import format_board, result_table
from tests.support.results import CONTENT, PROTOCOL, fold, metric, result


@pytest.fixture
def save(tmp_path):
    def call(run="clip-it-seed0", **changes):
        content = copy.deepcopy(CONTENT) | {"run": run} | changes
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "result.json").write_text(json.dumps(content))
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


def test_other_configurations_protocols_and_folds_are_other_rows(save):
    save("a")
    save("b", config_hash="other")
    save("c", protocol=PROTOCOL | {"folds_hash": "other"})
    assert len(make_board([save("d", folds=[fold(0)])])) == 4


def test_rows_that_only_their_configurations_tell_apart_are_shown_by_name(save):
    save("a-seed0")
    save("a-seed1", seed=1)
    save("b-seed0", config_hash="other")
    lines = [line.split()[0] for line in format_board(make_board([save("c", method="linear")])).splitlines()[2:-2]]
    assert sorted(lines) == ["a", "b", "linear"]


def test_of_a_run_that_lies_twice_the_first_counts_and_other_seeds_and_configurations_are_other_runs(save, tmp_path):
    runs = save("a")
    for number, changes in enumerate(({}, {"seed": 1}, {"config_hash": "other"})):
        old = copy.deepcopy(CONTENT) | {"run": "a", "metrics": CONTENT["metrics"] | {"f1": metric(0.9, 0.9)}} | changes
        (tmp_path / "kept").mkdir(exist_ok=True)
        (tmp_path / f"kept/{number}.json").write_text(json.dumps(old))
    board = make_board([runs, tmp_path / "kept"])
    assert board[["f1", "seeds"]].to_numpy().tolist() == [[90.0, 1], [72.5, 2]]  # 72.5: 55 of seed 0, 90 of seed 1


def test_results_are_looked_for_in_runs_then_in_its_grids_the_latest_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seconds, name in enumerate(["b/one", "c/one", "a/one", "c/two", "d-quick/one", "single"], start=1):
        (Path("runs") / name).mkdir(parents=True)
        (Path("runs") / name / "result.json").touch()
        os.utime(Path("runs") / name / "result.json", (seconds, seconds))
    Path("runs/sweeps/one/trials").mkdir(parents=True)
    expected = ["runs", "runs/c", "runs/a", "runs/b", "experiments/results"]
    assert [str(folder) for folder in result_folders()] == expected
    assert result_folders(Path("nowhere")) == [Path("nowhere"), Path("experiments/results")]


def test_what_follows_a_mean_is_said_and_a_result_has_the_labels_of_a_page(save):
    text = format_board(make_board([save()]))
    assert "0.200 ±0.141" in text
    assert "±: sample standard deviation over all folds of all seeds" in text
    lines = result_table(result(metrics=CONTENT["metrics"] | {"query_drop": None})).splitlines()
    assert [line.split("  ")[1] for line in lines[1:-1]] == [
        *("Kendall tau", "Spearman rho", "F1 %", "F1 %, mean annotator", "F1 %, best annotator"),
    ]


def test_one_fold_has_no_deviation_and_no_results_no_rows(save, tmp_path):
    single = {name: metric(0.5) for name in CONTENT["metrics"]}
    board = make_board([save("a", metrics=single, folds=[fold(0)])])
    assert board["kendall_tau_std"].isna().all()
    assert " ±" not in format_board(board)
    assert "no results yet" in format_board(make_board([tmp_path / "none"]))


@pytest.fixture
def published(tmp_path):
    (tmp_path / "published.csv").write_text(
        "method,year,features,dataset,setting,f1,kendall_tau,spearman_rho,selection,correlation_protocol,source,note\n"
        "A,2020,G,tvsum,canonical,61.0,0.16,0.2,best-on-test,per-annotator,paper A,\n"
        "B,2021,G,tvsum,canonical,60.0,0.25,0.3,unknown,per-annotator,paper B,\n"
        "C,2022,G,tvsum,canonical,59.0,,,last,,paper C,unsupervised\n"
        "-2+3,2022,@x,tvsum,canonical,59.0,0.1,0.1,val,binary-summary,=paper,\n"
    )
    return tmp_path / "published.csv"


@pytest.fixture
def floors(tmp_path):
    row = {
        "name": "random",
        **dict.fromkeys(ANNOTATOR_METRICS, 0.5),
        **{f"{name}_std": 0.1 for name in ANNOTATOR_METRICS},
    }
    kept = {"dataset": "tvsum", "annotations_hash": "abc", "draws": 100, "f1": "mean"}
    (tmp_path / "floors").mkdir()
    (tmp_path / "floors/tvsum-abc.json").write_text(json.dumps(kept | {"rules": {"per-annotator": [row]}}))
    return tmp_path / "floors"


def test_published_rows_stand_in_the_group_of_their_rule_and_are_marked(save, published):
    board = make_board([save(selection="best-on-test")], published)
    group = board[board["correlation"] == "per-annotator"]
    assert group["method"].tolist() == ["B (2021)", "clip-it", "A (2020)"]
    assert group["mark"].tolist() == ["selection unknown", *["best epoch on the test fold"] * 2]
    text = format_board(board)
    assert "A (2020) †" in text
    assert "B (2021) ‡" in text
    assert "clip-it †" in text
    assert board.set_index("method").loc["C (2022)", "supervision"] == "unsupervised"
    assert board.set_index("method").loc["C (2022)", "correlation"] == "unknown"


def test_each_group_has_its_floor_and_f1_alone_where_the_rule_is_unknown(save, published, floors):
    board = make_board([save()], published, floors)
    rows = board[board["kind"] == "floor or ceiling"].set_index("correlation")
    assert rows.loc["per-annotator", "kendall_tau"] == 0.5
    assert rows.loc["unknown", "f1"] == 50
    assert pd.isna(rows.loc["unknown", "kendall_tau"])
    assert "[random]" in format_board(board)


def test_the_board_is_the_same_in_any_order_and_in_every_form(save, published, floors, tmp_path):
    save("a", config_hash="1")
    runs = save("b", config_hash="2")
    board = make_board([runs / "a", runs / "b", runs], published, floors)
    assert board.equals(make_board([runs], published, floors))
    write_board(board, tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_text().rstrip() == format_board(board, "csv")
    markdown = format_board(board, "markdown")
    assert markdown.startswith("## tvsum, canonical, data=real, correlation binary-summary\n\n| method |")


def test_published_names_are_safe_in_spreadsheets(published):
    board = make_board([], published)
    row = board[board["source"].str.contains("=paper")].iloc[0]
    assert (row["method"], row["features"], row["source"]) == ("'-2+3 (2022)", "'@x", "'=paper")


def test_the_shipped_published_table_is_read_whole():
    path = Path(__file__).parents[2] / "experiments/published.csv"
    board = make_board([], path)
    assert len(board) == len(path.read_text().splitlines()) - 1
    assert {"tvsum", "summe", "qfvs"} == set(board["dataset"])


def test_the_leaderboard_needs_neither_torch_nor_lightning():
    command = "import sys, clipit_lightning.studies.tables, clipit_lightning.studies.compare; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "lightning", "torchmetrics", "scipy.stats"} & set(loaded)
