"""Ranks that train on a store in shards: what each reads from it."""

import subprocess
import sys
from dataclasses import replace

import pytest

from clipit_lightning.core.config_files import load_config
from clipit_lightning.data import AnnotatedDataModule, shard_files
from clipit_lightning.data.batches import TrainingParts
from clipit_lightning.data.shard_files import write_shards
from clipit_lightning.data.store import Store
from clipit_lightning.training import build
from tests.support.commands import PATIENCE, QUICK, environment

ATTRIBUTES = {"dataset": "mine", "features": "mini", "data": "mini"}


@pytest.fixture
def sharded(stores, tmp_path, monkeypatch):
    """Forty videos in twenty shards, more than an epoch mixes at once."""
    monkeypatch.setattr(shard_files, "VIDEOS", 2)
    known = Store(stores / "tvsum.h5").read()
    videos = [replace(known[n % len(known)], dataset="mine", key=f"video_{n + 1}", name="") for n in range(40)]
    write_shards(tmp_path / "data" / "mine.h5", videos, ATTRIBUTES, [])
    return tmp_path / "data"


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_share_the_videos_of_every_epoch(sharded, size):
    data = AnnotatedDataModule(sharded, target="mine", preload_mb=0, batch_size=4)
    data.setup()
    batches = data.train_dataloader().sampler.batches
    orders = []
    for epoch in range(3):
        own = []
        for rank in range(size):
            parts = TrainingParts(batches, lambda rank=rank: (rank, size))
            parts.set_epoch(epoch)
            own.append([number for part in parts if part.share for number in part.numbers])
        together = sorted(number for numbers in own for number in numbers)
        assert together == sorted(data.training_numbers)  # all of them, none twice
        assert max(map(len, own)) - min(map(len, own)) <= len(batches(epoch))
        orders.append(own)
    assert orders[0] != orders[1]


@pytest.mark.distributed
def test_of_two_processes_one_checks_and_they_read_disjoint_videos(sharded, tmp_path):
    """Two processes of torchrun that meet by gloo; each writes down what it checks and reads of the shards."""
    files = sorted((sharded / "mine.h5").glob("*.h5"))
    for file in files:
        file.touch()
    words = ["data.fold=0", "data.dataset=mine", "data.preload_mb=0"]
    (tmp_path / "read").mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["--module", "tests.support.recorded", str(tmp_path / "read"), "train", *QUICK, *words]
    command += [f"data.root={sharded}", f"output={tmp_path / 'run'}", "trainer.devices=2"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    lines = [[line.split() for line in (tmp_path / "read" / rank).read_text().splitlines()] for rank in "01"]
    data = build.datamodule(load_config([tmp_path / "run/config.yaml"], []))
    data.setup()
    trains = {data.ids[number].removeprefix("mine/") for number in data.training_numbers}
    checked = [[file for what, file in own if what == "check"] for own in lines]
    assert sorted([*checked[0], *checked[1]]) == [file.name for file in files]
    for epoch in "01":
        first, second = ([key for of, key in own if of == epoch] for own in lines)
        assert not set(first) & set(second)
        assert sorted([*first, *second]) == sorted(trains)  # in an epoch each is read once, by one of them
        assert abs(len(first) - len(second)) <= len(data.train_dataloader())
