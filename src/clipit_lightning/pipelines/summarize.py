"""One raw video to a summary to watch: features, scores, chosen shots, and what is written of them.

Scores come from a trained run, or without one from a rule (``zero_shot.py``). Shots are chosen by the exact knapsack:
those of the largest total score that fit the budget.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_json, write_text
from clipit_lightning.data.batches import spread
from clipit_lightning.models.zero_shot import generic_scores, phrases, query_scores
from clipit_lightning.pipelines.page import Curve, KeyFrame, Page, Shot, VideoPage, address, write_page
from clipit_lightning.pipelines.trained_scorer import TrainedRun
from clipit_lightning.summary.budget import DEFAULT_BUDGET, Budget, Cut, choose
from clipit_lightning.summary.key_shots import (
    frame_scores,
    shot_means,
)
from clipit_lightning.video.captioner import Captioner
from clipit_lightning.video.captions import Captions
from clipit_lightning.video.cut_lists import cut_list_csv, cut_list_edl
from clipit_lightning.video.encoders import Encoder
from clipit_lightning.video.extract import Description, describe
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
    say: Callable[[str], None] = print,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Summarize one video into a folder, ``FILES``. The same input gives the same bytes.

    Each file is written atomically, the page last; other files in the folder stay.

    Args:
        video: The video.
        to: The folder.
        encoder: Of its frames, and of the query or the captions.
        query: What to look for; needs an encoder with language.
        run: Scores the steps, and without a query values shots by its protocol; by default a rule of ``zero_shot.py``.
        budget: Largest length of the summary.
        captioner: Describes frames, as text for a run without a query.
        texts: The user's captions, instead.
        stride: Take every frame whose number it divides, instead of ``rate``.
        rate: Take frames per second.
        batch_size: Frames that are handed to the encoder at once.
        say: Takes a line for each thing that the user should know, and for the result.
        progress: Takes the seconds of the video that are encoded.

    Returns:
        The page.

    Raises:
        UserError: The video cannot be read, encoder, query and run do not fit, the budget is less than a frame, or the
            folder cannot be written to.
    """
    _refuse_places(video, to)
    if query is not None and not query.strip():
        raise UserError("--query: is empty; say what to look for, or leave it away")
    if run is not None:
        run.check(encoder, query)
    text = None if query is None else encoder.encode_texts(run.texts(query) if run else phrases(query))
    found = describe(
        video, encoder, stride, rate, captioner, texts=texts, say=say, batch_size=batch_size, progress=progress
    )
    scores, scorer = _scores(found, text, run, say)
    shot_value = run.config.protocol.shot_value if run and query is None else "sum"
    cut = choose(scores, found.picks, found.change_points, found.frame_times, found.info.duration, budget, shot_value)
    if cut.within_shot:
        say(f"{video}: a chosen shot is longer than the budget of {budget}: the best part of it is taken")
    rendered = render_summary(video, cut.shots[cut.chosen], to / "summary.mp4")
    _write(_Made(found, cut, scores, scorer, rendered, query, budget), to)
    said = f"{rendered.duration:.1f} s of {found.info.duration:.1f} s, {cut.chosen.sum()} of {len(cut.shots)} shots"
    say(f"{rendered.path}: {said} (budget {budget}); look at {to / 'summary.html'}")
    return to / "summary.html"


def _refuse_places(video: Path, to: Path) -> None:
    """Say before hours of work what could not be written after them."""
    if to.exists() and not to.is_dir():
        raise UserError(f"--to: {to} is a file; name a folder")
    for file in (to / name for name in FILES):
        if file.exists() and video.exists() and file.samefile(video):
            raise UserError(f"--to: {file} is the video itself and would be replaced; name another folder")


def _scores(
    found: Description, text: NDArray[np.float32] | None, run: TrainedRun | None, say: Callable[[str], None]
) -> tuple[NDArray[np.float64], str]:
    """Scores of the steps, (steps,), and what made them; ``text`` is the query's."""
    if run is None and text is not None:
        return query_scores(found.features, text), "zero-shot: similarity to the query"
    if run is None:
        scores = generic_scores(found.features, found.picks, found.change_points)
        return scores, "zero-shot: what represents the video, without repeats"
    if text is None and run.has_language:
        if (captions := found.caption_features) is not None:
            text = captions[spread(len(captions), run.config.data.captions)]
        else:
            say(f"NOTE: {run.path} was trained with captions; here it has none (--captions FILE, --captioner NAME)")
    return run.scores(found.features, text), run.label


