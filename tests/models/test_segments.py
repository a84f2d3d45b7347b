"""Segments: targets, loss and kept segments against loops, over videos with any number of key frames."""

import pytest
import torch

from clipit_lightning.models import make_scorer
from clipit_lightning.models.losses import SummaryLoss
from clipit_lightning.models.scorer import ScorerOutput
from clipit_lightning.models.segments import segment_scores, segment_targets, segments_loss
from tests.models import reference

KEYS = {
    "runs": [0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0],
    "runs at both ends, one of one step": [1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1],
    "none": [0] * 11,
    "all": [1] * 11,
    "one step, a key": [1],
    "one step, none": [0],
}


def draw(steps, seed=0, items=()):
    """Logits and segments, as a scorer gives them, in 64 bits."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(*items, steps, dtype=torch.float64, generator=generator)
    segments = torch.randn(*items, steps, 3, dtype=torch.float64, generator=generator)
    return logits.requires_grad_(), segments.requires_grad_()


def run_ends(keys, t):
    """First and last step of the run around step t."""
    first = last = t
    while first > 0 and keys[first - 1]:
        first -= 1
    while last + 1 < len(keys) and keys[last + 1]:
        last += 1
    return first, last


def loop_loss(logits, segments, keys):
    """The three parts of DSNet's loss, step by step."""
    if not any(keys):
        return 0 * (logits.sum() + segments.sum())
    focal = distance = centre = 0
    for t, key in enumerate(keys):
        p = logits[t].sigmoid()
        for weight, right in ((0.25, p if key else 1 - p), (0.75, p if key else 1 - p)):
            focal = focal - weight * (1 - right) ** 2 * right.log()
        if not key:
            continue
        first, last = run_ends(keys, t)
        left, right = segments[t, 0].exp(), segments[t, 1].exp()
        shared = min(left, t - first) + min(right, last - t)
        distance = distance - (shared / (left + right + (last - first) - shared) + 1e-8).log()
        middle = min(t - first, last - t) / (max(t - first, last - t) + 1e-8)
        c = segments[t, 2].sigmoid()
        centre = centre - middle * c.log() - (1 - middle) * (1 - c).log()
    return (focal + distance + centre) / sum(keys)


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_targets_are_the_distances_to_the_ends_of_runs(keys):
    ends = [run_ends(keys, t) for t in range(len(keys))]
    expected = [[t - ends[t][0], ends[t][1] - t] if key else [0, 0] for t, key in enumerate(keys)]
    assert segment_targets(torch.tensor(keys)).tolist() == expected


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_loss_and_gradients_are_those_of_a_loop(keys):
    logits, segments = draw(len(keys))
    values = []
    for loss in (segments_loss(logits, segments, torch.tensor(keys).double()), loop_loss(logits, segments, keys)):
        values.append([loss, *torch.autograd.grad(loss, [logits, segments])])
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)


def test_loss_of_a_stack_is_the_mean_over_items_that_may_share_segments():
    rows = list(KEYS.values())[:4]
    keys = torch.tensor(rows).double()  # (items, steps)
    logits, segments = draw(11)
    shared = segments_loss(logits.expand(4, 11), segments.unsqueeze(0), keys)
    expected = torch.stack([loop_loss(logits, segments, row) for row in rows]).mean()
    torch.testing.assert_close(shared, expected, rtol=1e-5, atol=1e-5)


def test_the_term_needs_a_scorer_that_proposes_segments():
    logits, segments = draw(11)
    keys, features, text = torch.tensor(KEYS["runs"]).double(), torch.ones(11, 2).double(), torch.zeros(0, 3).double()
    loss = SummaryLoss(keyframe=0, correlation=0, length=0, segments=2)
    terms = loss(ScorerOutput(logits, segments=segments), features, text, keys, keys)
    torch.testing.assert_close(terms, {"segments": terms["segments"], "total": 2 * terms["segments"]})
    with pytest.raises(ValueError, match="segments one that proposes them"):
        loss(ScorerOutput(logits), features, text, keys, keys)


@pytest.mark.parametrize("threshold", [0.2, 0.4, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 9, 60])
def test_scores_are_those_of_suppression_one_by_one(steps, threshold):
    for seed in range(5):
        logits, segments = draw(steps, seed, items=(3,))
        scores = segment_scores(logits, segments, threshold)
        expected = [reference.segment_scores(*item, threshold) for item in zip(logits, segments, strict=True)]
        torch.testing.assert_close(scores, torch.stack(expected), rtol=1e-5, atol=1e-5)
        assert (scores.amax(-1) > 1 - 1e-6).all()


@pytest.mark.parametrize(
    ("reach", "last"),
    [
        ((0, 0), 0.25),  # the last step covers itself: kept
        ((0.6, 0), 0.0),  # from 2.4, rounded to 2: half is the third step's, which is kept
        ((9, 9), 0.0),  # the whole video, of which the second step has three quarters
    ],
)
def test_a_step_that_no_kept_segment_covers_has_no_score(reach, last):
    """The second of four steps covers its neighbours; the first is dropped, the third is small enough to be kept."""
    distances = torch.tensor([[0, 1], [1, 1], [0, 0], reach]).clamp_min(1e-4).log()
    segments = torch.cat([distances, torch.full((4, 1), 100.0)], 1)  # all in the middle
    scores = segment_scores(torch.tensor([0.5, 0.8, 0.4, 0.2]).logit(), segments, 0.4)
    torch.testing.assert_close(scores, torch.tensor([1, 1, 1, last]))


def test_scores_are_the_same_again_and_finite_where_distances_are_huge():
    logits, segments = draw(40)
    segments = segments.detach().clone()
    segments[::3, :2] = 1e4
    once, again = (segment_scores(logits, segments, 0.4) for _ in range(2))
    assert torch.equal(once, again)
    assert once.isfinite().all()


@pytest.mark.parametrize(("features", "parameters"), [(384, 640_644), (1024, 4_328_324)])
def test_the_default_network_has_the_stated_sizes(features, parameters):
    scorer = make_scorer("dsnet-af", feature_dim=features, text_dim=3)
    assert sum(parameter.numel() for parameter in scorer.parameters()) == parameters


def test_segments_of_a_network_that_does_not_train_are_in_its_logits():
    scorer = make_scorer("dsnet-af", feature_dim=16, text_dim=3).eval()
    output = scorer(torch.randn(30, 16, generator=torch.Generator().manual_seed(0)), torch.zeros(0, 3))
    assert output.segments is None
    assert output.scores.max().item() == pytest.approx(1, abs=1e-5)
    assert len(output.scores.unique()) < 30  # steps of a segment share a score


@pytest.mark.parametrize("threshold", [0.0, 1.5])
def test_a_threshold_that_drops_all_or_nothing_is_refused(threshold):
    with pytest.raises(ValueError, match=r"nms_threshold \(.*\) must be above 0 and at most 1"):
        make_scorer("dsnet-af", feature_dim=16, text_dim=3, nms_threshold=threshold)
