"""One raw video to a summary to watch: features, scores, chosen shots, and what is written of them.

Scores come from a trained run, or without one from a rule (``zero_shot.py``). Shots are chosen by the exact knapsack:
those of the largest total score that fit the budget; or with a script sentence by sentence (``script_choice.py``).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.data.field_layout import Features
from clipit_lightning.data.spans import spans_in_steps
from clipit_lightning.models.zero_shot import generic_scores, phrases, query_scores, sentence_scores
from clipit_lightning.pipelines.collect import Source
from clipit_lightning.pipelines.extraction import memory_checked
from clipit_lightning.pipelines.feature_cache import content_mark
from clipit_lightning.pipelines.kept_features import kept_features
from clipit_lightning.pipelines.progress import Progress
from clipit_lightning.pipelines.scenes import first_frames, sentence_frames, shown_scores
from clipit_lightning.pipelines.summary import Summary
from clipit_lightning.pipelines.summary_extras import key_frames, write_beside
from clipit_lightning.pipelines.summary_files import write_summary
from clipit_lightning.summary.budget import Budget
from clipit_lightning.summary.choice import Cut, ShotOptions, choose, frame_and_room
from clipit_lightning.summary.key_shots import ShotValue
from clipit_lightning.summary.repeats import repeated_shots
from clipit_lightning.summary.script import Script
from clipit_lightning.summary.script_choice import choose_for_script
from clipit_lightning.summary.shot_lengths import with_lengths
from clipit_lightning.video.borders import choose_on_cuts
from clipit_lightning.video.captioner import Captioner
from clipit_lightning.video.captions import Captions
from clipit_lightning.video.encoders import Encoder
from clipit_lightning.video.extract import N_CAPTIONS, VideoFeatures, extract_features, provenance
from clipit_lightning.video.reader import header_duration
from clipit_lightning.video.render import Look, render_summary
from clipit_lightning.video.streams import Stream
from clipit_lightning.video.subtitles import subtitles_of

if TYPE_CHECKING:
    from clipit_lightning.pipelines.trained_run import TrainedRun  # takes seconds to import


@dataclass(frozen=True, eq=False)
class Summarizer:
    """What makes summaries: models that are loaded, and options that hold for all videos."""

    encoder: Encoder
    shots: ShotOptions
    look: Look
    query: str | None
    script: Script | None
    run: TrainedRun | None
    captioner: Captioner | None
    stride: int | None
    rate: float
    batch_size: int
    streams: tuple[Stream, ...] = ()
    """What makes the streams that the run reads beside what is seen."""

    def __post_init__(self) -> None:
        """Check that encoder, query and run fit."""
        if self.run is not None:
            self.run.check(self.encoder, self.query, self.script is not None)

    def summarize(self, video: Path, to: Path, texts: Captions | None = None) -> Summary:
        """Summarize a video into a folder; ``texts`` are its captions.

        Raises:
            UserError: The video cannot be read, the budget is less than a frame, or the script longer than the video.
        """
        text = self._text_features  # first, for an encoder without language is an error before the work
        features = self._features(video, to, texts)
        info = features.info
        if info.warning:
            log.info(info.warning)
        if info.hdr:
            log.info(f"{video}: {self.look.of_hdr(info.hdr)}")
        budget = self.shots.budget_of(info.duration)
        if self.script is not None and self.shots.budget is None:
            budget = self.script.budget_of(budget, info.duration)
        elif self.shots.budget is None and budget.seconds:
            log.info(f"{video}: lasts {info.duration:.1f} s, so its summary has {budget} (--budget for another length)")
        if self.script is None or text is None:
            scores, scorer = _scores(features, text, self.run)
            shot_value = self.run.config.protocol.shot_value if self.run and self.query is None else "sum"
            cut = _choose(features, scores, self.shots, budget, shot_value)
            stills = key_frames(scores, features.picks, cut.shots[cut.chosen])
        else:
            of_sentences, scorer = _sentence_scores(features, text, self.run)
            cut = _choose_for_script(features, of_sentences, self.shots, budget, self.script)
            scores = shown_scores(of_sentences, features.picks, cut)
            stills = sentence_frames(scores, features.picks, cut)
        borders, chosen = np.append(features.frame_times, info.duration), cut.shots[cut.played]
        told = None if self.script is None else first_frames(self.script, cut)
        rendered = render_summary(video, chosen, to / "summary.mp4", self.look, borders, stills, told)
        made = Summary(to, features, cut, scores, scorer, rendered, self.query, budget, self.look, self.script)
        write_summary(made)
        write_beside(made, texts or (subtitles_of(video) if self.script is None else None))
        result = f"{rendered.duration:.1f} s of {info.duration:.1f} s, {cut.chosen.sum()} of {len(cut.shots)} shots"
        log.info(f"{rendered.path}: {result} (budget {budget}); look at {made.page}")
        return made

    def _features(self, video: Path, to: Path, texts: Captions | None) -> VideoFeatures:
        stride, rate, captioner = self.stride, self.rate, self.captioner
        how = provenance(self.encoder, stride, rate, captioner, N_CAPTIONS, texts is not None, self.streams)
        settings = json.dumps([content_mark(Source("", video.name, video, texts)), how])

        def extract() -> VideoFeatures:
            with Progress({0: 1}) as progress, memory_checked(video):
                show = partial(progress.at, video.name, duration=header_duration(video))
                captions = captioner, N_CAPTIONS, texts
                return extract_features(
                    video, self.encoder, stride, rate, *captions, self.batch_size, show, self.streams
                )

        return kept_features(to, video, settings, extract)

    @cached_property
    def _text_features(self) -> NDArray[np.float32] | None:
        """Features of the query's texts or of the script's sentences, (texts, features)."""
        if self.script is not None:
            return self.encoder.encode_texts(self.script.texts)
        if self.query is None:
            return None
        return self.encoder.encode_texts(self.run.texts(self.query) if self.run else phrases(self.query))


def _choose(
    video: VideoFeatures, scores: NDArray[np.floating], options: ShotOptions, budget: Budget, shot_value: ShotValue
) -> Cut:
    """The shots of a video, on its cuts, and those that are in the summary."""
    info, times = video.info, video.frame_times
    shots, repeats = _shots(video, options)

    def choose_of(borders: NDArray[np.int64]) -> Cut:
        of_video = (scores, video.picks, borders, times, info.duration)
        return choose(*of_video, budget, shot_value, repeats, options.count, options.padding)

    cut = choose_on_cuts(video, shots, choose_of)
    if cut.within_shot and not options.one:
        log.info(f"{info.path}: a chosen shot is longer than its budget: the best part of it is taken")
    return cut


def _choose_for_script(
    video: VideoFeatures, scores: NDArray[np.floating], options: ShotOptions, budget: Budget, script: Script
) -> Cut:
    """The shots of a video, on its cuts, and those that show the sentences; scores are (sentences, steps)."""
    info, times = video.info, video.frame_times
    shots, repeats = _shots(video, options)
    frame, room = frame_and_room(times, info.duration, budget)
    rooms = np.array(script.rooms(room, frame))  # (sentences,)

    def choose_of(borders: NDArray[np.int64]) -> Cut:
        return choose_for_script(scores, video.picks, borders, times, info.duration, rooms, script.order, repeats)

    cut = choose_on_cuts(video, shots, choose_of)
    if cut.within_shot:
        log.info(f"{info.path}: a chosen shot is longer than its sentence: the best part of it is taken")
    return cut


def _shots(video: VideoFeatures, options: ShotOptions) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The shots of a video as they are asked for, and which show again what was shown, (shots,)."""
    info, times = video.info, video.frame_times
    shots, least, most = video.change_points, options.least, options.most
    if options.count and len(shots) < options.count:
        most = min(most or math.inf, info.duration / options.count)
    if options.one:
        shots = np.array([[0, info.n_frames - 1]])
    elif least is not None or most is not None:
        shots = with_lengths(shots, times, info.duration, video.features, video.picks, least, most)
    repeats = repeated_shots(video.pictures, video.picks, shots)  # (shots,)
    if repeats.any():
        log.info(f"{info.path}: {repeats.sum()} of {len(shots)} shots show again what was shown, and are omitted")
    return shots, repeats


