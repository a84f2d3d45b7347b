import json

import numpy as np
import pytest
import torch

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.models import SCORERS, scorer_class
from clipit_lightning.models.scorer import output_of
from clipit_lightning.training import build
from clipit_lightning.training.scorers import read_scorer
from clipit_lightning.training.train import run

pytestmark = pytest.mark.slow

UNSUPERVISED = ["loss.keyframe=0", "loss.correlation=0"]


@pytest.mark.parametrize("name", [name for name in SCORERS if scorer_class(name).fit != "none"])
def test_a_checkpoint_has_the_scorer_that_was_tested(stores, tmp_path, name):
    words = [f"model.name={name}", "trainer.accelerator=cpu", "optim.epochs=1", "data.fold=0", f"data.root={stores}"]
    config = load_config([], [*words, f"output={tmp_path / 'run'}"])
    run(config)
    scorer, options = read_scorer(tmp_path / "run/folds/0/best.ckpt")
    assert (options["feature_dim"], options["text_dim"]) == (8, 8)
    with_language = ("linear", "clip-it", "clip-it+", "sd-vsum", "text-motion", "transcript")
    assert scorer.reads_language == (name in with_language)
    module = build.datamodule(config)
    module.setup()
    tested = json.loads((tmp_path / "run/scores.json").read_text())
    for batch in module.test_dataloader():
        for stack in batch.stacks:
            item = stack.features[0], stack.text[0], stack.spans[0]
            scores = output_of(scorer, *item).scores.detach()
            np.testing.assert_allclose(scores, tested[module.ids[int(stack.number)]], atol=2e-6)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["model.name=clipit"], "model.name: no scorer 'clipit'; there are clip-it+, clip-it, transformer"),
        (["model.name=no_module:Mine"], "model.name: no_module:Mine: cannot import no_module"),
        (UNSUPERVISED, "selection: val chooses the epoch by annotations"),
        ([*UNSUPERVISED, "model.name=linear", "selection=last"], "model.name: linear is fitted to annotations"),
    ],
)
def test_what_cannot_be_trained_is_one_line_before_data_are_read(tmp_path, words, problem):
    with pytest.raises(UserError) as error:
        run(load_config([], [*words, f"data.root={tmp_path / 'missing'}"]))
    assert str(error.value).startswith(problem)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"scorer": "mlp", "feature_dim": 3},
        {"scorer": 5, "feature_dim": 5},
        {"scorer": "no_module:Mine", "feature_dim": 3},
    ],
)
def test_a_checkpoint_that_does_not_hold_its_scorer_is_one_line(tmp_path, given):
    saved = {"state_dict": {"scorer.a": torch.zeros(1)}, "epoch": 0, "validation": {}}
    torch.save(saved if given is None else saved | {"hyper_parameters": given}, tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"of an earlier version|its scorer cannot be made again \(.+\)") as error:
        read_scorer(tmp_path / "best.ckpt")
    assert "\n" not in str(error.value)
