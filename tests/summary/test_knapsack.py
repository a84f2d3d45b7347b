import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from clipit_lightning.summary.knapsack import knapsack


def best_value(values, weights, capacity):
    """Highest value that branch and bound finds (HiGHS)."""
    within = LinearConstraint(weights[None], ub=capacity)
    ones = np.ones(len(values))
    solved = milp(-values, integrality=ones, bounds=Bounds(0, 1), constraints=within, options={"mip_rel_gap": 0})
    return -solved.fun


@pytest.mark.slow
def test_reaches_the_value_of_an_exact_integer_program_within_the_capacity():
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        items = int(rng.integers(1, 25))
        values = np.round(rng.random(items), int(rng.integers(0, 8)))  # rounding makes ties and zeros
        values -= rng.choice([0, 0.3])
        weights = rng.integers(1, rng.choice([3, 12, 300]), items)
        capacity = int(rng.integers(0, weights.sum() + 3))
        chosen = knapsack(values, weights, capacity)
        assert weights[chosen].sum() <= capacity, seed
        assert values[chosen].sum() == pytest.approx(best_value(values, weights, capacity), abs=1e-9), seed


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
