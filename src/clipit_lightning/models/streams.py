"""Named streams: where each part of a step's features stands, for scorers that read parts apart."""

from collections.abc import Mapping
from itertools import accumulate


def stream_slices(streams: Mapping[str, int]) -> dict[str, slice]:
    """Columns of each stream by its name.

    >>> stream_slices({"visual": 384, "audio": 64})
    {'visual': slice(0, 384, None), 'audio': slice(384, 448, None)}

    Args:
        streams: Widths by name, as they follow one another.
    """
    ends = accumulate(streams.values())
    return {name: slice(end - width, end) for (name, width), end in zip(streams.items(), ends, strict=True)}
