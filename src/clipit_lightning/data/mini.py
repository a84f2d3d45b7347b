"""The embedded miniature: small synthetic benchmarks in the layout of the real ones, for machines without data.

It is a designed task, not noise. A world has concepts, each a direction in one embedding space that frames and
captions share, with a base importance. A video is a chain of events, each showing one concept; it is *about* two, and
its dense captions speak mostly of these. A step matters by its concept (what one linear layer on the features can
learn), by whether the video is about it (what only the captions tell), and by whether its concept is new in the video
(what only the context tells). Annotators see this with tastes and noise of their own. Numbers made on it say that code
works, and nothing about real videos: they are labelled ``mini``.

With queries, each event shows one to three concepts in every shot, with a few shots that lose one. A query is two
concepts that appear. Its oracle summary has one shot of each event that shows one of them, events with both first,
until it is full. So a scorer must know what the query asks for (what chance and a scorer without language cannot), and
must not take neighbours that show the same.

With scripts, see ``mini_scripts.py``; with one curve and official parts, ``mini_replayed.py``.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini_replayed import STREAMS, make_replayed_videos
from clipit_lightning.data.mini_scripts import make_script_videos
from clipit_lightning.data.qfvs_annotations import VIDEOS
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import Videos, write_store
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import select_shots

SIZES = {"tvsum": 25, "summe": 25, "ovp": 40, "youtube": 40}
"""Videos of each benchmark with annotators in miniature."""
VERSION = "2"
"""Changes when the generated content does; an older miniature is made anew."""

_LETTERS = "ABCDEFGHIJKLMNOP"
_CONCEPTS, _SIZE, _STRIDE = len(_LETTERS), 64, 15
_ANNOTATORS = {"tvsum": 20, "summe": 15, "ovp": 5, "youtube": 5}
_BASE, _ABOUT, _NEW = 0.5, 1.0, 0.4  # what concept, captions and context add to a step's importance
# Of the benchmark with queries: size of features, queries of a video, its shots, and those of an oracle summary.
_QUERY_SIZE, _QUERIES, _SHOTS, _ORACLE = 32, 12, 500, 14
_GAP = 0.5  # captions lie beside frames in the space, as CLIP's do

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _World(NamedTuple):
    directions: Floats  # (concepts, features)
    importance: Floats  # (concepts,)
    gap: Floats  # (features,)


def ensure_mini(root: Path) -> Path:
    """Make the miniature's stores under ``root`` unless they are there, and return ``root``.

    Every machine makes the same content, and files appear whole, so that processes may do this side by side.
    """
    makers: dict[str, Callable[[], Videos]] = {name: partial(make_videos, name) for name in SIZES}
    makers |= {"qfvs": make_query_videos, "s-videoxum": make_script_videos}
    makers |= {name: partial(make_replayed_videos, name) for name in STREAMS}
    for dataset, make in makers.items():
        path = root / f"{dataset}.h5"
        if not _is_current(path):
            attributes = {"dataset": dataset, "features": "mini", "data": "mini", "version": VERSION}
            attributes |= {"streams": streams} if (streams := STREAMS.get(dataset)) else {}
            write_store(path, make(), attributes)
    return root


def _is_current(path: Path) -> bool:
    try:
        return path.exists() and Store(path).attributes.get("version") == VERSION and not Store(path).check()
    except UserError:
        return False


def make_videos(dataset: str) -> Iterator[Video]:
    """Generate the videos of one benchmark of the miniature, always the same."""
    world = _make_world()
    for number in range(1, SIZES[dataset] + 1):
        yield _make_video(world, dataset, f"video_{number}", np.random.default_rng((_seed(dataset), number)))


def _seed(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)


def _make_world() -> _World:
    rng = np.random.default_rng(2021)
    directions = np.linalg.qr(rng.normal(size=(_SIZE, _CONCEPTS)))[0].T  # (concepts, features)
    gap = rng.normal(size=_SIZE)
    importance = rng.permutation(np.linspace(-1, 1, _CONCEPTS))
    return _World(directions, importance, _GAP * gap / np.linalg.norm(gap))


def _make_video(world: _World, dataset: str, key: str, rng: np.random.Generator) -> Video:
    cast = rng.choice(_CONCEPTS, size=6, replace=False)  # concepts that appear
    about = cast[:2]
    lengths = rng.integers(9, 17, size=rng.integers(9, 14))  # (events,) in steps
    shown = _draw_events(cast, len(lengths), rng)  # (events,) concept of each event
    concepts = np.repeat(shown, lengths)  # (steps,)
    new = np.repeat([event == list(shown).index(concept) for event, concept in enumerate(shown)], lengths)
    importance = _BASE * world.importance[concepts] + _ABOUT * np.isin(concepts, about) + _NEW * new  # (steps,)
    picks = np.arange(len(concepts)) * _STRIDE
    n_frames = int(len(concepts) * _STRIDE - rng.integers(0, _STRIDE))
    borders = np.append(0, np.cumsum(lengths)[:-1]) * _STRIDE
    shots = np.stack([borders, np.append(borders[1:], n_frames) - 1], axis=1)
    opinions = _opinions(importance, concepts, _ANNOTATORS[dataset], rng)  # (annotators, steps)
    captions, caption_features = _told(world, _dense(cast, rng), rng)
    # Whole ratings, cut at each annotator's own quantiles: most steps are dull.
    cuts = np.quantile(opinions, [0.4, 0.65, 0.82, 0.93], axis=1)  # (cuts, annotators)
    ratings = 1.0 + (opinions[None] > cuts[:, :, None]).sum(axis=0)  # (annotators, steps) from 1 to 5
    rated = dataset == "tvsum"
    cut = [select_shots(row, shots, n_frames, picks) for row in (ratings if rated else opinions - opinions.min())]
    user_summary = np.stack(cut)  # (annotators, frames)
    gtscore = (ratings.mean(axis=0) - 1) / 4 if rated else user_summary[:, picks].mean(axis=0)  # (steps,)
    features = _frames(world, shown, lengths, rng)
    shot_captions, shot_caption_features = _told(world, shown, rng)
    return Video(
        dataset=dataset,
        key=key,
        features=features,
        picks=picks,
        n_frames=n_frames,
        change_points=shots,
        gtscore=gtscore.astype(np.float32),
        gtsummary=select_shots(gtscore, shots, n_frames, picks)[picks].astype(np.float32),
        user_summary=user_summary,
        user_scores=ratings.astype(np.float32) if rated else None,
        captions=captions,
        caption_features=caption_features,
        shot_captions=shot_captions,
        shot_caption_features=shot_caption_features,
        name=f"mini {dataset} {key}",
    )


def _draw_events(cast: Ints, events: int, rng: np.random.Generator) -> Ints:
    """A concept for each event, never the same twice in a row."""
    shown = [int(rng.choice(cast))]
    while len(shown) < events:
        shown.append(int(rng.choice(cast[cast != shown[-1]])))
    return np.array(shown)


def _frames(world: _World, shown: Ints, lengths: Ints, rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit-norm features: the concept's direction, the event's look and the step's noise, (steps, features)."""
    looks = world.directions[shown] + 0.6 * rng.normal(size=(len(shown), _SIZE)) / np.sqrt(_SIZE)  # (events, features)
    steps = np.repeat(looks, lengths, axis=0)
    return _unit(steps + 0.6 * rng.normal(size=steps.shape) / np.sqrt(_SIZE))


