"""What the framework has to know of a benchmark; each one's own module says it, with its data sheet."""

from dataclasses import dataclass
from typing import Literal

F1Convention = Literal["mean", "max"]
CorrelationRule = Literal[
    "per-annotator", "mean-annotator", "all-frames", "mean-annotator-all-frames", "binary-summary"
]
"""What is correlated with what; `metrics.correlation.references` and `correlate` define each."""


@dataclass(frozen=True)
class Benchmark:
    """Facts and conventions of one benchmark. Declared, never guessed from a file's name."""

    name: str
    """Name in commands, files and keys, such as ``tvsum``."""
    title: str
    """Name as its authors write it."""
    n_videos: int
    """Number of videos in the full distribution."""
    f1_convention: F1Convention
    """How F1 is taken over annotators: their mean (TVSum), or the best agreement (SumMe)."""
    correlation: CorrelationRule
    """Which references its rank correlations are taken against."""
    how_to_get: str
    """One line: where its annotations and features come from."""
    budget: float = 0.15
    """Largest share of a video's frames that its summary may take."""

    @property
    def has_ratings(self) -> bool:
        """Whether its annotators rated the parts of a video, as its default rule then uses; else they cut summaries."""
        return self.correlation == "per-annotator"


@dataclass(frozen=True)
class QueryBenchmark:
    """Facts and conventions of a benchmark whose videos are summarized once for every query."""

    name: str
    """Name in commands, files and keys, such as ``qfvs``."""
    title: str
    """Name as its authors write it."""
    videos: tuple[str, ...]
    """Keys of its videos, in the order in which the field prints results."""
    n_queries: int
    """Number of queries of each video in the full distribution."""
    shot_seconds: float
    """Length of a shot."""
    budget: float
    """Share of the shots that a prediction takes."""
    families: tuple[str, ...]
    """Its families of folds, the default first."""
    how_to_get: str
    """One line: where its annotations and features come from."""
