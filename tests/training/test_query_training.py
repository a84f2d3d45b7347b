"""QFVS end to end on small data: the same task and scorer, other items and measures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.batches import Part
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.studies.leaderboard import make_board
from clipit_lightning.training import build
from clipit_lightning.training.train import run

pytestmark = pytest.mark.slow
CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = ["optim.epochs=1", "model.width=8", "model.heads=2", "trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def finished(stores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "qfvs"
    config = load_config([CONFIGS / "qfvs.yaml"], [*SMALL, f"data.root={stores}", f"output={folder}"])
    return run(config).content(), folder


def test_a_run_has_a_row_a_query_and_means_a_video(finished):
    result, folder = finished
    rows = pd.read_csv(folder / "per_video.csv")
    assert list(rows.columns) == ["video", "query", "fold", "f1", "precision", "recall", "query_drop"]
    assert len(rows) == 20
    assert set(result["metrics"]) == {"f1", "precision", "recall", "query_drop"}
    assert [fold["queries"] for fold in result["folds"]] == [5] * 4
    by_video = rows.groupby("video")["f1"].mean()
    for fold, video in zip(result["folds"], by_video.index, strict=True):
        assert fold["per_video"][video]["f1"] == pytest.approx(by_video[video], abs=1e-6)
    assert result["metrics"]["f1"]["mean"] == pytest.approx(by_video.mean(), abs=1e-6)
    assert result["protocol"]["identifier"].startswith("qfvs-canonical-211-val-semantic-matching-")
    assert set(result["folds"][0]["validation"]) == {"f1", "precision", "recall"}


def test_scores_that_were_written_measure_the_same_when_read_again(finished, stores, capsys):
    result, folder = finished
    assert main(["evaluate", str(folder / "scores.json"), "--dataset", "qfvs", "--root", str(stores), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]
    for name in ("f1", "precision", "recall", "query_drop"):
        assert row[name] == pytest.approx(result["metrics"][name]["mean"], abs=1e-9)


def test_the_board_has_a_column_a_video_and_the_published_rows_beside(finished, tmp_path):
    _, folder = finished
    published = tmp_path / "published.csv"
    published.write_text(
        "method,year,features,dataset,setting,f1,kendall_tau,spearman_rho,selection,correlation_protocol,source,note\n"
        "CHAN,2020,-,qfvs,leave-one-out,46.94,,,best-on-test,,Xiao,49.14 46.53 58.65 33.42\n"
        "QC-DPP,2017,-,qfvs,leave-one-out,44.19,,,best-on-test,,Sharghi,\n"
    )
    board = make_board([folder.parent], published).set_index("method")
    assert set(board["setting"]) == {"canonical"}
    assert board.loc["CHAN (2020)", ["P01", "P02", "P03", "P04"]].tolist() == [49.14, 46.53, 58.65, 33.42]
    assert board.loc["QC-DPP (2017)", ["P01", "P04"]].isna().all()
    ours = board.loc["clip-it+"]
    assert np.mean([ours[video] for video in ("P01", "P02", "P03", "P04")]) == pytest.approx(ours["f1"], abs=1e-3)


def test_on_the_miniature_language_is_what_makes_the_difference(tmp_path):
    root = ensure_mini(tmp_path / "mini")
    f1, drop = {}, {}
    for name, word in (("with", "data.captions=7"), ("without", "data.captions=0"), ("random", "model.name=random")):
        words = [word, "trainer.accelerator=cpu", f"data.root={root}", f"output={tmp_path / name}", "data.fold=0"]
        metrics = run(load_config([CONFIGS / "qfvs.yaml"], words)).content()["metrics"]
        f1[name], drop[name] = metrics["f1"]["mean"], metrics["query_drop"]["mean"]
    assert f1["with"] > f1["without"] + 0.03
    assert f1["with"] > f1["random"] + 0.06
    assert drop["with"] > 0.1
    assert abs(drop["without"]) < 1e-9


def test_three_train_and_the_last_epoch_is_tested(stores, tmp_path):
    words = [*SMALL, f"data.root={stores}", f"output={tmp_path / 'run'}", "data.family=3/1", "data.fold=2"]
    words += ["selection=last"]
    result = run(load_config([CONFIGS / "qfvs.yaml"], words)).content()
    assert result["protocol"]["folds"] == "3/1"
    assert result["folds"][0]["validation"] == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.setting=transfer"], r"data\.setting: transfer needs other benchmarks.*2/1/1 or 3/1"),
        (["data.family=kfold"], r"data\.family: kfold has no folds of qfvs; say data\.family=2/1/1 or 3/1"),
        (["data.family=3/1"], r"selection: val needs a validation part"),
        (["data.fold=4"], r"data\.fold: is 4; there are folds 0 to 3"),
        (["protocol.solver=greedy"], r"protocol\.solver: is for benchmarks with annotators"),
        (["data.dataset=tvsum"], r"data\.family=2/1/1: is for qfvs, not for tvsum"),
        (["data.dataset=summe", "data.family=kfold", "data.sentence=true"], r"data\.sentence: is for benchmarks"),
    ],
)
def test_what_has_no_meaning_is_one_line_before_any_data_are_read(tmp_path, words, message):
    config = load_config([CONFIGS / "qfvs.yaml"], [*words, f"data.root={tmp_path / 'nowhere'}"])
    with pytest.raises(UserError, match=message):
        run(config)


def test_queries_scored_together_have_the_scores_they_have_alone(stores):
    config = load_config([CONFIGS / "qfvs.yaml"], [*SMALL, f"data.root={stores}", "model.peak_window=5"])
    module = build.datamodule(config)
    module.setup()
    task = build.task(config, module.feature_dim, module.text_dim).eval()
    (together,) = module.batch(Part([0, 1, 2])).stacks
    with torch.no_grad():
        for number, scores in enumerate(task(together).scores):
            (alone,) = module.batch(Part([number])).stacks
            torch.testing.assert_close(task(alone).scores[0], scores, atol=1e-5, rtol=0)
