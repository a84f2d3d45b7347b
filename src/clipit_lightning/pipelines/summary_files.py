"""What is written of a summary beside its video: the JSON file, the cut lists and the page."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.files import write_json, write_text
from clipit_lightning.data.batches import spread
from clipit_lightning.pipelines.page import Curve, CutLists, KeyFrame, Page, Shot, VideoPage, address, write_page
from clipit_lightning.video.cut_lists import cut_list_csv, cut_list_edl
from clipit_lightning.video.frames import thumbnails

if TYPE_CHECKING:
    from clipit_lightning.pipelines.summary import Summary

_MOST_KEY_FRAMES, _KEY_FRAME_WIDTH = 24, 240  # pictures on the page, pixels: a page of a few hundred kilobytes


def write_summary(made: "Summary") -> None:
    """Write all of a summary but the video, which is there: ``summary.json``, the cut lists and the page."""
    to, info, chosen = made.folder, made.video.info, made.cut.chosen
    seconds = [span for span, is_chosen in zip(made.seconds, chosen, strict=True) if is_chosen]
    write_json(to / "summary.json", _json(made))
    write_text(to / "cuts.csv", cut_list_csv(made.cut.shots[chosen], seconds))
    write_text(to / "cuts.edl", cut_list_edl(seconds, info.fps, _clip(made), made.rendered.has_audio))
    write_page(_page(made), made.page)


def _clip(made: "Summary") -> str:
    """The name of the video for a list of lines."""
    return "".join(letter if letter.isprintable() else "?" for letter in made.video.info.path.name)


def _json(made: "Summary") -> dict[str, Any]:
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


def _page(made: "Summary") -> Page:
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
        video=address(info.path, made.page),
        summary=address(made.rendered.path, made.page),
        key_frames=_key_frames(made),
        query=made.query,
        cut_lists=_all_shots(made),
        facts=tuple(facts.items()),
    )
    return Page(title=info.path.name, videos=(view,), notice=info.warning)


def _all_shots(made: "Summary") -> CutLists:
    """What the page makes cut lists of: the lists of all shots."""
    info, budget = made.video.info, made.budget
    seconds = budget.seconds or (budget.share or 0) * (info.duration - float(made.video.frame_times[0]))
    csv = cut_list_csv(made.cut.shots, made.seconds)
    edl = cut_list_edl(made.seconds, info.fps, _clip(made), made.rendered.has_audio)
    return CutLists(csv, edl, max(1, round(info.fps)), min(seconds, info.duration))


def _key_frames(made: "Summary") -> tuple[KeyFrame, ...]:
    """The best step of each chosen shot, or its middle; of at most so many shots, spread over the summary."""
    video, shots = made.video, made.shots
    frames = []
    for first, last in shots[spread(len(shots), _MOST_KEY_FRAMES)].tolist():
        inside = np.flatnonzero((video.picks >= first) & (video.picks <= last))
        best = inside[made.scores[inside].argmax()] if len(inside) else None
        frames.append((first + last) // 2 if best is None else int(video.picks[best]))
    pictures = thumbnails(video.info.path, frames, _KEY_FRAME_WIDTH)
    return tuple(KeyFrame(float(video.frame_times[frame]), pictures[frame]) for frame in frames)
