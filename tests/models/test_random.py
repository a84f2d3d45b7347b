"""Chance that does not depend on the batch."""

import pytest
import torch
from scipy import stats

from clipit_lightning.models.random import RandomScorer
from tests.support.batches import make_batch


def test_random_scores_depend_on_the_video_alone() -> None:
    scorer = RandomScorer(5, 3, seed=4)
    alone = scorer(*make_batch([20])).scores[0]
    for lengths, place, garbage in (([20, 31], 0, 9.0), ([8, 20], 1, 0.0), ([31, 8, 20], 2, float("nan"))):
        batched = scorer(*make_batch(lengths, garbage=garbage)).scores[place, :20]
        assert torch.equal(batched, alone)
    assert torch.equal(RandomScorer(5, 3, seed=4)(*make_batch([20])).scores[0], alone)


@pytest.mark.parametrize("change", ["seed", "features"])
def test_random_scores_change_with(change: str) -> None:
    scores = RandomScorer(5, 3, seed=0)(*make_batch([20])).scores
    other = RandomScorer(5, 3, seed=int(change == "seed"))
    assert (other(*make_batch([20], seed=int(change == "features"))).scores != scores).all()


def test_random_scores_are_uniform() -> None:
    scores = RandomScorer(5, 3)(*make_batch([20_000])).scores[0]
    assert stats.kstest(scores.numpy(), "uniform").pvalue > 0.01


def test_random_scorer_has_nothing_to_learn_and_leaves_global_chance_alone() -> None:
    scorer = RandomScorer(5, 3)
    state = torch.get_rng_state()
    output = scorer(*make_batch([20]))
    assert list(scorer.parameters()) == []
    assert not output.logits.requires_grad
    assert output.reconstruction is None
    assert torch.equal(torch.get_rng_state(), state)
