"""The miniature of QFVS: four small synthetic videos with queries, for machines without data.

A designed task, like the rest of the miniature (``mini.py``). A video is a chain of events, each showing one to three
of the world's concepts in every shot, with a few shots that lose one. A query is two concepts that appear. Its oracle
summary has one shot of each event that shows a concept of the query, events with both first, until it is full. So a
scorer must know what the query asks for (what chance and a scorer without language cannot), and must not take
neighbours that show the same.
"""

import hashlib
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.query_video import QueryVideo

VIDEOS = ("P01", "P02", "P03", "P04")
_CONCEPTS, _SIZE, _QUERIES, _SHOTS, _ORACLE = 16, 32, 12, 500, 14
_NAMES = tuple(f"Concept{letter}" for letter in "ABCDEFGHIJKLMNOP")

Floats = NDArray[np.float64]


def make_query_videos() -> Iterator[QueryVideo]:
    """Generate the four videos, always the same."""
    world = np.linalg.qr(np.random.default_rng(2017).normal(size=(_SIZE, _CONCEPTS)))[0].T  # (concepts, features)
    for key in VIDEOS:
        seed = int(hashlib.sha256(f"qfvs/{key}".encode()).hexdigest()[:8], 16)
        yield _make_video(world, key, np.random.default_rng(seed))


def _make_video(world: Floats, key: str, rng: np.random.Generator) -> QueryVideo:
    cast = rng.choice(_CONCEPTS, size=9, replace=False)  # concepts that appear
    event, shown = _events(cast, rng)  # (shots,) and (events, concepts)
    tags = shown[event] & (rng.random((_SHOTS, _CONCEPTS)) > 0.1)  # (shots, concepts)
    pairs = [pair for pair in combinations(sorted(cast.tolist()), 2) if shown[:, list(pair)].any(axis=0).all()]
    queries = np.array([pairs[place] for place in sorted(rng.choice(len(pairs), _QUERIES, replace=False))])
    looks = tags @ world + 0.5 * rng.normal(size=(_SHOTS, _SIZE)) / np.sqrt(_SIZE)  # (shots, features)
    return QueryVideo(
        dataset="qfvs",
        key=key,
        features=(looks / np.linalg.norm(looks, axis=1, keepdims=True)).astype(np.float32),
        tags=tags.astype(np.uint8),
        concepts=_NAMES,
        queries=queries,
        query_features=world[queries].astype(np.float32),
        oracle=np.stack([_oracle(event, shown, query, rng) for query in queries]),
        shot_seconds=5.0,
        sentences=tuple(f"Scenes with {_NAMES[one]} and {_NAMES[other]}" for one, other in queries),
    )


def _events(cast: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The event of each shot, (shots,), and what each event shows, (events, concepts)."""
    lengths = rng.integers(3, 12, size=_SHOTS)
    event = np.repeat(np.arange(_SHOTS), lengths)[:_SHOTS]
    shown = np.zeros((int(event[-1]) + 1, _CONCEPTS), dtype=np.bool_)
    for row in shown:
        row[rng.choice(cast, size=int(rng.integers(1, 4)), replace=False)] = True
    return event, shown


def _oracle(
    event: NDArray[np.int64], shown: NDArray[np.bool_], query: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One shot of each event that shows a concept of the query, events with both first, (shots,)."""
    held = shown[:, query].sum(axis=1)  # (events,)
    order = np.argsort(-(held + 0.9 * rng.random(len(held))))
    chosen = [event_number for event_number in order[:_ORACLE] if held[event_number]]
    oracle = np.zeros(len(event), dtype=np.uint8)
    oracle[[rng.choice(np.flatnonzero(event == number)) for number in chosen]] = 1
    return oracle
