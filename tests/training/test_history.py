import subprocess
import sys
from io import BytesIO

import pandas as pd
import pytest

from clipit_lightning.core.config_files import load_config
from clipit_lightning.training.train import run
from tests.support.commands import QUICK, environment

DIES = """
import os
import sys
from clipit_lightning.training.checkpoints import AtomicCheckpointIO
from clipit_lightning.cli.main import main

pytestmark = pytest.mark.slow
save = AtomicCheckpointIO.save_checkpoint
moment, epoch = sys.argv[1], int(sys.argv[2])


def dies(self, checkpoint, path, storage_options=None):
    dying = str(path).endswith("last.ckpt") and checkpoint["epoch"] == epoch
    if not dying or moment == "after":
        save(self, checkpoint, path, storage_options)
    if dying:
        os._exit(9)


AtomicCheckpointIO.save_checkpoint = dies
sys.exit(main(sys.argv[3:]))
"""
"""Runs `clipit` and ends it, as a kill does, right before or after the last checkpoint of an epoch is written."""


def curves(folder, words):
    """Train here, or resume; returns what ``metrics.csv`` holds."""
    run(load_config([], [*words, f"output={folder}"]))
    return (folder / "folds/0/metrics.csv").read_bytes()


@pytest.mark.parametrize(
    ("moment", "epoch", "more"),
    [
        ("before", 1, []),
        ("after", 1, []),
        ("after", 2, []),
        ("after", 1, ["optim.ema=0.9"]),
        ("after", 1, ["data.validation=0", "selection=last"]),
    ],
)
def test_killed_around_a_checkpoint_its_curves_are_those_of_an_undisturbed_run(stores, tmp_path, moment, epoch, more):
    words = [*QUICK, f"data.root={stores}", "data.fold=0", "optim.epochs=3", "model.dropout=0.5", *more]
    command = [sys.executable, "-c", DIES, moment, str(epoch), "train", *words, f"output={tmp_path / 'killed'}"]
    assert subprocess.run(command, env=environment(), check=False).returncode == 9
    expected = curves(tmp_path / "undisturbed", words)
    assert curves(tmp_path / "killed", words) == expected
    table = pd.read_csv(BytesIO(expected))
    assert table["epoch"].tolist() == [0, 1, 2]
    assert table.notna().all(axis=None)
    assert {"step", "train/total", "train/keyframe"} <= set(table)
    assert ("val/kendall_tau" in table) == ("data.validation=0" not in words)
