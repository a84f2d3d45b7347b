"""The part of a report on videos with annotators: scores beside annotators, the summary, and the worst stretches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from clipit_lightning.core.arrays import spread
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.protocol import rules_of
from clipit_lightning.evaluation.rules import CORRELATION_RULES, Rules, references
from clipit_lightning.pipelines.charts import Unit
from clipit_lightning.pipelines.footage import Footage, find_files, open_footage
from clipit_lightning.pipelines.page import Curve, KeyFrame, Shot, Span, Spread, Track, VideoPage, address, metrics_of
from clipit_lightning.training.finished_run import FinishedRun

STRETCHES = 3
"""Stretches of a video that are shown where the model is most wrong, at most."""
BY_CHANCE = 1 / 3
"""Mean difference of two random ranks between 0 and 1; what exceeds it counts."""
MOST_PAGES = 200
"""Videos of official parts on a page at most, the worst: the test part of MoSu has 5,263."""
_MOST_KEY_FRAMES = 8


class Stretch(NamedTuple):
    """Steps from ``first`` to ``last``, inclusive, where the model's ranks are all in all above or below.

    The mean ranks of the predicted scores and of the annotators' mean are from 0 (lowest of the video) to 1.
    """

    first: int
    last: int
    ours: float
    theirs: float


def worst_stretches(scores: NDArray[np.floating], mean: NDArray[np.floating]) -> list[Stretch]:
    """Where a model is most wrong: stretches whose ranks differ by the most, and for the longest, the worst first.

    Predicted scores and annotators' mean, (steps,) both, are ranked within the video. The stretch is taken over which
    the difference, less what it is by chance, adds up to the most (maximum subarray), once for each direction; then the
    next one among the other steps, as long as there is one that differs by more than chance.
    """
    ours, theirs = ((rankdata(values) - 0.5) / len(values) for values in (scores, mean))  # equal values share a rank
    free = np.ones(len(ours), dtype=bool)
    stretches: list[Stretch] = []
    for _ in range(STRETCHES):
        gains = [np.where(free, sign * (ours - theirs) - BY_CHANCE, -np.inf) for sign in (1, -1)]
        gain, first, last = max(map(_largest_sum, gains))
        if gain <= 0:
            break
        free[first : last + 1] = False
        steps = slice(first, last + 1)
        stretches.append(Stretch(first, last, float(ours[steps].mean()), float(theirs[steps].mean())))
    return stretches


def _largest_sum(gains: NDArray[np.float64]) -> tuple[float, int, int]:
    """Sum, first and last position of the run of values of the largest sum."""
    best, total, start = (-np.inf, 0, 0), 0.0, 0
    for position, gain in enumerate(gains):
        if total <= 0:
            total, start = 0.0, position
        total += gain
        if total > best[0]:
            best = total, start, position
    return best


@dataclass(frozen=True)
class _Clock:
    """When frames of a store's video begin on its page: in seconds where they are known, else in frames."""

    video: Video
    footage: Footage | None

    @property
    def unit(self) -> Unit:
        return "seconds" if self.footage or self.video.fps else "frames"

    def __call__(self, frames: NDArray[np.integer]) -> NDArray[np.float64]:
        if self.footage and self.footage.has_frames(self.video.n_frames):
            return self.footage.seconds(frames)
        return np.asarray(frames, dtype=np.float64) / (self.video.fps or 1)


def annotated_pages(run: FinishedRun, to: Path, folder: Path | None) -> Iterator[VideoPage]:
    """The tested videos of a run, lowest Kendall tau first, for a page at ``to``; a folder may hold video files.

    Raises:
        UserError: Scores do not fit the store, or the folder holds none of the videos.
    """
    tested = run.rows.groupby("video", sort=False)
    rows: list[dict[Any, Any]] = tested.tail(1).sort_values("kendall_tau", kind="stable").to_dict("records")
    rows = rows[:MOST_PAGES] if run.benchmark.families else rows
    folds = tested["fold"].agg(list)
    keys = {row["video"]: str(row["video"]).rpartition("/")[2] for row in rows}
    videos = dict(zip(keys, run.store.read(keys.values(), features=False), strict=True))
    files = find_files(folder, {video.key: video.name for video in videos.values()})
    rules = rules_of(run.config.protocol, run.benchmark)
    for row in rows:
        video = videos[row["video"]]
        scores = run.scores_of(row["video"], video.n_steps)
        yield _page(video, scores, rules, row, folds[row["video"]], files.get(video.key), to)


