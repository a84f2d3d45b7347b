import json
import subprocess
import sys

import pandas as pd
import pytest

from tests.support.commands import QUICK, environment, train_here

pytestmark = pytest.mark.slow
CASES = {
    "before": ("before", 1, []),
    "after": ("after", 1, []),
    "after-the-last": ("after", 2, []),
    "with-averaged-weights": ("after", 1, ["optim.ema=0.9", "data.batch_size=1"]),
    "without-validation": ("after", 1, ["data.validation=0", "selection=last"]),
}
"""When a run dies: before or after the last checkpoint of which epoch is written; what it has in its configuration."""
KILLED = """
import json
import os
import sys
from clipit_lightning.cli.main import main
from clipit_lightning.training import train  # once for all processes
from clipit_lightning.training.checkpoints import AtomicCheckpointIO

save = AtomicCheckpointIO.save_checkpoint
for moment, epoch, words in json.loads(sys.argv[1]):

    def save_and_die(self, checkpoint, path, storage_options=None):
        dying = str(path).endswith("last.ckpt") and checkpoint["epoch"] == epoch
        if not dying or moment == "after":
            save(self, checkpoint, path, storage_options)
        if dying:
            os._exit(9)

    AtomicCheckpointIO.save_checkpoint = save_and_die
    if os.fork() == 0:
        os._exit(main(words))
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 9
"""
"""Runs each of the commands in a process that ends at its moment as a kill ends it."""


def words_of(case):
    return ["data.fold=0", "optim.epochs=3", "model.dropout=0.5", *CASES[case][2]]


@pytest.fixture(scope="module")
def killed(stores, tmp_path_factory):
    """A folder with a run of each case that was killed."""
    folder = tmp_path_factory.mktemp("killed")
    commands = [
        (moment, epoch, ["train", *QUICK, *words_of(case), f"data.root={stores}", f"output={folder / case}"])
        for case, (moment, epoch, _) in CASES.items()
    ]
    subprocess.run([sys.executable, "-c", KILLED, json.dumps(commands)], env=environment(), check=True)
    return folder


def outputs(folder):
    return [(folder / name).read_bytes() for name in ("folds/0/metrics.csv", "per_video.csv", "scores.json")]


@pytest.mark.parametrize("case", CASES)
def test_killed_around_a_checkpoint_its_curves_and_scores_are_those_of_an_undisturbed_run(
    killed, stores, tmp_path, case
):
    words = words_of(case)
    assert not (killed / case / "result.json").exists()
    train_here(stores, killed / case, *words)
    train_here(stores, tmp_path / "undisturbed", *words)
    assert outputs(killed / case) == outputs(tmp_path / "undisturbed")
    table = pd.read_csv(killed / case / "folds/0/metrics.csv")
    assert table["epoch"].tolist() == [0, 1, 2]
    assert table.notna().all(axis=None)
    assert {"step", "train/total", "train/keyframe"} <= set(table)
    assert ("val/kendall_tau" in table) == ("data.validation=0" not in words)
