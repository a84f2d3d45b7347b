"""Baselines: chance that does not depend on the batch, and a layer that sees one step at a time."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from clipit_lightning.models.baselines import LinearScorer, RandomScorer


def make_batch(lengths: list[int], seed: int = 0, garbage: float = 0.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Videos padded with garbage to the longest; a video depends on its length and the seed only."""
    features = torch.full((len(lengths), max(lengths), 5), garbage)
    step_mask = torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
    for video, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(seed + length)
        features[video, :length] = torch.randn(length, 5, generator=generator)
        step_mask[video, :length] = True
    captions = torch.zeros(len(lengths), 0, 3)
    return features, step_mask, captions, torch.zeros(captions.shape[:2], dtype=torch.bool)


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


def test_linear_scorer_is_one_weighted_sum_per_step() -> None:
    torch.manual_seed(0)
    scorer = LinearScorer(5, 3)
    features, step_mask, *rest = make_batch([4, 7], garbage=float("nan"))
    output = scorer(features, step_mask, *rest)
    for video, step in step_mask.nonzero().tolist():
        seen = features[video, step] / features[video, step].norm() * 5**0.5
        expected = (seen * scorer.score_head.weight[0]).sum() + scorer.score_head.bias[0]
        torch.testing.assert_close(output.logits[video, step], expected)
    assert not output.logits[~step_mask].any()
    assert output.reconstruction is None


def test_padding_gives_the_linear_scorer_no_gradient() -> None:
    scorer = LinearScorer(5, 3)
    found = []
    for lengths in ([4], [4, 7]):
        scorer.zero_grad()
        scorer(*make_batch(lengths, garbage=1e3)).logits[0].sum().backward()
        assert scorer.score_head.weight.grad is not None
        found.append(scorer.score_head.weight.grad.clone())
    torch.testing.assert_close(found[0], found[1])
