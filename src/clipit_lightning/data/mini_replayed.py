"""The miniatures of MR.HiSum and MoSu: a step a second, official parts, and one curve that says what was replayed.

A video is a chain of events, each showing one of 16 concepts for some seconds. What is replayed depends on the concept
(what one linear layer on what is seen can learn) and on whether it is new in the video (what only the context tells).
In MoSu's it depends on two things more, which what is seen does not tell: an event is loud or quiet, and words are said
in it that are gripping or dull, of two thirds of the events; some videos have no sound. The curve is smooth over some
seconds and runs from 0 to 1; the only summary is its knapsack.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.most_replayed import joined_streams
from clipit_lightning.data.streams import VISUAL, format_streams
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import select_shots

SPLIT_SIZES = {"train": 40, "validation": 12, "test": 12}
"""Videos of each part."""
STREAMS = {"mrhisum": "", "mosu": format_streams({VISUAL: 32, "audio": 9, "text": 13})}
"""The store's attribute of each."""
_SEEN = {"mrhisum": 64, "mosu": 32}  # as many as in the other miniatures, and fewer
_BESIDE = {"audio": 8, "text": 12}  # without the mask column
_CONCEPTS, _SMOOTH = 16, 5  # the curve is the mean of so many seconds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _World(NamedTuple):
    directions: Mapping[str, Floats]
    """Of concepts, (16, size), and of loudness and grip, (1, size)."""
    importance: Floats
    """Of the concepts, (16,)."""


def make_replayed_videos(dataset: str) -> Iterator[Video]:
    """Generate all videos of ``mrhisum`` or ``mosu``, always the same."""
    seed = 2023 if dataset == "mrhisum" else 2026
    rng = np.random.default_rng(seed)
    beside = _BESIDE if dataset == "mosu" else {}
    sizes = {VISUAL: (_CONCEPTS, _SEEN[dataset])} | {name: (1, size) for name, size in beside.items()}
    directions = {name: np.linalg.qr(rng.normal(size=(size, rows)))[0].T for name, (rows, size) in sizes.items()}
    world = _World(directions, rng.permutation(np.linspace(-1, 1, _CONCEPTS)))
    splits = [split for split, count in SPLIT_SIZES.items() for _ in range(count)]
    for number, split in enumerate(splits, start=1):
        yield _make_video(world, dataset, f"video_{number}", split, np.random.default_rng((seed, number)))


def _make_video(world: _World, dataset: str, key: str, split: str, rng: np.random.Generator) -> Video:
    lengths = rng.integers(5, 13, size=rng.integers(9, 14))  # (events,) in steps
    shown = rng.choice(rng.choice(_CONCEPTS, size=8, replace=False), size=len(lengths))  # (events,)
    new = np.array([event == list(shown).index(concept) for event, concept in enumerate(shown)])
    wanted = world.importance[shown] + 0.4 * new  # (events,)
    streams = {VISUAL: _rows(world.directions[VISUAL][shown], lengths, rng)}
    for name in (name for name in world.directions if name != VISUAL):
        level = rng.normal(size=len(lengths))  # (events,) how loud, how gripping
        is_there = rng.random(len(lengths)) < 2 / 3 if name == "text" else np.full(len(lengths), rng.random() < 0.9)
        wanted = wanted + 0.6 * level * is_there
        rows = _rows(level[:, None] * world.directions[name], lengths, rng)
        streams[name] = rows * np.repeat(is_there, lengths)[:, None]
    curve = np.repeat(wanted, lengths) + 0.2 * rng.normal(size=lengths.sum())  # (steps,)
    padded = np.pad(curve, _SMOOTH // 2, mode="edge")
    curve = np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")  # (steps,)
    gtscore = ((curve - curve.min()) / np.ptp(curve)).astype(np.float32)
    steps, borders = len(gtscore), np.append(0, np.cumsum(lengths))
    shots = np.stack([borders[:-1], borders[1:] - 1], axis=1)
    summary = select_shots(gtscore, shots, steps)  # (steps,)
    return Video(
        dataset=dataset,
        key=key,
        features=joined_streams(streams),
        picks=np.arange(steps),
        n_frames=steps,
        change_points=shots,
        gtscore=gtscore,
        gtsummary=summary.astype(np.float32),
        user_summary=summary[None],
        name=f"mini {dataset} {key}",
        split=split,
        fps=1.0,
    )


def _rows(events: Floats, lengths: Ints, rng: np.random.Generator) -> NDArray[np.float32]:
    """Features of steps, (steps, size): those of their events, (events, size), and noise."""
    steps = np.repeat(events, lengths, axis=0)
    noise = 0.5 * rng.normal(size=steps.shape) / np.sqrt(steps.shape[1])
    rows: NDArray[np.float32] = (steps + noise).astype(np.float32)
    return rows
