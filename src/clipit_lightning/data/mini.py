"""The embedded miniature: small synthetic benchmarks in the layout of the real ones, for machines without data.

It is a designed task, not noise. A world has concepts, each a direction in one embedding space that frames and
captions share, with a base importance that holds in all benchmarks. A video is a chain of events, each showing
one of a few concepts; it is *about* two of them, and its dense captions speak mostly of these. A step matters by its
concept (what one linear layer on the features can learn), by whether the video is about it (what only the captions
tell), and by whether its concept is new in the video (what only the context tells). Twenty or fifteen annotators see
this with tastes and noise of their own. Numbers made on it say that code works, and nothing about real videos: they
are labelled ``mini``. The benchmark with queries is made by ``mini_queries.py``.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini_queries import make_query_videos
from clipit_lightning.data.store import Store, write_store
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import key_shot_summary

SIZES = {"tvsum": 25, "summe": 25, "ovp": 40, "youtube": 40}
"""Videos of each benchmark with annotators in miniature."""
VERSION = "1"
"""Changes when the generated content does; an older miniature is made anew."""

_CONCEPTS, _SIZE, _STRIDE = 16, 64, 15
_ANNOTATORS = {"tvsum": 20, "summe": 15, "ovp": 5, "youtube": 5}
_BASE, _ABOUT, _NEW = 0.5, 1.0, 0.4  # what concept, captions and context add to a step's importance
_GAP = 0.5  # captions lie beside frames in the space, as CLIP's do

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _World:
    directions: Floats  # (concepts, features)
    importance: Floats  # (concepts,)
    gap: Floats  # (features,)
    names: tuple[str, ...]  # of the concepts


def ensure_mini(root: Path) -> Path:
    """Make the miniature's stores under ``root`` unless they are there, and return ``root``.

    Every machine and process makes the same content, and files appear whole, so that processes may do this side by
    side.
    """
    for dataset in SIZES:
        path = root / f"{dataset}.h5"
        if not _is_current(path):
            write_store(path, make_videos(dataset), _attributes(dataset))
    queries = root / "qfvs.h5"
    if not _is_current(queries):
        write_store(queries, make_query_videos(), _attributes("qfvs"))
    return root


def _attributes(dataset: str) -> dict[str, str]:
    return {"dataset": dataset, "features": "mini", "data": "mini", "version": VERSION}


def _is_current(path: Path) -> bool:
    try:
        return path.exists() and Store(path).attributes.get("version") == VERSION and not Store(path).check()
    except UserError:
        return False


def make_videos(dataset: str) -> Iterator[Video]:
    """Generate the videos of one benchmark of the miniature, always the same."""
    world = _make_world()
    seed = int(hashlib.sha256(dataset.encode()).hexdigest()[:8], 16)
    for number in range(1, SIZES[dataset] + 1):
        yield _make_video(world, dataset, f"video_{number}", np.random.default_rng((seed, number)))


def _make_world() -> _World:
    rng = np.random.default_rng(2021)
    directions = np.linalg.qr(rng.normal(size=(_SIZE, _CONCEPTS)))[0].T  # (concepts, features)
    gap = rng.normal(size=_SIZE)
    importance = rng.permutation(np.linspace(-1, 1, _CONCEPTS))
    names = tuple(f"concept {letter}" for letter in "ABCDEFGHIJKLMNOP")
    return _World(directions, importance, _GAP * gap / np.linalg.norm(gap), names)


def _make_video(world: _World, dataset: str, key: str, rng: np.random.Generator) -> Video:
    cast = rng.choice(_CONCEPTS, size=6, replace=False)  # concepts that appear
    about = cast[:2]  # those that the video is about
    lengths = rng.integers(9, 17, size=rng.integers(9, 14))  # (events,) in steps
    shown = _draw_events(cast, len(lengths), rng)  # (events,) concept of each event
    concepts = np.repeat(shown, lengths)  # (steps,)
    new = np.repeat([event == list(shown).index(concept) for event, concept in enumerate(shown)], lengths)
    importance = _BASE * world.importance[concepts] + _ABOUT * np.isin(concepts, about) + _NEW * new  # (steps,)
    picks = np.arange(len(concepts)) * _STRIDE
    n_frames = int(len(concepts) * _STRIDE - rng.integers(0, _STRIDE))
    borders = np.append(0, np.cumsum(lengths)[:-1]) * _STRIDE
    shots = np.stack([borders, np.append(borders[1:], n_frames) - 1], axis=1)
    opinions = _opinions(world, importance, concepts, _ANNOTATORS[dataset], rng)  # (annotators, steps)
    captions, caption_features = _captions(world, cast, about, rng)
    ratings = _ratings(opinions)  # (annotators, steps) from 1 to 5
    rated = dataset == "tvsum"
    cut = [key_shot_summary(each, picks, shots, n_frames) for each in (ratings if rated else opinions - opinions.min())]
    user_summary = np.stack(cut)  # (annotators, frames)
    gtscore = (ratings.mean(axis=0) - 1) / 4 if rated else user_summary[:, picks].mean(axis=0)  # (steps,)
    return Video(
        dataset=dataset,
        key=key,
        features=_frames(world, shown, lengths, rng),
        picks=picks,
        n_frames=n_frames,
        change_points=shots,
        gtscore=gtscore.astype(np.float32),
        gtsummary=key_shot_summary(gtscore, picks, shots, n_frames)[picks].astype(np.float32),
        user_summary=user_summary,
        user_scores=ratings.astype(np.float32) if rated else None,
        captions=captions,
        caption_features=caption_features,
        name=f"mini {dataset} {key}",
    )


def _draw_events(cast: NDArray[np.int64], events: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A concept for each event, never the same twice in a row."""
    shown = [int(rng.choice(cast))]
    while len(shown) < events:
        shown.append(int(rng.choice(cast[cast != shown[-1]])))
    return np.array(shown)


