"""Named streams: which columns of a store's features are what they show, what they sound like, how they move.

A store's file attribute ``streams`` says it as ``visual:384, audio:64, motion:32``. Widths sum to the features of a
step. Each stream beside ``visual`` ends with a mask column: 1 where the step has it, 0 where it is missing, and then
all its columns are 0.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

VISUAL = "visual"
"""The stream that every step has; it has no mask column."""

_STREAM = re.compile(r"([a-z][a-z0-9_]{0,39}):([1-9][0-9]{0,6})")
_EXAMPLE = "visual:384, audio:64"


def parse_streams(text: str) -> dict[str, int]:
    """Read the widths of streams by name, in order, from ``visual:384, audio:64``; none from an empty text.

    Raises:
        ValueError: It is no such text, names a stream twice, or not what is seen; one line.
    """
    streams: dict[str, int] = {}
    for word in text.split(",") if text else ():
        match = _STREAM.fullmatch(word.strip())
        if match is None:
            raise ValueError(f"streams is {text[:80]!r}; write names and widths, such as {_EXAMPLE}")
        if match[1] in streams:
            raise ValueError(f"streams names {match[1]} twice; write names and widths, such as {_EXAMPLE}")
        streams[match[1]] = int(match[2])
    if streams and VISUAL not in streams:
        raise ValueError(f"streams is {text[:80]!r}, without {VISUAL}; write names and widths, such as {_EXAMPLE}")
    return streams


def format_streams(streams: Mapping[str, int]) -> str:
    """Widths of streams by name as a store's attribute has them."""
    return ", ".join(f"{name}:{width}" for name, width in streams.items())


def mask_problems(streams: Mapping[str, int], features: NDArray[Any]) -> Iterator[str]:
    """What is wrong with the masks of a video's streams beside what is seen, in plain words.

    Args:
        streams: Widths of all streams by name; where their sum is not that of the features, nothing is said.
        features: Features of the steps, (steps, features).
    """
    if sum(streams.values()) != features.shape[1]:
        return
    ends = dict(zip(streams, np.cumsum(list(streams.values())).tolist(), strict=True))
    for name in (name for name in streams if name != VISUAL):
        if problem := _mask_problem(features[:, ends[name] - streams[name] : ends[name]]):  # (steps, width)
            yield f"stream {name}: {problem}"


def _mask_problem(columns: NDArray[np.floating]) -> str:
    mask = columns[:, -1]  # (steps,)
    if ((mask != 0) & (mask != 1)).any():
        return "its last column is not 1 where it is there and 0 where it is missing"
    if columns[mask == 0].any():
        return "is not 0 where its last column says that it is missing"
    return ""
