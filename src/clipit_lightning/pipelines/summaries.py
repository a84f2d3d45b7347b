"""`summarize` and `summarize_all`: raw videos to summaries, from Python and for the command."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_type_hints

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.log import log
from clipit_lightning.pipelines.arguments import check_for_run, check_one_of, require_encoder
from clipit_lightning.pipelines.collect import from_files, with_captions
from clipit_lightning.pipelines.page import Page, write_page
from clipit_lightning.pipelines.run_streams import load_beside
from clipit_lightning.pipelines.scenes import read_script
from clipit_lightning.pipelines.summarizer import Summarizer
from clipit_lightning.pipelines.summary import FILES, Summary
from clipit_lightning.pipelines.summary_extras import OPTIONAL_FILES
from clipit_lightning.pipelines.summary_files import view_of
from clipit_lightning.summary.budget import Budget, parse_budget
from clipit_lightning.summary.choice import ShotOptions
from clipit_lightning.summary.script import Order, Script
from clipit_lightning.video.captioner import Captioner, load_captioner
from clipit_lightning.video.captions import Captions, read_captions
from clipit_lightning.video.encoders import Encoder, make_encoder
from clipit_lightning.video.frames import RATE
from clipit_lightning.video.pretrained import Precision
from clipit_lightning.video.reader import is_address, open_video
from clipit_lightning.video.render import Hdr, Look

if TYPE_CHECKING:
    from clipit_lightning.pipelines.trained_run import TrainedRun  # takes seconds to import


class SummaryOptions(TypedDict, total=False):
    """Options of `summarize` and `summarize_all`; None, and what is not given, is the default."""

    query: str | None
    """What to look for, such as ``a dog, a red car``; it needs an encoder with language."""
    script: Script | Path | str | None
    """What the summary tells: a ``.txt`` of sentences, each shown by shots of its own; ``[5 s]`` at
    the beginning of a line says how long. It needs an encoder with language."""
    order: Order | None
    """Of a script's shots: as in the video, ``time``, the default, or ``free``."""
    run: TrainedRun | Path | str | None
    """A finished run that scores, or its folder."""
    budget: Budget | str | float | None
    """At most this much: ``0.15`` or ``15%`` of the video, ``30s``, ``1m30s``; by default 15 %, and 2 seconds where
    that is less."""
    shots: int | None
    """So many shots, each within its share of the budget."""
    one: bool
    """One stretch of the video as long as the budget."""
    min_shot: float | None
    """Seconds that a shot lasts at least: shorter ones are joined to a neighbour."""
    max_shot: float | None
    """Seconds that a shot lasts at most: longer ones are divided."""
    padding: float
    """Seconds that are shown before and after each shot, within the budget."""
    fade: float
    """Seconds for which picture and sound fade at each cut."""
    audio: int | None
    """The audio track to keep, from 1 on, or 0 for none; by default all."""
    hdr: Hdr
    """``tone-map`` high dynamic range to standard range, or ``keep`` it."""
    gif: bool
    """Write ``summary.gif``, too."""
    contact_sheet: bool
    """Write ``contact-sheet.jpg``, too: all key frames."""
    captioner: Captioner | str | None
    """A model that makes captions, by its name or folder."""
    fold: int | None
    """The fold of the run that scores; by default the mean of all."""
    exact: bool
    """Compare all steps of a long video, not windows of them."""
    stride: int | None
    """Take every frame whose number it divides."""
    rate: float | None
    """Take so many frames a second; by default as the run's steps were taken, else 2."""
    device: str
    """Of the models: ``auto``, ``cpu``, ``cuda``, ..."""
    precision: Precision
    """Of the models: ``fp32``, ``bf16``, ``fp16``, ``auto``."""
    batch_size: int
    """Frames at once, by default 32."""


