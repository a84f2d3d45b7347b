import numpy as np

from clipit_lightning.evaluation.overlap import f1_scores
from clipit_lightning.evaluation.rules import Rules, f1_of_summary


def naive_f1(ours, theirs):
    overlap = sum(bool(a) and bool(b) for a, b in zip(ours, theirs, strict=True))
    if overlap == 0:
        return 0.0
    precision, recall = overlap / sum(map(bool, ours)), overlap / sum(map(bool, theirs))
    return 2 * precision * recall / (precision + recall)


def test_equals_precision_and_recall_counted_frame_by_frame():
    rng = np.random.default_rng(0)
    for case in range(200):
        frames = int(rng.integers(1, 60))
        ours = (rng.random(frames) < rng.random()).astype(np.uint8)
        users = (rng.random((3, frames)) < rng.random((3, 1))).astype(np.uint8)
        np.testing.assert_allclose(f1_scores(ours, users), [naive_f1(ours, row) for row in users], atol=1e-12)
        mean, best = f1_scores(ours, users).mean(), f1_scores(ours, users).max()
        for convention, value in (("mean", mean), ("max", best)):
            f1 = f1_of_summary(ours, users, Rules(convention, "per-annotator"))
            assert f1 == {"f1": value, "f1_mean": mean, "f1_max": best}, case
