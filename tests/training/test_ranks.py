"""The same numbers on one process and on several: metrics and scores to the last bit, losses to rounding."""

import json
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from clipit_lightning.core.config import TrainerConfig
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.training import build
from clipit_lightning.training.checkpoints import read_checkpoint
from clipit_lightning.training.folds_apart import folds_at_once
from clipit_lightning.training.ranks import start
from clipit_lightning.training.run import Run
from tests.support.commands import CLIPIT, PATIENCE, QUICK, clipit, environment, train, train_here

pytestmark = pytest.mark.distributed
OUTPUTS = ("per_video.csv", "scores.json")


@pytest.fixture(scope="module")
def one(stores, tmp_path_factory):
    """A run of one process: two folds of five test videos."""
    folder = tmp_path_factory.mktemp("one") / "run"
    train_here(stores, folder)
    return folder


def same_outputs(one, other):
    for name in OUTPUTS:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def metrics(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]


def curves(folder, fold=0):
    """Columns of metrics.csv by name, without the gaps."""
    table = pd.read_csv(folder / f"folds/{fold}/metrics.csv")
    return {name: table[name].dropna().to_numpy() for name in table if "/" in name}


@pytest.mark.parametrize("ranks", [2, 3])
def test_trained_weights_measure_exactly_the_same(one, stores, tmp_path, ranks):
    """Five test videos on two and on three ranks; with three, two validation videos leave a rank without."""
    folder = shutil.copytree(one, tmp_path / "run")
    for path in (*folder.rglob("result.json"), *(folder / name for name in OUTPUTS)):
        path.unlink()
    train(stores, folder, f"trainer.devices={ranks}")
    assert metrics(folder) == metrics(one)
    same_outputs(folder, one)


def test_training_has_the_losses_of_the_whole_batch(stores, tmp_path):
    """Batches of two videos and of one on three ranks, some of which have nothing of them."""
    words = ("data.fold=0", "data.batch_size=2", "loss.policy=1")
    train_here(stores, tmp_path / "one", *words)
    train(stores, tmp_path / "three", *words, "trainer.devices=3")
    ours, theirs = curves(tmp_path / "three"), curves(tmp_path / "one")
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-4 if "train/" in name else 0.02, err_msg=name)


def test_the_gradient_is_the_mean_over_videos_on_any_number_of_ranks(stores, tmp_path):
    """A batch of unequal videos, twice as many on one rank; AdamW's first moment is a tenth of the first gradient."""
    words = ("data.fold=0", "data.batch_size=8", "optim.epochs=1", "optim.clip=0", "test=false")
    train_here(stores, tmp_path / "1", *words)
    train(stores, tmp_path / "2", *words, "trainer.devices=2")
    config = load_config([tmp_path / "1/config.yaml"], [])
    module = build.datamodule(config)
    module.setup()
    task = build.task(config, module.feature_dim, module.text_dim)
    videos = [module.item(number) for number in module.training_numbers]
    assert len({video.n_steps for video in videos}) > 1
    for video in videos:
        annotations = (torch.from_numpy(video.gtsummary), torch.from_numpy(video.gtscore))
        features, text = torch.from_numpy(video.features), torch.from_numpy(module.text(video))
        (task.loss(task.scorer(features, text), features, text, *annotations)["total"] / len(videos)).backward()
    expected = [parameter.grad for parameter in task.parameters()]
    for ranks in ("1", "2"):
        state = torch.load(tmp_path / ranks / "folds/0/last.ckpt", weights_only=True)["optimizer_states"][0]["state"]
        gradients = [10 * moments["exp_avg"] for moments in state.values()]
        torch.testing.assert_close(gradients, expected, rtol=1e-5, atol=1e-6)


