"""What is written of a summary beside its video: the JSON file, the cut lists and the page."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.files import write_json, write_text
from clipit_lightning.pipelines.page import (
    Curve,
    CutLists,
    KeyFrame,
    Page,
    Shot,
    Span,
    Track,
    VideoPage,
    address,
    write_page,
)
from clipit_lightning.pipelines.summary_extras import resized
from clipit_lightning.summary.script import Script
from clipit_lightning.video.borders import METHOD
from clipit_lightning.video.cut_lists import cut_lists

if TYPE_CHECKING:
    from clipit_lightning.pipelines.summary import Summary

_KEY_FRAME_WIDTH = 240  # pixels of a picture on the page: a page of a few hundred kilobytes
_RENDERED = ("n_frames", "duration", "has_audio", "audio_tracks", "hdr")
_SOURCE = ("n_frames", "fps", "duration", "width", "height", "has_audio", "hdr")


def write_summary(made: "Summary") -> None:
    """Write all of a summary but the video, which is there: ``summary.json``, the cut lists and the page."""
    to, info = made.folder, made.video.info
    write_json(to / "summary.json", _json(made))
    url = address(info.path, made.page)
    told = [made.told[row] for row in made.cut.played] if made.told else []
    for name, text in cut_lists(info, made.video.frame_times, made.shots, url, made.timebase, told=told).items():
        write_text(to / name, text)
    write_page(Page(title=info.path.name, videos=(view_of(made, made.page),), notice=info.warning), made.page)


def _json(made: "Summary") -> dict[str, Any]:
    info, video, cut, base = made.video.info, made.video, made.cut, made.timebase
    rendered = {name: getattr(made.rendered, name) for name in _RENDERED}
    source = {name: getattr(info, name) for name in _SOURCE}
    return {
        "video": {"file": info.path.name, **source, "warning": info.warning},
        "query": made.query,
        **({"script": _script(made, made.script)} if made.script is not None else {}),
        "scorer": made.scorer,
        "provenance": video.provenance | {"borders": METHOD},
        "budget": {"share": made.budget.share, "seconds": made.budget.seconds},
        "summary": {
            "file": made.rendered.path.name,
            **rendered,
            "fade": made.look.fade,
            "cut_within_a_shot": cut.within_shot,
        },
        "cut_lists": {"frames_per_second": str(base.rate), "start_timecode": base.timecode},
        "shots": _rows(
            start_frame=cut.shots[:, 0],
            end_frame=cut.shots[:, 1],
            start_seconds=np.array(made.seconds)[:, 0],
            end_seconds=np.array(made.seconds)[:, 1],
            score=made.values,
            chosen=cut.chosen,
            **({} if cut.sentences is None else {"sentence": cut.sentences}),
        ),
        "steps": _rows(frame=video.picks, seconds=video.frame_times[video.picks], score=made.scores),
        "captions": _rows(seconds=video.caption_times, text=np.array(video.captions, dtype=object)),
        **({"key_frames": _named_key_frames(made)} if video.names else {}),
    }


def _script(made: "Summary", script: Script) -> dict[str, Any]:
    """The script; sentences count from 0 in the shots, where -1 is none, and times are the summary's."""
    sentences = [
        {
            "text": scene.sentence.text,
            "seconds": scene.sentence.seconds,
            "start_seconds": round(scene.begin, 6),
            "end_seconds": round(scene.end, 6),
            "key_frame": scene.frame,
        }
        for scene in made.scenes
    ]
    return {"file": Path(script.name).name, "order": script.order, "sentences": sentences}


def _named_key_frames(made: "Summary") -> list[dict[str, Any]]:
    frames, times, names = made.rendered.stills, made.video.frame_times, _names(made)
    return [
        {"frame": frame, "seconds": round(float(times[frame]), 6), "names": names.get(frame, ())} for frame in frames
    ]


def _rows(**columns: NDArray[Any]) -> list[dict[str, Any]]:
    """Columns of equal length as rows, numbers with six digits after the point."""
    lists = [(column.round(6) if column.dtype.kind == "f" else column).tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def view_of(made: "Summary", page: Path, key_frames: bool = True) -> VideoPage:
    """A summary as a part of a page that lies at ``page``."""
    info, video = made.video.info, made.video
    shots = zip(made.seconds, made.cut.chosen.tolist(), made.values.tolist(), strict=True)
    size = f"{info.width} x {info.height}, {info.n_frames} frames, {info.fps:.2f} per second"
    encoder, steps = video.provenance["encoder"], video.provenance["sampling"]
    facts = {"Scores": made.scorer, "Encoder": encoder, "Steps": steps, "Budget": str(made.budget), "Video": size}
    if video.names and made.script is None:
        facts["Names"] = f"below a key frame, what {encoder} sees in it"
    facts["Cut lists"] = str(made.timebase)
    if made.script is not None:
        facts["Order"] = "as in the video" if made.script.order == "time" else "of the script alone"
    if info.hdr:
        facts["Colours"] = made.look.of_hdr(info.hdr)
    return VideoPage(
        title=info.path.name,
        duration=info.duration,
        curve=Curve(video.frame_times[video.picks], made.scores),
        shots=tuple(Shot(start, end, is_chosen, score) for (start, end), is_chosen, score in shots),
        video=address(info.path, page),
        summary=address(made.rendered.path, page),
        tracks=_tracks(made, key_frames),
        key_frames=_key_frames(made) if key_frames and made.script is None else (),
        segments=tuple(made.seconds[row] for row in made.cut.played),
        query=made.query,
        cut_lists=_all_shots(made) if key_frames else None,
        facts=tuple(facts.items()),
    )


def _tracks(made: "Summary", pictures: bool) -> tuple[Track, ...]:
    """The sentences of a script, each with its shots, and with a picture where pictures are wanted."""
    spans = list[Span]()
    for scene in made.scenes:
        still = resized(made.rendered.stills[scene.frame], _KEY_FRAME_WIDTH) if pictures else None
        (start, end), *more = scene.spans
        spans += [Span(start, end, scene.sentence.text, still), *(Span(*span) for span in more)]
    return (Track("Script", tuple(spans)),) if spans else ()


def _all_shots(made: "Summary") -> CutLists:
    """What the page makes cut lists of: the lists of all shots."""
    info, budget, times = made.video.info, made.budget, made.video.frame_times
    seconds = budget.seconds or (budget.share or 0) * (info.duration - float(times[0]))
    base, url = made.timebase, address(info.path, made.page)
    lists = cut_lists(info, times, made.cut.shots, url, base, ("cuts.csv", "cuts.edl"), made.told)
    return CutLists(lists["cuts.csv"], lists["cuts.edl"], math.ceil(base.rate), min(seconds, info.duration))


def _names(made: "Summary") -> dict[int, tuple[str, ...]]:
    """What is seen in a step, by its frame number; nothing where the encoder does not name it."""
    return dict(zip(made.video.picks.tolist(), made.video.names, strict=False))


def _key_frames(made: "Summary") -> tuple[KeyFrame, ...]:
    times, names = made.video.frame_times, _names(made)
    return tuple(
        KeyFrame(float(times[frame]), resized(still, _KEY_FRAME_WIDTH), ", ".join(names.get(frame, ())))
        for frame, still in made.rendered.stills.items()
    )
