"""Scores of a raw video's steps by the scorers of a trained run.

The mean of the scores of its folds, since a video of the user's is new to all of them, or one fold. Features must come
from the encoder that the run was trained on. The same input gives the same scores.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.data import has_queries
from clipit_lightning.models.scorer import Scorer
from clipit_lightning.models.zero_shot import phrases
from clipit_lightning.training.result import RunResult
from clipit_lightning.training.run import Run
from clipit_lightning.training.scorers import read_scorer
from clipit_lightning.video.encoders import Encoder

_SAME = {"weights_sha256": "weights", "preprocessing": "preprocessing", "definition": "definition"}


@dataclass(frozen=True)
class TrainedRun:
    """A finished run, whose scorers, by the numbers of their folds, score other videos."""

    path: Path
    config: Config
    result: RunResult
    scorers: dict[int, Scorer]
    feature_dim: int
    text_dim: int

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
        """Whether it was trained with a query for each summary."""
        return self.has_language and has_queries(self.config.data.dataset)

    @property
    def sampling(self) -> dict[str, int | float]:
        """The ``stride`` or ``rate`` at which its steps were sampled, where its store knows."""
        text = self.result.store.get("sampling", "")
        if stride := re.search(r"divisible by (\d+)$", text):
            return {"stride": int(stride[1])}
        rate = re.search(r"each 1/(\S+) s$", text)
        return {"rate": float(rate[1])} if rate else {}

    def texts(self, query: str) -> list[str]:
        """The text tokens of a query, as it was trained with: of a benchmark with queries their phrases alone."""
        whole, *several = phrases(query)
        if not self.wants_query:
            return [whole, *several]
        return (several or [whole]) + ([whole] if self.config.data.sentence and several else [])

    def check(self, encoder: Encoder, query: str | None) -> None:
        """Raise a UserError where an encoder or a query, or none, does not fit what it was trained on."""
        made, given = self.result.store, encoder.provenance()  # the store says how features were made, where it knows
        named = made.get("encoder") or self.result.features
        other = [word for key, word in _SAME.items() if "encoder" in made and made.get(key) != given.get(key)]
        if other or encoder.feature_dim != self.feature_dim:
            why = f"other {other[0]}" if other else f"{encoder.feature_dim} features, not {self.feature_dim}"
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
        if query is not None and not self.has_language:
            raise UserError(f"{self.path}: was trained without language, so that a query has no effect; omit it")
        if query is None and self.wants_query:
            raise UserError(f"{self.path}: was trained to summarize by a query; give one with --query")

    def scores(self, features: NDArray[np.float32], text: NDArray[np.float32] | None) -> NDArray[np.float64]:
        """Scores from features of the steps, (steps, features), and of text, (tokens, features) or None.

        They are the mean over the folds, between 0 and 1, (steps,). What does not fit or is not finite is a UserError.
        """
        tokens = torch.zeros(0, self.text_dim) if text is None else torch.from_numpy(text)  # (tokens, features)
        if tokens.shape[1] != self.text_dim:
            raise UserError(f"{self.path}: was trained on {self.text_dim} features a text, not on {tokens.shape[1]}")
        steps = torch.from_numpy(features)  # (steps, features)
        with torch.inference_mode():
            of_folds = [scorer(steps, tokens).scores.double().numpy() for scorer in self.scorers.values()]
        scores: NDArray[np.float64] = np.mean(of_folds, axis=0)  # (steps,)
        if not np.isfinite(scores).all():
            raise UserError(f"{self.path}: gives scores that are not finite; train it anew")
        return scores


def read_trained_run(path: Path, fold: int | None = None, exact: bool = False) -> TrainedRun:
    """Read a run, with the weights of the epochs that it selected; one fold, or by default all.

    ``exact`` scores long videos exactly too.

    Raises:
        UserError: There is no finished run, a file of it is damaged, it has no such fold, or nothing in it is trained.
    """
    run = Run(path)
    config, result = run.config(), run.result()
    name = "last.ckpt" if config.selection == "last" else "best.ckpt"
    there = sorted(int(file.parent.name) for file in path.glob(f"folds/*/{name}") if file.parent.name.isdecimal())
    if not there:
        raise UserError(f"{path}: holds no trained scorer ({config.model.name}, folds/*/{name}); choose another run")
    if fold is not None and fold not in there:
        raise UserError(f"--fold: {path} has {', '.join(map(str, there))}, not {fold}")
    read = {number: read_scorer(run.fold(number) / name, exact) for number in (there if fold is None else [fold])}
    sizes = {(options["feature_dim"], options["text_dim"]) for _, options in read.values()}
    if len(sizes) > 1:
        raise UserError(f"{path}: its folds were trained on features of several sizes; train it anew")
    return TrainedRun(path, config, result, {number: scorer for number, (scorer, _) in read.items()}, *sizes.pop())
