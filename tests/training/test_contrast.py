"""`loss.contrast` from a store to weights: in training, on ranks, and what cannot be contrasted."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from clipit_lightning import SummarizationTask, TVSumDataModule
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.batches import collate
from clipit_lightning.models.contrast import contrast_loss, joined_pairs
from clipit_lightning.models.scorer import Scorer, ScorerOutput
from clipit_lightning.training.checkpoints import read_checkpoint
from clipit_lightning.training.train import run
from tests.support.commands import clipit, train, train_here
from tests.support.timed_store import write_timed

WORDS = ("text-motion", "data.fold=0", "data.captions=3", "data.crop=20", "loss.contrast=0.5")


@pytest.fixture
def root(stores, tmp_path):
    write_timed(stores / "tvsum.h5", tmp_path / "data/tvsum.h5")
    return tmp_path / "data"


class Silent(Scorer):
    """Says that it has pairs, and returns none."""

    contrasts = True

    def __init__(self, feature_dim, text_dim):
        super().__init__()
        self.head = torch.nn.Linear(feature_dim, 1)

    def forward(self, features, text):
        return ScorerOutput(self.head(features)[..., 0])


def test_the_contrast_of_a_batch_is_over_all_its_stacks(root):
    data = TVSumDataModule(root, captions=3, crop=0, batch_size=8)
    data.setup()
    sizes = {"feature_dim": data.feature_dim, "text_dim": data.text_dim, "streams": data.streams}
    task = SummarizationTask("text-motion", **sizes, loss={"contrast": 0.5}, width=8, heads=2, dropout=0.0)
    batch = next(iter(data.train_dataloader()))
    assert len(batch.stacks) > 2
    terms = task.losses(batch)
    outputs = [(task(stack), stack.text) for stack in batch.stacks]
    pairs, text = (
        torch.cat(values) for values in zip(*(joined_pairs(one.pairs, text) for one, text in outputs), strict=True)
    )
    torch.testing.assert_close(terms["contrast"], contrast_loss(pairs, text, 0.95, 10.0))
    others = [term * task.loss.weights[name] for name, term in terms.items() if name not in ("contrast", "total")]
    torch.testing.assert_close(terms["total"], sum(others) + 0.5 * terms["contrast"])
    alone = [task.losses(collate([stack]))["contrast"] for stack in batch.stacks]
    assert terms["contrast"] > max(alone) + 0.1, "texts of other videos are no negatives"


@pytest.mark.slow
def test_a_run_learns_from_it_and_says_so(root, tmp_path):
    train_here(root, tmp_path / "run", *WORDS, "optim.epochs=6")
    curve = pd.read_csv(tmp_path / "run/folds/0/metrics.csv")["train/contrast"].dropna()
    assert len(curve) == 6
    assert curve.iloc[-1] < curve.iloc[0]


@pytest.mark.distributed
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_have_the_contrast_and_the_gradient_of_the_whole_batch(root, tmp_path, ranks):
    """AdamW's first moment after a step is a tenth of the gradient; batches of 4 leave 3 ranks unequal shares."""
    words = (*WORDS, "optim.epochs=1", "optim.clip=0", "test=false", "data.batch_size=8")
    train_here(root, tmp_path / "1", *words)
    train(root, tmp_path / "2", *words, f"trainer.devices={ranks}")
    curves = [pd.read_csv(tmp_path / name / "folds/0/metrics.csv") for name in ("1", "2")]
    np.testing.assert_allclose(*(curve["train/contrast"].dropna() for curve in curves), rtol=1e-4)
    one, two = (read_checkpoint(tmp_path / name / "folds/0/last.ckpt") for name in ("1", "2"))
    for number, state in one["optimizer_states"][0]["state"].items():
        other = two["optimizer_states"][0]["state"][number]
        torch.testing.assert_close(other["exp_avg"], state["exp_avg"], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["model.name=mlp"], "loss.contrast: mlp compares no motion with text; take model.name=text-motion"),
        (
            ["loss.keyframe=0", "loss.correlation=0", "loss.diversity=0", "loss.reconstruction=0", "loss.length=0"],
            "loss: ",
        ),
    ],
)
def test_what_cannot_be_contrasted_is_one_line_before_data_are_read(tmp_path, words, problem):
    with pytest.raises(UserError) as error:
        run(load_config([], ["model.name=text-motion", "loss.contrast=1", *words, f"data.root={tmp_path / 'missing'}"]))
    assert str(error.value).startswith(problem)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_data_without_motion_or_text_are_one_line_before_the_run_begins(root, stores, tmp_path):
    for folder, words, problem in (
        (stores, (), "loss.contrast: text-motion has no motion and text to compare (streams are visual:8); take"),
        (root, ("data.captions=0",), "loss.contrast: the data have no text, or data.captions=0"),
    ):
        done = clipit("train", *WORDS, *words, f"data.root={folder}", f"output={tmp_path / 'none'}")
        assert done.returncode == 2, done.stderr
        assert problem in done.stderr.strip().splitlines()[-1], done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "none").exists()


def test_in_python_what_lacks_is_one_line_too(root):
    data = TVSumDataModule(root, captions=0)
    data.setup()
    sizes = {"feature_dim": data.feature_dim, "text_dim": data.text_dim, "loss": {"contrast": 1.0}}
    with pytest.raises(UserError, match=r"^loss\.contrast: text-motion has no motion .*\(streams are visual:13\)"):
        SummarizationTask("text-motion", **sizes)
    with pytest.raises(UserError, match=r"^loss\.contrast: mlp has no motion"):
        SummarizationTask("mlp", **sizes, streams=data.streams)
    with pytest.raises(UserError, match=r"^loss\.contrast: the data have no text"):
        SummarizationTask("text-motion", **sizes, streams=data.streams).check_data(data)
    with pytest.raises(UserError, match=r"^loss\.contrast: Silent returns no `pairs`; see ScorerOutput"):
        SummarizationTask(Silent, **sizes).losses(next(iter(data.train_dataloader())))


@pytest.mark.slow
def test_without_motion_it_still_scores(stores, tmp_path):
    train_here(stores, tmp_path / "run", *WORDS, "loss.contrast=0", "optim.epochs=1")
    assert json.loads((tmp_path / "run/result.json").read_text())["metrics"]
