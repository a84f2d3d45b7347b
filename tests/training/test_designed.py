"""Scorers on the designed benchmark of `heard_store`: against random scores, and without sense in what they read."""

import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.data.shot_scores import with_scores_of
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.evaluation.statistics import intervals
from clipit_lightning.studies.compare import compare_runs, read_run
from tests.support.heard_store import VIDEOS, write_heard

pytestmark = pytest.mark.slow


def add_judge(store, shuffled):
    """Let a judge score the shots that matter 60 higher, with a deviation of 25; ``shuffled``: in any order."""
    rng, videos = np.random.default_rng(11), []
    for video in store.read():
        matters = video.gtsummary[np.searchsorted(video.picks, video.change_points[:, 0])]  # (shots,)
        scores = np.clip(20 + 60 * matters + 25 * rng.normal(size=len(matters)), 0, 100).round()
        order = rng.permutation(len(scores)) if shuffled else np.arange(len(scores))
        videos.append(with_scores_of(video, "designed", scores[order].astype(np.float32)))
    write_store(store.path, videos, store.attributes)


def compared(folder, runs, better, *overlay):
    """Train runs, print their means and differences as docs/systems.md has them; the rows of each difference."""
    for name, words in runs.items():
        lies = [f"data.root={folder / name}", f"output={folder / name}/run"]
        assert main(["train", "tvsum", *words, *overlay, *lies, "trainer.accelerator=cpu"]) == 0
        print(name, intervals(read_run([folder / name / "run"])[1], ["kendall_tau", "f1"]))
    for other in runs:
        if other != better:
            rows = compare_runs([folder / better / "run"], [folder / other / "run"]).set_index("metric")
            print(f"{better} less {other}\n{rows.drop(columns='across').to_string()}")
            yield rows


def test_a_judges_scores_rank_steps_and_shuffled_ones_do_not(tmp_path):
    for name in ("own", "shuffled", "random"):
        store = Store(write_heard(tmp_path / name / "tvsum.h5"))
        add_judge(store, shuffled=name == "shuffled")
    runs = dict.fromkeys(("own", "shuffled"), ("prompts-to-summaries",)) | {"random": ("model.name=random",)}
    for rows in compared(tmp_path, runs, "own", "data.folds=3"):
        assert rows.loc["kendall_tau", "pairs"] == VIDEOS
        assert rows.loc["kendall_tau", "low"] > 0.05


def test_dsnet_ranks_steps(tmp_path):
    words = ("dsnet-af", "model.width=16", "model.heads=2", "model.dropout=0.1", "optim.epochs=8", "optim.lr=2e-3")
    runs = {"dsnet-af": words, "random": ("model.name=random",)}
    for name in runs:
        write_heard(tmp_path / name / "tvsum.h5")
    (rows,) = compared(tmp_path, runs, "dsnet-af", "data.folds=3", "data.captions=0")
    assert rows.loc["kendall_tau", "pairs"] == VIDEOS
    assert rows.loc["kendall_tau", "low"] > 0.05
