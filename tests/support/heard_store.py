"""A designed benchmark, in which half of what matters is seen and the other half only heard."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from clipit_lightning.data.store_file import write_store
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import select_shots

VIDEOS, EVENTS, STRIDE, ANNOTATORS = 24, 16, 15, 5
VISUAL, AUDIO = 12, 6
"""Columns of the streams; the last of the sound is its mask."""


def write_heard(path: Path, sound: bool = True) -> Path:
    """Write videos whose sound, without ``sound``, is missing: zeros, its mask too. All else is the same.

    Of the 16 events of a video, each 3 to 6 steps, two show that they matter and two others let it be heard, each by a
    direction of its stream. All other columns are noise. An annotator's opinion has noise of each event.
    """
    rng, videos = np.random.default_rng(7), []
    looks, sounds = rng.normal(size=VISUAL), rng.normal(size=AUDIO - 1)
    for number in range(1, VIDEOS + 1):
        lengths = rng.integers(3, 7, EVENTS)  # (events,) steps
        order = rng.permutation(EVENTS)
        seen, heard = (np.repeat(np.isin(np.arange(EVENTS), order[at : at + 2]), lengths) for at in (0, 2))  # (steps,)
        visual = 0.5 * rng.normal(size=(len(seen), VISUAL)) + seen[:, None] * looks
        audio = 0.5 * rng.normal(size=(len(seen), AUDIO - 1)) + heard[:, None] * sounds
        opinions = (seen | heard) + np.repeat(0.2 * rng.normal(size=(ANNOTATORS, EVENTS)), lengths, axis=1)
        picks = np.arange(len(seen)) * STRIDE
        ends = np.cumsum(lengths) * STRIDE
        shots = np.stack([ends - lengths * STRIDE, ends - 1], axis=1)
        summaries = np.stack([select_shots(row - row.min(), shots, int(ends[-1]), picks) for row in opinions])
        video = Video(
            dataset="tvsum",
            key=f"video_{number}",
            features=np.column_stack([visual, audio, np.ones(len(seen))]).astype(np.float32),
            picks=picks,
            n_frames=int(ends[-1]),
            change_points=shots,
            gtscore=np.clip(opinions.mean(axis=0), 0, 1).astype(np.float32),
            gtsummary=(seen | heard).astype(np.float32),
            user_summary=summaries,
            user_scores=(1 + 4 * np.clip(opinions, 0, 1)).astype(np.float32),
        )
        videos.append(video)
    if not sound:
        videos = [replace(video, features=video.features * (np.arange(VISUAL + AUDIO) < VISUAL)) for video in videos]
    made = {"dataset": "tvsum", "features": "designed", "data": "mini", "streams": f"visual:{VISUAL}, audio:{AUDIO}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_store(path, videos, made)
    return path
