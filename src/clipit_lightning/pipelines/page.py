"""The page to look at: one HTML file of its own for a summarized video, or for all videos of a run.

Everything but the video files is inside the file. It loads nothing from a network (its content security policy forbids
it), works from ``file://``, and shows curves and tables without its script, too. The template escapes all texts.
"""

import base64
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clipit_lightning import __version__
from clipit_lightning.core.files import write_text
from clipit_lightning.evaluation.names import METRICS, SHOWN, printed
from clipit_lightning.pipelines import charts
from clipit_lightning.pipelines.charts import Numbers, Unit

_MOST_CUTS = 400  # shots of which the borders are drawn; more would be a grey area
_MOST_OPEN = 24  # chosen shots that are listed without being asked for
_SCRIPTS = ("page.js", "ticks.js", "report.js")


@dataclass(frozen=True)
class Curve:
    """Scores over time, both (steps,); times increase."""

    times: Numbers
    scores: Numbers
    label: str = "Score"


@dataclass(frozen=True)
class Spread:
    """What annotators said at the times of the curve: their mean, and a band around it or none; all (steps,)."""

    mean: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    label: str = "Annotators' mean"
    band_label: str = "one standard deviation"


@dataclass(frozen=True)
class Shot:
    """A shot of the source from ``start`` to ``end``."""

    start: float
    end: float
    chosen: bool = False
    score: float | None = None
    text: str = ""


@dataclass(frozen=True)
class CutLists:
    """Cut lists of all shots; out of them the page makes those of the shots that are ticked."""

    csv: str
    """A header, and a line for each shot that begins with its number."""
    edl: str
    """CMX 3600, an event for each shot."""
    rate: int
    """Frames in a second of its timecodes, 30 of 29.97."""
    budget: float | None = None
    """Largest length of the summary, in seconds."""


@dataclass(frozen=True)
class Span:
    """A part of the video that is marked; with a text it is listed, too, with its picture, a JPEG file's bytes."""

    start: float
    end: float
    text: str = ""
    jpeg: bytes | None = None


@dataclass(frozen=True)
class Track:
    """A row of marked parts under the curve, such as the shots of an oracle."""

    label: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class KeyFrame:
    """A picture of the video at a time, as a JPEG file's bytes."""

    time: float
    jpeg: bytes
    caption: str = ""


@dataclass(frozen=True)
class Metric:
    """A number with its name, as it is printed (``0.202 ± 0.008``), and as a table is sorted by it."""

    name: str
    text: str
    value: float | None = None


@dataclass(frozen=True)
class VideoPage:
    """One video, or one video with one query."""

    title: str
    duration: float
    curve: Curve
    shots: tuple[Shot, ...] = ()
    """All shots, in order."""
    segments: tuple[tuple[float, float], ...] = ()
    """The chosen ones as the summary shows them, where that is another order."""
    source: str = ""
    """Where it comes from, in words."""
    video: str | None = None
    """Address of the whole video for the player, relative to the page (``address``)."""
    summary: str | None = None
    """Address of the summary: exactly the chosen shots, one after another."""
    annotators: Spread | None = None
    tracks: tuple[Track, ...] = ()
    key_frames: tuple[KeyFrame, ...] = ()
    query: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    metrics: tuple[Metric, ...] = ()
    """Numbers with their names, which are equal and in one order for all videos of a page."""
    cut_lists: CutLists | None = None
    """With these the shots can be ticked, and saved as a cut list."""
    unit: Unit = "seconds"
    """Of all positions and the duration: frames where nobody knows how many there are in a second."""


@dataclass(frozen=True)
class Line:
    """One line of a small chart; ``selected`` is the position of the point that is marked."""

    label: str
    x: Numbers
    y: Numbers
    selected: int | None = None


