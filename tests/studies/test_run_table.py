from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_data import DataConfig
from clipit_lightning.core.config_files import save_config
from clipit_lightning.data.store import Store
from clipit_lightning.studies.leaderboard import BOARD, COLUMNS, read_board
from clipit_lightning.studies.reference_rows import OTHER_ANNOTATIONS
from clipit_lightning.studies.run_table import end_of_run, run_table, with_own_floors
from clipit_lightning.training.run import Run
from tests.support.results import CONTENT, PROTOCOL, fold, metric, result

SHIPPED = read_board(BOARD)
LONG = "sources-summe lr-0.001 weight_decay-0.3 clip-2 epochs-100"


def of(dataset, setting, data="real", correlation="per-annotator", **changes):
    names = {"dataset": dataset, "setting": setting, "data": data}
    protocol = PROTOCOL | names | {"correlation": correlation}
    if dataset == "qfvs":
        protocol |= {"folds": "2/1/1"}
        whole = {"metrics": {"f1": metric(0.5, 0.5, 0.5, 0.5)}, "folds": [fold(number) for number in range(4)]}
        changes = whole | changes
    return result(**names, protocol=protocol, **changes)


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize(
    "group", list(SHIPPED.groupby(["dataset", "setting", "data", "correlation"]).groups), ids="-".join
)
@pytest.mark.parametrize("changes", [{"variant": ""}, {"variant": LONG, "folds": [fold(1)]}])
def test_the_table_has_at_most_27_lines_that_fit(group, width, changes):
    lines = run_table(of(*group, **changes), SHIPPED, width).splitlines()
    assert len(lines) <= 27
    assert max(map(len, lines)) <= width
    (own,) = [line for line in lines if line.startswith("> clip-it ")]
    assert "this run, " in own
    assert group[-1] in lines[0] or group[-1] == "none"


def test_the_run_stands_among_floors_humans_ceiling_kept_and_published_rows_by_its_rank():
    text = run_table(of("tvsum", "canonical", variant=""), SHIPPED)
    lines = {line[2:].split("  ")[0]: number for number, line in enumerate(text.splitlines())}
    assert (
        lines["[best-possible]"]
        < lines["[mean-annotator]"]
        < lines["clip-it+"]
        < lines["clip-it"]
        < lines["[human-pairwise]"]
        < lines["[random]"]
    )
    for name, what in {
        "[best-possible]": "ceiling",
        "[mean-annotator]": "ceiling",
        "[human-pairwise]": "human",
        "[uniform]": "floor",
        "CLIP-It (2021) ‡": "published",
        "clip-it+": "kept, 3 seeds",
        "clip-it": "this run, 2 folds",
    }.items():
        assert text.splitlines()[lines[name]].endswith(f"  {what}")
    assert "55.0 ±7.1" in text.splitlines()[lines["clip-it"]]
    assert "more rows: `clipit leaderboard` prints all" in text


def test_a_part_of_the_folds_is_not_ranked():
    high = {name: metric(0.9) for name in CONTENT["metrics"]}
    lines = run_table(of("tvsum", "canonical", folds=[fold(1)], metrics=high, variant=""), SHIPPED).splitlines()
    (own,) = [number for number, line in enumerate(lines) if line.startswith(">")]
    assert lines[own].endswith("this run, 1 of 2 folds")
    assert not [line for line in lines[own + 1 :] if line.endswith(("floor", "kept, 3 seeds", "published"))]


def test_published_rows_of_other_rules_stand_below_with_their_rule():
    lines = run_table(of("summe", "canonical", correlation="mean-annotator", variant=""), SHIPPED).splitlines()
    start = lines.index("published by other correlation rules, whose tau and rho cannot be compared:")
    assert "SummDiff (2025) †" in lines[start + 1]
    assert lines[start + 1].endswith("binary-summary")
    assert not [line for line in lines[:start] if "published" in line]


def test_the_miniature_stands_among_its_own_rows_and_queries_have_f1_alone():
    lines = run_table(of("tvsum", "transfer", "mini", variant=""), SHIPPED).splitlines()
    assert sorted(line[2:].split("  ")[0] for line in lines[2:6]) == ["clip-it", "clip-it+", "linear", "random"]
    queries = run_table(of("qfvs", "canonical", correlation="none"), SHIPPED)
    assert queries.splitlines()[1].split() == ["method", "F1", "P01", "P02", "P03", "P04"]


def test_signs_are_explained_only_where_they_occur():
    empty = pd.DataFrame(columns=list(COLUMNS))
    assert "†" not in run_table(of("tvsum", "canonical", variant=""), empty)
    marked = run_table(of("tvsum", "canonical", variant="", selection="best-on-test"), empty)
    assert "clip-it †" in marked
    assert "† best epoch on the test fold" in " ".join(marked.split())
    assert "‡" not in marked


def test_after_the_table_stands_where_everything_lies_and_one_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = end_of_run(result(variant=""), Path("runs/my run")).splitlines()
    assert "run       runs/my run" in lines
    assert "rows      runs/leaderboard.csv has all your runs (`clipit leaderboard`)" in lines
    assert lines[-1] == "next      clipit report 'runs/my run'"
    assert "runs/leaderboard.csv" not in end_of_run(result(variant=""), Path("elsewhere/run"))


@pytest.mark.parametrize("dataset", ["tvsum", "qfvs"])
def test_floors_and_ceiling_are_of_the_annotations_of_the_run(dataset, stores, tmp_path):
    save_config(Config(data=DataConfig(dataset=dataset, root=str(stores))), tmp_path / "config.yaml")
    measured = of(dataset, "canonical", correlation="none" if dataset == "qfvs" else "per-annotator", variant="")
    annotations = Store(stores / f"{dataset}.h5").annotations_hash()
    measured = measured.model_copy(update={"protocol": replace(measured.protocol, annotations_hash=annotations)})
    board = with_own_floors(SHIPPED, measured, Run(tmp_path))
    of_dataset = board[board["dataset"] == dataset]
    assert set(of_dataset.loc[of_dataset["kind"] == "floor or ceiling", "source"]) == {
        f"clipit baselines, annotations {annotations}, 5 draws"
    }
    real = of_dataset[(of_dataset["kind"] == "ours") & (of_dataset["data"] == "real")]
    assert set(real["mark"]) == {OTHER_ANNOTATIONS}
    text = run_table(measured, board)
    assert f"§ {OTHER_ANNOTATIONS}" in " ".join(text.split())
    assert "[random]" in text


def test_floors_of_the_board_stay_beside_a_run_on_their_annotations(tmp_path):
    kept = SHIPPED[(SHIPPED["kind"] == "floor or ceiling") & (SHIPPED["dataset"] == "tvsum")]["source"].iloc[0]
    measured = of("tvsum", "canonical")
    annotations = kept.split("annotations ")[1].split(",")[0]
    measured = measured.model_copy(update={"protocol": replace(measured.protocol, annotations_hash=annotations)})
    assert with_own_floors(SHIPPED, measured, Run(tmp_path)) is SHIPPED


def test_a_run_that_was_not_tested_ends_with_its_validation():
    text = end_of_run(result(metrics={}), Path("runs/a"))
    assert text.startswith("tvsum, canonical, data=real, correlation per-annotator: not tested; validation tau 0.300\n")
    assert text.endswith("next      clipit train runs/a/config.yaml test=true")
