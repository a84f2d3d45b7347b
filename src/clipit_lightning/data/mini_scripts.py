"""The miniature with scripts: a video summarized by what each of several scripts tells of it.

A video is a chain of events, each showing one of 16 concepts. A script tells some of those that appear, a sentence
each, in the order of time, and ends with a sentence that tells of nothing; its summary has all steps that show what is
told, an eighth to a quarter of them. Which concepts are told is chance: a scorer that does not read the script, or
reads that of another video, can know no more than chance does. Frames and sentences share the directions of concepts,
and each side has a direction that all of it shares, as CLIP's do; neither is of norm 1.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.script_video import ScriptVideo

SPLIT_SIZES = {"train": 40, "validation": 12, "test": 12}
"""Videos of each part."""
_SCRIPTS, _SIZE, _NORM = 4, 32, 6.0  # scripts of a video, size and norm of features
_LETTERS = "ABCDEFGHIJKLMNOP"
_CONCEPTS = len(_LETTERS)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def make_script_videos() -> Iterator[ScriptVideo]:
    """Generate all videos, always the same."""
    world = np.linalg.qr(np.random.default_rng(2025).normal(size=(_SIZE, _CONCEPTS + 2)))[0].T  # (concepts + 2, size)
    splits = [split for split, count in SPLIT_SIZES.items() for _ in range(count)]
    for number, split in enumerate(splits, start=1):
        yield _make_video(world, f"video_{number}", split, np.random.default_rng((2025, number)))


def _make_video(world: Floats, key: str, split: str, rng: np.random.Generator) -> ScriptVideo:
    concepts, of_frames, of_text = world[:-2], world[-2], world[-1]
    cast = rng.choice(_CONCEPTS, size=9, replace=False)
    shown = [*rng.permutation(cast), *rng.choice(cast, size=4)]  # (events,) every concept of the cast appears
    lengths = rng.integers(3, 7, size=len(shown))  # (events,) in steps
    steps = np.repeat(shown, lengths)  # (steps,) the concept of each
    told = [_tell(steps, rng) for _ in range(_SCRIPTS)]
    longest = 1 + max(map(len, told))
    script_features = np.zeros((_SCRIPTS, longest, _SIZE))
    for script, row in zip(told, script_features, strict=True):
        row[: len(script)] = concepts[script] + 0.5 * of_text
        row[len(script)] = of_text
        row[: len(script) + 1] += _noise(rng, len(script) + 1)
    return ScriptVideo(
        dataset="s-videoxum",
        key=key,
        features=(_NORM * (concepts[steps] + 0.5 * of_frames + _noise(rng, len(steps)))).astype(np.float32),
        script_features=(_NORM * script_features).astype(np.float32),
        summaries=np.stack([np.isin(steps, script) for script in told]).astype(np.uint8),
        step_seconds=1.0,
        split=split,
        script_texts=tuple(
            " ".join([*(f"Concept {_LETTERS[concept]} is shown." for concept in script), "That is all."])
            for script in told
        ),
    )


def _tell(steps: Ints, rng: np.random.Generator) -> Ints:
    """Concepts that a script tells, by their first step: chosen by chance until they fill an eighth of the video."""
    told: list[int] = []
    order = rng.permutation(np.unique(steps)).tolist()
    while np.isin(steps, told).mean() < 0.125:
        room = [one for one in order if one not in told and np.isin(steps, [*told, one]).mean() <= 0.25]
        told.append((room or [one for one in order if one not in told])[0])
    return np.array(sorted(told, key=lambda concept: int(np.argmax(steps == concept))))


def _noise(rng: np.random.Generator, rows: int) -> Floats:
    """What makes one frame or sentence another, (rows, features)."""
    noise: Floats = 0.5 * rng.normal(size=(rows, _SIZE)) / np.sqrt(_SIZE)
    return noise
