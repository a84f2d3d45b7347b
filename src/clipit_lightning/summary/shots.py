"""Kernel temporal segmentation: shots for a video that comes without them.

Potapov et al., "Category-specific video summarization" (ECCV 2014), with a linear kernel on unit-norm features and a
fixed number of segments instead of the penalty: of all ways to cut the video, the one of least within-segment variance.
``segment_exact`` finds it for videos of up to ``EXACT_STEPS`` steps, ``segment_long`` comes close for longer ones.
"""

import heapq
import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_SHOT = 150
"""The official SumMe file has ceil(n_frames / 150) shots on all of its 25 videos; we follow that count."""

EXACT_STEPS = 2000
"""Longest video that is cut exactly: 16 minutes at 2 fps. Here the tables of all segments take 150 MB and the cut a
second; both grow with the square of the steps, the time once more with the number of segments."""

LONGEST_SEGMENT = 256
"""Longest segment that ``segment_long`` tries, in grid cells: two minutes at 2 fps, where the rule of 150 frames gives
shots of 5 to 6 seconds on average. Time and memory grow in proportion."""

CELLS_PER_SEGMENT = 16
"""Grid cells an average segment that ``segment_long`` keeps: cells hold several steps only where segments are long."""

_ENDS_AT_ONCE = 64  # ends that the exact programme treats in one call, so that sums stay in the processor's cache
_PENALTIES = 16  # penalties that one pass over a long video tries at once
_PASSES = 14  # passes at most: 17 ** 14 leaves two penalties apart by less than rounding


def change_points(features: NDArray[np.floating], picks: NDArray[np.integer], n_frames: int) -> NDArray[np.int32]:
    """Shots of a video by kernel temporal segmentation, ceil(n_frames / 150) of them.

    Args:
        features: Frame features of the steps, (steps, features).
        picks: Frame number of each step, (steps,).
        n_frames: Number of frames of the video.

    Returns:
        First and last frame of each shot, inclusive, covering the video without gaps, (shots, 2).
    """
    first = np.asarray(picks)[segment(features, math.ceil(n_frames / FRAMES_PER_SHOT))].astype(np.int32)
    first[0] = 0  # the first shot starts with the video, also where the first step does not
    last = np.append(first[1:] - 1, n_frames - 1).astype(np.int32)
    return np.stack([first, last], axis=1)


def segment(features: NDArray[np.floating], n_segments: int) -> NDArray[np.int64]:
    """Split steps into a number of segments: exactly up to ``EXACT_STEPS`` steps, by ``segment_long`` above.

    Args:
        features: One row a step, (steps, features).
        n_segments: Number of segments, at least 1; at most one a step is made.

    Returns:
        First step of each segment, increasing, starting with 0, (segments,).

    Example:
        >>> segment(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]), n_segments=2).tolist()
        [0, 2]
    """
    return (segment_exact if len(features) <= EXACT_STEPS else segment_long)(features, n_segments)


def segment_exact(features: NDArray[np.floating], n_segments: int) -> NDArray[np.int64]:
    """Split steps into segments of least within-segment variance; arguments and result as in ``segment``.

    Dynamic programming over the kernel's cumulative sums: O(segments * steps^2) time, O(steps^2) memory.
    """
    steps = len(features)
    n_segments = max(1, min(n_segments, steps))
    costs = np.ascontiguousarray(_segment_costs(*_cells(features, 1)).T)  # (ends, starts), steps + 1 each
    best = costs[:, 0].copy()  # (ends,) least cost of the first t steps in the segments so far
    starts = np.zeros((n_segments, steps + 1), dtype=np.int32)
    room = np.empty(_ENDS_AT_ONCE * (steps + 1))
    for done in range(1, n_segments):
        longer = np.full(steps + 1, np.inf)
        for low in range(done + 1, steps + 1, _ENDS_AT_ONCE):
            high = min(low + _ENDS_AT_ONCE, steps + 1)
            # The last segment starts at `done` at the earliest and before the last end of this batch.
            total = room[: (high - low) * (high - done)].reshape(high - low, high - done)
            np.add(best[done:high], costs[low:high, done:high], out=total)
            chosen = total.argmin(axis=1)
            starts[done, low:high] = chosen + done
            longer[low:high] = total[np.arange(high - low), chosen]
        best = longer
    borders = [steps]
    for done in range(n_segments - 1, 0, -1):
        borders.append(int(starts[done, borders[-1]]))
    return np.array([0, *sorted(borders[1:])], dtype=np.int64)


