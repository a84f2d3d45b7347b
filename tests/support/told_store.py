"""A designed task in small: sentences are told while steps are shown, and those that matter are told in what matters.

Somebody talks throughout. A video has a subject, one of a few. Half of its sentences tell of it, the others are chatter
of several kinds, so that those of the subject are the nearest to all that is told. Annotators like the steps in which
they are told. What is shown says nothing about that: who only looks is no better than chance.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clipit_lightning.data.store_file import write_store
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import select_shots

VIDEOS, SENTENCES, LENGTH, STRIDE, FPS, SIZE = 24, 20, 2, 15, 30.0, 32
SUBJECTS, CHATTER, SHOWN = 4, 8, 6
STEPS = SENTENCES * LENGTH


def write_told(path: Path, shuffled: bool = False) -> Path:
    """Write the store; ``shuffled`` gives each sentence the time of another one of its video."""
    write_store(path, _videos(path.stem, shuffled), {"dataset": path.stem, "features": "told", "data": "mini"})
    return path


def _videos(dataset: str, shuffled: bool) -> Iterator[Video]:
    directions = np.linalg.qr(np.random.default_rng(5).normal(size=(SIZE, SIZE)))[0]
    subjects, chatter, shown = np.split(directions[: SUBJECTS + CHATTER + SHOWN], [SUBJECTS, SUBJECTS + CHATTER])
    picks, n_frames = np.arange(STEPS) * STRIDE, STEPS * STRIDE
    first = np.arange(0, n_frames, LENGTH * STRIDE)
    shots = np.stack([first, first + LENGTH * STRIDE - 1], axis=1)  # (sentences, 2)
    seconds = np.stack([first, first + LENGTH * STRIDE], axis=1) / FPS  # (sentences, 2)
    for number in range(VIDEOS):
        rng = np.random.default_rng((7, number))
        of_subject = rng.permutation(SENTENCES) < SENTENCES // 2
        told = np.where(
            of_subject[:, None], subjects[number % SUBJECTS], chatter[rng.integers(CHATTER, size=SENTENCES)]
        )
        looks = shown[rng.integers(SHOWN, size=SENTENCES)].repeat(LENGTH, 0)  # (steps, features)
        opinions = of_subject.repeat(LENGTH) + 0.5 * rng.normal(size=(5, STEPS))  # (annotators, steps)
        ratings = 1 + 4 * (opinions > np.quantile(opinions, 0.7, axis=1, keepdims=True))
        yield Video(
            dataset=dataset,
            key=f"video_{number + 1}",
            features=_near(looks, rng),
            picks=picks,
            n_frames=n_frames,
            change_points=shots,
            gtscore=(ratings.mean(axis=0) - 1).astype(np.float32) / 4,
            gtsummary=select_shots(ratings.mean(axis=0), shots, n_frames, picks)[picks].astype(np.float32),
            user_summary=np.stack([select_shots(row, shots, n_frames, picks) for row in ratings]),
            user_scores=ratings.astype(np.float32),
            captions=tuple(f"sentence {place}" for place in range(SENTENCES)),
            caption_features=_near(told, rng),
            text_spans=rng.permutation(seconds) if shuffled else seconds,
            fps=FPS,
            name=f"told {number + 1}",
        )


def _near(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors near directions, (rows, features)."""
    noisy = rows + 0.5 * rng.normal(size=rows.shape) / np.sqrt(SIZE)
    unit: np.ndarray = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    return unit