def _frames(
    world: _World, shown: NDArray[np.int64], lengths: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit-norm features: the concept's direction, the event's look and the step's noise, (steps, features)."""
    looks = world.directions[shown] + 0.6 * rng.normal(size=(len(shown), _SIZE)) / np.sqrt(_SIZE)  # (events, features)
    steps = np.repeat(looks, lengths, axis=0)
    steps = steps + 0.6 * rng.normal(size=steps.shape) / np.sqrt(_SIZE)
    unit: NDArray[np.float32] = (steps / np.linalg.norm(steps, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _captions(
    world: _World, cast: NDArray[np.int64], about: NDArray[np.int64], rng: np.random.Generator
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """8 to 12 captions; about a fifth speak of something else that appears."""
    count = int(rng.integers(8, 13))
    told = np.where(rng.random(count) < 0.2, rng.choice(cast[2:], count), rng.choice(about, count))  # (captions,)
    text = world.directions[told] + world.gap + 0.3 * rng.normal(size=(count, _SIZE)) / np.sqrt(_SIZE)
    return (
        tuple(f"The video shows {world.names[concept]}." for concept in told),
        (text / np.linalg.norm(text, axis=1, keepdims=True)).astype(np.float32),
    )


def _opinions(
    world: _World, importance: Floats, concepts: NDArray[np.int64], annotators: int, rng: np.random.Generator
) -> Floats:
    """What each annotator thinks of each step: the importance, a taste for concepts, and noise of 2-second parts."""
    taste = 0.6 * rng.normal(size=(annotators, _CONCEPTS))
    parts = -(-len(concepts) // 4)
    noise = np.repeat(0.6 * rng.normal(size=(annotators, parts)), 4, axis=1)[:, : len(concepts)]
    opinions: Floats = importance + taste[:, concepts] + noise
    return opinions


def _ratings(opinions: Floats) -> Floats:
    """Opinions as whole ratings from 1 to 5, cut at each annotator's own quantiles: most steps are dull."""
    cuts = np.quantile(opinions, [0.4, 0.65, 0.82, 0.93], axis=1)  # (cuts, annotators)
    ratings: Floats = 1.0 + (opinions[None] > cuts[:, :, None]).sum(axis=0)
    return ratings
