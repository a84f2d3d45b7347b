"""The numbers of ``evaluation.md``, computed by the metric code on the real annotations."""

import numpy as np
import pytest

from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.correlation import rank_correlation, references
from clipit_lightning.evaluation.f1 import f1_scores
from clipit_lightning.summary.key_shots import key_shot_summary
from tests.support.synthetic import SHARED, needs_shared

pytestmark = needs_shared


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    import_distributed([SHARED], root)
    return {name: Store(root / f"{name}.h5").read() for name in ("tvsum", "summe")}


def test_import_finds_all_videos_and_they_are_sound(real, tmp_path):
    rows = {row.dataset: row for row in import_distributed([SHARED], tmp_path)}
    assert (rows["tvsum"].videos, rows["summe"].videos) == ("50", "25")
    assert rows["tvsum"].annotations == "summaries all, ratings all"
    assert "sound" in rows["tvsum"].result
    assert "sound" in rows["summe"].result
    assert "missing" in rows["ovp"].result


def test_human_agreement_on_tvsum(real):
    taus, rhos = [], []
    for video in real["tvsum"]:
        raters = references(video, "per-annotator")
        others = [rank_correlation(raters[one], np.delete(raters, one, axis=0)) for one in range(len(raters))]
        taus.append(np.mean([each.kendall_tau for each in others]))
        rhos.append(np.mean([each.spearman_rho for each in others]))
    assert np.mean(taus) == pytest.approx(0.177, abs=5e-4)
    assert np.mean(rhos) == pytest.approx(0.204, abs=5e-4)


def test_mean_annotator_is_the_ceiling_on_tvsum(real):
    found = [rank_correlation(video.gtscore, references(video, "per-annotator")) for video in real["tvsum"]]
    assert np.mean([each.kendall_tau for each in found]) == pytest.approx(0.378, abs=5e-4)
    assert np.mean([each.spearman_rho for each in found]) == pytest.approx(0.473, abs=5e-4)


def test_mean_annotator_as_scorer_on_summe(real):
    rows = []
    for video in real["summe"]:
        scores = references(video, "mean-annotator")[0]
        summary = key_shot_summary(scores, video.picks, video.change_points, video.n_frames)
        rows.append(f1_scores(summary, video.user_summary))
    assert 100 * np.mean([row.max() for row in rows]) == pytest.approx(64.25, abs=5e-3)
    assert 100 * np.mean([row.mean() for row in rows]) == pytest.approx(35.13, abs=5e-3)


def test_conventions_are_declared():
    assert (BENCHMARKS["tvsum"].f1_convention, BENCHMARKS["summe"].f1_convention) == ("mean", "max")
    assert (BENCHMARKS["tvsum"].correlation, BENCHMARKS["summe"].correlation) == ("per-annotator", "mean-annotator")
