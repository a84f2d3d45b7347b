"""A scorer from outside of the package trains, scores a new video and is reported, without an edit."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from clipit_lightning.cli.main import main
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.pipelines.trained_run import load_run
from clipit_lightning.video.encoders import make_encoder
from tests.support.synthetic import write_field_file
from tests.support.videos import write_video

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs/add-a-scorer.md"
(MODULE,) = re.findall(r"<!-- file: my_module.py -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """The working directory, with the module and a store of features as the encoder hsv makes them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_module.py").write_text(MODULE)
    source = tmp_path / "source/eccv16_dataset_summe_hsv.h5"
    write_field_file(source, 5, captions=False, features=make_encoder("hsv").feature_dim, data="synthetic")
    import_distributed([source], tmp_path / "data")
    yield tmp_path
    sys.modules.pop("my_module", None)


def test_a_scorer_that_reads_queries(workplace, stores):
    """Queries that share a video are items of one call; no line of the scorer is for them."""
    assert MODULE[MODULE.index("class") :].count("\n") <= 20
    words = ["data.dataset=qfvs", "data.family=2/1/1", "data.fold=0", f"data.root={stores}", "data.crop=50"]
    words += ["optim.epochs=2", "optim.lr=0.01", "trainer.accelerator=cpu", "output=run"]
    assert main(["train", "model.name=my_module:MyScorer", *words]) == 0
    (result,) = json.loads((workplace / "run/result.json").read_text())["folds"]
    assert result["queries"] == 5
    scores = json.loads((workplace / "run/scores.json").read_text())
    one, other, *_ = scores.values()
    assert one != other


def test_a_scorer_with_another_number_of_logits_than_steps_is_one_line(workplace, capsys):
    (workplace / "my_module.py").write_text(MODULE.replace("logits.squeeze(-1)", "logits.squeeze(-1)[..., 1:]"))
    words = ["data.dataset=summe", "data.fold=0", "optim.epochs=1", "trainer.accelerator=cpu", "output=run"]
    assert main(["train", "model.name=my_module:MyScorer", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r".*model\.name: MyScorer gives \d+ logits for \d+ steps", line)


def test_a_scorer_of_ones_own(workplace, capsys):
    words = ["data.dataset=summe", "data.fold=0", "optim.epochs=1", "model.width=8", "trainer.accelerator=cpu"]
    assert main(["train", "model.name=my_module:MyScorer", *words, "output=run"]) == 0
    checkpoint = torch.load("run/folds/0/best.ckpt", weights_only=True)
    options = {"feature_dim": make_encoder("hsv").feature_dim, "dropout": 0.5, "width": 8}
    assert checkpoint["hyper_parameters"].items() >= ({"scorer": "my_module:MyScorer"} | options).items()
    (scorer,) = load_run(workplace / "run").scorers.values()
    assert type(scorer).__name__ == "MyScorer"
    assert scorer.hidden.out_channels == 8

    write_video(workplace / "holiday.mp4", 100, audio=None)
    assert main(["summarize", "holiday.mp4", "--checkpoint", "run", "--encoder", "hsv", "--to", "summary"]) == 0
    assert json.loads((workplace / "summary/summary.json").read_text())["scorer"] == "run run, fold 0"

    assert main(["report", "run"]) == 0
    assert "My convolution on SumMe" in (workplace / "run/report.html").read_text()
    capsys.readouterr()

    (workplace / "my_module.py").write_text(MODULE.replace("dropout, width", "dropout, depth, width"))
    del sys.modules["my_module"]
    assert main(["train", "model.name=my_module:MyScorer", *words, "output=other"]) == 2
    problem = "model.name: my_module:MyScorer cannot be made (missing a required argument: 'depth')"
    assert problem in capsys.readouterr().err