@dataclass(frozen=True, eq=False)
class _Made:
    """All that is written of a summary."""

    found: Description
    cut: Cut
    scores: NDArray[np.float64]
    scorer: str
    rendered: Rendered
    query: str | None
    budget: Budget

    @property
    def seconds(self) -> list[tuple[float, float]]:
        return shot_seconds(self.cut.shots, self.found.frame_times, self.found.info.duration)

    @property
    def values(self) -> NDArray[np.float64]:
        return shot_means(frame_scores(self.scores, self.found.picks, self.found.info.n_frames), self.cut.shots)


def _write(made: _Made, to: Path) -> None:
    info, chosen = made.found.info, made.cut.chosen
    seconds = [each for each, is_chosen in zip(made.seconds, chosen, strict=True) if is_chosen]
    name = "".join(letter if letter.isprintable() else "?" for letter in info.path.name)  # for a list of lines
    write_json(to / "summary.json", _json(made))
    write_text(to / "cuts.csv", cut_list_csv(made.cut.shots[chosen], seconds))
    write_text(to / "cuts.edl", cut_list_edl(seconds, info.fps, name, made.rendered.has_audio))
    write_page(_page(made, to / "summary.html"), to / "summary.html")


def _json(made: _Made) -> dict[str, Any]:
    info, found, cut = made.found.info, made.found, made.cut
    rendered = {name: getattr(made.rendered, name) for name in ("n_frames", "duration", "has_audio")}
    source = {name: getattr(info, name) for name in ("n_frames", "fps", "duration", "width", "height", "has_audio")}
    return {
        "video": {"file": info.path.name, **source, "warning": info.warning},
        "query": made.query,
        "scorer": made.scorer,
        "provenance": found.provenance,
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
        "steps": _rows(frame=found.picks, seconds=found.times, score=made.scores),
        "captions": _rows(seconds=found.caption_times, text=np.array(found.captions, dtype=object)),
    }


def _rows(**columns: NDArray[Any]) -> list[dict[str, Any]]:
    """Columns of equal length as rows, numbers with six digits after the point."""
    lists = [each.round(6).tolist() if each.dtype.kind == "f" else each.tolist() for each in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _page(made: _Made, page: Path) -> Page:
    info, found = made.found.info, made.found
    shots = zip(made.seconds, made.cut.chosen.tolist(), made.values.tolist(), strict=True)
    size = f"{info.width} x {info.height}, {info.n_frames} frames, {info.fps:.2f} per second"
    encoder, steps = found.provenance["encoder"], found.provenance["sampling"]
    facts = {"Scores": made.scorer, "Encoder": encoder, "Steps": steps, "Budget": str(made.budget), "Video": size}
    view = VideoPage(
        title=info.path.name,
        duration=info.duration,
        curve=Curve(found.times, made.scores),
        shots=tuple(Shot(start, end, is_chosen, score) for (start, end), is_chosen, score in shots),
        video=address(info.path, page),
        summary=address(made.rendered.path, page),
        key_frames=_key_frames(made),
        query=made.query,
        facts=tuple(facts.items()),
    )
    return Page(title=info.path.name, videos=(view,), notice=info.warning)


def _key_frames(made: _Made) -> tuple[KeyFrame, ...]:
    """The best step of each chosen shot, or its middle; of at most so many shots, spread over the summary."""
    found, shots = made.found, made.cut.shots[made.cut.chosen]
    frames = []
    for first, last in shots[spread(len(shots), _MOST_KEY_FRAMES)].tolist():
        inside = np.flatnonzero((found.picks >= first) & (found.picks <= last))
        best = inside[made.scores[inside].argmax()] if len(inside) else None
        frames.append((first + last) // 2 if best is None else int(found.picks[best]))
    pictures = thumbnails(found.info.path, frames, _KEY_FRAME_WIDTH)
    return tuple(KeyFrame(float(found.frame_times[frame]), pictures[frame]) for frame in frames)
