"""Kernel temporal segmentation of synthetic videos, each in a process that holds nothing but the features."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.summary import shots
from experiments.bench.runner import Call, Options, Table, fresh

FEATURES, FPS, FRAME_RATE = 512, 2, 30


def tables(options: Options) -> Iterator[Table]:
    """Videos that are cut exactly, and videos of ten hours.

    ``planted`` is noise around scenes of random length; ``noise`` has no structure; ``repeated`` shows each scene as
    equal frames, the worst case for the search of the penalty.
    """
    for steps, kinds in ((2000, ("planted", "noise")), (72_000, ("planted", "noise", "repeated"))):
        how = "exact" if steps <= shots.EXACT_STEPS else "long"
        variants = {kind: fresh(cut, steps, kind) for kind in kinds}
        yield Table(f"shots of {steps} steps, {how}", variants, tolerance=0, warm=False)


def cut(steps: int, kind: str) -> Call:
    """A call that cuts a video and returns the number of shots, which is the same for all kinds."""
    features, segments = video(steps, kind), math.ceil(steps / FPS * FRAME_RATE / shots.FRAMES_PER_SHOT)
    return lambda: len(shots.segment(features, segments))


def video(steps: int, kind: str) -> NDArray[np.float32]:
    """Features of a synthetic video, (steps, features)."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((steps, FEATURES), dtype=np.float32)
    if kind == "noise":
        return features
    scene = np.cumsum(rng.random(steps) < 0.1)  # (steps,) a new scene every ten steps on average
    scenes = rng.standard_normal((scene[-1] + 1, FEATURES), dtype=np.float32)
    features *= 0.3 if kind == "planted" else 0
    for low in range(0, steps, 1000):  # the benchmark's own memory stays small
        features[low : low + 1000] += scenes[scene[low : low + 1000]]
    return features
