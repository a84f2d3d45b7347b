"""A trained run for whoever uses it: its results, and scores of other videos by its scorers.

Scores are the mean of those of its folds, since a video of the user's is new to all of them, or of one fold. Features
must come from the encoder that the run was trained on. The same input gives the same scores.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array
from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.log import log
from clipit_lightning.data import has_queries, has_scripts
from clipit_lightning.data.batches import caption_tokens
from clipit_lightning.data.field_layout import Features, read_features
from clipit_lightning.data.shot_captions import reads_shot_captions, shot_caption_size, with_captions_read
from clipit_lightning.data.spans import caption_spans
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.models.scorer import Scorer, output_of
from clipit_lightning.models.zero_shot import phrases
from clipit_lightning.pipelines.run_streams import streams_beside
from clipit_lightning.pipelines.text_items import sentences, text_items
from clipit_lightning.training.result import RunResult
from clipit_lightning.training.run import Run
from clipit_lightning.training.scorers import read_scorer
from clipit_lightning.video.encoders import Encoder
from clipit_lightning.video.streams import stream_name

_SAME = {"weights_sha256": "weights", "preprocessing": "preprocessing", "definition": "definition"}


@dataclass(frozen=True)
class TrainedRun:
    """A finished run: how it was trained, what it reached, and its scorers, which score other videos.

    The scorers are read when the first one is asked for: a run that trained nothing has the rest.
    """

    path: Path
    config: Config
    result: RunResult
    fold: int | None = None
    """The fold that scores; by default all do."""
    exact: bool = False
    """Whether long videos are scored exactly too."""

    @property
    def protocol(self) -> Protocol:
        """How it was measured."""
        return self.result.protocol

    @property
    def results(self) -> pd.DataFrame:
        """The metrics of every tested video, or query: ``video`` (``query``), ``fold``, and the metrics as fractions.

        Raises:
            UserError: The run tested nothing, or its table is damaged.
        """
        return Run(self.path).rows()

    @property
    def scorers(self) -> dict[int, Scorer]:
        """The scorers by the numbers of their folds, with the weights of the epochs that the run selected.

        Raises:
            UserError: Nothing is trained, a checkpoint is damaged, or there is no such fold.
        """
        return {number: scorer for number, (scorer, _) in self._read.items()}

    @property
    def feature_dim(self) -> int:
        """Features of a step."""
        return int(next(iter(self._read.values()))[1]["feature_dim"])

    @property
    def text_dim(self) -> int:
        """Features of a text token."""
        return int(next(iter(self._read.values()))[1]["text_dim"])

    @property
    def streams(self) -> dict[str, int]:
        """Its streams with their widths."""
        return dict(next(iter(self._read.values()))[1].get("streams") or {})

    @property
    def beside(self) -> tuple[str, ...]:
        """Its streams beside what is seen, by name; a UserError where one cannot be made of a raw video."""
        return streams_beside(self.path, self.streams, self.result.store)

    @cached_property
    def _read(self) -> dict[int, tuple[Scorer, dict[str, Any]]]:
        """The scorers with the options that they were made with."""
        name = "last.ckpt" if self.config.selection == "last" else "best.ckpt"
        files = {
            int(file.parent.name): file for file in self.path.glob(f"folds/*/{name}") if file.parent.name.isdecimal()
        }
        if not files:
            trained = f"{self.config.model.name}, folds/*/{name}"
            raise UserError(f"{self.path}: holds no trained scorer ({trained}); choose another run")
        if self.fold is not None and self.fold not in files:
            raise ArgumentError("fold", f"{self.path} has {', '.join(map(str, sorted(files)))}, not {self.fold}")
        chosen = sorted(files) if self.fold is None else [self.fold]
        read = {number: read_scorer(files[number], self.exact) for number in chosen}
        if len({(options["feature_dim"], options["text_dim"]) for _, options in read.values()}) > 1:
            raise UserError(f"{self.path}: its folds were trained on features of several sizes; train it anew")
        return read

    @property
    def label(self) -> str:
        """The run and its folds that score, in words."""
        folds = ", ".join(map(str, self.scorers))
        scored = f"mean of folds {folds}" if len(self.scorers) > 1 else f"fold {folds}"
        return f"run {self.path.resolve().name}, {scored}"

    @property
    def has_language(self) -> bool:
        """Whether its scores depend on text."""
        reads_language = any(scorer.reads_language for scorer in self.scorers.values())
        return reads_language and bool(self.result.captions)

    @property
    def wants_query(self) -> bool:
        """Whether it was trained with a query, or a script, for each summary."""
        return self.has_language and any(has(self.config.data.dataset) for has in (has_queries, has_scripts))

    @property
    def sampling(self) -> dict[str, int | float]:
        """The ``stride`` or ``rate`` at which its steps were sampled, where its store knows."""
        text = self.result.store.get("sampling", "")
        if stride := re.search(r"divisible by (\d+)$", text):
            return {"stride": int(stride[1])}
        rate = re.search(r"each 1/(\S+) s$", text)
        return {"rate": float(rate[1])} if rate else {}

    def texts(self, query: str) -> list[str]:
        """The text tokens of a query as in training: with queries its phrases alone, with scripts the sentences."""
        if has_scripts(self.config.data.dataset):
            return sentences(query)
        whole, *several = phrases(query)
        if not self.wants_query:
            return [whole, *several]
        return (several or [whole]) + ([whole] if self.config.data.sentence and several else [])

    def check(self, encoder: Encoder, query: str | None, has_script: bool = False) -> None:
        """Raise a UserError where an encoder, or a query or a script, or none, does not fit what it was trained on."""
        if reads_shot_captions(self.config.data.caption_source, self.config.data.shot_captions):
            raise UserError(f"{self.path}: was trained on captions of shots, which a raw video lacks; choose another")
        made, given = self.result.store, encoder.provenance()  # the store says how features were made, where it knows
        named = made.get("encoder") or self.result.features
        other = [word for key, word in _SAME.items() if "encoder" in made and made.get(key) != given.get(key)]
        size = self.feature_dim - sum(self.streams[stream_name(name)] for name in self.beside)
        if other or encoder.feature_dim != size:
            why = f"other {other[0]}" if other else f"{encoder.feature_dim} features, not {size}"
            way_out = f"give --encoder {named}, with the weights of then"
            if "encoder" not in made:
                way_out = "train on a store of `clipit prepare`, which says by which encoder it was made"
            raise UserError(
                f"{self.path}: was trained on features {named!r}; {encoder.name} gives others ({why}); {way_out}"
            )
        if "encoder" not in made:
            log.info(
                f"NOTE: {self.path} was trained on features {named!r}, and its store does not say which encoder made "
                f"them; if that was not {encoder.name}, the scores mean nothing"
            )
        wants_script = query is None and has_scripts(self.config.data.dataset)
        what = "script" if has_script or wants_script else "query"
        if (query is not None or has_script) and not self.has_language:
            raise UserError(f"{self.path}: was trained without language, so that a {what} has no effect; omit it")
        if query is None and not has_script and self.wants_query:
            raise UserError(f"{self.path}: was trained to summarize by a {what}; give one with --{what}")

    @overload
    def score(  # type: ignore[overload-overlap]  # numpy takes a text for an array, too
        self, features: Path | str, text: None = None, fold: int | None = None, spans: None = None
    ) -> dict[str, NDArray[np.float32]]: ...

    @overload
    def score(
        self,
        features: ArrayLike,
        text: ArrayLike | None = None,
        fold: int | None = None,
        spans: ArrayLike | None = None,
    ) -> NDArray[np.float32]: ...

    def score(
        self,
        features: ArrayLike | Path,
        text: ArrayLike | None = None,
        fold: int | None = None,
        spans: ArrayLike | None = None,
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Score the steps of a video, or of every video of a file: the mean over the folds, or one ``fold``.

        Args:
            features: Features of the steps, (steps, features), array, list or tensor; or the path of a store, or of
                another HDF5 file of groups with ``features`` and perhaps ``caption_features``.
            text: Features of captions, or of a query, (tokens, features). A file brings its own.
            fold: The fold that scores, where the others have been trained on the video.
            spans: When the text holds, in steps, (tokens, 2), for a scorer that reads it; by default not known.

        Returns:
            0 to 1, (steps,); of a file by video, or by video and query.

        Raises:
            UserError: The file cannot be read or does not fit the run, or the run has no scorer.
            ValueError: The features or the text do not fit the run, or are not finite.
        """
        chosen = self if fold is None else replace(self, fold=fold)
        if not isinstance(features, Path | str):
            return chosen._scores(features, text, spans)
        if text is not None or spans is not None:
            name = "spans" if text is None else "text"
            raise ValueError(f"{name} is for an array of features; a file brings its own")
        scores, path = {}, Path(features)
        for video in chosen._items(path):
            try:
                scores[video.key] = chosen._scores(video.features, video.captions, video.spans)
            except ValueError as error:
                raise UserError(f"{path}: {video.key}: {error}; choose another run or file") from error
        return scores

    def _items(self, path: Path) -> Iterator[Features]:
        """Whatever in a file has scores of its own, with the text that it is scored with, as in training."""
        if self.wants_query or has_scripts(self.config.data.dataset):
            yield from text_items(path, self.config.data)
        else:
            for read in self._videos(path):
                yield Features(read.key, read.features, *self.caption_text(read))

    def caption_text(self, video: Features) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """The text tokens of captions, (tokens, features), and when they hold, (tokens, 2), as in training."""
        if video.captions is None or not self.has_language:
            return None, None
        chosen = self.config.data.captions, self.config.data.caption_source
        return caption_tokens(video.captions, *chosen), caption_spans(video.spans, *chosen, len(video.features))

    def _videos(self, path: Path) -> Iterator[Features]:
        """Every video of a file, with all its captions; captions of shots are in stores alone."""
        chosen = self.config.data.caption_source, self.config.data.shot_captions
        if not reads_shot_captions(*chosen):
            yield from read_features(path)
            return
        store = Store(path)
        size = shot_caption_size(store)
        for key in store.video_keys():
            video = with_captions_read(store.read([key])[0], *chosen, size)
            yield Features(key, video.features, video.caption_features, video.caption_spans)

    def _scores(self, features: ArrayLike, text: ArrayLike | None, spans: ArrayLike | None) -> NDArray[np.float32]:
        steps = np.array(as_array(features), dtype=np.float32)  # (steps, features)
        tokens = np.zeros((0, self.text_dim)) if text is None else as_array(text)  # (tokens, features)
        times = np.zeros((0, 2)) if spans is None else as_array(spans)  # (tokens, 2)
        for what, values, size in (("features", steps, self.feature_dim), ("text features", tokens, self.text_dim)):
            if values.ndim != 2:
                raise ValueError(f"{what} have shape {values.shape}, but (.., {size}) is needed")
            if values.shape[1] != size:
                raise ValueError(f"{values.shape[1]} {what}, but the run was trained on {size}")
            if not np.isfinite(values).all():
                raise ValueError(f"{what} must be finite")
        if not len(steps):
            raise ValueError("there is no step to score")
        if not len(tokens) and self.wants_query:
            raise ValueError("the run was trained to summarize by a query; give its text")
        if len(times) and times.shape != (len(tokens), 2):
            raise ValueError(f"spans have shape {times.shape}, but ({len(tokens)}, 2) is needed")
        inputs = [torch.from_numpy(values.astype(np.float32)) for values in (steps, tokens, times)]
        with torch.inference_mode():
            of_folds = [output_of(scorer, *inputs).scores.double().numpy() for scorer in self.scorers.values()]
        scores: NDArray[np.float32] = np.mean(of_folds, axis=0).astype(np.float32)  # (steps,)
        if not np.isfinite(scores).all():
            raise UserError(f"{self.path}: gives scores that are not finite; train it anew")
        return scores


def load_run(path: Path | str, fold: int | None = None, exact: bool = False) -> TrainedRun:
    """Read a finished run: its configuration, protocol and results, and its scorers.

    Args:
        path: Its folder.
        fold: The fold that scores; by default all, whose mean is taken.
        exact: Score long videos exactly too.

    Raises:
        UserError: There is no finished run, or a file of it is damaged.
    """
    run = Run(Path(path))
    return TrainedRun(run.path, run.config(), run.result(), fold, exact)
