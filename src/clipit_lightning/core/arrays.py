"""Numbers as users hold them, as arrays: lists, arrays of numpy, tensors of PyTorch."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_array(values: ArrayLike) -> NDArray[Any]:
    """An array of a list, an array, or a tensor of PyTorch, on any device and with or without a gradient."""
    plain: Any = values
    if hasattr(plain, "detach"):  # torch itself is not imported for this
        plain = plain.detach().cpu()
        if str(plain.dtype) == "torch.bfloat16":  # which numpy does not have
            plain = plain.float()
    return np.asarray(plain)


def whole(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Whole numbers, such as frame numbers, which other programs may keep as floats.

    Raises:
        ValueError: A value is none; the message is one line and has their ``name``.
    """
    array = as_array(values)
    if array.dtype.kind not in "iuf" or not (np.isfinite(array) & (array == np.floor(array))).all():
        raise ValueError(f"{name} must be whole numbers")
    return array.astype(np.int64, copy=False)


def row_and_rows(row: ArrayLike, rows: ArrayLike, what: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """One row, (values,), and those of annotators beside it, (values,) or (annotators, values), as arrays.

    Returns:
        (values,) and (annotators, values).

    Raises:
        ValueError: They are no rows of numbers, differ in length, or nobody stands beside; ``what`` names the values of
            the first.
    """
    one, others = as_array(row), np.atleast_2d(as_array(rows))
    if one.ndim != 1 or others.ndim != 2:
        shapes = f"{what} have shape {one.shape}, the values of annotators {others.shape}"
        raise ValueError(f"{shapes}; (values,) and (annotators, values) are needed")
    if len(one) != others.shape[1]:
        raise ValueError(f"{len(one)} {what}, but {others.shape[1]} values of each annotator")
    if not len(others):
        raise ValueError("there is no annotator")
    if one.dtype.kind not in "biuf" or others.dtype.kind not in "biuf":
        raise ValueError(f"{what} and the values of annotators must be numbers, not {one.dtype} and {others.dtype}")
    return one, others


def spread(available: int, wanted: int) -> list[int]:
    """Positions of at most ``wanted`` of so many in a row, evenly over it, first and last included."""
    if wanted == 1 < available:
        return [available // 2]
    return [round(position) for position in np.linspace(0, available - 1, min(available, wanted))]
