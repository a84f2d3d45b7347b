"""``ScriptVideo``: a video with scripts of its summaries, and ``ScriptItem``: the video with one script."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


def told_scripts(script_features: ArrayLike) -> tuple[int, ...]:
    """Numbers of the scripts of a video that have a sentence, from (scripts, sentences, features)."""
    return tuple(np.flatnonzero(np.asarray(script_features).any(axis=(1, 2))).tolist())


@dataclass(frozen=True, eq=False)
class ScriptVideo:
    """A video with scripts, each of which says in sentences what a summary of it shows."""

    dataset: str
    """Name of its benchmark, such as ``s-videoxum``."""
    key: str
    """Its key there: its name in the distributed file."""
    features: NDArray[np.float32]
    """Features of the steps, (steps, features)."""
    script_features: NDArray[np.float32]
    """Embeddings of the sentences of each script, behind the last one zeros, (scripts, sentences, features)."""
    summaries: NDArray[np.uint8]
    """1 where a step is in the summary that a script tells of, (scripts, steps)."""
    step_seconds: float
    """Seconds from one step to the next."""
    split: str = ""
    """The official part that it is in: ``train``, ``validation`` or ``test``; empty where folds list videos."""
    script_texts: tuple[str, ...] = ()
    """The scripts, where known, (scripts,)."""

    @property
    def id(self) -> str:
        """Benchmark and key: ``s-videoxum/v_abc``."""
        return f"{self.dataset}/{self.key}"

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.features)

    def items(self) -> list["ScriptItem"]:
        """The video once with each script that has a sentence; the others neither train nor are measured."""
        return [ScriptItem(self, script) for script in told_scripts(self.script_features)]


@dataclass(frozen=True, eq=False)
class ScriptItem:
    """A video with one of its scripts: what is scored, under the names that a batch reads of a ``Video`` too."""

    video: ScriptVideo
    script: int
    """Position of the script in the video's ``script_features``."""
    is_annotated = True  # every script has a summary

    @property
    def dataset(self) -> str:
        """Name of the benchmark."""
        return self.video.dataset

    @property
    def id(self) -> str:
        """Unique over benchmarks: ``s-videoxum/v_abc/3``."""
        return f"{self.video.id}/{self.script}"

    @property
    def features(self) -> NDArray[np.float32]:
        """Features of the steps, (steps, features): one array that all scripts of the video share."""
        return self.video.features

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return self.video.n_steps

    @property
    def summary(self) -> NDArray[np.uint8]:
        """1 at the steps of the summary, (steps,)."""
        row: NDArray[np.uint8] = self.video.summaries[self.script]
        return row

    @property
    def gtscore(self) -> NDArray[np.float32]:
        """1 at the steps of the summary, (steps,)."""
        return self.summary.astype(np.float32)

    gtsummary = gtscore

    def text(self) -> NDArray[np.float32]:
        """The embeddings of the script's sentences, without the zeros behind them, (sentences, features)."""
        rows = self.video.script_features[self.script]  # (sentences, features)
        sentences: NDArray[np.float32] = rows[rows.any(axis=1)]
        return sentences
