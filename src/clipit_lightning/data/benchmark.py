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
    """Which references the rank correlations of ``evaluation.md`` are taken against."""
    how_to_get: str
    """One line: where its annotations and features come from."""

    @property
    def has_ratings(self) -> bool:
        """Whether its annotators rated the parts of a video, as its default rule then uses; else they cut summaries."""
        return self.correlation == "per-annotator"
