"""``SummarizationTask`` as users of Lightning use it: plain arguments, trainers of their own, checkpoints alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from clipit_lightning import QFVSDataModule, RidgeScorer, Scorer, SummarizationTask, TVSumDataModule
from clipit_lightning.core.errors import UserError
from clipit_lightning.evaluation.rules import Rules
from clipit_lightning.models import SCORERS
from tests.support.commands import environment, train_here

SIZES = {"feature_dim": 8, "text_dim": 8}
LOAD_AND_PREDICT = """
import sys
import clipit_lightning
import lightning as L
import numpy as np

root, folder, *names = sys.argv[1:]
data = clipit_lightning.TVSumDataModule(root)
for name in names:
    task = clipit_lightning.SummarizationTask.load_from_checkpoint(f"{folder}/{name}.ckpt", weights_only=True)
    batches = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False).predict(task, data)
    np.savez(f"{folder}/{name}.npz", **{video: scores for batch in batches for video, scores in batch.items()})
"""

DOCS = Path(__file__).parents[2] / "docs/add-a-scorer.md"
OWN_SCORER, *_ = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
AND_BACK = """
again = SummarizationTask.load_from_checkpoint(trainer.checkpoint_callback.best_model_path)
assert type(again.scorer) is MyScorer and again.hparams["scorer"] == "__main__:MyScorer"
assert trainer.test(again, datamodule=data) == trainer.test(task, datamodule=data)
"""


def trainer(**options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return L.Trainer(**{"accelerator": "cpu", "max_epochs": 1, "enable_model_summary": False} | quiet | options)


@pytest.fixture
def data(stores):
    module = TVSumDataModule(stores, batch_size=4)
    module.setup()
    return module


@pytest.mark.slow
def test_a_checkpoint_alone_gives_the_same_scores_in_a_fresh_process(data, tmp_path):
    predicted = {}
    for name in SCORERS:
        task, ours = SummarizationTask(name, **SIZES, seed=3), trainer()
        if task.scorer.fit == "gradient":
            ours.fit(task, data)
        for weights in task.scorer.buffers():  # of the linear one, which is 0 before it is fitted
            weights.normal_()
        predicted[name] = {video: scores for batch in ours.predict(task, data) for video, scores in batch.items()}
        ours.save_checkpoint(tmp_path / f"{name}.ckpt")
    command = [sys.executable, "-c", LOAD_AND_PREDICT, data.root, tmp_path, *SCORERS]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, of_videos in predicted.items():
        assert sorted(of_videos) == sorted(data.folds[0].test)
        again = np.load(tmp_path / f"{name}.npz")
        for video, scores in of_videos.items():
            assert (scores.dtype, scores.shape) == (np.float32, (data.item(data.ids.index(video)).n_steps,))
            assert np.array_equal(again[video], scores), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (TVSumDataModule, ["protocol.correlation=mean-annotator"]),
        (TVSumDataModule, ["model.name=linear"]),
        (QFVSDataModule, ["data.dataset=qfvs", "data.family=2/1/1"]),
    ],
)
def test_a_checkpoint_of_clipit_train_measures_what_the_run_measured(stores, tmp_path, made, words):
    """By its own rules, and with the metrics that need several items."""
    train_here(stores, tmp_path / "run", "data.fold=1", *words)
    (fold,) = [json.loads(path.read_text()) for path in tmp_path.glob("run/folds/*/result.json")]
    task = SummarizationTask.load_from_checkpoint(tmp_path / "run/folds/1/best.ckpt")
    data = made(stores, fold=1, **({} if made is QFVSDataModule else {"folds": 2}))
    ours = trainer()
    (tested,) = ours.test(task, data, verbose=False)
    assert tested == pytest.approx({f"test/{name}": value for name, value in fold["metrics"].items()}, abs=1e-6)
    assert {name: float(value) for name, value in ours.callback_metrics.items()} == tested
    assert task.validation == {}


@pytest.mark.slow
def test_a_class_of_a_script_trains_in_twenty_lines_and_loads_again(stores, tmp_path):
    assert len([line for line in OWN_SCORER.splitlines() if line]) <= 20
    code = OWN_SCORER.replace('"data/mini"', repr(str(stores)))
    command = [sys.executable, "-c", f"import clipit_lightning\n{code}{AND_BACK}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_features_of_another_size_are_one_line(data):
    for name, sizes in (("mlp", {"feature_dim": 9}), ("clip-it", SIZES | {"text_dim": 9})):
        with pytest.raises(ValueError, match=r"_dim is 9, and the batches have 8; give the task (feature|text)_dim=8"):
            trainer().fit(SummarizationTask(name, **sizes), data)


def test_plain_loaders_are_as_good_as_their_datamodule(data):
    tasks = [SummarizationTask("mlp", **SIZES, width=4) for _ in range(2)]
    trainer().fit(tasks[0], data)
    trainer().fit(tasks[1], data.train_dataloader(), data.val_dataloader())
    for ours, theirs in zip(tasks[0].parameters(), tasks[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert tasks[0].validation == tasks[1].validation != {}
    assert trainer().test(tasks[0], data) == trainer().test(tasks[1], data.test_dataloader())


@pytest.mark.filterwarnings("ignore:.*logging interval.*|.*no `val_dataloader`.*")
def test_batches_of_others_are_one_line(data):
    others, task = DataLoader(torch.zeros(2, 3)), SummarizationTask("mlp", **SIZES)
    for call in (trainer().fit, trainer().test, trainer().predict):
        with pytest.raises(TypeError, match=r"give the trainer datamodule=TVSumDataModule\(\.\.\.\)") as error:
            call(task, others)
        assert "\n" not in str(error.value)


def test_a_default_trainer_validates_before_it_trains_and_keeps_a_checkpoint(data, tmp_path):
    ours = L.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=tmp_path, log_every_n_steps=1)
    ours.fit(SummarizationTask("mlp", **SIZES), data)
    again = SummarizationTask.load_from_checkpoint(ours.checkpoint_callback.best_model_path)
    assert again.hparams["scorer"] == "mlp"


def test_the_optimizer_and_its_rate_are_as_named_and_travel_in_the_checkpoint(data):
    named = {"optimizer": "adam", "schedule": "constant", "lr": 1e-3, "weight_decay": 0.1}
    task = SummarizationTask("mlp", **SIZES, **named)
    for again in (task, SummarizationTask(**task.hparams)):
        ours = trainer()
        ours.fit(again, data)
        (optimizer,) = ours.optimizers
        assert type(optimizer) is torch.optim.Adam
        assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (1e-3, 0.1)


@pytest.mark.parametrize("rules", [Rules("max", "mean-annotator", 0.3), {"f1": "max", "budget": 0.3}])
def test_rules_of_ones_own_travel_in_the_checkpoint(data, rules):
    task = SummarizationTask("random", **SIZES, rules=rules)
    (tested,) = trainer().test(task, data, verbose=False)
    assert tested["test/f1"] == tested["test/f1_max"] > tested["test/f1_mean"]
    again = SummarizationTask(**task.hparams)
    assert trainer().test(again, data, verbose=False) == [tested]


def test_weights_follow_from_the_seed_and_chance_outside_goes_on():
    torch.manual_seed(5)
    tasks = [SummarizationTask("mlp", feature_dim=8, seed=np.int64(seed)) for seed in (1, 1, 2)]
    after = torch.rand(1)
    one, same, other = (task.scorer.hidden.weight for task in tasks)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert type(tasks[0].hparams["seed"]) is int
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"scorer": "mpl"}, r"no scorer 'mpl'; there are clip-it\+"),
        ({"scorer": int}, "not a scorer; derive it from"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; there are 'adamw', 'adam'"),
        ({"schedule": "linear"}, "schedule is 'linear'; there are 'cosine', 'constant'"),
        ({"depth": 3}, r"mlp cannot be made \(.*'depth'\); it takes feature_dim, text_dim, width, dropout$"),
        ({"width": torch.tensor(4)}, "width is a Tensor; a checkpoint keeps numbers"),
        ({"loss": {"keyframes": 1}}, "keyframes"),
        ({"rules": {"f1": "median"}}, "rules: f1 is 'median'; there are 'default', 'mean', 'max'"),
        ({"rules": {"share": 1}}, "share"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments, problem):
    with pytest.raises((TypeError, ValueError), match=problem) as error:
        SummarizationTask(**{"scorer": "mlp", **SIZES} | arguments)
    assert "\n" not in str(error.value)


def test_a_loss_of_segments_alone_needs_a_scorer_that_proposes_them(data):
    loss = {"keyframe": 0, "correlation": 0, "length": 0, "segments": 1}
    batch = next(iter(data.val_dataloader()))
    assert SummarizationTask("dsnet-af", **SIZES, loss=loss).losses(batch)["segments"] > 0
    with pytest.raises(UserError, match=r"loss: no loss is left: .*segments one that proposes them"):
        SummarizationTask("mlp", **SIZES, loss=loss).losses(batch)


@pytest.mark.parametrize(("name", "problem"), [("linear", "`clipit train` fits it"), ("random", "nothing to fit")])
def test_what_does_not_learn_by_gradients_says_so(data, name, problem):
    with pytest.raises(ValueError, match=problem):
        trainer().fit(SummarizationTask(name, **SIZES), data)


class TensorScorer(Scorer):
    """What a beginner writes: logits without their name."""

    def __init__(self, feature_dim, text_dim):
        super().__init__()
        self.head = torch.nn.Linear(feature_dim, 1)

    def forward(self, features, text):
        return self.head(features).squeeze(-1)


def test_a_scorer_that_returns_a_tensor_is_one_line(data):
    with pytest.raises(TypeError, match=r"^TensorScorer returns a Tensor; wrap .*ScorerOutput\(logits\)$"):
        trainer().fit(SummarizationTask(TensorScorer, **SIZES), data)


def test_training_without_an_end_is_one_line(data):
    with pytest.raises(ValueError, match="give the trainer max_epochs or max_steps"):
        trainer(max_epochs=-1, max_time={"seconds": 5}).fit(SummarizationTask("mlp", **SIZES), data)


@pytest.mark.filterwarnings("ignore:.*rank correlation counts as 0")
def test_a_published_protocol_as_rules_brings_its_correlation(data):
    taus = [
        trainer().test(SummarizationTask("random", **SIZES, rules=rules), data, verbose=False)[0]["test/kendall_tau"]
        for rules in ({"preset": "msva"}, {"correlation": "binary-summary"}, {})
    ]
    assert taus[0] == taus[1] != taus[2]


def test_a_registered_class_is_kept_by_its_name():
    assert SummarizationTask(RidgeScorer, **SIZES).hparams["scorer"] == "linear"


def test_unknown_correlations_are_one_line(data):
    task = SummarizationTask("random", **SIZES, rules={"correlation": "pearson"})
    with pytest.raises(UserError, match="is pearson; it must be one of default, per-annotator"):
        trainer().test(task, data)
