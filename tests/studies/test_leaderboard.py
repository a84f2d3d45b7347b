import copy
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.fold_files import load_family
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS
from clipit_lightning.studies.leaderboard import (
    BOARD,
    COLUMNS,
    FLOORS,
    PUBLISHED,
    make_board,
    read_board,
    result_folders,
    row_of,
    update_board,
    write_board,
)
from clipit_lightning.studies.reference_rows import ABOVE_CEILING
from clipit_lightning.studies.tables import format_board
from tests.support.results import CONTENT, PROTOCOL, fold, metric, result

EXPERIMENTS = BOARD.parent


@pytest.fixture
def save(tmp_path):
    def call(name="clip-it-seed0", **changes):
        content = copy.deepcopy(CONTENT) | {"run": name} | changes
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "result.json").write_text(json.dumps(content))
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


def names(board):
    """The names of rows, as tables show them: what stands before the supervision."""
    lines = format_board(board).splitlines()[2:-2]
    return [re.split(r" +(?:supervised|unsupervised|none) ", line)[0].strip() for line in lines]


def test_a_row_is_named_after_its_method_and_what_differs_and_another_run_renames_none(save):
    board = make_board([save("clip-it-tvsum-seed0")])
    assert names(board) == ["clip-it"]
    save("clip-it-tvsum-no-captions-seed0", config_hash="b", variant="unsupervised no-captions")
    assert sorted(names(make_board([save("clip-it-tvsum-seed1", seed=1)]))) == ["clip-it", "clip-it no-captions"]


def test_twins_of_a_scorer_that_does_not_train_are_one_row(save):
    twins = {"method": "random", "supervision": "none"}
    save("random-tvsum-seed0", **twins)
    save("random-tvsum-unsupervised-seed0", selection="last", config_hash="other", **twins)
    save("clip-it-tvsum-seed0")
    board = make_board([save("clip-it-tvsum-again-seed0", config_hash="other", variant="")])
    assert sorted(names(board)) == ["clip-it", "clip-it", "random"]
    assert "random-tvsum-seed0" in set(board["run"])


def test_a_part_of_the_folds_stands_below_whatever_it_reached_and_says_so(save):
    save("whole", config_hash="a", variant="")
    high = {"kendall_tau": metric(0.9), "f1": metric(0.9)}
    board = make_board([save("part", folds=[fold(1)], metrics=high, variant="")])
    assert board["folds"].tolist() == [2, 1]
    assert board["all_folds"].tolist() == [2, 2]
    text = format_board(board)
    assert "1 of 2" in text
    assert "a part of the folds stands below, not ranked" in text
    assert "1 of" not in format_board(board[:1])


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"folds": "all"}, 1),
        ({"folds": "kfold10 seed 3"}, 10),
        ({"folds": "mine.json12"}, 12),
        ({"dataset": "qfvs", "folds": "2/1/1", "correlation": "none"}, 4),
    ],
)
def test_how_many_folds_there_are_follows_from_the_protocol(changes, number):
    dataset = changes.get("dataset", "tvsum")
    row = row_of([result(dataset=dataset, protocol=PROTOCOL | changes, folds=[fold(0)])])
    assert (row["folds"], row["all_folds"]) == (1, number)


