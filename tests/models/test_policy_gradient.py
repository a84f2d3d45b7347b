"""Policy gradient: rewards against naive loops, the gradient's expectation against all summaries of a short video."""

import itertools
import math

import pytest
import torch

from clipit_lightning.models.losses import SummaryLoss
from clipit_lightning.models.policy_gradient import policy_loss, saliency_loss, step_saliency, summary_reward
from clipit_lightning.models.scorer import ScorerOutput
from tests.support.batches import BATCHES, alone, make_stack, timed_stack


def naive_reward(chosen, features, reach):
    """Diversity and representativeness of one summary of one video, in loops."""
    picks = [t for t, taken in enumerate(chosen) if taken]
    looks = [row / row.norm() for row in features]
    if not picks:
        return 0.0
    pairs = [(i, j) for i in picks for j in picks if i != j]
    unlike = [1.0 if abs(i - j) > reach else 1 - float(looks[i] @ looks[j]) for i, j in pairs]
    nearest = [min(float((row - looks[i]).square().sum()) for i in picks) for row in looks]
    return (sum(unlike) / max(1, len(pairs)) + math.exp(-sum(nearest) / len(nearest))) / 2


def naive_saliency(text, spans, steps):
    """How salient what is told in each step is, in loops."""
    units = [row / row.norm() for row in text]
    middle = sum(units)
    of_text = [max(0.0, float(unit @ middle / middle.norm())) for unit in units]
    values = []
    for step in range(steps):
        own = [
            salient
            for salient, (first, end) in zip(of_text, spans.tolist(), strict=True)
            if max(step, first) < min(step + 1, end) or step <= first < step + 1
        ]
        values.append(sum(own) / max(1, len(own)))
    return values


def naive_saliency_reward(chosen, values):
    mean = sum(values) / len(values)
    best = sum(max(0.0, value - mean) for value in values)
    return sum(value - mean for value, taken in zip(values, chosen, strict=True) if taken) / best


