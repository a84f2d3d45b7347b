"""TriPSS: key frames of a video by colour, structure and meaning, without training.

Cakmak, Agarwal, Poudel, MA-LLM 2025, arXiv 2506.05395. Read were its abstract and a public copy of its code
(github.com/hein-nkhh/tri-modal-keyframe-extraction, 1a77835). What differs here is said where it stands.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COMPONENTS = 512
"""Principal components of the fused features."""
SIZES = (3, 4, 5)
"""Smallest clusters, and neighbours that make a step dense, of which the best pair is taken."""
LONGEST = 2048
"""Steps that are clustered at once: a longer video is divided evenly, so that memory does not grow with its square."""

Rows = NDArray[np.float64]


class Choice(NamedTuple):
    """The key frames of a video, as positions of steps."""

    steps: NDArray[np.int64]
    """Chosen steps, ascending, (chosen,)."""
    labels: NDArray[np.int64]
    """The cluster of each step, from 0 on, or -1 where it is in none, (steps,)."""


def key_steps(
    modalities: Sequence[NDArray[np.floating]],
    good: NDArray[np.bool_] | None = None,
    alike: Callable[[int, int], bool] | None = None,
    count: int | None = None,
    components: int = COMPONENTS,
) -> Choice:
    """Choose the key steps of a video: the middle step of every cluster, if it is good and no near duplicate.

    Each feature is standardised over the video, modalities are put behind one another, and their principal components
    clustered (HDBSCAN). The key step of a cluster is its medoid, the one with the least total distance to the others;
    clusters take their turn by size. Where there is no cluster, the video is one.

    The code standardises and decomposes over all videos of a benchmark, so that there are 512 components; here over
    one video, so that no other changes its choice. A cluster whose medoid is not good has no key frame there; here its
    best good one. If no step is good, all count as good.

    Args:
        modalities: Features of the steps, each (steps, features).
        good: Whether a step may be chosen, (steps,).
        alike: Whether two steps are near duplicates; without it none are.
        count: So many key steps: the largest clusters', and where those are fewer, one after another the step that is
            least like all chosen ones, first of those that stand apart from them (ours). Fewer where no good step is
            left that looks different.
        components: Principal components that are kept.

    Raises:
        ValueError: There is no modality, or no step, or numbers of steps differ.
    """
    if len({len(rows) for rows in modalities}) != 1 or not len(modalities[0]):
        raise ValueError(f"modalities of {[len(rows) for rows in modalities]} steps; each has the same, at least 1")
    fused = np.concatenate([standardised(rows) for rows in modalities], axis=1)  # (steps, features)
    usable = np.ones(len(fused), np.bool_) if good is None or not good.any() else good
    candidates, labels = list[tuple[int, int]](), np.full(len(fused), -1, np.int64)
    for part in _stretches(len(fused)):
        distances = distances_of(principal(fused[part], components))
        found = clusters(distances)
        labels[part] = np.where(found < 0, -1, found + labels.max() + 1)
        for label in range(found.max() + 1):
            inside = np.flatnonzero(found == label)
            allowed = usable[part][inside]
            if allowed.any():
                totals = distances[np.ix_(inside, inside)].sum(axis=1)
                candidates.append((len(inside), part.start + int(inside[np.where(allowed, totals, np.inf).argmin()])))
    chosen = list[int]()

    def is_new(step: int) -> bool:
        return alike is None or not any(alike(step, other) for other in chosen)

    for _, step in sorted(candidates, key=lambda candidate: (-candidate[0], candidate[1])):
        if (count is None or len(chosen) < count) and is_new(step):
            chosen.append(step)
    if count is not None and len(chosen) < count:
        _add_farthest(chosen, fused, usable, is_new, count)
    return Choice(np.array(sorted(chosen), np.int64), labels)


def caption_at(starts: NDArray[np.floating], times: NDArray[np.number]) -> NDArray[np.int64]:
    """The caption that holds at each time, (times,): the last that has begun, before all of them the first.

    Captions begin at ``starts``, ascending, (captions,), in the unit of the times.
    """
    begun: NDArray[np.int64] = np.searchsorted(starts, times, side="right") - 1
    return np.maximum(begun, 0)


def standardised(rows: NDArray[np.floating]) -> Rows:
    """Every feature with mean 0 and deviation 1 over the steps, (steps, features); one that is constant becomes 0."""
    rows = np.asarray(rows, np.float64)
    centred = rows - rows.mean(axis=0)
    deviation = rows.std(axis=0)  # (features,)
    constant = deviation <= 1e-9 * np.abs(rows).max(axis=0, initial=0.0)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))


def principal(rows: Rows, components: int) -> Rows:
    """The first principal components of rows, (steps, components), up to their signs; all where there are no more."""
    centred: Rows = rows - rows.mean(axis=0)
    if min(centred.shape) <= components:
        return centred  # turning them changes no distance
    if len(centred) < centred.shape[1]:
        values, vectors = np.linalg.eigh(centred @ centred.T)  # ascending
        scaled: Rows = vectors[:, -components:] * np.sqrt(np.maximum(values[-components:], 0))
        return scaled
    projected: Rows = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -components:]
    return projected


def distances_of(rows: Rows) -> Rows:
    """Euclidean distances of all pairs of rows, (steps, steps), symmetric, exactly 0 between equal rows."""
    squares = (rows**2).sum(axis=1)  # (steps,)
    between: Rows = squares[:, None] + squares[None] - 2 * rows @ rows.T
    between[between < 1e-12 * max(float(squares.max()), 1e-300)] = 0.0  # rounding of equal rows
    between = np.sqrt(between)
    between = (between + between.T) / 2
    np.fill_diagonal(between, 0.0)
    return between


def clusters(distances: Rows) -> NDArray[np.int64]:
    """The cluster of each step by HDBSCAN, from 0 on, or -1, (steps,), of distances, (steps, steps).

    Of the settings in ``SIZES`` the one whose clusters are most valid is taken, the first of equal ones. The library
    of the code does not count a step among its own neighbours, scikit-learn does, so that here it is one more.
    """
    from sklearn.cluster import HDBSCAN  # takes a second to import

    best, labels = -np.inf, np.zeros(len(distances), np.int64)
    if not distances.any():
        return labels
    for size in (size for size in SIZES if size <= len(distances)):
        for neighbours in SIZES:
            model = HDBSCAN(size, min(neighbours + 1, len(distances)), metric="precomputed", copy=True)
            found = model.fit_predict(distances)
            validity = density_validity(distances, found, size)
            if validity > best:
                best, labels = validity, found.astype(np.int64)
    return labels


def density_validity(distances: Rows, labels: NDArray[np.integer], size: int) -> float:
    """How much denser clusters are than what parts them, at most 1; minus infinity where there is no cluster.

    As the code computes it, a simple form of DBCV (Moulavi et al., SDM 2014). With the distance by which both steps
    reach each other and their ``size`` - 1 nearest, a cluster has (separation - sparseness) / separation: the least
    distance to a step outside, and the mean edge of its spanning tree. The mean over clusters, by their size.
    """
    core = np.partition(distances, size - 1, axis=1)[:, size - 1]  # (steps,)
    sizes, values = list[int](), list[float]()
    for label in range(int(labels.max()) + 1):
        inside, outside = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        reach = np.maximum(distances[np.ix_(inside, inside)], np.maximum(core[inside, None], core[inside]))
        edges = spanning_edges(reach)
        sparseness = edges[edges > 0].mean() if (edges > 0).any() else 0.0
        if len(outside):
            beyond = np.maximum(distances[np.ix_(inside, outside)], np.maximum(core[inside, None], core[outside]))
            separation = beyond.min()
        else:
            separation = reach.max()
        sizes.append(len(inside))
        values.append(float((separation - sparseness) / separation) if separation > 0 else -1.0)
    return float(np.average(values, weights=sizes)) if sizes else -np.inf


def spanning_edges(distances: Rows) -> Rows:
    """Lengths of the edges of a minimum spanning tree, (steps - 1,), by Prim's algorithm."""
    nearest, left = distances[0].copy(), np.ones(len(distances), np.bool_)
    left[0], edges = False, np.empty(len(distances) - 1)
    for number in range(len(edges)):
        step = int(np.where(left, nearest, np.inf).argmin())
        edges[number], left[step] = nearest[step], False
        nearest = np.minimum(nearest, distances[step])
    return edges


