"""``Summary``: the summary of one raw video, and where it lies."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.pipelines import kept_features
from clipit_lightning.pipelines.scenes import Scene, scenes_of
from clipit_lightning.summary.budget import Budget
from clipit_lightning.summary.choice import Cut
from clipit_lightning.summary.key_shots import frame_scores, shot_means
from clipit_lightning.summary.script import Script
from clipit_lightning.video.cut_lists import CUT_LISTS, Timebase, timebase
from clipit_lightning.video.extract import VideoFeatures
from clipit_lightning.video.frames import shot_seconds
from clipit_lightning.video.render import Look, Rendered

FILES = ("summary.mp4", "summary.json", *CUT_LISTS, kept_features.NAME, "summary.html", "thumbnail.jpg")
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
    script: Script | None = None

    @property
    def page(self) -> Path:
        """The page to look at."""
        return self.folder / "summary.html"

    @property
    def shots(self) -> NDArray[np.int64]:
        """First and last frame of the chosen shots, inclusive, in the order in which they are shown, (chosen, 2)."""
        return self.cut.shots[self.cut.played]

    @cached_property
    def scenes(self) -> tuple[Scene, ...]:
        """Each sentence of the script with the shots that show it; none without a script."""
        return scenes_of(self)

    @property
    def told(self) -> list[str]:
        """The sentence that each shot shows, chosen or not, empty for none; without a script nothing."""
        if self.script is None or self.cut.sentences is None:
            return []
        return [self.script.texts[number] if number >= 0 else "" for number in self.cut.sentences]

    @property
    def seconds(self) -> list[tuple[float, float]]:
        """When each shot starts and ends, chosen or not."""
        return shot_seconds(self.cut.shots, self.video.frame_times, self.video.info.duration)

    @cached_property
    def timebase(self) -> Timebase:
        """How the cut lists count frames; kept, for the file is opened for it."""
        return timebase(self.video.info.path, self.video.frame_times)

    @property
    def values(self) -> NDArray[np.float64]:
        """Mean score of each shot, (shots,)."""
        return shot_means(frame_scores(self.scores, self.video.picks, self.video.info.n_frames), self.cut.shots)