def summarize(
    video: Path | str,
    to: Path | str | None = None,
    encoder: Encoder | str | None = None,
    *,
    captions: Captions | Path | str | None = None,
    **options: Unpack[SummaryOptions],
) -> Summary:
    """Summarize one video into a folder, ``FILES``; others in it stay. The same input gives the same bytes.

    Without a run a rule of ``zero_shot.py`` scores the steps; with one and no query, its protocol values the shots.

    Args:
        video: The video file.
        to: The folder; by default ``NAME-summary``, here.
        encoder: Of the frames, by name (`clipit summarize --help`); by default the run's own, without one ``auto``.
        captions: Captions, without a query: a file, ``.srt``, ``.vtt`` or ``.json``; the encoder needs language.
        **options: `SummaryOptions`.

    Raises:
        UserError: The video cannot be read, encoder, query and run do not fit, or the budget is less than a frame.
    """
    video, to = Path(video), Path(f"{Path(video).stem}-summary" if to is None else to)
    _check_options(captions, options)
    _check_paths(video, to, captions)
    _look(options).check(video)
    texts = read_captions(Path(captions)) if isinstance(captions, Path | str) else captions
    return _summarizer(encoder, options).summarize(video, to, texts)


@dataclass(frozen=True)
class Summaries:
    """The summaries of several videos."""

    made: tuple[Summary, ...]
    failures: dict[str, str]
    """What is wrong with a video that has none, by its name."""
    page: Path
    """A page with all of them."""


def summarize_all(
    videos: Iterable[Path | str],
    to: Path | str = "summaries",
    encoder: Encoder | str | None = None,
    *,
    captions: Path | str | None = None,
    **options: Unpack[SummaryOptions],
) -> Summaries:
    """Summarize videos, each into a folder of its name, with one page of all of them.

    A video that cannot be summarized does not stop the others.

    Args:
        videos: Files, folders, which are searched to any depth, and patterns such as ``clips/*.mp4``.
        to: The folder of the summaries' folders and of ``index.html``.
        encoder: Of the frames, as of `summarize`.
        captions: A folder with ``NAME.srt``, ``.vtt`` or ``.json`` of each video.
        **options: `SummaryOptions`.

    Raises:
        UserError: There is no video, or something else is wrong than one of them.
    """
    to = Path(to)
    _check_options(captions, options)
    collection = from_files([path for video in videos for path in _matches(Path(video))], "summaries")
    if captions is not None:
        collection = with_captions(collection, Path(captions))
    for note in collection.notes:
        log.info(note)
    _check_paths(None, to)
    summarizer = _summarizer(encoder, options)
    made, failures = list[Summary](), dict[str, str]()
    for source in (source for source in collection.sources if not _is_summary(source.path)):
        folder = to / source.name.replace("/", "-")
        try:
            _check_paths(source.path, folder)
            summarizer.look.check(source.path)
            made.append(summarizer.summarize(source.path, folder, source.captions))
        except UserError as error:
            log.error(str(error))
            failures[source.name] = str(error)
    page = to / "index.html"
    if made:
        facts = tuple((name, reason) for name, reason in failures.items())
        title = f"{len(made)} summaries"
        write_page(
            Page(title=title, videos=tuple(view_of(summary, page, key_frames=False) for summary in made), facts=facts),
            page,
        )
        log.info(f"{page}: {title}" + (f", {len(failures)} videos have none" if failures else ""))
    return Summaries(tuple(made), failures, page)


def _summarizer(encoder: Encoder | str | None, options: SummaryOptions) -> Summarizer:
    """The models and options; a run's scorers are read before a large encoder is, and a script first."""
    script, order = options.get("script"), options.get("order") or "time"
    if isinstance(script, Path | str):
        script = read_script(Path(script), order)
    budget, run, captioner = options.get("budget"), options.get("run"), options.get("captioner")
    shots = ShotOptions(
        None if budget is None else parse_budget(budget),
        options.get("shots"),
        options.get("one", False),
        options.get("min_shot"),
        options.get("max_shot"),
        options.get("padding", 0.0),
    )
    device, precision = options.get("device", "auto"), options.get("precision", "fp32")
    stride, rate, batch_size = options.get("stride"), options.get("rate"), options.get("batch_size", 32)
    of_steps: dict[str, Any] = {"stride": stride, "rate": RATE if rate is None else rate}
    trained = None if run is None else _with_scorers(run, options.get("fold"), options.get("exact", False))
    if trained is not None:
        encoder = trained.result.store.get("encoder") if encoder in (None, "auto") else encoder
        of_steps |= trained.sampling if stride is None and rate is None else {}
    if encoder is None or isinstance(encoder, str):
        note = " (the run does not say which one it was trained with)"
        name = require_encoder(encoder, note) if trained else encoder or "auto"
        encoder = make_encoder(name, device, precision, batch_size)
    if isinstance(captioner, str):
        captioner = load_captioner(captioner, device, precision)
    if trained is not None:
        of_steps["streams"] = load_beside(trained.path, trained.beside, trained.result.store, device)
    of_text = options.get("query"), script
    return Summarizer(encoder, shots, _look(options), *of_text, trained, captioner, batch_size=batch_size, **of_steps)


