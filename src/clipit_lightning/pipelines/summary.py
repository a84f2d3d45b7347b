"""One raw video to a summary to watch: features, scores, chosen shots, and what is written of them.

Scores come from a trained run, or without one from a rule (``zero_shot.py``). Shots are chosen by the exact knapsack:
those of the largest total score that fit the budget.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.log import log
from clipit_lightning.data.batches import caption_tokens
from clipit_lightning.models.zero_shot import generic_scores, phrases, query_scores
from clipit_lightning.pipelines.arguments import check_for_run, check_one_of, require_encoder
from clipit_lightning.pipelines.extraction import memory_checked
from clipit_lightning.pipelines.progress import Progress
from clipit_lightning.pipelines.summary_extras import OPTIONAL_FILES, key_frames, write_beside
from clipit_lightning.pipelines.summary_files import write_summary
from clipit_lightning.pipelines.trained_run import TrainedRun, load_run
from clipit_lightning.summary.budget import DEFAULT_BUDGET, Budget, Cut, choose, parse_budget
from clipit_lightning.summary.key_shots import frame_scores, shot_means
from clipit_lightning.summary.repeats import repeated_shots
from clipit_lightning.video.captioner import Captioner, load_captioner
from clipit_lightning.video.captions import Captions, read_captions
from clipit_lightning.video.encoders import Encoder, make_encoder
from clipit_lightning.video.extract import N_CAPTIONS, VideoFeatures, extract_features
from clipit_lightning.video.frames import RATE, shot_seconds
from clipit_lightning.video.pretrained import Precision
from clipit_lightning.video.reader import open_video
from clipit_lightning.video.render import Look, Rendered, render_summary
from clipit_lightning.video.subtitles import subtitles_of

FILES = ("summary.mp4", "summary.json", "cuts.csv", "cuts.edl", "summary.html", "thumbnail.jpg")
"""What is always written."""


@dataclass(frozen=True, eq=False)
class Summary:
    """A summary, and all that is written of it."""

    folder: Path
    """It holds ``FILES``."""
    video: VideoFeatures
    cut: Cut
    """All shots, and which were chosen."""
    scores: NDArray[np.floating]
    """Score of each step, (steps,); ``video.picks`` are their frame numbers."""
    scorer: str
    """What made them, in words."""
    rendered: Rendered
    query: str | None
    budget: Budget
    look: Look = field(default_factory=Look)

    @property
    def page(self) -> Path:
        """The page to look at."""
        return self.folder / "summary.html"

    @property
    def shots(self) -> NDArray[np.int64]:
        """First and last frame of the chosen shots, inclusive, (chosen, 2)."""
        return self.cut.shots[self.cut.chosen]

    @property
    def seconds(self) -> list[tuple[float, float]]:
        """When each shot starts and ends, chosen or not."""
        return shot_seconds(self.cut.shots, self.video.frame_times, self.video.info.duration)

    @property
    def values(self) -> NDArray[np.float64]:
        """Mean score of each shot, (shots,)."""
        return shot_means(frame_scores(self.scores, self.video.picks, self.video.info.n_frames), self.cut.shots)


def summarize(
    video: Path | str,
    to: Path | str | None = None,
    encoder: Encoder | str | None = None,
    *,
    query: str | None = None,
    run: TrainedRun | Path | str | None = None,
    budget: Budget | str | float = DEFAULT_BUDGET,
    captions: Captions | Path | str | None = None,
    captioner: Captioner | str | None = None,
    fold: int | None = None,
    exact: bool = False,
    stride: int | None = None,
    rate: float | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int = 32,
    **look: Any,  # noqa: ANN401 - as `Look` says
) -> Summary:
    """Summarize one video into a folder, ``FILES``; others in it stay. The same input gives the same bytes.

    Args:
        video: The video file.
        to: The folder; by default ``NAME-summary``, here.
        encoder: Of the frames, by name (`clipit summarize --help`); by default the run's own.
        query: What to look for, such as ``a dog, a red car``; it needs an encoder with language.
        run: A finished run that scores and values shots, or its folder; by default a rule does, of ``zero_shot.py``.
        budget: At most this much: ``0.15`` or ``15%`` of the video, ``30s``, ``1m30s``.
        captions: Captions, without a query: a file, ``.srt``, ``.vtt`` or ``.json``; the encoder needs language.
        captioner: A model that makes them, by its name or folder.
        fold: The fold of the run that scores; by default the mean of all.
        exact: Compare all steps of a long video, not windows of them.
        stride: Take every frame whose number it divides.
        rate: Take so many frames a second; by default as the run's steps were taken, else 2.
        device: Of the models: ``auto``, ``cpu``, ``cuda``, ...
        precision: Of the models.
        batch_size: Frames at once.
        look: How it is written, the fields of ``Look``: ``fade``, ``audio``, ``hdr``, ``gif``, ``contact_sheet``.

    Raises:
        UserError: The video cannot be read, encoder, query and run do not fit, or the budget is less than a frame.
    """
    video, to = Path(video), Path(f"{Path(video).stem}-summary" if to is None else to)
    check_one_of(stride=stride, rate=rate)
    check_one_of(captions=captions, captioner=captioner, query=query)
    check_for_run(run, fold=fold, exact=exact or None)
    length = parse_budget(budget)
    _check_arguments(video, to, query, captions, Look(**look))
    trained = None if run is None else _with_scorers(run, fold, exact)
    sampling = _sampling(trained, stride, rate)
    if trained is not None:
        encoder = encoder or trained.result.store.get("encoder")
    if encoder is None or isinstance(encoder, str):
        note = " (the run does not say which one it was trained with)" if trained else ""
        encoder = make_encoder(require_encoder(encoder, note), device, precision, batch_size)
    if isinstance(captioner, str):
        captioner = load_captioner(captioner, device, precision)
    texts = read_captions(Path(captions)) if isinstance(captions, Path | str) else captions
    how = Look(**look)
    return _summarize(video, to, encoder, query, trained, length, how, captioner, texts, batch_size, **sampling)


def _sampling(run: TrainedRun | None, stride: int | None, rate: float | None) -> dict[str, Any]:
    """Stride and rate as they are given, else as the run's steps were taken, else the default."""
    own = run.sampling if run is not None and stride is None and rate is None else {}
    return {"stride": stride, "rate": RATE if rate is None else rate, **own}