def test_what_cannot_be_read_is_named_and_omitted_where_a_run_ends(save, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.chdir(tmp_path)
    save("good", run="good", variant="")
    save("bad")
    Path("runs/bad/result.json").write_text("{}")
    update_board()
    board = pd.read_csv("runs/leaderboard.csv", keep_default_na=False)
    assert board.loc[board["kind"] == "ours", "run"].tolist() == ["good"]
    assert set(board["kind"]) == {"ours", "kept", "published", "floor or ceiling"}
    assert "runs/bad/result.json: not a result of clipit train" in caplog.text
    with pytest.raises(UserError, match=r"runs/bad/result\.json"):
        make_board(result_folders())


def test_a_damaged_table_costs_its_own_rows_alone_but_is_never_replaced(save, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    save("good", run="good")
    Path("kept").mkdir()
    Path("kept/runs.csv").write_text("run\n1,2\n")
    assert main(["leaderboard", "runs", "kept", "--ours"]) == 0
    assert re.fullmatch(r"clipit: omitted: kept/runs\.csv: not a table of runs .*\n", capfd.readouterr().err)
    assert "good" in pd.read_csv("runs/leaderboard.csv")["run"].tolist()
    Path("runs/leaderboard.csv").unlink()
    assert main(["leaderboard", "runs", "kept", "--keep", "kept"]) == 2
    assert re.fullmatch(r"clipit: kept/runs\.csv: not a table of runs .*\n", capfd.readouterr().err)
    assert Path("kept/runs.csv").read_text() == "run\n1,2\n"
    assert not Path("runs/leaderboard.csv").exists()


def test_an_output_that_knows_ascii_alone_shows_other_letters_as_escapes(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("good", run="good")
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["leaderboard", "--ours"]) == 0
    output.seek(0)
    assert "\\xb1: sample standard deviation" in output.read()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thousand_runs_take_seconds_and_little_memory(save, tmp_path):
    """Bounds for a busy machine; alone it takes 3 s."""
    for number in range(1000):
        save(f"run-{number}", seed=number % 5, config_hash=str(number // 5))
    # Asked of the process itself: what its parent reads of it begins with the parent's own, which is that of all tests.
    own = (
        "import os, re; print(sum(os.times()[:2]), re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    program = f"from clipit_lightning.cli.main import main; main(['leaderboard']); {own}"
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    seconds, kilobytes = map(float, ended.stdout.splitlines()[-1].split())
    assert pd.read_csv(tmp_path / "runs/leaderboard.csv")["kind"].eq("ours").sum() == 200
    assert seconds < 15
    assert kilobytes < 400 * 1024


def test_of_a_run_that_lies_twice_the_first_counts_and_other_seeds_and_configurations_are_other_runs(save, tmp_path):
    runs = save("a")
    for number, changes in enumerate(({}, {"seed": 1}, {"config_hash": "other"})):
        old = copy.deepcopy(CONTENT) | {"run": "a", "metrics": CONTENT["metrics"] | {"f1": metric(0.9, 0.9)}} | changes
        (tmp_path / f"kept/{number}").mkdir(parents=True)
        (tmp_path / f"kept/{number}/result.json").write_text(json.dumps(old))
    board = make_board([runs, tmp_path / "kept"])
    assert board[["f1", "seeds"]].to_numpy().tolist() == [[90.0, 1], [72.5, 2]]  # 72.5: 55 of seed 0, 90 of seed 1


def test_results_are_looked_for_in_runs_then_in_its_grids_the_latest_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seconds, name in enumerate(["b/one", "c/one", "a/one", "c/two", "d-quick/one", "single"], start=1):
        (Path("runs") / name).mkdir(parents=True)
        (Path("runs") / name / "result.json").touch()
        os.utime(Path("runs") / name / "result.json", (seconds, seconds))
    Path("runs/sweeps/one/trials").mkdir(parents=True)
    expected = ["runs", "runs/c", "runs/a", "runs/b"]
    assert [str(folder) for folder in result_folders()] == expected
    assert result_folders(Path("nowhere")) == [Path("nowhere")]


def test_what_follows_a_mean_and_marks_that_occur_are_said(save):
    text = format_board(make_board([save()]))
    assert "0.200 ±0.141" in text
    assert "±: sample standard deviation over all folds of all seeds" in text
    assert "†" not in text
    assert "‡" not in text


def test_the_shipped_board_is_that_of_the_kept_results(tmp_path):
    write_board(make_board([EXPERIMENTS / "results"], PUBLISHED, FLOORS), tmp_path / "board.csv")
    assert (tmp_path / "board.csv").read_text() == BOARD.read_text()
    assert read_board(BOARD).equals(read_board(tmp_path / "board.csv"))


def test_one_fold_has_no_deviation_and_no_results_no_rows(save, tmp_path):
    single = {name: metric(0.5) for name in CONTENT["metrics"]}
    board = make_board([save("a", metrics=single, folds=[fold(0)])])
    assert board["kendall_tau_std"].isna().all()
    assert "±" not in format_board(board)
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


def test_rows_above_the_ceiling_of_their_own_folds_are_marked_and_those_from_memory_are_omitted(tmp_path, floors):
    tested = {video for fold in load_family("pglsum", "tvsum", "canonical").folds for video in fold.test}
    best = {f"tvsum/video_{number}": {"f1": 0.2} for number in range(1, 51)} | {key: {"f1": 0.7} for key in tested}
    (path,) = floors.glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"best_possible": best}))
    (tmp_path / "published.csv").write_text(
        "method,year,features,dataset,setting,f1,kendall_tau,spearman_rho,selection,correlation_protocol,folds,"
        "confirmed,source,note\n"
        "unknown folds,2020,G,tvsum,canonical,65.0,,,unknown,,,yes,paper,\n"
        "its folds,2020,G,tvsum,canonical,65.0,,,unknown,,pglsum,yes,paper,\n"
        "higher,2020,G,tvsum,canonical,70.1,,,val,,pglsum,yes,paper,\n"
        "remembered,2020,G,tvsum,canonical,65.0,,,val,,,memory,paper,\n"
    )
    board = make_board([], tmp_path / "published.csv", floors)
    marks = board[board["kind"] == "published"].set_index("method")["mark"].to_dict()
    assert marks == {
        "unknown folds (2020)": f"selection unknown; {ABOVE_CEILING}",
        "its folds (2020)": "selection unknown",
        "higher (2020)": ABOVE_CEILING,
    }
    text = format_board(board)
    assert "unknown folds (2020) ‡ ¶" in text
    assert "higher (2020) ¶" in text
    assert f"‡ selection unknown; ¶ {ABOVE_CEILING}" in text


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
    board = make_board([], PUBLISHED)
    confirmed = pd.read_csv(PUBLISHED)["confirmed"] == "yes"  # what somebody remembers is not shown
    assert 0 < len(board) == confirmed.sum() < len(confirmed)
    assert {"tvsum", "summe", "qfvs", "videoxum", "mrhisum", "mosu"} == set(board["dataset"])


def test_the_leaderboard_needs_neither_torch_nor_lightning():
    command = "import sys, clipit_lightning.studies.run_table, clipit_lightning.studies.compare; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "lightning", "torchmetrics", "scipy.stats"} & set(loaded)
