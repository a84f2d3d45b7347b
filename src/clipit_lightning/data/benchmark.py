"""What the framework has to know of a benchmark. The module of each benchmark declares it, with its data sheet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.script_video import ScriptVideo
from clipit_lightning.data.video import Video

Kind = Literal["annotated", "queries", "scripts"]
"""What a benchmark has of a video: annotators' ratings or summaries of it, or queries or scripts, each with its own
summary."""
F1Convention = Literal["mean", "max"]
Highlights = Literal["off", "floor", "ceil"]
"""Whether mAP of clips is measured, and how many of them are best: the floor or the ceiling of a share."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file to download."""

    url: str
    """Public address, https."""
    name: str
    """Name that the file gets here."""
    size: int | None = None
    """Bytes; None where nobody published it and we could not measure it, as of the checksum."""
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A distribution of a benchmark, of its videos, or of features. We keep no copies; the licences are theirs."""

    name: str
    """Name on the command line."""
    title: str
    licence: str
    how_to_get: str
    """One line: where it is distributed if it cannot be downloaded from here, and what to do with the files."""
    files: tuple[RemoteFile, ...] = ()
    """What can be downloaded; empty where there is no public address that we would rely on."""


FIELD_FEATURES = Source(
    name="features",
    title="the field's eccv16_dataset_{tvsum,summe,ovp,youtube}_google_pool5.h5 (Zhang et al., ECCV 2016)",
    licence="research use",
    how_to_get="datasets.tar.gz by the link in the README of https://github.com/KaiyangZhou/pytorch-vsumm-reinforce "
    "(Zhou et al., AAAI 2018); unpack it and run `clipit data import FOLDER`",
)
"""Features of all annotated benchmarks."""


@dataclass(frozen=True)
class Ratings:
    """One video's ratings as distributed, with its name or YouTube id."""

    name: str
    ratings: NDArray[np.float32]
    """Ratings from 1 to 5, (annotators, frames)."""


@dataclass(frozen=True)
class Summaries:
    """One video's summaries as distributed, with its name or YouTube id."""

    name: str
    user_summary: NDArray[np.uint8]
    """1 where a frame is in an annotator's summary, (annotators, frames)."""


Annotation = Ratings | Summaries


@dataclass(frozen=True)
class AnnotationFile:
    """A form in which annotations are distributed."""

    pattern: str
    """Of its path, as distributed."""
    read: Callable[[Path], Mapping[str, Annotation]]
    """Reads all videos, by key."""
    is_one: Callable[[Path], bool] | None = None
    """Whether a file under another name, of the same suffix, is one; where that can be told."""


@dataclass(frozen=True)
class FileImport:
    """What lies there of a benchmark that reads its files itself."""

    videos: Sequence[QueryVideo] | Sequence[ScriptVideo] | Sequence[Video] = field(default_factory=list)
    """Its videos, joined; empty where something is missing."""
    features: str = ""
    """Their name; empty where there are none."""
    notices: list[str] = field(default_factory=list)
    """What the user should know: what was omitted, what is incomplete."""
    missing: str = ""
    """What is missing, such as ``oracle summaries``."""
    annotations: str = ""
    """What they hold, in words; by default their queries are counted."""
    streams: str = ""
    """The parts of their features, as the store's attribute has them; empty where they have none."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Facts and conventions of one benchmark. Declared, never guessed from a file's name."""

    name: str
    """Name in commands, files and keys, such as ``tvsum``."""
    title: str
    kind: Kind
    n_videos: int
    how_to_get: str
    """One line: where its annotations and features come from."""
    budget: float = 0.15
    """Largest share of a video's frames that its summary may take; with queries or scripts, the share of shots or steps
    that it takes."""
    sources: tuple[Source, ...] = ()
    """For `clipit data fetch`."""
    is_target: bool = True
    """Whether it is tested on; else other benchmarks train on it."""

    f1_convention: F1Convention = "mean"
    """Annotated: how F1 is taken over annotators, by their mean (TVSum) or the best agreement (SumMe)."""
    correlation: str = "mean-annotator"
    """Annotated: what its rank correlations compare, a name in `evaluation.rules.CORRELATION_RULES`."""
    highlights: Highlights = "off"
    """Annotated: by which rule mAP of 5-second clips is measured beside."""
    numbers: frozenset[int] = frozenset()
    """Annotated: which ``video_N`` there are in the field's file; by default 1 to ``n_videos``, or any where it reads
    its files itself."""
    annotations: tuple[AnnotationFile, ...] = ()
    """Annotated: its annotation files, the best form first."""
    raw_files: str = ""
    """Annotated: what the folder of its videos holds, for `clipit prepare`; empty where it has none."""

    videos: tuple[str, ...] = ()
    """Queries: keys of its videos, in the order in which the field prints results."""
    n_queries: int = 0
    """Queries: number of queries of each video in the full distribution."""
    shot_seconds: float = 0.0
    families: tuple[str, ...] = ()
    """Its families of folds, the default first; empty for annotated videos that any folds may part."""
    read_files: Callable[[Sequence[Path], str | None], FileImport] | None = None
    """Reads all videos from the files that lie there, with the features of a name, by default the only; None where the
    field's layout is read."""

    def __post_init__(self) -> None:
        if self.kind == "annotated" and self.read_files is None and not self.numbers:
            object.__setattr__(self, "numbers", frozenset(range(1, self.n_videos + 1)))

    @property
    def has_ratings(self) -> bool:
        """Whether its annotators rated a video throughout, as its default rule then uses; else they cut summaries."""
        return self.correlation == "per-annotator"