def _with_scorers(run: TrainedRun | Path | str, fold: int | None, exact: bool) -> TrainedRun:
    """A run with the scorers that are asked for; they are read here, before a large encoder is."""
    trained = load_run(run) if isinstance(run, Path | str) else run
    if fold is not None or exact:
        trained = replace(trained, fold=trained.fold if fold is None else fold, exact=exact or trained.exact)
    _ = trained.scorers
    return trained


def _summarize(
    video: Path,
    to: Path,
    encoder: Encoder,
    query: str | None,
    run: TrainedRun | None,
    budget: Budget,
    look: Look,
    captioner: Captioner | None,
    texts: Captions | None,
    batch_size: int,
    stride: int | None,
    rate: float,
) -> Summary:
    if run is not None:
        run.check(encoder, query)
    text = None if query is None else encoder.encode_texts(run.texts(query) if run else phrases(query))
    with Progress({0: 1}) as progress, memory_checked(video):
        show = partial(progress.at, video.name)
        features = extract_features(video, encoder, stride, rate, captioner, N_CAPTIONS, texts, batch_size, show)
    info = features.info
    if info.warning:
        log.info(info.warning)
    if info.hdr:
        log.info(f"{video}: {look.of_hdr(info.hdr)}")
    scores, scorer = _scores(features, text, run)
    shot_value = run.config.protocol.shot_value if run and query is None else "sum"
    shots = features.change_points
    repeats = repeated_shots(features.features, features.picks, shots)  # (shots,)
    if repeats.any():
        log.info(f"{video}: {repeats.sum()} of {len(shots)} shots show again what was shown, and are omitted")
    cut = choose(scores, features.picks, shots, features.frame_times, info.duration, budget, shot_value, repeats)
    if cut.within_shot:
        log.info(f"{video}: a chosen shot is longer than the budget of {budget}: the best part of it is taken")
    chosen, borders = cut.shots[cut.chosen], np.append(features.frame_times, info.duration)
    stills = key_frames(scores, features.picks, chosen)
    rendered = render_summary(video, chosen, to / "summary.mp4", look, borders, stills)
    made = Summary(to, features, cut, scores, scorer, rendered, query, budget, look)
    write_summary(made)
    write_beside(made, texts or subtitles_of(video))
    result = f"{rendered.duration:.1f} s of {info.duration:.1f} s, {cut.chosen.sum()} of {len(cut.shots)} shots"
    log.info(f"{rendered.path}: {result} (budget {budget}); look at {made.page}")
    return made


def _check_arguments(
    video: Path, to: Path, query: str | None, captions: Captions | Path | str | None, look: Look
) -> None:
    """Raise before hours of work where their result could not be written, or nothing is asked for."""
    if query is not None and not query.strip():
        raise ArgumentError("query", "is empty; name what to look for, or omit it")
    if to.exists() and not to.is_dir():
        raise ArgumentError("to", f"{to} is a file; name a folder")
    for file in (to / name for name in (*FILES, *OPTIONAL_FILES)):
        for source in (video, video.with_suffix(".srt"), Path(captions) if isinstance(captions, Path | str) else video):
            if file.exists() and source.exists() and file.samefile(source):
                what = "the video itself" if source == video else "the subtitles of the video"
                raise ArgumentError("to", f"{file} is {what} and would be replaced; name another folder")
    open_video(video).close()  # what is no video is an error before a model is loaded
    look.check(video)


def _scores(
    video: VideoFeatures, text: NDArray[np.float32] | None, run: TrainedRun | None
) -> tuple[NDArray[np.floating], str]:
    """Scores of the steps, (steps,), and what made them; ``text`` is the query's."""
    if run is None and text is not None:
        return query_scores(video.features, text), "zero-shot: similarity to the query"
    if run is None:
        if video.captions and video.caption_features is None:
            log.info("NOTE: the encoder has no language, so captions do not count")
        told = "" if video.caption_features is None else ", and what the captions tell of"
        scores = generic_scores(video.features, video.caption_features)
        return scores, f"zero-shot: what is rare in the video, less at its ends{told}"
    if text is None and run.has_language:
        if (captions := video.caption_features) is not None:
            text = caption_tokens(captions, run.config.data.captions, run.config.data.caption_source)
        else:
            log.info(
                f"NOTE: {run.path} was trained with captions; here it has none (--captions FILE, --captioner NAME)"
            )
    try:
        return run.score(video.features, text), run.label
    except ValueError as error:  # captions or a query of another size than those of its training
        raise UserError(f"{run.path}: {error}") from error
