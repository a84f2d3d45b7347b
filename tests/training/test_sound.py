"""MF2Summ on a benchmark of which half can only be heard: with its sound, without it, and against random scores."""

import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.evaluation.statistics import intervals
from clipit_lightning.studies.compare import compare_runs, read_run
from tests.support.heard_store import VIDEOS, write_heard

MF2SUMM = ("mf2summ", "model.width=16", "model.heads=2", "model.dropout=0.1")
TRAINED = ("optim.epochs=8", "optim.lr=2e-3", "data.batch_size=4", "data.folds=3", "data.captions=0")


@pytest.mark.slow
def test_sound_makes_mf2summ_better_and_both_are_better_than_random(tmp_path):
    """The numbers in docs/systems.md are those that this test prints with ``-s``."""
    for name, words in {"sound": MF2SUMM, "silent": MF2SUMM, "random": ("model.name=random",)}.items():
        root = write_heard(tmp_path / name / "tvsum.h5", sound=name != "silent").parent
        given = [*words, *TRAINED, "trainer.accelerator=cpu", f"data.root={root}", f"output={root}/run"]
        assert main(["train", "tvsum", *given]) == 0
    for name in ("sound", "silent", "random"):
        print(name, intervals(read_run([tmp_path / name / "run"])[1], ["kendall_tau", "f1"]))
    for one, other in (("sound", "silent"), ("sound", "random"), ("silent", "random")):
        rows = compare_runs([tmp_path / one / "run"], [tmp_path / other / "run"]).set_index("metric")
        print(f"{one} against {other}, 95 % intervals over videos\n{rows.drop(columns='across').to_string()}")
        tau = rows.loc["kendall_tau"]
        assert tau["pairs"] == VIDEOS
        assert tau["low"] > 0.03
        assert rows.loc["f1", "difference"] > 0
