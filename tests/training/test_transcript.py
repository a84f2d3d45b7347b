"""The transcript's scorer learns without labels what is told: better than by other text or times."""

import pandas as pd
import pytest

from clipit_lightning.evaluation.statistics import bootstrap_interval
from tests.support.commands import train_here
from tests.support.told_store import write_told

WORDS = (
    *("transcript", "data.dataset=told", "data.validation=0", "optim.epochs=50", "optim.lr=1e-2"),
    *("model.width=16", "model.encoder_layers=1", "model.feedforward=32", "data.crop=0", "trainer.devices=1"),
)


@pytest.mark.slow
def test_it_learns_without_labels_what_is_told_while_steps_are_shown(tmp_path):
    write_told(tmp_path / "own/told.h5")
    write_told(tmp_path / "shuffled/told.h5", shuffled=True)
    runs = {
        "own": ("own",),
        "another": ("own", "data.caption_source=another"),
        "shuffled": ("shuffled",),
        "none": ("own", "data.captions=0"),
    }
    tau = {}
    for name, (root, *words) in runs.items():
        train_here(tmp_path / root, tmp_path / "runs" / name, *WORDS, *words)
        tau[name] = pd.read_csv(tmp_path / "runs" / name / "per_video.csv").set_index("video")["kendall_tau"]
    assert bootstrap_interval(tau["own"].tolist())[0] > 0.3
    for name in ("another", "shuffled", "none"):
        assert bootstrap_interval((tau["own"] - tau[name]).tolist())[0] > 0.3, name
