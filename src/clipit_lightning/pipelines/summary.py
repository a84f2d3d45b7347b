"""One raw video to a summary to watch: features, scores, chosen shots, and what is written of them.

Scores come from a trained run, or without one from a rule (``zero_shot.py``). Shots are chosen by the exact knapsack:
those of the largest total score that fit the budget.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_json, write_text
from clipit_lightning.core.log import log
from clipit_lightning.data.batches import spread
from clipit_lightning.models.zero_shot import generic_scores, phrases, query_scores
from clipit_lightning.pipelines.extraction import memory_checked
from clipit_lightning.pipelines.page import Curve, KeyFrame, Page, Shot, VideoPage, address, write_page
from clipit_lightning.pipelines.progress import Progress
from clipit_lightning.pipelines.trained_run import TrainedRun
from clipit_lightning.summary.budget import DEFAULT_BUDGET, Budget, Cut, choose
from clipit_lightning.summary.key_shots import frame_scores, shot_means
from clipit_lightning.video.captioner import Captioner
from clipit_lightning.video.captions import Captions
from clipit_lightning.video.cut_lists import cut_list_csv, cut_list_edl
from clipit_lightning.video.encoders import Encoder
from clipit_lightning.video.extract import N_CAPTIONS, VideoFeatures, extract_features
from clipit_lightning.video.frames import RATE, shot_seconds, thumbnails
from clipit_lightning.video.render import Rendered, render_summary

FILES = ("summary.mp4", "summary.json", "cuts.csv", "cuts.edl", "summary.html")
"""What is written."""

_MOST_KEY_FRAMES, _KEY_FRAME_WIDTH = 24, 240  # pictures on the page, pixels: a page of a few hundred kilobytes


def summarize(
    video: Path,
    to: Path,
    encoder: Encoder,
    query: str | None = None,
    run: TrainedRun | None = None,
    budget: Budget = DEFAULT_BUDGET,
    captioner: Captioner | None = None,
    texts: Captions | None = None,
    stride: int | None = None,
    rate: float = RATE,
    batch_size: int = 32,
) -> Path:
    """Summarize one video into a folder, ``FILES``. The same input gives the same bytes.

    Each file is written atomically, the page last, which is returned; other files in the folder stay. A query needs an
    encoder with language. A run scores the steps, and without a query values shots by its protocol; by default a rule
    of ``zero_shot.py`` does. Without a query a run may read captions, ``texts`` or by a captioner.

    Raises:
        UserError: The video cannot be read, encoder, query and run do not fit, or the budget is less than a frame.
    """
    _check_arguments(video, to, query)
    if run is not None:
        run.check(encoder, query)
    text = None if query is None else encoder.encode_texts(run.texts(query) if run else phrases(query))
    with Progress({0: 1}) as progress, memory_checked(video):
        show = partial(progress.at, video.name)
        features = extract_features(video, encoder, stride, rate, captioner, N_CAPTIONS, texts, batch_size, show)
    info = features.info
    if info.warning:
        log.info(info.warning)
    scores, scorer = _scores(features, text, run)
    shot_value = run.config.protocol.shot_value if run and query is None else "sum"
    cut = choose(
        scores, features.picks, features.change_points, features.frame_times, info.duration, budget, shot_value
    )
    if cut.within_shot:
        log.info(f"{video}: a chosen shot is longer than the budget of {budget}: the best part of it is taken")
    rendered = render_summary(video, cut.shots[cut.chosen], to / "summary.mp4")
    _write(_Summary(features, cut, scores, scorer, rendered, query, budget), to)
    result = f"{rendered.duration:.1f} s of {info.duration:.1f} s, {cut.chosen.sum()} of {len(cut.shots)} shots"
    log.info(f"{rendered.path}: {result} (budget {budget}); look at {to / 'summary.html'}")
    return to / "summary.html"


def _check_arguments(video: Path, to: Path, query: str | None) -> None:
    """Raise before hours of work where their result could not be written, or nothing is asked for."""
    if query is not None and not query.strip():
        raise UserError("--query: is empty; name what to look for, or omit it")
    if to.exists() and not to.is_dir():
        raise UserError(f"--to: {to} is a file; name a folder")
    for file in (to / name for name in FILES):
        if file.exists() and video.exists() and file.samefile(video):
            raise UserError(f"--to: {file} is the video itself and would be replaced; name another folder")


def _scores(
    video: VideoFeatures, text: NDArray[np.float32] | None, run: TrainedRun | None
) -> tuple[NDArray[np.float64], str]:
    """Scores of the steps, (steps,), and what made them; ``text`` is the query's."""
    if run is None and text is not None:
        return query_scores(video.features, text), "zero-shot: similarity to the query"
    if run is None:
        scores = generic_scores(video.features, video.picks, video.change_points)
        return scores, "zero-shot: what represents the video, without repeats"
    if text is None and run.has_language:
        if (captions := video.caption_features) is not None:
            text = captions[spread(len(captions), run.config.data.captions)]
        else:
            log.info(
                f"NOTE: {run.path} was trained with captions; here it has none (--captions FILE, --captioner NAME)"
            )
    return run.scores(video.features, text), run.label


