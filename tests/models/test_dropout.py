"""Dropout by random bytes: how much is dropped, what is kept, and whose chance it is."""

import pytest
import torch

from clipit_lightning.models.dropout import Dropout

COUNT = 400_001  # not a multiple of the eight bytes that are drawn at once


@pytest.mark.parametrize(("probability", "rounded"), [(0.5, 0.5), (0.1, 26 / 256), (0.999, 255 / 256)])
def test_a_share_is_dropped_and_the_mean_stays(probability, rounded):
    torch.manual_seed(0)
    values = Dropout(probability)(torch.ones(COUNT))
    deviation = (rounded * (1 - rounded) / COUNT) ** 0.5
    assert (values == 0).double().mean().item() == pytest.approx(rounded, abs=4 * deviation)
    torch.testing.assert_close(values[values > 0].unique(), torch.tensor([1 / (1 - rounded)]))
    assert rounded == pytest.approx(probability, abs=1 / 256)


@pytest.mark.parametrize("shape", [(), (3,), (2, 5, 7)])
def test_chance_is_that_of_torch_and_the_gradient_is_the_mask(shape):
    dropout, values = Dropout(0.5), torch.ones(shape, requires_grad=True)
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(dropout(values))
    assert torch.equal(masks[0], masks[1])
    assert len(shape) < 3 or not torch.equal(masks[0], masks[2])
    masks[0].sum().backward()
    assert torch.equal(values.grad, masks[0])
    assert masks[0].shape == shape


def test_neighbours_and_calls_are_independent():
    torch.manual_seed(0)
    first, second = ((Dropout(0.5)(torch.ones(COUNT)) > 0).double() for _ in range(2))
    for shift in (1, 2, 4, 8):
        assert torch.corrcoef(torch.stack([first[shift:], first[:-shift]]))[0, 1].abs() < 0.01
    assert torch.corrcoef(torch.stack([first, second]))[0, 1].abs() < 0.01


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_nothing_is_dropped_for_0_or_when_it_does_not_train(probability):
    values = torch.ones(1000)
    assert Dropout(probability).train(probability == 0)(values) is values


@pytest.mark.parametrize("probability", [-0.1, 1.0, float("nan")])
def test_a_probability_is_at_least_0_and_below_1(probability):
    with pytest.raises(ValueError, match=rf"dropout \({probability}\) must be at least 0 and below 1"):
        Dropout(probability)
