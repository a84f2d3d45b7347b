import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from clipit_lightning import __version__
from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store_file import write_store
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS
from clipit_lightning.models.losses import SummaryLoss
from clipit_lightning.training import build
from clipit_lightning.training import trainer as trainers
from clipit_lightning.training.optimizer import rate_factor
from clipit_lightning.training.train import run
from tests.support.commands import QUICK, train_here
from tests.support.synthetic import change_points, write_field_file

pytestmark = pytest.mark.slow
CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def finished(stores, tmp_path_factory):
    """The result and the folder of a run; read only."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train_here(stores, folder)
    return json.loads((folder / "result.json").read_text()), folder


@pytest.fixture
def copy(finished, tmp_path):
    """Such a run where `train` goes on with it."""
    result, folder = finished
    return result, shutil.copytree(folder, tmp_path / "run")


@pytest.fixture
def train(stores, tmp_path):
    """Run a quick configuration on the synthetic stores; returns the result and the run's folder."""

    def call(*words, files=(), output="run", watch=None):
        folder = tmp_path / output
        config = load_config(files, [*QUICK, f"data.root={stores}", f"output={folder}", *words])
        return run(config, watch).content(), folder

    return call


def test_a_run_leaves_everything_that_the_readme_promises(finished):
    result, folder = finished
    assert set(result["metrics"]) == set(ANNOTATOR_METRICS)
    for metric in result["metrics"].values():
        assert len(metric["folds"]) == 2
        assert metric["mean"] == pytest.approx(np.mean(metric["folds"]))
        assert metric["std"] == pytest.approx(np.std(metric["folds"], ddof=1))
        assert -1 <= metric["mean"] <= 1
    assert result["data"] == "real"
    assert result["selection"] == "val"
    assert result["features"] == "google_pool5"
    assert result["parameters"] > 0
    rows = pd.read_csv(folder / "per_video.csv")
    assert sorted(rows["video"]) == sorted(f"tvsum/video_{number}" for number in range(1, 11))
    by_fold = rows.groupby("fold")["kendall_tau"].mean()
    assert result["metrics"]["kendall_tau"]["mean"] == pytest.approx(by_fold.mean(), abs=1e-12)
    scores = json.loads((folder / "scores.json").read_text())
    assert set(scores) == set(rows["video"])
    assert all(0 <= score <= 1 for video in scores.values() for score in video)


@pytest.mark.parametrize("words", [[], ["data.dataset=summe", "model.name=linear"]])
def test_the_scores_of_a_run_measured_again_equal_its_table_to_the_last_digit(words, train, stores, capsys):
    _, folder = train("data.folds=5", "optim.epochs=1", *words)
    rows = pd.read_csv(folder / "per_video.csv")
    dataset = rows["video"][0].partition("/")[0]
    command = ["evaluate", folder / "scores.json", "--dataset", dataset, "--root", stores]
    capsys.readouterr()
    assert main([*map(str, command), "--folds", "kfold", "--per-video", "--json", "--draws", "2"]) == 0
    (again,) = json.loads(capsys.readouterr().out)
    tables = [table.sort_values("video", ignore_index=True) for table in (pd.DataFrame(again["per_video"]), rows)]
    pd.testing.assert_frame_equal(*tables, check_exact=True, check_like=True)


def test_the_saved_configuration_gives_the_same_result_and_another_seed_another(finished, train, tmp_path):
    result, folder = finished
    run(load_config([folder / "config.yaml"], [f"output={tmp_path / 'again'}"]))
    again = json.loads((tmp_path / "again/result.json").read_text())
    other, _ = train("seed=1", output="other")
    assert result["metrics"] == again["metrics"]
    assert result["metrics"] != other["metrics"]
    assert result["protocol"]["identifier"] == other["protocol"]["identifier"]


@pytest.mark.parametrize("name", ["gpu", "mps"])
def test_an_accelerator_that_is_not_there_is_one_line_before_data_are_read(train, monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=rf"trainer\.accelerator: {name} is asked for, and torch sees none here"):
        train(f"trainer.accelerator={name}", "data.root=nowhere")


def test_more_gpus_than_there_are_is_one_line_before_anything_is_written(train, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for accelerator in ("gpu", "auto"):
        with pytest.raises(UserError, match=r"^trainer\.devices: 2 are asked for, and torch sees 1 GPU; give 1, or "):
            train(f"trainer.accelerator={accelerator}", "trainer.devices=2")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("stop", "moves"), [(1, False), (2, True)])
