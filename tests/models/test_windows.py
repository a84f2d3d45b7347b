"""Long videos: exact up to a length and on demand, near the exact scores above."""

import pytest
import torch
from scipy.stats import kendalltau
from torch.nn.functional import normalize

from clipit_lightning.models import clip_it_plus, scorer_class, transformer, windows
from clipit_lightning.models.losses import correlation_loss
from clipit_lightning.models.step_cues import window_mean
from tests.models import reference
from tests.support.batches import FEATURES, make_stack

LONGEST, WINDOW = 128, 64


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Lengths at which a test is fast."""
    monkeypatch.setattr(windows, "WINDOW", WINDOW)
    for module in (clip_it_plus, transformer):
        monkeypatch.setattr(module, "LONGEST", LONGEST)


@pytest.fixture(params=["clip-it+", "clip-it", "transformer"])
def name(request):
    return request.param


def make_scorers(name, std):
    """One that is always exact, and one of equal weights that is not."""
    torch.manual_seed(0)
    options = {"width": 16, "heads": 2, "dropout": 0.0} | ({} if name == "clip-it" else {"input_dropout": 0.0})
    exact, usual = (scorer_class(name)(FEATURES, FEATURES, exact=exact, **options) for exact in (True, False))
    with torch.no_grad():
        for parameter in exact.parameters():
            parameter.add_(std * torch.randn_like(parameter))
    usual.load_state_dict(exact.state_dict())
    return exact.eval(), usual.eval()


def make_video(steps, seed=0):
    """Features that change slowly, as those of a video do, importance that follows from them, and three captions."""
    values, text = make_stack(((steps,), (3,)), seed=seed)
    features = normalize(window_mean(values, 9), dim=-1)
    return features, features @ torch.tensor([1.0, -1.0, 0.5, 0.0, 0.3]), text


@pytest.mark.parametrize("steps", [WINDOW, WINDOW + 1, 3 * WINDOW // 2, LONGEST + 1, 5 * WINDOW + 7])
@pytest.mark.parametrize("leading", [(), (2,)])
def test_windows_that_overlap_are_blended(steps, leading):
    values, _ = make_stack(((*leading, steps), (0,)))
    torch.testing.assert_close(windows.in_windows(torch.tanh, values), values.tanh())
    total, weight = torch.zeros_like(values), torch.zeros(steps, 1)
    starts = {min(start, steps - WINDOW) for start in range(0, steps - WINDOW // 2, WINDOW // 2)}
    for start in starts:
        for t in range(WINDOW):
            nearness = min(t + 1, WINDOW - t)
            total[..., start + t, :] += nearness * values[..., start : start + WINDOW, :].mean(-2)
            weight[start + t] += nearness
    blended = windows.in_windows(lambda seen: seen.mean(-2, keepdim=True).expand_as(seen), values)
    torch.testing.assert_close(blended, total / weight)


@pytest.mark.parametrize("steps", [LONGEST, LONGEST + 1])
def test_a_video_is_scored_exactly_up_to_a_length_and_on_demand(name, steps):
    exact, usual = (scorer.double() for scorer in make_scorers(name, std=0.3))
    features, _, text = (values.double() for values in make_video(steps))
    expected, _ = reference.SCORERS[name](exact, features, text)
    torch.testing.assert_close(exact(features, text).logits, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(usual(features, text).logits, exact(features, text).logits) == (steps == LONGEST)
    assert torch.equal(usual.train()(features, text).logits, exact.train()(features, text).logits)


@pytest.mark.parametrize("name", ["clip-it+", "clip-it"])
def test_scores_of_a_longer_video_rank_as_the_exact_ones_do(name):
    """Of a scorer that has learned: they are near the exact ones, and no worse."""
    exact, usual = make_scorers(name, std=0.0)
    optimizer = torch.optim.Adam(exact.train().parameters(), lr=3e-3)
    for epoch in range(100):
        features, importance, text = make_video(LONGEST, seed=1 + epoch)
        optimizer.zero_grad()
        correlation_loss(exact(features, text).logits, importance).backward()
        optimizer.step()
    usual.load_state_dict(exact.eval().state_dict())
    features, importance, text = make_video(4 * LONGEST + 3)
    expected, scores = (scorer(features, text).logits.detach() for scorer in (exact, usual))
    assert kendalltau(scores, expected).statistic > 0.7
    assert kendalltau(scores, importance).statistic > kendalltau(expected, importance).statistic - 0.05
