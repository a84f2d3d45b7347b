"""Scripts end to end on the miniature: a run's rows, its scores measured again, its page, what it scores."""

import json

import numpy as np
import pandas as pd
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini_scripts import make_script_videos
from clipit_lightning.data.store_file import write_store
from clipit_lightning.pipelines import load_run
from clipit_lightning.training.train import run

pytestmark = pytest.mark.slow
SMALL = ["model.name=sd-vsum", "optim.epochs=1", "model.width=8", "model.heads=2", "trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    videos = [video for number, video in enumerate(make_script_videos()) if number % 8 == 0]
    write_store(folder / "s-videoxum.h5", videos, {"dataset": "s-videoxum", "features": "mini", "data": "mini"})
    return folder


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "scripts"
    config = load_config(["s-videoxum"], [*SMALL, f"data.root={root}", f"output={folder}"])
    return run(config).content(), folder


def test_a_run_has_a_row_a_script_and_means_over_videos(finished):
    result, folder = finished
    rows = pd.read_csv(folder / "per_video.csv", dtype={"query": str})
    assert list(rows.columns) == ["video", "query", "fold", "f1", "precision", "recall", "query_drop"]
    assert rows["query"].tolist() == ["0", "1", "2", "3"] * rows["video"].nunique()
    assert result["metrics"]["f1"]["mean"] == pytest.approx(rows.groupby("video")["f1"].mean().mean(), abs=1e-6)
    assert result["protocol"]["identifier"].startswith("s-videoxum-canonical-official1-val-best-steps-")
    assert result["validation"]["monitor"] == "f1"


def test_scores_that_were_written_measure_the_same_when_read_again(finished, root, capsys):
    result, folder = finished
    assert (
        main(["evaluate", str(folder / "scores.json"), "--dataset", "s-videoxum", "--root", str(root), "--json"]) == 0
    )
    row = json.loads(capsys.readouterr().out)["rows"][0]
    for name in ("f1", "precision", "recall", "query_drop"):
        assert row[name] == pytest.approx(result["metrics"][name]["mean"], abs=1e-9)


def test_the_page_shows_every_tested_script_with_its_text(finished, root, tmp_path):
    _, folder = finished
    assert main(["report", str(folder), "--to", str(tmp_path / "page.html"), "--root", str(root)]) == 0
    page = (tmp_path / "page.html").read_text()
    rows = pd.read_csv(folder / "per_video.csv")
    assert page.count("That is all.") >= len(rows)
    assert f"{rows['video'][0].partition('/')[2]}: script 0" in page


def test_a_trained_run_scores_a_store_as_the_run_did_and_reads_a_script_by_sentences(finished, root):
    _, folder = finished
    trained = load_run(folder)
    scores = trained.score(root / "s-videoxum.h5")
    for id, row in json.loads((folder / "scores.json").read_text()).items():
        np.testing.assert_allclose(scores[id], row, atol=1e-6)
    assert trained.wants_query
    assert trained.texts("A man swims. He waves!  Then, it ends") == ["A man swims.", "He waves!", "Then, it ends"]


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("data.setting=transfer", r"data\.setting: transfer needs other benchmarks to train on"),
        ("data.family=kfold", r"data\.family: kfold has no folds of s-videoxum; say data\.family=official"),
        ("data.caption_source=concat", r"data\.caption_source: is concat; on s-videoxum it is one of own, another, fu"),
        ("data.sentence=true", r"data\.sentence: is not for scripts"),
        ("protocol.solver=greedy", r"protocol\.solver: is for benchmarks with annotators"),
        ("data.dataset=tvsum", r"data\.family=official: is for .*s-videoxum.*, not for tvsum"),
        ("data.fold=1", r"data\.fold: is 1; official has folds 0 to 0"),
    ],
)
def test_what_scripts_do_not_have_is_one_line(root, word, problem):
    with pytest.raises(UserError, match=problem) as error:
        run(load_config(["s-videoxum"], [*SMALL, f"data.root={root}", word]))
    assert "\n" not in str(error.value)