def _unit(rows: Floats) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _dense(cast: Ints, rng: np.random.Generator) -> Ints:
    """Concepts of 8 to 12 captions, (captions,); about a fifth are of something else that appears."""
    count = int(rng.integers(8, 13))
    return np.where(rng.random(count) < 0.2, rng.choice(cast[2:], count), rng.choice(cast[:2], count))


def _told(world: _World, told: Ints, rng: np.random.Generator) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Captions of concepts, (captions,), and their features, (captions, features)."""
    text = world.directions[told] + world.gap + 0.3 * rng.normal(size=(len(told), _SIZE)) / np.sqrt(_SIZE)
    return tuple(f"The video shows concept {_LETTERS[concept]}." for concept in told), _unit(text)


def _opinions(importance: Floats, concepts: Ints, annotators: int, rng: np.random.Generator) -> Floats:
    """What each annotator thinks of each step: the importance, a taste for concepts, and noise of 2-second parts."""
    taste = 0.6 * rng.normal(size=(annotators, _CONCEPTS))
    fours = -(-len(concepts) // 4)  # four steps share their noise
    noise = np.repeat(0.6 * rng.normal(size=(annotators, fours)), 4, axis=1)[:, : len(concepts)]
    opinions: Floats = importance + taste[:, concepts] + noise
    return opinions


def make_query_videos() -> Iterator[QueryVideo]:
    """Generate the four videos with queries, always the same."""
    world = np.linalg.qr(np.random.default_rng(2017).normal(size=(_QUERY_SIZE, _CONCEPTS)))[0].T  # (concepts, features)
    for key in VIDEOS:
        yield _make_query_video(world, key, np.random.default_rng(_seed(f"qfvs/{key}")))


def _make_query_video(world: Floats, key: str, rng: np.random.Generator) -> QueryVideo:
    names = tuple(f"Concept{letter}" for letter in _LETTERS)
    cast = rng.choice(_CONCEPTS, size=9, replace=False)  # concepts that appear
    event = np.repeat(np.arange(_SHOTS), rng.integers(3, 12, size=_SHOTS))[:_SHOTS]  # (shots,)
    shown = np.zeros((int(event[-1]) + 1, _CONCEPTS), dtype=np.bool_)  # (events, concepts)
    for row in shown:
        row[rng.choice(cast, size=int(rng.integers(1, 4)), replace=False)] = True
    tags = shown[event] & (rng.random((_SHOTS, _CONCEPTS)) > 0.1)  # (shots, concepts)
    pairs = [pair for pair in combinations(sorted(cast.tolist()), 2) if shown[:, list(pair)].any(axis=0).all()]
    queries = np.array([pairs[number] for number in sorted(rng.choice(len(pairs), _QUERIES, replace=False))])
    looks = tags @ world + 0.5 * rng.normal(size=(_SHOTS, _QUERY_SIZE)) / np.sqrt(_QUERY_SIZE)  # (shots, features)
    return QueryVideo(
        dataset="qfvs",
        key=key,
        features=_unit(looks),
        tags=tags.astype(np.uint8),
        concepts=names,
        queries=queries,
        query_features=world[queries].astype(np.float32),
        oracle=np.stack([_oracle(event, shown, query, rng) for query in queries]),
        shot_seconds=5.0,
        sentences=tuple(f"Scenes with {names[one]} and {names[other]}" for one, other in queries),
    )


def _oracle(event: Ints, shown: NDArray[np.bool_], query: Ints, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One shot of each event that shows a concept of the query, events with both first, (shots,)."""
    held = shown[:, query].sum(axis=1)  # (events,)
    order = np.argsort(-(held + 0.9 * rng.random(len(held))))
    chosen = [event_number for event_number in order[:_ORACLE] if held[event_number]]
    oracle = np.zeros(len(event), dtype=np.uint8)
    oracle[[rng.choice(np.flatnonzero(event == number)) for number in chosen]] = 1
    return oracle
