"""The part of a report on videos with scripts: each script's step scores, its summary, and the chosen steps."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.arrays import spread
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.script_video import ScriptItem
from clipit_lightning.evaluation.protocol import script_rules_of
from clipit_lightning.pipelines.footage import Footage, find_files, open_footage
from clipit_lightning.pipelines.page import Curve, KeyFrame, Shot, Span, Track, VideoPage, address, metrics_of
from clipit_lightning.training.finished_run import FinishedRun

MOST_PAGES = 200
"""Scripts on a page at most, the worst: the test part of S-VideoXum has some 34,000."""
_KEY_FRAMES = 4


def script_pages(run: FinishedRun, to: Path, folder: Path | None) -> Iterator[VideoPage]:
    """The tested scripts of a run, lowest F1 first, for a page at ``to``; a folder may hold video files.

    Raises:
        UserError: Scripts or scores do not fit the store, or the folder holds none of the videos.
    """
    rows = run.rows.sort_values("f1", kind="stable").head(MOST_PAGES).to_dict("records")
    keys = list(dict.fromkeys(str(row["video"]).rpartition("/")[2] for row in rows))
    items = {item.id: item for video in run.store.read_scripts(keys) for item in video.items()}
    files = find_files(folder, dict.fromkeys(keys, ""))
    opened: dict[str, tuple[Footage | None, tuple[tuple[str, str], ...]]] = {}
    rules = script_rules_of(run.config.protocol, run.result.dataset)
    for row in rows:
        id = f"{row['video']}/{row['query']}"
        if (item := items.get(id)) is None:
            raise UserError(f"{run.run.per_video_file}: {row['video']}: the store has no script {row['query']}")
        key, scores = item.video.key, run.scores_of(id, item.n_steps)
        if key not in opened:
            opened[key] = open_footage(files.get(key), duration=item.n_steps * item.video.step_seconds)
        footage, facts = opened[key]
        chosen = np.zeros(item.n_steps, np.bool_)
        chosen[rules.choose(scores)] = True
        length, both = int(item.summary.sum()), int((chosen & (item.summary > 0)).sum())
        yield VideoPage(
            title=f"{key}: script {item.script}",
            source=f"fold {row['fold']}",
            query=item.video.script_texts[item.script] if item.video.script_texts else None,
            duration=item.n_steps * item.video.step_seconds,
            curve=Curve(np.arange(item.n_steps) * item.video.step_seconds, scores, "Predicted score"),
            shots=tuple(Shot(start, end, bool(chosen[first])) for first, start, end in _stretches(item, chosen)),
            tracks=(Track("Summary of the script", _spans(item)),),
            video=address(footage.path, to) if footage else None,
            key_frames=_key_frames(item, footage, np.flatnonzero(chosen)),
            metrics=metrics_of(row),
            facts=(("Summary", f"{length} of {item.n_steps} steps, {both} of them chosen"), *facts),
        )


def _stretches(item: ScriptItem, marked: NDArray[np.bool_]) -> list[tuple[int, float, float]]:
    """First step, start and end in seconds of each stretch of steps that are all marked or all not."""
    borders = [0, *(np.flatnonzero(np.diff(marked)) + 1).tolist(), len(marked)]
    seconds = item.video.step_seconds
    return [(first, first * seconds, end * seconds) for first, end in pairwise(borders)]


def _spans(item: ScriptItem) -> tuple[Span, ...]:
    stretches = _stretches(item, item.summary > 0)
    return tuple(Span(start, end) for first, start, end in stretches if item.summary[first])


def _key_frames(item: ScriptItem, footage: Footage | None, chosen: NDArray[np.int64]) -> tuple[KeyFrame, ...]:
    """Pictures of some chosen steps, spread over them."""
    if footage is None:
        return ()
    seconds = [(int(step) + 0.5) * item.video.step_seconds for step in chosen[spread(len(chosen), _KEY_FRAMES)]]
    frames = [footage.frame_at(second) for second in seconds]
    jpegs = footage.key_frames(sorted(set(frames)))
    return tuple(KeyFrame(second, jpegs[frame]) for second, frame in zip(seconds, frames, strict=True))
