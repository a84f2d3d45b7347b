"""The exact 0/1 knapsack that every key-shot protocol of the field solves."""

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
    """
    values = np.asarray(values, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.int64)
    if values.shape != weights.shape or values.ndim != 1:
        raise ValueError(f"values {values.shape} and weights {weights.shape} must be one-dimensional and equal")
    if not np.isfinite(values).all() or (weights < 1).any():
        raise ValueError("values must be finite and weights at least 1")
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
