"""What the scorer reads beside features: window means, cues, what looks alike, peaks."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from clipit_lightning.models import step_cues as cues
from clipit_lightning.models.step_cues import alike_mean, prefer_peaks, step_cues, window_mean


@pytest.mark.parametrize("window", [1, 3, 7, 25])
def test_window_mean_is_the_mean_over_the_real_steps_around(window: int) -> None:
    values = torch.randn(2, 10, 3)
    mask = torch.arange(10) < torch.tensor([[10], [6]])
    found = window_mean(values, mask, window)
    for video, step in mask.nonzero().tolist():
        first, last = max(0, step - window // 2), min(int(mask[video].sum()) - 1, step + window // 2)
        expected = values[video, first : last + 1].mean(0)
        torch.testing.assert_close(found[video, step], expected, rtol=1e-4, atol=1e-5)


def test_cues_are_what_they_say() -> None:
    torch.manual_seed(0)
    features = functional.normalize(torch.randn(1, 20, 6), dim=2)
    captions = functional.normalize(torch.randn(1, 3, 6), dim=2)
    found = step_cues(features, torch.ones(1, 20).bool(), captions, torch.ones(1, 3).bool(), windows=(5,))[0]
    steps, place = features[0], (torch.arange(20) + 0.5) / 20
    around = [torch.stack([*steps[max(0, i - 2) : i + 3]]).mean(0) for i in range(20)]
    match = steps @ captions[0].T
    raw = [
        steps @ steps.mean(0),
        place,
        torch.stack([place, 1 - place, torch.full((20,), 0.15)]).amin(0),
        torch.stack([step @ mean / mean.norm() for step, mean in zip(steps, around, strict=True)]),
        match.amax(1),
        match.mean(1),
    ]
    for cue, expected in zip(found.T, raw, strict=True):
        standard = (expected - expected.mean()) / (expected.var(unbiased=False) + 1e-6).sqrt()
        torch.testing.assert_close(cue, standard, rtol=1e-3, atol=1e-4)


def test_cues_of_a_video_without_captions_are_0() -> None:
    features = functional.normalize(torch.randn(1, 8, 6), dim=2)
    for captions in (0, 2):
        texts, unheard = torch.zeros(1, captions, 6), torch.zeros(1, captions, dtype=torch.bool)
        found = step_cues(features, torch.ones(1, 8).bool(), texts, unheard, windows=())
        assert not found[:, :, 3:].any()


def test_peaks_stand_above_all_other_steps_in_the_old_order() -> None:
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(40) < torch.tensor([[40], [31], [1]])
    moved = prefer_peaks(logits.masked_fill(~mask, 99.0), mask, 7)
    for row in range(3):
        real = logits[row][mask[row]]
        peak = torch.tensor([value >= real[max(0, place - 3) : place + 4].max() for place, value in enumerate(real)])
        own = moved[row][mask[row]]
        assert peak.any()
        assert torch.equal(own > 0, peak)
        for part in (peak, ~peak):
            assert torch.equal(own[part].argsort(), real[part].argsort())
    assert prefer_peaks(logits, mask, 1) is logits


def make_looks(lengths: tuple[int, ...] = (13, 5, 1), fill: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Values (videos, steps, 1), features (videos, steps, 6), and which steps are real; `fill` in the padding."""
    generator = torch.Generator().manual_seed(3)
    step_mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    values, features = (torch.randn(len(lengths), max(lengths), size, generator=generator) for size in (1, 6))
    padding = ~step_mask.unsqueeze(2)
    return values.masked_fill(padding, fill), features.masked_fill(padding, fill), step_mask


def numpy_alike_mean(values: NDArray[np.float64], features: NDArray[np.float64], gain: float) -> NDArray[np.float64]:
    """The softmax written out, step by step, of one video without padding."""
    found = []
    for step in features:
        cosines = [step @ other / np.linalg.norm(step) / np.linalg.norm(other) for other in features]
        weights = np.exp(gain * np.array(cosines))
        found.append((weights * values).sum() / weights.sum())
    return np.array(found)


@pytest.mark.parametrize("gain", [0.0, 0.5, 5.0, 50.0])
@pytest.mark.parametrize("fill", [0.0, 1e6, float("nan")])
def test_alike_mean_weighs_real_steps_by_a_softmax_of_their_cosines(gain: float, fill: float) -> None:
    values, features, step_mask = make_looks(fill=fill)
    found = alike_mean(values, features, step_mask, gain)
    assert found.shape == values.shape
    for row, real in enumerate(step_mask):
        seen = [each[row, real].double().numpy() for each in (values, features)]
        expected = numpy_alike_mean(seen[0][:, 0], seen[1], gain)
        np.testing.assert_allclose(found[row, real, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("videos", [1, 3])
def test_alike_mean_does_not_depend_on_how_many_steps_are_compared_at_once(
    monkeypatch: pytest.MonkeyPatch, videos: int
) -> None:
    values, features, step_mask = make_looks((11, 11, 11))
    given = (values, features[:videos], step_mask, 3.0)
    whole = alike_mean(*given)
    monkeypatch.setattr(cues, "ROWS_AT_ONCE", 4)
    torch.testing.assert_close(alike_mean(*given), whole)