def _look(options: SummaryOptions) -> Look:
    given: dict[str, Any] = {name: value for name, value in options.items() if name in get_type_hints(Look)}
    return Look(**given)


def _with_scorers(run: TrainedRun | Path | str, fold: int | None, exact: bool) -> TrainedRun:
    from clipit_lightning.pipelines.trained_run import load_run

    trained = load_run(run) if isinstance(run, Path | str) else run
    if fold is not None or exact:
        trained = replace(trained, fold=trained.fold if fold is None else fold, exact=exact or trained.exact)
    _ = trained.scorers
    return trained


def _check_options(captions: object | None, options: SummaryOptions) -> None:
    for unknown in set(options) - set(SummaryOptions.__annotations__):
        raise TypeError(f"summarize has no option {unknown!r}; see SummaryOptions")
    query, script = options.get("query"), options.get("script")
    check_one_of(stride=options.get("stride"), rate=options.get("rate"))
    check_one_of(script=script, captions=captions, captioner=options.get("captioner"), query=query)
    check_one_of(script=script, shots=options.get("shots"))
    check_one_of(script=script, one=options.get("one") or None)
    check_one_of(script=script, padding=options.get("padding") or None)
    if script is None and options.get("order") is not None:
        raise ArgumentError("order", "is for a script; give one (script=FILE, --script FILE)")
    check_for_run(options.get("run"), fold=options.get("fold"), exact=options.get("exact") or None)
    if query is not None and not query.strip():
        raise ArgumentError("query", "is empty; name what to look for, or omit it")


def _check_paths(video: Path | None, to: Path, captions: object | None = None) -> None:
    """Raise before hours of work where their result could not be written."""
    if to.exists() and not to.is_dir():
        raise ArgumentError("to", f"{to} is a file; name a folder")
    for file in (to / name for name in (*FILES, *OPTIONAL_FILES)):
        beside = [] if video is None else [video, video.with_suffix(".srt"), video.with_suffix(".vtt")]
        for source in [*beside, *([Path(captions)] if isinstance(captions, Path | str) else [])]:
            if file.exists() and source.exists() and file.samefile(source):
                what = "the video itself" if source == video else "the subtitles of the video"
                raise ArgumentError("to", f"{file} is {what} and would be replaced; name another folder")
    parent = next(folder for folder in (to, *to.absolute().parents) if folder.is_dir())
    try:
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        raise ArgumentError("to", f"{to} cannot be written ({error.strerror}); name another folder") from error
    if video is not None:
        open_video(video).close()  # what is no video is an error before a model is loaded


def _is_summary(path: Path) -> bool:
    """Whether a video is the summary of another: a folder that is searched may hold those of before."""
    return path.name == "summary.mp4" and path.with_name("summary.json").exists()


def is_one(videos: Sequence[Path]) -> bool:
    """Whether one video file is named, and no folder or pattern."""
    return len(videos) == 1 and not videos[0].is_dir() and _matches(videos[0]) == list(videos)


def _matches(path: Path) -> list[Path]:
    """The files that a pattern matches; a path that exists, or is no pattern, itself."""
    if path.exists() or is_address(path) or not set("*?[") & set(str(path)):
        return [path]
    if not (matches := sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))):
        raise UserError(f"{path}: matches no file; check the pattern")
    return matches