def segment_long(features: NDArray[np.floating], n_segments: int) -> NDArray[np.int64]:
    """Split the steps of a long video into segments of little within-segment variance, in bounded time and memory.

    Steps are grouped into cells of ``max(1, steps // (16 * n_segments))``, a single step where shots have up to 31
    steps on average. Segments have at most ``LONGEST_SEGMENT`` cells. Instead of counting segments, each costs a
    penalty, which is searched until the number comes out. What this guarantees:

    - the number of segments is the one that was asked for, as in ``segment_exact``;
    - with cells of one step, where a penalty gives that number, no other way to cut the video into as many segments
      of at most 256 steps has less variance: the result equals the exact one where that has no longer segment;
    - where the number lies between those of neighbouring penalties, the cut with fewer segments takes over parts of
      the other, and after that splits the segments that gain most;
    - with cells of several steps, borders then move by less than a cell while that lowers the variance.

    O(steps * 256) memory and time for each penalty; arguments and result as in ``segment``.
    """
    steps = len(features)
    n_segments = max(1, min(n_segments, steps))
    size = max(1, steps // (CELLS_PER_SEGMENT * n_segments))
    band = _banded_costs(features, size)  # (cells, LONGEST_SEGMENT)
    fewer, more = _bracket(band, n_segments)
    borders = _fill(band, _take_over(fewer, more, n_segments), n_segments)
    return _refine(features, borders * size, size)[:-1]


def _cells(
    features: NDArray[np.floating], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Sums of unit-norm features and of their squared norms, and numbers of steps, of cells of ``size`` steps."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.asarray(features, dtype=np.float64) / np.maximum(norms, 1e-12)  # (steps, features)
    squares = (unit**2).sum(axis=1)  # (steps,)
    first = np.arange(0, len(unit), size)
    counts = np.diff(first, append=len(unit))
    return np.add.reduceat(unit, first, axis=0), np.add.reduceat(squares, first), counts


def _segment_costs(
    sums: NDArray[np.float64], squares: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Variance times length of the cells ``[i, j)``; infinite where ``j <= i``, (cells + 1, cells + 1)."""
    cells = len(sums)
    kernel = np.zeros((cells + 1, cells + 1))
    kernel[1:, 1:] = (sums @ sums.T).cumsum(axis=0).cumsum(axis=1)
    corner = np.diag(kernel)
    block = corner[None, :] - kernel
    block -= kernel.T
    block += corner[:, None]  # sum of the kernel over [i, j) x [i, j)
    ends = np.concatenate([[0], np.cumsum(counts)])  # (cells + 1,)
    length = ends[None, :] - ends[:, None]
    block /= np.maximum(length, 1)
    diagonal = np.concatenate([[0.0], np.cumsum(squares)])  # (cells + 1,)
    costs: NDArray[np.float64] = np.subtract(diagonal[None, :] - diagonal[:, None], block, out=block)
    costs[length <= 0] = np.inf
    return costs


def _banded_costs(features: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Costs of segments of at most 256 cells, (cells, 256): row ``e`` ends with cell ``e``, column ``k`` has 256-k."""
    cells, width = math.ceil(len(features) / size), LONGEST_SEGMENT
    band = np.empty((cells, width))
    for low in range(0, cells, width):  # ends low + 1 to high, starts from one width before
        high, base = min(low + width, cells), max(0, low - width)
        costs = _segment_costs(*_cells(features[base * size : high * size], size))
        ends = np.arange(low + 1, high + 1)[:, None]
        starts = ends - width + np.arange(width)
        # Starts before the video get the cost from its first cell; nothing can precede them, so none is ever chosen.
        band[low:high] = costs[np.maximum(starts - base, 0), ends - base]
    return band


def _bracket(band: NDArray[np.float64], n_segments: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Best cuts under two neighbouring penalties: at most, and at least, ``n_segments`` segments; as borders."""
    fewer, more = np.array([0, len(band)]), np.arange(len(band) + 1)  # no penalty: each cell alone, without variance
    low, high = 0.0, float(band.max()) + 1  # no segment of the band is split at this price
    for _ in range(_PASSES):
        penalties = np.linspace(low, high, _PENALTIES + 1)[1:]  # `high` itself is tried too: its cut is needed
        for penalty, borders in zip(penalties, _penalised(band, penalties), strict=True):
            if len(borders) - 1 < n_segments:
                fewer, high = borders, float(penalty)
                break
            more, low = borders, float(penalty)
        if len(more) - 1 == n_segments:
            return more, more
        if high - low <= 1e-15 * high:
            break
    return fewer, more


def _penalised(band: NDArray[np.float64], penalties: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    """Borders, 0 and the number of cells included, of the cut of least cost plus penalty a segment, each penalty."""
    cells, width = band.shape
    best = np.full((len(penalties), width + cells + 1), np.inf)  # a width of nothing stands before the video
    best[:, width] = 0
    chosen = np.zeros((len(penalties), cells), dtype=np.int16)
    total = np.empty((len(penalties), width))
    row = np.arange(len(penalties))
    for end in range(cells):
        np.add(best[:, end + 1 : end + 1 + width], band[end], out=total)
        at = total.argmin(axis=1)
        chosen[:, end] = at
        best[:, width + end + 1] = total[row, at] + penalties
    for columns in chosen.tolist():
        borders = [cells]
        while borders[-1]:
            borders.append(borders[-1] - width + columns[borders[-1] - 1])
        yield np.array(borders[::-1], dtype=np.int64)


def _take_over(fewer: NDArray[np.int64], more: NDArray[np.int64], n_segments: int) -> NDArray[np.int64]:
    """The cut with fewer segments, with parts of the other between common borders, as long as there is room for them.

    At the penalty at which both are best, each such part costs the same in either cut, so that the mixture is best too.
    """
    common = np.intersect1d(fewer, more)
    added = np.diff(np.searchsorted(more, common)) - np.diff(np.searchsorted(fewer, common))  # (parts,)
    taken, room = np.zeros(len(common), dtype=bool), n_segments - (len(fewer) - 1)
    for part in np.flatnonzero(added > 0):
        taken[part] = added[part] <= room
        room -= int(added[part]) if taken[part] else 0
    kept = fewer[~taken[np.searchsorted(common, fewer, side="right") - 1]]
    new = more[taken[np.searchsorted(common, more, side="right") - 1]]
    return np.unique(np.concatenate([common, kept, new]))


def _fill(band: NDArray[np.float64], borders: NDArray[np.int64], n_segments: int) -> NDArray[np.int64]:
    """Split the segments whose best split gains most until there are ``n_segments``."""
    width, cuts = band.shape[1], borders.tolist()

    def best_split(start: int, end: int) -> tuple[float, int, int, int]:
        middle = np.arange(start + 1, end)
        costs = band[middle - 1, start - middle + width] + band[end - 1, middle - end + width]
        at = int(costs.argmin())
        return float(costs[at] - band[end - 1, start - end + width]), start, start + 1 + at, end

    waiting = [best_split(*pair) for pair in itertools.pairwise(cuts) if pair[1] - pair[0] > 1]
    heapq.heapify(waiting)
    while len(cuts) - 1 < n_segments:
        _, start, middle, end = heapq.heappop(waiting)
        cuts.append(middle)
        for pair in ((start, middle), (middle, end)):
            if pair[1] - pair[0] > 1:
                heapq.heappush(waiting, best_split(*pair))
    return np.array(sorted(cuts), dtype=np.int64)


def _refine(features: NDArray[np.floating], borders: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Move each border, in turn, to the step within a cell of it that is best between its neighbours."""
    refined = borders.copy()
    refined[-1] = len(features)
    for index in range(1, len(refined) - 1) if size > 1 else ():
        before, after = int(refined[index - 1]), int(refined[index + 1])
        unit, _, _ = _cells(features[before:after], 1)
        sums = unit.cumsum(axis=0)  # (steps of both segments, features)
        middle = np.arange(max(refined[index] - size, before) + 1, min(refined[index] + size, after))
        left = sums[middle - before - 1]  # (candidates, features)
        kept = (left**2).sum(axis=1) / (middle - before) + ((sums[-1] - left) ** 2).sum(axis=1) / (after - middle)
        refined[index] = middle[kept.argmax()]  # the squares' sum is the same for all: the variance is what is not kept
    return refined
