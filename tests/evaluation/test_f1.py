import numpy as np
import pytest

from clipit_lightning.evaluation.f1 import SummaryF1, f1_scores


def naive_f1(ours, theirs):
    overlap = sum(bool(a) and bool(b) for a, b in zip(ours, theirs, strict=True))
    if overlap == 0:
        return 0.0
    precision, recall = overlap / sum(map(bool, ours)), overlap / sum(map(bool, theirs))
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("seed", range(25))
def test_equals_precision_and_recall_counted_frame_by_frame(seed):
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(1, 60))
    ours = (rng.random(frames) < rng.random()).astype(np.uint8)
    users = (rng.random((3, frames)) < rng.random((3, 1))).astype(np.uint8)
    np.testing.assert_allclose(f1_scores(ours, users), [naive_f1(ours, row) for row in users], atol=1e-12)


def test_empty_summaries_on_either_side_are_zero():
    users = np.array([[0, 0, 0], [1, 0, 1]], np.uint8)
    assert f1_scores(np.zeros(3, np.uint8), users).tolist() == [0.0, 0.0]
    assert f1_scores(np.ones(3, np.uint8), users).tolist() == [0.0, pytest.approx(0.8)]


def test_refuses_another_length():
    with pytest.raises(ValueError, match="does not fit"):
        f1_scores(np.zeros(3, np.uint8), np.zeros((2, 4), np.uint8))


def test_convention_chooses_between_mean_and_best_annotator():
    users = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.uint8)
    summary = np.array([1, 1, 0, 0], np.uint8)
    for convention, expected in (("mean", 0.5), ("max", 1.0)):
        metric = SummaryF1()
        metric.update(0, summary, users, convention)
        values = {name: float(value) for name, value in metric.compute().items()}
        assert values == {"f1": expected, "f1_mean": 0.5, "f1_max": 1.0}


def test_without_a_video_there_is_no_mean():
    with pytest.raises(ValueError, match="no video"), pytest.warns(UserWarning, match="compute"):
        SummaryF1().compute()