@dataclass(frozen=True, eq=False)
class _Summary:
    """All that is written of a summary."""

    video: VideoFeatures
    cut: Cut
    scores: NDArray[np.float64]
    scorer: str
    rendered: Rendered
    query: str | None
    budget: Budget

    @property
    def seconds(self) -> list[tuple[float, float]]:
        return shot_seconds(self.cut.shots, self.video.frame_times, self.video.info.duration)

    @property
    def values(self) -> NDArray[np.float64]:
        return shot_means(frame_scores(self.scores, self.video.picks, self.video.info.n_frames), self.cut.shots)


def _write(made: _Summary, to: Path) -> None:
    info, chosen = made.video.info, made.cut.chosen
    seconds = [span for span, is_chosen in zip(made.seconds, chosen, strict=True) if is_chosen]
    name = "".join(letter if letter.isprintable() else "?" for letter in info.path.name)  # for a list of lines
    write_json(to / "summary.json", _json(made))
    write_text(to / "cuts.csv", cut_list_csv(made.cut.shots[chosen], seconds))
    write_text(to / "cuts.edl", cut_list_edl(seconds, info.fps, name, made.rendered.has_audio))
    write_page(_page(made, to / "summary.html"), to / "summary.html")


def _json(made: _Summary) -> dict[str, Any]:
    info, video, cut = made.video.info, made.video, made.cut
    rendered = {name: getattr(made.rendered, name) for name in ("n_frames", "duration", "has_audio")}
    source = {name: getattr(info, name) for name in ("n_frames", "fps", "duration", "width", "height", "has_audio")}
    return {
        "video": {"file": info.path.name, **source, "warning": info.warning},
        "query": made.query,
        "scorer": made.scorer,
        "provenance": video.provenance,
        "budget": {"share": made.budget.share, "seconds": made.budget.seconds},
        "summary": {"file": made.rendered.path.name, **rendered, "cut_within_a_shot": cut.within_shot},
        "shots": _rows(
            start_frame=cut.shots[:, 0],
            end_frame=cut.shots[:, 1],
            start_seconds=np.array(made.seconds)[:, 0],
            end_seconds=np.array(made.seconds)[:, 1],
            score=made.values,
            chosen=cut.chosen,
        ),
        "steps": _rows(frame=video.picks, seconds=video.frame_times[video.picks], score=made.scores),
        "captions": _rows(seconds=video.caption_times, text=np.array(video.captions, dtype=object)),
    }


def _rows(**columns: NDArray[Any]) -> list[dict[str, Any]]:
    """Columns of equal length as rows, numbers with six digits after the point."""
    lists = [(column.round(6) if column.dtype.kind == "f" else column).tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _page(made: _Summary, page: Path) -> Page:
    info, video = made.video.info, made.video
    shots = zip(made.seconds, made.cut.chosen.tolist(), made.values.tolist(), strict=True)
    size = f"{info.width} x {info.height}, {info.n_frames} frames, {info.fps:.2f} per second"
    encoder, steps = video.provenance["encoder"], video.provenance["sampling"]
    facts = {"Scores": made.scorer, "Encoder": encoder, "Steps": steps, "Budget": str(made.budget), "Video": size}
    view = VideoPage(
        title=info.path.name,
        duration=info.duration,
        curve=Curve(video.frame_times[video.picks], made.scores),
        shots=tuple(Shot(start, end, is_chosen, score) for (start, end), is_chosen, score in shots),
        video=address(info.path, page),
        summary=address(made.rendered.path, page),
        key_frames=_key_frames(made),
        query=made.query,
        facts=tuple(facts.items()),
    )
    return Page(title=info.path.name, videos=(view,), notice=info.warning)


def _key_frames(made: _Summary) -> tuple[KeyFrame, ...]:
    """The best step of each chosen shot, or its middle; of at most so many shots, spread over the summary."""
    video, shots = made.video, made.cut.shots[made.cut.chosen]
    frames = []
    for first, last in shots[spread(len(shots), _MOST_KEY_FRAMES)].tolist():
        inside = np.flatnonzero((video.picks >= first) & (video.picks <= last))
        best = inside[made.scores[inside].argmax()] if len(inside) else None
        frames.append((first + last) // 2 if best is None else int(video.picks[best]))
    pictures = thumbnails(video.info.path, frames, _KEY_FRAME_WIDTH)
    return tuple(KeyFrame(float(video.frame_times[frame]), pictures[frame]) for frame in frames)
