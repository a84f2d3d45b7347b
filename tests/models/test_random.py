"""Chance that does not depend on what else is scored."""

import pytest
import torch
from scipy import stats

from clipit_lightning.models.random import RandomScorer
from tests.support.batches import FEATURES, make_stack


@pytest.mark.parametrize("change", ["nothing", "seed", "features"])
def test_random_scores_follow_from_the_seed_and_the_features(change):
    scores = RandomScorer(FEATURES, 3)(*make_stack(((20,), (0,)))).scores
    other = RandomScorer(FEATURES, 3, seed=int(change == "seed"))
    equal = other(*make_stack(((20,), (2,)), seed=int(change == "features"))).scores == scores
    assert equal.all() if change == "nothing" else not equal.any()


def test_random_scores_are_uniform():
    scores = RandomScorer(FEATURES, 3)(*make_stack(((20_000,), (0,)))).scores
    assert stats.kstest(scores.numpy(), "uniform").pvalue > 0.01


def test_random_scorer_has_nothing_to_learn_and_leaves_global_chance_alone():
    scorer = RandomScorer(FEATURES, 3)
    state = torch.get_rng_state()
    assert not scorer(*make_stack(((20,), (0,)))).logits.requires_grad
    assert list(scorer.parameters()) == []
    assert torch.equal(torch.get_rng_state(), state)
