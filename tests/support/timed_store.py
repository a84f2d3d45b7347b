"""Stores whose features are of several streams, and whose captions have times."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.data.video import Video

FPS = 30.0
STREAMS = {"visual": 8, "audio": 3, "motion": 2}


def write_timed(source: Path, path: Path, streams: str = "visual:8, audio:3, motion:2") -> list[Video]:
    """Write the videos of a store of 8 features with sound and motion beside, times of captions, and return them.

    The first video has no sound, and caption 0 of each video holds for its first second.
    """
    rng, videos = np.random.default_rng(0), []
    for number, video in enumerate(Store(source).read()):
        beside = rng.normal(size=(video.n_steps, 5)).astype(np.float32)
        beside[:, [2, 4]] = 1
        beside[:, :3] *= number > 0
        starts = np.arange(len(video.captions)) * video.n_frames / FPS / len(video.captions)
        spans = np.stack([starts, starts + 1], axis=1)
        features = np.hstack([video.features, beside])
        videos.append(replace(video, features=features, text_spans=spans, fps=FPS))
    attributes = Store(source).attributes | {"dataset": path.stem, "streams": streams}
    write_store(path, videos, {name: value for name, value in attributes.items() if value})
    return videos
