import itertools

import numpy as np
import pytest

from clipit_lightning.summary.knapsack import knapsack


def best_value(values, weights, capacity):
    subsets = itertools.product((0, 1), repeat=len(values))
    return max(np.dot(values, subset) for subset in subsets if np.dot(weights, subset) <= capacity)


@pytest.mark.parametrize("seed", range(60))
def test_reaches_the_best_value_of_all_subsets_within_the_capacity(seed):
    rng = np.random.default_rng(seed)
    items = int(rng.integers(1, 10))
    values = np.round(rng.random(items), int(rng.integers(0, 4)))  # rounding makes ties and zeros
    weights = rng.integers(1, 12, items)
    capacity = int(rng.integers(0, 40))
    chosen = knapsack(values, weights, capacity)
    assert weights[chosen].sum() <= capacity
    assert values[chosen].sum() == pytest.approx(best_value(values, weights, capacity), abs=1e-12)


def test_chooses_nothing_without_capacity_or_value():
    assert not knapsack(np.array([1.0, 2.0]), np.array([3, 4]), 2).any()
    assert not knapsack(np.array([1.0]), np.array([1]), -5).any()
    assert not knapsack(np.array([0.0, -1.0]), np.array([1, 1]), 5).any()
    assert knapsack(np.empty(0), np.empty(0, int), 5).shape == (0,)


@pytest.mark.parametrize(
    ("value", "weights", "said"), [(np.nan, [1], "finite"), (1.0, [0], "at least 1"), (1.0, [1, 2], "equal")]
)
def test_refuses_nan_and_zero_weights(value, weights, said):
    with pytest.raises(ValueError, match=said):
        knapsack(np.array([value]), np.array(weights), 1)
