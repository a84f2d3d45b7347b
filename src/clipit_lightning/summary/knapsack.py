"""The exact 0/1 knapsack that the key-shot protocols of the field solve, and the greedy rule in its stead."""

import numpy as np
from numpy.typing import NDArray


def knapsack(values: NDArray[np.floating], weights: NDArray[np.integer], capacity: int) -> NDArray[np.bool_]:
    """Choose the items of the highest total value whose total weight is within the capacity.

    Dynamic programming over capacities, one vectorised row an item; the decisions are kept as bits, so that a
    10-hour video (6,700 shots, capacity 150,000) takes 125 MB. Items of value 0 or less are never chosen.

    Args:
        values: Value of each item, (items,).
        weights: Weight of each item, at least 1, (items,).
        capacity: Largest total weight; 0 or less chooses nothing.

    Returns:
        True for the chosen items, (items,).

    Raises:
        ValueError: Shapes differ, a value is not finite, or a weight is below 1.

    Example:
        >>> knapsack(np.array([60.0, 100.0, 120.0]), np.array([10, 20, 30]), capacity=50).tolist()
        [False, True, True]
    """
    values, weights = _checked(values, weights)
    chosen = np.zeros(len(values), dtype=np.bool_)
    capacity = min(int(capacity), int(weights.sum()))
    if capacity <= 0:
        return chosen
    # best[c]: highest value within capacity c. An item is taken only where it strictly improves.
    best = np.zeros(capacity + 1)
    decisions: list[NDArray[np.uint8] | None] = []
    for value, weight in zip(values, weights, strict=True):
        if value <= 0 or weight > capacity:
            decisions.append(None)
            continue
        candidate = best[: capacity + 1 - weight] + value
        better = candidate > best[weight:]
        best[weight:] = np.where(better, candidate, best[weight:])
        decisions.append(np.packbits(better))  # bit c - weight
    left = capacity
    for item in range(len(values) - 1, -1, -1):
        bits = decisions[item]
        at = left - int(weights[item])
        if bits is not None and at >= 0 and (int(bits[at >> 3]) >> (7 - (at & 7))) & 1:
            chosen[item] = True
            left = at
    return chosen


def greedy(values: NDArray[np.floating], weights: NDArray[np.integer], capacity: int) -> NDArray[np.bool_]:
    """Choose items one after the other by value per weight, each that still fits.

    An item too heavy for what is left is passed over and lighter ones after it may still be taken. Of items with equal
    value per weight the earlier comes first. Items of value 0 or less are never chosen, as in the exact knapsack.

    Args:
        values: Value of each item, (items,).
        weights: Weight of each item, at least 1, (items,).
        capacity: Largest total weight; 0 or less chooses nothing.

    Returns:
        True for the chosen items, (items,).

    Raises:
        ValueError: Shapes differ, a value is not finite, or a weight is below 1.
    """
    values, weights = _checked(values, weights)
    chosen = np.zeros(len(values), dtype=np.bool_)
    left = int(capacity)
    for item in np.argsort(-values / weights, kind="stable"):  # stable: ties keep their order
        if values[item] > 0 and weights[item] <= left:
            chosen[item] = True
            left -= int(weights[item])
    return chosen


def _checked(
    values: NDArray[np.floating], weights: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    exact, whole = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.int64)
    if exact.shape != whole.shape or exact.ndim != 1:
        raise ValueError(f"values {exact.shape} and weights {whole.shape} must be one-dimensional and equal")
    if not np.isfinite(exact).all() or (whole < 1).any():
        raise ValueError("values must be finite and weights at least 1")
    return exact, whole
