"""What the framework has to know of a benchmark; each one's own module says it, with its data sheet."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["annotated", "queries"]
"""What a benchmark has of a video: annotators' ratings or summaries of it, or queries, each with its own summary."""
F1Convention = Literal["mean", "max"]
CorrelationRule = Literal[
    "per-annotator", "mean-annotator", "all-frames", "mean-annotator-all-frames", "binary-summary"
]
"""What is correlated with what; `metrics.correlation.references` and `correlate` define each."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Facts and conventions of one benchmark. Declared, never guessed from a file's name."""

    name: str
    """Name in commands, files and keys, such as ``tvsum``."""
    title: str
    """Name as its authors write it."""
    kind: Kind
    """What its videos have. Each room decides on it once."""
    n_videos: int
    """Number of videos in the full distribution."""
    how_to_get: str
    """One line: where its annotations and features come from."""
    budget: float = 0.15
    """Largest share of a video's frames that its summary may take; with queries, the share of shots that it takes."""
    is_target: bool = True
    """Whether it is tested on; else other benchmarks train on it."""

    f1_convention: F1Convention = "mean"
    """Annotated: how F1 is taken over annotators, by their mean (TVSum) or the best agreement (SumMe)."""
    correlation: CorrelationRule = "mean-annotator"
    """Annotated: which references its rank correlations are taken against."""

    videos: tuple[str, ...] = ()
    """Queries: keys of its videos, in the order in which the field prints results."""
    n_queries: int = 0
    """Queries: number of queries of each video in the full distribution."""
    shot_seconds: float = 0.0
    """Queries: length of a shot."""
    families: tuple[str, ...] = ()
    """Queries: its families of folds, the default first."""

    @property
    def has_ratings(self) -> bool:
        """Whether its annotators rated the parts of a video, as its default rule then uses; else they cut summaries."""
        return self.correlation == "per-annotator"
