"""What is written of a summary beside its video: the JSON file, the cut lists and the page."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.files import write_json, write_text
from clipit_lightning.pipelines.page import Curve, KeyFrame, Page, Shot, VideoPage, address, write_page
from clipit_lightning.pipelines.summary_extras import resized
from clipit_lightning.video.cut_lists import cut_list_csv, cut_list_edl

if TYPE_CHECKING:
    from clipit_lightning.pipelines.summary import Summary

_KEY_FRAME_WIDTH = 240  # pixels of a picture on the page: a page of a few hundred kilobytes
_RENDERED = ("n_frames", "duration", "has_audio", "audio_tracks", "hdr")
_SOURCE = ("n_frames", "fps", "duration", "width", "height", "has_audio", "hdr")


def write_summary(made: "Summary") -> None:
    """Write all of a summary but the video, which is there: ``summary.json``, the cut lists and the page."""
    to, info, chosen = made.folder, made.video.info, made.cut.chosen
    seconds = [span for span, is_chosen in zip(made.seconds, chosen, strict=True) if is_chosen]
    name = "".join(letter if letter.isprintable() else "?" for letter in info.path.name)  # for a list of lines
    write_json(to / "summary.json", _json(made))
    write_text(to / "cuts.csv", cut_list_csv(made.cut.shots[chosen], seconds))
    write_text(to / "cuts.edl", cut_list_edl(seconds, info.fps, name, made.rendered.has_audio))
    write_page(_page(made), made.page)


def _json(made: "Summary") -> dict[str, Any]:
    info, video, cut = made.video.info, made.video, made.cut
    rendered = {name: getattr(made.rendered, name) for name in _RENDERED}
    source = {name: getattr(info, name) for name in _SOURCE}
    return {
        "video": {"file": info.path.name, **source, "warning": info.warning},
        "query": made.query,
        "scorer": made.scorer,
        "provenance": video.provenance,
        "budget": {"share": made.budget.share, "seconds": made.budget.seconds},
        "summary": {
            "file": made.rendered.path.name,
            **rendered,
            "fade": made.look.fade,
            "cut_within_a_shot": cut.within_shot,
        },
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
    if info.hdr:
        facts["Colours"] = made.look.of_hdr(info.hdr)
    view = VideoPage(
        title=info.path.name,
        duration=info.duration,
        curve=Curve(video.frame_times[video.picks], made.scores),
        shots=tuple(Shot(start, end, is_chosen, score) for (start, end), is_chosen, score in shots),
        video=address(info.path, made.page),
        summary=address(made.rendered.path, made.page),
        key_frames=_key_frames(made),
        query=made.query,
        facts=tuple(facts.items()),
    )
    return Page(title=info.path.name, videos=(view,), notice=info.warning)


def _key_frames(made: "Summary") -> tuple[KeyFrame, ...]:
    return tuple(
        KeyFrame(float(made.video.frame_times[frame]), resized(still, _KEY_FRAME_WIDTH))
        for frame, still in made.rendered.stills.items()
    )