def _sentence_scores(
    video: VideoFeatures, text: NDArray[np.float32], run: TrainedRun | None
) -> tuple[NDArray[np.floating], str]:
    """Scores of the steps for each sentence, (sentences, steps), and what made them.

    A run reads the sentences as its text tokens, and its scores count beside the similarity.
    """
    if run is None:
        return sentence_scores(video.features, text), "zero-shot: similarity to the sentence that is shown"
    scores = sentence_scores(video.features, text, _run_scores(video, text, run))
    return scores, f"similarity to the sentence that is shown, and {run.label}"


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
    spans = None
    if text is None and run.has_language:
        text, spans = run.caption_text(_as_stored(video))
        if text is None:
            log.info(
                f"NOTE: {run.path} was trained with captions; here it has none (--captions FILE, --captioner NAME)"
            )
    return _run_scores(video, text, run, spans), run.label


def _run_scores(
    video: VideoFeatures, text: NDArray[np.float32] | None, run: TrainedRun, spans: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    try:
        return run.score(video.all_features, text, spans=spans)
    except ValueError as error:  # captions or a query of another size than those of its training
        raise UserError(f"{run.path}: {error}") from error


def _as_stored(video: VideoFeatures) -> Features:
    """A raw video as if it came from a store."""
    spans = spans_in_steps(video.text_spans * video.info.fps, video.picks, video.info.n_frames)  # (captions, 2)
    return Features(video.info.path.stem, video.features, video.caption_features, spans)
