"""Measure kernel temporal segmentation: ``OMP_NUM_THREADS=1 python experiments/benchmark_kts.py``.

Prints one line a video: seconds, on one core with OMP_NUM_THREADS=1, and peak memory of a process of its own that holds
nothing but the features. ``planted`` is noise around 512-dimensional scenes of random length; ``noise`` has no
structure; ``repeated`` shows each scene as equal frames, the worst case for the search of the penalty.
"""

import argparse
import math
import resource
import subprocess
import sys
import time

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.summary import shots

FEATURES, FPS, FRAME_RATE = 512, 2, 30
MEASURED = ((2000, "planted"), (2000, "noise"), (72_000, "planted"), (72_000, "noise"), (72_000, "repeated"))


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


def measure(steps: int, kind: str) -> None:
    """Cut one video in this process, and print the figures."""
    features = video(steps, kind)
    segments = math.ceil(steps / FPS * FRAME_RATE / shots.FRAMES_PER_SHOT)
    started = time.perf_counter()
    found = shots.segment(features, segments)
    taken = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    how = "exact" if steps <= shots.EXACT_STEPS else "long"
    print(f"{steps:>6} steps, {kind:<8} {len(found):>5} segments, {how:<5} {taken:7.2f} s   peak {peak:.2f} GiB")


def main() -> None:
    """Measure all videos, each in a process of its own, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs=2, metavar=("STEPS", "KIND"), help="one video, such as `72000 noise`")
    only = parser.parse_args().only
    if only:
        measure(int(only[0]), only[1])
        return
    for steps, kind in MEASURED:
        subprocess.run([sys.executable, __file__, "--only", str(steps), kind], check=True)


if __name__ == "__main__":
    main()