@dataclass(frozen=True)
class LineChart:
    """A small chart of several lines over the same x, such as a loss term of each fold over epochs."""

    title: str
    x_label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Page:
    """A page: of one video, or of many with a table to sort them by."""

    title: str
    videos: tuple[VideoPage, ...]
    subtitle: str = ""
    notice: str | None = None
    """What nobody may overlook, such as that the data are synthetic."""
    metrics: tuple[Metric, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    charts: tuple[LineChart, ...] = ()
    charts_title: str = "Training"
    charts_note: str = ""
    tables: tuple[Table, ...] = ()
    noun: str = "videos"
    """What ``videos`` are: videos or queries."""


def metrics_of(row: Mapping[Any, Any]) -> tuple[Metric, ...]:
    """The metrics of a video or query by the run's own rules, for a page."""
    names = [name for name in SHOWN if name in row and name not in ("f1_mean", "f1_max")]
    values = {name: None if math.isnan(row[name]) else float(row[name]) for name in names}
    return tuple(Metric(METRICS[name].label, printed(name, value), value) for name, value in values.items())


def address(file: Path, page: Path) -> str:
    """The address of a video file for a page that lies at ``page``: relative, so that both can be moved together."""
    path = os.path.relpath(file.resolve(), page.resolve().parent)
    return "./" + quote(Path(path).as_posix(), errors="surrogateescape")  # a name with a colon is no scheme then


def write_page(page: Page, to: Path) -> None:
    """Write the page as one HTML file, atomically; the same page gives the same bytes.

    Raises:
        ValueError: A curve holds a value that is not finite, or columns of a table differ between videos.
    """
    if len({tuple(metric.name for metric in video.metrics) for video in page.videos}) > 1:
        raise ValueError("the videos of a page have different metrics")
    text = render_page(page)
    write_text(to, text.encode("utf-8", "replace").decode("utf-8"))  # file names may hold bytes that are no text


def render_page(page: Page) -> str:
    """The page as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("clipit_lightning.pipelines", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["moment"] = charts.moment
    environment.filters["jpeg"] = lambda jpeg: "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    script = "".join(loader.get_source(environment, name)[0] for name in _SCRIPTS)
    digest = hashlib.sha256(script.encode()).digest()
    return environment.get_template("page.html").render(
        page=page,
        views=[_view(video) for video in page.videos],
        charts=[_chart(chart) for chart in page.charts],
        style=Markup(loader.get_source(environment, "page.css")[0]),  # our own file, not a user's text
        script=Markup(script),
        script_hash=f"sha256-{base64.b64encode(digest).decode()}",
        size=(charts.WIDTH, charts.HEIGHT),
        version=__version__,
    )


def _view(video: VideoPage) -> dict[str, Any]:
    """What the template shows of a video beside its own fields."""
    curve, axis = video.curve, charts.axis_of([video.curve.scores])
    length = max([video.duration, *(shot.end for shot in video.shots), float(curve.times[-1]), 1e-3])
    rows = list(enumerate(video.shots, 1))
    chosen = [shot for shot in video.shots if shot.chosen]
    lists = video.cut_lists
    return {
        "video": video,
        "length": length,
        "chosen": [(number, shot) for number, shot in rows if shot.chosen],
        "rest": [(number, shot) for number, shot in rows if lists and not shot.chosen],
        "lists": json.dumps(asdict(lists)) if lists else None,
        "chosen_length": sum(shot.end - shot.start for shot in chosen),
        "open": len(chosen) <= _MOST_OPEN,
        "shading": charts.spans([(shot.start, shot.end) for shot in chosen], length),
        "cuts": charts.cuts([shot.start for shot in video.shots[1:]], length) if len(video.shots) <= _MOST_CUTS else "",
        "tracks": [
            (track, charts.spans([(span.start, span.end) for span in track.spans], length)) for track in video.tracks
        ],
        "times": charts.ticks_of(length, video.unit),
        "segments": _spans([Shot(*span) for span in video.segments] or chosen),
        "shots": _spans(video.shots),
        "axis": axis,
        "line": charts.line(curve.times, curve.scores, length, axis),
        "range": " to ".join(axis.text(value) for value in (min(curve.scores), max(curve.scores))),
        **_annotators(video.annotators, curve.times, length),
    }


def _spans(shots: Iterable[Shot]) -> str:
    """Shots as the script reads them."""
    return " ".join(f"{shot.start:.3f}-{shot.end:.3f}" for shot in shots)


def _annotators(spread: Spread | None, times: Numbers, length: float) -> dict[str, Any]:
    """The annotators' lines with an axis of their own: a score need not be on their scale, only its ranks count."""
    if spread is None:
        return {"other": None, "mean": "", "band": ""}
    other, band = charts.axis_of(row for row in (spread.mean, spread.low, spread.high) if row is not None), ""
    if spread.low is not None and spread.high is not None:
        band = charts.band(times, spread.low, spread.high, length, other)
    return {"other": other, "mean": charts.line(times, spread.mean, length, other), "band": band}


def _chart(chart: LineChart) -> dict[str, Any]:
    axis = charts.axis_of([line.y for line in chart.lines])
    first = min(float(line.x[0]) for line in chart.lines)
    last = max(float(line.x[-1]) for line in chart.lines)
    length = (last - first) or 1.0

    def points(line: Line, positions: Sequence[int]) -> str:
        return charts.line([line.x[at] - first for at in positions], [line.y[at] for at in positions], length, axis)

    lines = []
    for number, line in enumerate(chart.lines):
        dot = None if line.selected is None else points(line, [line.selected]).split(",")
        tint = 100 - round(60 * number / max(1, len(chart.lines) - 1))  # percent of the accent colour
        lines.append({"label": line.label, "points": points(line, range(len(line.x))), "dot": dot, "tint": tint})
    return {"chart": chart, "axis": axis, "lines": lines, "first": f"{first:g}", "last": f"{last:g}"}