def _page(
    video: Video,
    scores: NDArray[np.float64],
    rules: Rules,
    row: Mapping[Any, Any],
    folds: list[int],
    file: Path | None,
    to: Path,
) -> VideoPage:
    # A store that says its frames a second may hold fewer than the file, as one a second.
    seconds = video.n_frames / video.fps if video.fps else None
    footage, facts = open_footage(file, video.n_frames if seconds is None else None, seconds)
    clock = _Clock(video, footage)
    # Several folds of a published family may test a video; the page shows the last, whose scores the run keeps.
    more = f" (also tested in {', '.join(map(str, folds[:-1]))})" if folds[:-1] else ""
    tested = f"fold {folds[-1]}{more}"
    shots = _shots(video, clock, scores, rules)
    return VideoPage(
        title=video.name or video.key,
        source=f"{video.key}, {tested}" if video.name else tested,
        duration=footage.duration if footage else float(clock(np.array(video.n_frames))),
        unit=clock.unit,
        curve=Curve(clock(video.picks), scores, "Predicted score"),
        annotators=_spread(video, rules),
        shots=shots,
        tracks=_tracks(video, clock, scores, rules),
        video=address(footage.path, to) if footage else None,
        key_frames=_key_frames(footage, shots) if footage else (),
        metrics=metrics_of(row),
        facts=facts,
    )


def _shots(video: Video, clock: _Clock, scores: NDArray[np.float64], rules: Rules) -> tuple[Shot, ...]:
    """All shots; chosen are those of the summary that the protocol's rules cut."""
    summary = rules.summary(video, scores)  # (frames,)
    chosen = summary[video.change_points[:, 0]].astype(bool)  # (shots,)
    starts, ends = clock(video.change_points[:, 0]), clock(video.change_points[:, 1] + 1)
    return tuple(Shot(*shot) for shot in zip(starts.tolist(), ends.tolist(), chosen.tolist(), strict=True))


def _spread(video: Video, rules: Rules) -> Spread:
    """What the annotators said at the picks, from 0 to 1."""
    if not CORRELATION_RULES[rules.correlation].of_people:
        return Spread(video.gtscore, label="Importance")
    if video.user_scores is not None:
        ratings = video.user_scores.astype(np.float64)
        low, high = min(1, ratings.min()), max(5, ratings.max())  # TVSum's scale, and wider ones of other stores
        rows = (ratings - low) / (high - low)
        mean, error = rows.mean(axis=0), rows.std(axis=0)
        labels = "Annotators' mean rating", "One standard deviation of the annotators"
    elif video.user_summary is not None:
        mean = video.user_summary[:, video.picks].mean(axis=0, dtype=np.float64)
        # The deviation of 0/1 values says no more than their mean; how sure the mean is does.
        error = np.sqrt(mean * (1 - mean) / len(video.user_summary))
        labels = "Share of annotators who chose it", "One standard error of the share"
    else:
        return Spread(video.gtscore, label="Annotators' mean importance")
    return Spread(mean, (mean - error).clip(0, 1), (mean + error).clip(0, 1), *labels)


def _tracks(video: Video, clock: _Clock, scores: NDArray[np.float64], rules: Rules) -> tuple[Track, ...]:
    rule = "mean-annotator" if CORRELATION_RULES[rules.correlation].of_people else rules.correlation
    mean = references(video, rule)[0].astype(np.float64)  # (steps,)
    starts = clock(video.picks)  # (steps,)
    ends = clock(np.append(video.picks[1:], video.n_frames))  # (steps,)
    spans = [
        Span(
            float(starts[stretch.first]),
            float(ends[stretch.last]),
            f"ranked too {'high' if stretch.ours > stretch.theirs else 'low'}: above {stretch.ours:.0%} of the video, "
            f"by the annotators above {stretch.theirs:.0%}",
        )
        for stretch in worst_stretches(scores, mean)
    ]
    return (Track("Where the model is most wrong", tuple(spans)),) if spans else ()


def _key_frames(footage: Footage, shots: tuple[Shot, ...]) -> tuple[KeyFrame, ...]:
    """The middle of each chosen shot, or of as many as are shown, spread over the video."""
    chosen = [shot for shot in shots if shot.chosen]
    shown = [chosen[number] for number in spread(len(chosen), _MOST_KEY_FRAMES)]
    middles = sorted({footage.frame_at((shot.start + shot.end) / 2) for shot in shown})
    pictures = footage.key_frames(middles)
    return tuple(KeyFrame(float(footage.seconds(np.array([at]))[0]), pictures[at]) for at in middles)