def all_summaries(steps):
    """Every choice of steps, (summaries, steps)."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=steps)), dtype=torch.float64)


@pytest.mark.parametrize("shapes", [shapes for stacks in BATCHES.values() for shapes in stacks], ids=str)
@pytest.mark.parametrize("rows", [3, 1024])
def test_rewards_are_those_of_each_summary_alone(shapes, rows, monkeypatch):
    monkeypatch.setattr("clipit_lightning.models.step_cues.ROWS_AT_ONCE", rows)
    features, text = make_stack(shapes)
    items = alone(features, text)
    chosen = (torch.rand(6, len(items), shapes[0][-1], generator=torch.Generator().manual_seed(1)) < 0.4).float()
    chosen[0] = 0
    chosen[1] = 1
    rewards = summary_reward(chosen, features, 2)
    expected = [[naive_reward(one, item[0], 2) for one, item in zip(of, items, strict=True)] for of in chosen]
    torch.testing.assert_close(rewards, torch.tensor(expected), rtol=1e-5, atol=1e-5)


def test_the_expected_gradient_is_that_of_the_expected_reward():
    """All pairs of summaries of a video of four steps, each weighing its probability; per step, as is said there."""
    steps = 4
    features, logits = make_stack(((steps,), (0,)))[0].double(), torch.tensor([0.3, -1.2, 0.8, 2.0]).double()
    logits.requires_grad_()
    summaries, scores = all_summaries(steps), logits.sigmoid()
    probability = (summaries * scores + (1 - summaries) * (1 - scores)).prod(-1)  # (summaries,)
    rewards = torch.tensor([naive_reward(one, features, 2) for one in summaries]).double()
    (expected,) = torch.autograd.grad(probability @ rewards / steps, logits, retain_graph=True)
    weight, loss = probability.detach(), 0.0
    for one, other in itertools.product(range(len(summaries)), repeat=2):
        draws = 1 - summaries[[one, other]]  # 0 takes a step, 1 does not
        loss = loss + weight[one] * weight[other] * policy_loss(logits, features, draws, 2)
    torch.testing.assert_close(loss.item(), -(probability @ rewards).item(), rtol=1e-5, atol=0)
    torch.testing.assert_close(-torch.autograd.grad(loss, logits)[0], expected, rtol=1e-5, atol=1e-7)


def test_the_gradient_is_reinforce_with_the_mean_of_the_other_episodes():
    features, logits = make_stack(((2, 5), (2, 0)))[0], torch.randn(2, 5, generator=torch.Generator().manual_seed(2))
    draws = torch.rand(3, 2, 5, generator=torch.Generator().manual_seed(3))
    loss = policy_loss(logits.requires_grad_(), features, draws, 2)
    scores, expected, total = logits.detach().sigmoid(), torch.zeros(2, 5), 0.0
    for video in range(2):
        chosen = [(draws[episode, video] < scores[video]).float() for episode in range(3)]
        rewards = [naive_reward(one, features[video], 2) for one in chosen]
        total += sum(rewards) / 6
        for one, reward in zip(chosen, rewards, strict=True):
            baseline = (sum(rewards) - reward) / 2
            expected[video] -= (reward - baseline) * (one - scores[video]) / 5 / 6
    torch.testing.assert_close(loss.item(), -total, rtol=1e-5, atol=0)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], expected, rtol=1e-5, atol=1e-7)


def test_descent_prefers_what_is_shown_once():
    """Six steps of three kinds, four of them alike: half of them, the length wanted, is best one of each kind."""
    features = torch.eye(3)[[0, 1, 0, 0, 2, 0]]
    logits = torch.zeros(6, requires_grad=True)
    weights = {"length": 1, "length_target": 0.5, "policy": 1, "episodes": 20}
    loss = SummaryLoss(keyframe=0, correlation=0, diversity=0, reconstruction=0, **weights)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    torch.manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        loss(ScorerOutput(logits), features, features, logits, logits)["total"].backward()
        optimizer.step()
    assert set(logits.topk(2).indices.tolist()) == {1, 4}


def test_extreme_scores_give_a_finite_loss_and_gradient():
    logits = torch.tensor([1000.0, -1000.0, 0.0], requires_grad=True)
    loss = policy_loss(logits, torch.zeros(3, 2), torch.rand(4, 3, generator=torch.Generator().manual_seed(0)))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_a_single_episode_has_nothing_to_be_compared_with():
    with pytest.raises(ValueError, match=r"episodes \(1\) must be at least 2"):
        policy_loss(torch.zeros(3), torch.eye(3), torch.rand(1, 3))


@pytest.mark.parametrize("shapes", [shapes for stacks in BATCHES.values() for shapes in stacks], ids=str)
def test_a_step_is_as_salient_as_the_sentences_that_are_told_in_it(shapes):
    features, text, spans = timed_stack(shapes)
    salient = step_saliency(text, spans, features.shape[-2])
    items = alone(features, text, spans)
    expected = torch.tensor([naive_saliency(*item[1:], len(item[0])) for item in items])
    torch.testing.assert_close(salient.expand_as(expected), expected, rtol=1e-5, atol=1e-5)


def test_both_losses_are_reinforce_with_the_weighted_sum_of_their_rewards():
    features, text, spans = timed_stack(((2, 9), (2, 4)))
    logits = torch.randn(2, 9, generator=torch.Generator().manual_seed(2)).requires_grad_()
    draws = torch.rand(3, 2, 9, generator=torch.Generator().manual_seed(3))
    loss = SummaryLoss(keyframe=0, correlation=0, length=0, policy=0.5, saliency=2.0, episodes=3)
    terms = loss(ScorerOutput(logits), features, text, logits, logits, draws, spans)
    scores, expected, total = logits.detach().sigmoid(), torch.zeros(2, 9), 0.0
    for video in range(2):
        values = naive_saliency(text[video], spans[video], 9)
        chosen = [(draws[episode, video] < scores[video]).float() for episode in range(3)]
        rewards = [
            0.5 * naive_reward(one, features[video], 20) + 2 * naive_saliency_reward(one, values) for one in chosen
        ]
        total += sum(rewards) / 6
        for one, reward in zip(chosen, rewards, strict=True):
            baseline = (sum(rewards) - reward) / 2
            expected[video] -= (reward - baseline) * (one - scores[video]) / 9 / 6
    torch.testing.assert_close(terms["total"].item(), -total, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(terms["total"], logits)[0], expected, rtol=1e-5, atol=1e-6)


def test_a_transcript_without_times_or_differences_rewards_nothing():
    logits, draws = torch.randn(2, 5).requires_grad_(), torch.rand(3, 2, 5)
    whole = torch.tensor([[0.0, 5.0]]).expand(2, 3, 2)
    for text, spans in ((torch.ones(2, 3, 4), torch.zeros(2, 0, 2)), (torch.randn(2, 3, 4), whole)):
        loss = saliency_loss(logits, text, spans, draws)
        assert loss.item() == pytest.approx(0, abs=1e-5)
        assert torch.autograd.grad(loss, logits)[0].abs().max() < 1e-5