def test_ridge_regression_is_the_same_to_the_last_bit(stores, tmp_path):
    """Queries are shared; every process solves the same equations; the strength is chosen on what all validated."""
    words = ("data.dataset=qfvs", "data.family=2/1/1", "data.fold=1", "model.name=linear", "model.alphas=[1,100]")
    train_here(stores, tmp_path / "one", *words)
    train(stores, tmp_path / "two", *words, "trainer.devices=2")
    assert metrics(tmp_path / "two") == metrics(tmp_path / "one")
    same_outputs(tmp_path / "two", tmp_path / "one")
    names = {path.name for path in (tmp_path / "two").glob("folds/*/*")}
    assert names == {path.name for path in (tmp_path / "one").glob("folds/*/*")}


@pytest.mark.parametrize(("threads", "words"), [(1, ["trainer.devices=2", "trainer.parallel=folds"]), (2, []), (4, [])])
def test_folds_side_by_side_give_the_same_results(one, stores, tmp_path, threads, words):
    """Asked for; by default on two cores, as copies of the process; with two threads each, in processes anew."""
    train(stores, tmp_path / "run", *words, threads=threads)
    assert metrics(tmp_path / "run") == metrics(one)
    same_outputs(tmp_path / "run", one)
    for fold in (0, 1):
        folders = [path / f"folds/{fold}" for path in (tmp_path / "run", one)]
        assert len({(path / "metrics.csv").read_bytes() for path in folders}) == 1
        weights, theirs = (read_checkpoint(path / "best.ckpt")["state_dict"] for path in folders)
        assert all(torch.equal(weight, theirs[name]) for name, weight in weights.items())
        log = (tmp_path / f"run/logs/fold-{fold}.txt").read_text()
        assert log.startswith(f"fold {fold}: ")
        assert log.count("\n") == 1
    assert Run(tmp_path / "run").result().config_hash == Run(one).result().config_hash


@pytest.mark.parametrize(
    ("trainer", "at_once"),
    [
        ({}, 5),
        ({"accelerator": "gpu"}, 1),
        ({"num_nodes": 2}, 1),
        ({"strategy": "ddp"}, 1),
        ({"devices": 2}, 1),
        ({"devices": 2, "parallel": "folds"}, 2),
        ({"devices": 8, "parallel": "folds"}, 5),
    ],
)
def test_five_folds_on_two_cores(monkeypatch, trainer, at_once):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    config = TrainerConfig(**{"accelerator": "cpu"} | trainer)
    assert folds_at_once(config, 5) == at_once
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")  # a trial is one run of wandb
    assert folds_at_once(config, 5) == (1 if not trainer else at_once)


def test_two_machines_meet_by_torchrun(one, stores, tmp_path):
    """Two agents on loopback, one process each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    command += ["--rdzv-backend=static", "--master-addr=127.0.0.1", f"--master-port={port}"]
    words = ["train", *QUICK, f"data.root={stores}", f"output={tmp_path / 'run'}"]
    words += ["trainer.num_nodes=2", "model.name=random"]
    agents = [
        subprocess.Popen(
            [*command, f"--node-rank={node}", *CLIPIT[1:], *words],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for node in range(2)
    ]
    said = [agent.communicate(timeout=PATIENCE) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert "> random" in said[0][0]
    assert not said[1][0], "only the first process speaks"
    train_here(stores, tmp_path / "alone", "model.name=random")
    same_outputs(tmp_path / "run", tmp_path / "alone")


def test_an_error_of_all_is_said_once_and_nobody_hangs(stores, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/note.txt").write_text("mine")
    words = ["train", *QUICK, f"data.root={stores}", f"output={tmp_path / 'run'}", "trainer.devices=2"]
    done = clipit(*words, threads=2)  # in processes anew; with one thread they are copies
    assert done.returncode == 2
    assert re.fullmatch(r"clipit: .* holds files but no run; .*\n", done.stderr), done.stderr


def test_torchrun_with_another_number_of_processes_is_refused(stores, tmp_path, monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        UserError, match=r"started 8 processes, 4 on this machine; give trainer\.devices=4 trainer\.num_nodes=2"
    ):
        start(TrainerConfig(devices=2))