def test_a_run_stopped_before_an_epoch_is_kept_still_knows_the_best_one(train, tmp_path, stop, moves):
    """Here the first epoch is the best: a checkpoint of the last that does not know it would let a later one win."""
    words = ("data.fold=0", "optim.epochs=4", "model.dropout=0.5", "loss.policy=1")
    undisturbed, one = train(*words, output="one")

    def watch(fold, epoch, validation):
        assert set(validation) == set(ANNOTATOR_METRICS)
        if epoch == stop:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(*words, output="two", watch=watch)
    if moves:
        (tmp_path / "two").rename(tmp_path / "three")
    continued, other = train(*words, output="three" if moves else "two")
    assert continued["folds"] == undisturbed["folds"]
    assert continued["metrics"] == undisturbed["metrics"]
    curves = [pd.read_csv(folder / "folds/0/metrics.csv") for folder in (one, other)]
    pd.testing.assert_frame_equal(*curves, check_like=True)


def test_a_search_sees_no_test_fold(train):
    result, folder = train("test=false", "optim.epochs=1")
    assert result["metrics"] == {}
    assert result["validation"]["monitor"] == "kendall_tau"
    taus = [fold["validation"]["kendall_tau"] for fold in result["folds"]]
    assert result["validation"]["kendall_tau"]["folds"] == taus
    assert result["validation"]["kendall_tau"]["mean"] == pytest.approx(np.mean(taus))
    assert not (folder / "scores.json").exists()
    assert not (folder / "per_video.csv").exists()


def test_half_precision_trains(train):
    result, _ = train("data.fold=0", "optim.epochs=1", "trainer.precision=bf16-mixed")
    assert -1 <= result["metrics"]["kendall_tau"]["mean"] <= 1


def test_a_strategy_trains_and_leaves_no_group_to_the_next_run(train):
    before = dict(os.environ)
    result, _ = train("data.fold=0", "optim.epochs=1", "trainer.strategy=ddp")
    assert -1 <= result["metrics"]["kendall_tau"]["mean"] <= 1
    assert not torch.distributed.is_initialized()
    assert {name for name in os.environ.keys() - before.keys() if "RANK" in name or "MASTER" in name} == set()


def test_a_compiled_scorer_scores_the_same(train):
    words = ("data.fold=0", "optim.epochs=1", "model.encoder_layers=0", "model.decoder_layers=0", "model.windows=[5]")
    plain, _ = train(*words, output="plain")
    fused, folder = train(*words, "trainer.compile=true", output="fused")
    scores = [json.loads((folder.parent / name / "scores.json").read_text()) for name in ("plain", "fused")]
    for video, row in scores[0].items():
        np.testing.assert_allclose(scores[1][video], row, atol=1e-3)
    assert plain["parameters"] == fused["parameters"]


def test_a_finished_run_is_not_overwritten(copy, train):
    result, folder = copy
    written = (folder / "result.json").stat().st_mtime_ns
    again, _ = train("trainer.progress=false")
    assert json.loads(json.dumps(again)) == result
    with pytest.raises(UserError, match=r"holds another run \(optim.lr: .*, now 0.5\).*overwrite=true"):
        train("optim.lr=0.5")
    assert (folder / "result.json").stat().st_mtime_ns == written
    mine = [folder / "thesis.tex", folder / "folds/0/notes.txt", folder / "folds/thesis.ckpt"]
    for path in mine:
        path.write_text("dear")
    assert train("optim.lr=0.5", "overwrite=true")[0]["metrics"] != result["metrics"]
    assert {path.read_text() for path in mine} == {"dear"}


def test_a_run_that_is_resumed_by_another_version_says_so_and_records_both(copy, train, caplog, monkeypatch):
    result, folder = copy
    assert result["versions"]["clipit_lightning"] == __version__
    for module in ("run", "train"):
        monkeypatch.setattr(f"clipit_lightning.training.{module}.__version__", "9.9")
    train()
    assert f"is already finished, by version {__version__}; overwrite=true" in caplog.text
    for path in (folder / "result.json", folder / "folds/1/result.json"):
        path.unlink()
    assert train()[0]["versions"]["clipit_lightning"] == f"{__version__}, 9.9"
    assert f"was begun by version {__version__}, and is resumed by 9.9" in caplog.text


@pytest.mark.usefixtures("copy")
def test_other_data_are_another_run(train, stores, tmp_path):
    shutil.copytree(stores, tmp_path / "changed")
    with h5py.File(tmp_path / "changed/tvsum.h5", "a") as file:
        file["video_1/features"][0, 0] += 1
    with pytest.raises(UserError, match=r"holds another run \(data.root: "):
        train(f"data.root={tmp_path / 'changed'}")


def test_other_data_in_the_same_place_are_another_run_whatever_their_time(train, stores, tmp_path):
    store = tmp_path / "data/tvsum.h5"
    shutil.copytree(stores, store.parent)
    words = [f"data.root={store.parent}", "model.name=random", "data.fold=0"]
    train(*words)
    time = store.stat().st_mtime_ns
    with h5py.File(store, "a") as file:
        file["video_1/features"][0, 0] += 1
    os.utime(store, ns=(time, time))
    with pytest.raises(UserError, match=r"holds another run \(the content of tvsum.h5: \w{12}, now \w{12}\)"):
        train(*words)