def _stretches(steps: int) -> Iterator[slice]:
    """Equal parts of so many steps, none longer than ``LONGEST``."""
    count = -(-steps // LONGEST)
    borders = [number * steps // count for number in range(count + 1)]
    return (slice(start, stop) for start, stop in pairwise(borders))


def _add_farthest(
    chosen: list[int], fused: Rows, usable: NDArray[np.bool_], is_new: Callable[[int], bool], count: int
) -> None:
    """Add steps until there are ``count`` or none is left: always the farthest from those chosen.

    Steps within a quarter of an even spread around a chosen one wait until no others are left.
    """
    left, waits, around = usable.copy(), np.zeros(len(fused), np.bool_), len(fused) // (4 * count)
    squares = (fused**2).sum(axis=1)  # (steps,)
    near = np.full(len(fused), np.inf)  # squared distance to the nearest chosen step

    def take(step: int) -> None:
        nonlocal near
        near = np.minimum(near, squares + squares[step] - 2 * fused @ fused[step])
        waits[max(0, step - around) : step + around + 1] = True

    for step in chosen:
        left[step] = False
        take(step)
    while len(chosen) < count and left.any():
        allowed = left & ~waits if (left & ~waits).any() else left
        step = int(np.where(allowed, near, -np.inf).argmax())
        left[step] = False
        if is_new(step):
            chosen.append(step)
            take(step)
