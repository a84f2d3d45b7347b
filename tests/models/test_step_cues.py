"""What scorers read beside features: window means, cues, what looks alike, peaks."""

import pytest
import torch
from torch.nn.functional import normalize

from clipit_lightning.models import step_cues as cues
from clipit_lightning.models.step_cues import alike_mean, prefer_peaks, step_cues, window_mean
from tests.models import reference
from tests.support.batches import make_stack


@pytest.mark.parametrize("window", [1, 3, 7, 25])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_window_mean_is_the_mean_over_the_steps_around(window, steps):
    values, _ = make_stack(((2, steps), (0,)))
    expected = torch.stack([reference.around(video, window) for video in values])
    torch.testing.assert_close(window_mean(values, window), expected)


@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_cues_are_what_they_say(tokens):
    features, texts = (normalize(rows, dim=-1) for rows in make_stack(((20,), (2, tokens))))
    result = step_cues(features, texts, (5, 9))
    expected = torch.stack([reference.cues(features, text, (5, 9)) for text in texts])
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(step_cues(features, None, (5, 9)), expected[0, :, :-2], rtol=1e-4, atol=1e-4)
    assert cues.cue_count((5, 9), text=True) == result.shape[-1] == cues.cue_count((5, 9), text=False) + 2


@pytest.mark.parametrize("steps", [1, 40])
def test_peaks_stand_above_all_other_steps_in_the_old_order(steps):
    logits = torch.randn(2, steps, generator=torch.Generator().manual_seed(0))
    moved = prefer_peaks(logits, 7)
    torch.testing.assert_close(moved, torch.stack([reference.peaks(row, 7) for row in logits]), rtol=1e-4, atol=1e-4)
    for row, before in zip(moved, logits, strict=True):
        for group in (row > 0, row <= 0):
            assert torch.equal(row[group].argsort(), before[group].argsort())
    assert prefer_peaks(logits, 1) is logits


@pytest.mark.parametrize("gain", [0.0, 0.5, 5.0, 50.0])
def test_alike_mean_weighs_steps_by_a_softmax_of_their_cosines(gain, monkeypatch):
    """However many steps are compared at once, for videos and for items that share one."""
    for shape in ((11,), (1, 11), (3, 11)):
        features, _ = make_stack((shape, (0,)))
        values = torch.arange(33.0).view(3, 11).cos()
        alike = (gain * normalize(features, dim=-1) @ normalize(features, dim=-1).mT).exp()
        expected = (alike @ values.unsqueeze(-1)).squeeze(-1) / alike.sum(-1)
        for rows in (1024, 4):
            monkeypatch.setattr(cues, "ROWS_AT_ONCE", rows)
            torch.testing.assert_close(alike_mean(values, features, gain), expected)


@pytest.mark.parametrize("leading", [(), (2,)])
def test_anchors_are_the_means_of_equal_stretches(leading):
    features, _ = make_stack(((*leading, 12), (0,)))
    values = torch.arange(12.0).cos().expand(*leading, 12)
    anchors = normalize(features, dim=-1).unflatten(-2, (4, 3)).mean(-2)
    alike = (3.0 * normalize(features, dim=-1) @ normalize(anchors, dim=-1).mT).softmax(-1)
    expected = (alike @ values.unflatten(-1, (4, 3)).mean(-1, keepdim=True)).squeeze(-1)
    torch.testing.assert_close(alike_mean(values, features, 3.0, anchors=4), expected)
    for enough in (12, 13):
        assert torch.equal(alike_mean(values, features, 3.0, anchors=enough), alike_mean(values, features, 3.0))