def test_a_folder_that_is_no_run_is_left_alone(train, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.tex").write_text("dear")
    for word in ("overwrite=false", "overwrite=true"):
        with pytest.raises(UserError, match="holds files but no run"):
            train(word)
    for name, content in (("config.yaml", "title: mine"), ("config.yaml", "seed: 0"), ("protocol.json", "{}")):
        (tmp_path / "run" / name).write_text(content)
        with pytest.raises(UserError, match=r"overwrite: nothing is removed of .*run, which is not a run"):
            train("overwrite=true")
    assert (tmp_path / "run/thesis.tex").read_text() == "dear"


# Trained on stores of their own in test_shot_scores, test_contrast, test_script_training and test_replayed_training.
ELSEWHERE = ("prompts-to-summaries", "text-motion", "s-videoxum", "s-newsvsum", "mrhisum", "mosu")
SHIPPED = [path for path in sorted(CONFIGS.glob("*.yaml")) if path.stem not in ELSEWHERE]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_configuration_trains_a_step(train, path):
    result, _ = train("optim.epochs=1", "data.fold=0", files=[path])
    assert all(-1 <= metric["mean"] <= 1 for metric in result["metrics"].values())


@pytest.mark.parametrize("setting", ["augmented", "transfer"])
def test_settings_train(train, setting):
    result, folder = train(f"data.setting={setting}", "optim.epochs=1", "data.fold=0")
    assert result["protocol"]["sources"] == ("summe", "ovp", "youtube")
    tested = pd.read_csv(folder / "per_video.csv")["video"]
    assert len(tested) == (10 if setting == "transfer" else 5)


def test_random_trains_nothing_and_needs_no_labels(train):
    result, folder = train("model.name=random", "loss.keyframe=0", "loss.correlation=0")
    assert result["parameters"] == 0
    assert result["supervision"] == "none"
    assert not list(folder.rglob("*.ckpt"))


def test_a_store_without_captions_trains_with_a_note(train, tmp_path, caplog):
    write_field_file(tmp_path / "src/eccv16_dataset_summe_plain.h5", captions=False, data="synthetic")
    import_distributed([tmp_path / "src"], tmp_path / "data")
    result, _ = train("data.dataset=summe", f"data.root={tmp_path / 'data'}", "data.fold=0")
    assert result["captions"] == 0
    assert any("without language" in line for line in caplog.messages)


def test_ratings_that_are_missing_are_said_with_the_way_out(train, stores, tmp_path):
    shutil.copy(stores / "tvsum.h5", tmp_path)
    with h5py.File(tmp_path / "tvsum.h5", "a") as file:
        for group in file.values():
            del group["user_scores"]
    words = (f"data.root={tmp_path}", "data.fold=0")
    with pytest.raises(UserError, match="mean-annotator"):
        train(*words)
    assert not (tmp_path / "run").exists(), "it was said only after the run had begun"
    result, _ = train(*words, "protocol.correlation=mean-annotator")
    assert result["protocol"]["correlation"] == "mean-annotator"


def test_a_loss_that_is_not_finite_stops_with_the_videos_named(train, monkeypatch):
    forward = SummaryLoss.forward
    monkeypatch.setattr(
        SummaryLoss,
        "forward",
        lambda *given: forward(*given) | {"total": torch.tensor(float("nan"), requires_grad=True)},
    )
    with pytest.raises(UserError, match=r"not finite at step 0 \(tvsum/video_"):
        train("data.fold=0")


def test_a_damaged_checkpoint_is_one_line_and_nothing_is_lost(copy, train):
    _, folder = copy
    (folder / "result.json").unlink()
    (folder / "folds/0/result.json").unlink()
    (folder / "folds/0/last.ckpt").write_bytes(b"truncated")
    with pytest.raises(UserError, match=r"last\.ckpt: not a checkpoint.*remove"):
        train()
    assert (folder / "folds/0/best.ckpt").exists()


def test_without_data_the_miniature_is_made_said_and_named(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    result = run(load_config([], [*QUICK, "model.name=random", "data.setting=transfer"])).content()
    assert result["data"] == "mini"
    assert "mini" in result["run"]
    assert "MINIATURE" in caplog.messages[0]
    assert (tmp_path / "runs" / result["run"] / "result.json").exists()


def test_some_real_data_are_never_filled_up_with_the_miniature(stores, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    shutil.copy(stores / "summe.h5", tmp_path / "data")
    with pytest.raises(UserError, match=r"missing: data/tvsum\.h5"):
        run(load_config([], QUICK))


def test_ten_thousand_steps_pass_training_and_scoring(train, tmp_path):
    rng = np.random.default_rng(0)
    videos = []
    for number in range(1, 5):
        steps = 10_000 if number == 1 else 50
        users = np.zeros((2, steps * 15), np.uint8)
        users[:, :500] = 1
        importance = rng.random(steps).astype(np.float32)
        shots = change_points(steps * 15, 900).astype(np.int64)
        features = rng.normal(size=(steps, 8)).astype(np.float32)
        videos.append(
            Video("long", f"video_{number}", features, np.arange(steps) * 15, steps * 15, shots, importance,
                  (importance > 0.8).astype(np.float32), users)
        )  # fmt: skip
    write_store(tmp_path / "long.h5", videos, {"features": "long"})
    result, folder = train("data.dataset=long", "data.folds=4", f"data.root={tmp_path}", "optim.epochs=1")
    assert len(pd.read_csv(folder / "per_video.csv")) == 4
    assert result["metrics"]["kendall_tau"]["mean"] < 1


@pytest.mark.parametrize("name", ["unsupervised", "dr-dsn"])
def test_unsupervised_training_never_reads_annotations(stores, name):
    """With every target NaN, losses and gradients are those of the real targets."""
    config = load_config([CONFIGS / f"{name}.yaml"], [*QUICK, f"data.root={stores}", "model.dropout=0"])
    module = build.datamodule(config)
    module.setup()
    batch = next(iter(module.train_dataloader()))
    nan = [torch.full_like(stack.importance, float("nan")) for stack in batch.stacks]
    unread = [stack._replace(importance=no, keyframes=no) for stack, no in zip(batch.stacks, nan, strict=True)]
    results = []
    for stacks in (batch.stacks, unread):
        task = build.task(config, module.feature_dim, module.text_dim)
        terms = task.losses(batch._replace(stacks=stacks))
        terms["total"].backward()
        results.append([terms["total"].detach(), *(p.grad for p in task.parameters() if p.grad is not None)])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    assert "keyframe" not in terms


def test_learning_rate_rises_then_falls():
    rates = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert np.argmax(rates) == 10
    assert rates[10] == 1
    assert rates[0] < 0.2
    assert rates[-1] < 0.01
    assert rate_factor(0, 100, 0.0) == 1


def test_a_constant_learning_rate_rises_and_stays():
    rates = [rate_factor(step, 100, 0.1, "constant") for step in range(100)]
    assert rates[:10] == [rate_factor(step, 100, 0.1) for step in range(10)]
    assert rates[10:] == [1.0] * 90


def test_weight_average_forgets_the_first_weights_within_a_short_run():
    average, ones = [torch.tensor(0.0)], [torch.tensor(1.0)]
    for updates in range(1, 50):
        trainers.moving_average(average, ones, updates, decay=0.99)
    assert average[0] > 0.99
    late = [torch.tensor(0.0)]
    trainers.moving_average(late, ones, 10_000, decay=0.99)
    assert late[0] == pytest.approx(0.01)


def test_wandb_works_offline_without_an_account_and_each_fold_is_a_run(train, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    _, folder = train("logger.wandb=offline", "optim.epochs=1")
    assert len(list(folder.glob("folds/*/wandb/offline-run-*/*.wandb"))) == 2


def test_folds_of_ones_own_are_trained_on(train, tmp_path):
    folds = [{"train": [f"video_{number}" for number in range(1, 8)], "test": ["video_8", "video_9"]}]
    (tmp_path / "mine.json").write_text(json.dumps(folds))
    result, folder = train(f"data.family={tmp_path / 'mine.json'}", "optim.epochs=1")
    assert sorted(pd.read_csv(folder / "per_video.csv")["video"]) == ["tvsum/video_8", "tvsum/video_9"]
    assert len(result["folds"]) == 1
    with pytest.raises(UserError, match=r"data\.fold: is 1; .* has folds 0 to 0"):
        train(f"data.family={tmp_path / 'mine.json'}", "data.fold=1", output="other")


def test_best_on_test_is_never_below_the_last_epoch_and_says_what_it_is(train):
    words = ("data.fold=0", "optim.epochs=4")
    result, _ = train(*words, "selection=best-on-test")
    fold = result["folds"][0]
    assert result["selection"] == "best-on-test"
    assert fold["validation"]["kendall_tau"] == pytest.approx(result["metrics"]["kendall_tau"]["mean"], abs=1e-9)


def test_a_run_without_validation_tests_the_last_epoch(train):
    result, _ = train("data.validation=0", "selection=last")
    assert all(fold["epoch"] == 1 and fold["validation"] == {} for fold in result["folds"])
    assert set(result["metrics"]) == set(ANNOTATOR_METRICS)
