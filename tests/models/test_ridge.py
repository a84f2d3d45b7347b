"""Ridge regression: its inputs, its closed form, and the choice of its strength."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.training import build
from clipit_lightning.training.closed_form import second_moments, solve, training_batches
from clipit_lightning.training.train import run
from tests.models import reference

pytestmark = pytest.mark.slow

LINEAR = ["model.name=linear", "trainer.accelerator=cpu"]


def textbook_inputs(item, text):
    """Inputs of a video or query, (steps, inputs), with a loop over steps."""
    features = reference.unit(torch.from_numpy(item.features))
    means = [reference.around(features, window) for window in (1, 5, 21)]
    cues = reference.cues(features, reference.unit(torch.from_numpy(text)), (5, 21))
    return torch.cat([*means, 0.2 * cues], dim=1).double().numpy()


@pytest.mark.parametrize(
    ("words", "fold"), [([], 1), (["data.dataset=qfvs", "data.family=2/1/1"], 0), (["data.setting=augmented"], 2)]
)
def test_weights_are_those_of_the_textbook(stores, words, fold):
    """Least squares on inputs with a row of sqrt(alpha) for each weight, by numpy, over every step of every item."""
    config = load_config([], [*LINEAR, *words, f"data.root={stores}"])
    module = build.datamodule(config)
    module.setup()
    module.fold = fold
    scorer = build.task(config, module.feature_dim, module.text_dim).scorer
    inputs, targets = [], []
    for number in module.numbers(module.folds[fold].train):
        item = module.item(number)
        inputs.append(textbook_inputs(item, module.text(item)))
        targets.append((item.gtscore - item.gtscore.mean()) / item.gtscore.std())
    rows, target = np.concatenate(inputs), np.concatenate(targets)
    centred = np.concatenate([rows - rows.mean(axis=0), 30**0.5 * np.eye(rows.shape[1])])
    expected = np.linalg.lstsq(centred, np.append(target, np.zeros(rows.shape[1])), rcond=None)[0]
    weights, offset = solve(second_moments(scorer, training_batches(module)), 30.0)
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    assert float(offset) == pytest.approx(-rows.mean(axis=0) @ expected, abs=1e-5)
    scorer.set_weights(weights, offset)
    item = module.item(module.numbers(module.folds[fold].test)[0])
    logits = (textbook_inputs(item, module.text(item)) - rows.mean(axis=0)) @ expected
    smooth = [logits[max(0, t - 4) : t + 5].mean() for t in range(len(logits))]
    result = scorer(torch.from_numpy(item.features), torch.from_numpy(module.text(item))).logits
    np.testing.assert_allclose(result, smooth, atol=1e-5)


def test_the_strength_is_the_best_on_validation(stores, tmp_path, caplog):
    """Each strength alone reaches what its row says, and the best of them is tested."""
    words = [*LINEAR, f"data.root={stores}", "data.fold=0"]
    alphas = [0.01, 3.0, 1000.0]
    seen = []
    config = load_config([], [*words, f"model.alphas={alphas}", f"output={tmp_path / 'all'}"])
    result = run(config, watch=lambda *of: seen.append(of)).content()
    last = caplog.messages[-1]
    alone = [
        run(load_config([], [*words, f"model.alphas=[{alpha}]", f"output={tmp_path / str(alpha)}"])).content()
        for alpha in alphas
    ]
    taus = [each["folds"][0]["validation"]["kendall_tau"] for each in alone]
    best = int(np.argmax(taus))
    assert len(set(taus)) == 3
    assert result["folds"][0]["epoch"] == best
    assert result["folds"][0]["validation"] == alone[best]["folds"][0]["validation"]
    assert result["metrics"] == alone[best]["metrics"]
    assert last.endswith(f"(alpha {alphas[best]:g}, selection val)")
    assert result["parameters"] == 3 * 8 + 7 + 1  # of features in three windows, cues, and the offset
    rows = pd.read_csv(tmp_path / "all/folds/0/metrics.csv")
    assert rows["epoch"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(rows["alpha"], alphas)
    np.testing.assert_allclose(rows["val/kendall_tau"], taus, atol=1e-6)
    assert [(fold, epoch, found["kendall_tau"]) for fold, epoch, found in seen] == list(
        zip([0] * 3, range(3), taus, strict=True)
    )
    assert [path.name for path in (tmp_path / "all/folds/0").glob("*.ckpt")] == ["best.ckpt"]


@pytest.mark.parametrize("words", [["data.validation=0"], []])
def test_without_validation_the_middle_strength_is_taken(stores, tmp_path, words):
    words = [*LINEAR, *words, "selection=last", f"data.root={stores}", "data.fold=0", f"output={tmp_path / 'run'}"]
    result = run(load_config([], words)).content()
    assert result["folds"][0]["epoch"] == 4
    assert ("kendall_tau" in result["folds"][0]["validation"]) == ("data.validation=0" not in words)
    assert [path.name for path in (tmp_path / "run/folds/0").glob("*.ckpt")] == ["last.ckpt"]


def test_best_on_test_is_the_best_on_test(stores, tmp_path):
    words = [*LINEAR, "selection=best-on-test", f"data.root={stores}", "data.fold=0", f"output={tmp_path / 'run'}"]
    result = run(load_config([], words)).content()
    expected = result["metrics"]["kendall_tau"]["mean"]
    assert result["folds"][0]["validation"]["kendall_tau"] == pytest.approx(expected, abs=1e-9)


def test_an_interrupted_fit_starts_again_and_ends_the_same(stores, tmp_path):
    words = [*LINEAR, f"data.root={stores}", "data.folds=2"]

    def interrupt(fold, epoch, validation):
        if (fold, epoch) == (1, 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(load_config([], [*words, f"output={tmp_path / 'one'}"]), watch=interrupt)
    found = [run(load_config([], [*words, f"output={tmp_path / name}"])).content() for name in ("one", "two")]
    assert found[0]["metrics"] == found[1]["metrics"]


def test_scores_do_not_depend_on_the_precision_of_training(stores, tmp_path):
    words = [*LINEAR, f"data.root={stores}", "data.fold=0"]
    for name in ("32-true", "bf16-mixed"):
        run(load_config([], [*words, f"trainer.precision={name}", f"output={tmp_path / name}"]))
    assert (tmp_path / "bf16-mixed/scores.json").read_text() == (tmp_path / "32-true/scores.json").read_text()


def test_every_query_has_a_score_of_its_own(stores, tmp_path):
    words = [*LINEAR, "data.dataset=qfvs", "data.family=2/1/1", "data.fold=0", f"data.root={stores}"]
    result = run(load_config([], [*words, f"output={tmp_path / 'run'}"])).content()
    assert result["metrics"]["query_drop"]["mean"] != 0
    scores = json.loads((tmp_path / "run/scores.json").read_text())
    assert len({tuple(row) for row in scores.values()}) == 5


def test_a_strength_without_a_solution_is_one_line():
    """Two inputs that are always equal."""
    column = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    rows = torch.stack([column, column, column, torch.ones_like(column)], dim=1)  # inputs, target, 1
    weights, _ = solve(rows.T @ rows, 1.0)
    np.testing.assert_allclose(weights, [4 / 9, 4 / 9])
    with pytest.raises(UserError, match=r"model\.alphas: 1e-300 is too small for these data; leave it out"):
        solve(rows.T @ rows, 1e-300)
