"""``Annotations``: what measuring reads of a video, for whoever has scores and annotations and no store."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipit_lightning.core.arrays import as_array, whole
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import check_picks, check_shots


class Annotations:
    """What people said of one video, and its shots. Lists, arrays and tensors are taken, and kept as arrays.

    Args:
        change_points: First and last frame of each shot, inclusive, without gaps, (shots, 2).
        n_frames: Number of frames of the video.
        picks: Frame number of each step that has a score, increasing, (steps,); by default every frame is a step.
        user_summary: 1 where a frame is in an annotator's summary, (annotators, frames). F1 needs it.
        user_scores: Ratings of the annotators, (annotators, steps), or (annotators, frames) to take at the picks.
        gtscore: Mean importance of each step, 0 to 1, (steps,); by default the mean of the annotators' ratings (0 and 1
            are the lowest and the highest that there are), or of their summaries.
        id: What messages call the video.

    Raises:
        ValueError: Lengths do not fit together (the message says both), or nobody annotated the video.
    """

    def __init__(
        self,
        change_points: ArrayLike,
        n_frames: int,
        picks: ArrayLike | None = None,
        user_summary: ArrayLike | None = None,
        user_scores: ArrayLike | None = None,
        gtscore: ArrayLike | None = None,
        id: str = "video",
    ) -> None:
        self.id, self.n_frames, self.change_points = id, n_frames, whole(change_points, "change_points")
        check_shots(self.change_points, n_frames)
        self.picks = np.arange(n_frames) if picks is None else whole(picks, "picks")
        check_picks(self.picks, n_frames)
        self.user_summary = None if user_summary is None else np.atleast_2d(as_array(user_summary))
        if self.user_summary is not None and self.user_summary.shape[1] != n_frames:
            length = self.user_summary.shape[1]
            raise ValueError(f"user_summary has {length} frames of each annotator, but the video has {n_frames}")
        if self.user_summary is not None and not np.isin(self.user_summary, (0, 1)).all():
            raise ValueError("user_summary is 0 or 1 at each frame; ratings are user_scores")
        self.user_scores = None if user_scores is None else self._of_steps("user_scores", user_scores)
        self.gtscore = self._importance() if gtscore is None else self._of_steps("gtscore", gtscore)[0]

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.picks)

    def _of_steps(self, name: str, values: ArrayLike) -> NDArray[Any]:
        """Values of steps, or of frames at the picks, (annotators, steps)."""
        rows = np.atleast_2d(as_array(values))
        if rows.shape[1] not in (self.n_steps, self.n_frames):
            known = f"there are {self.n_steps} picks and {self.n_frames} frames"
            raise ValueError(f"{name} has {rows.shape[1]} values of each annotator, but {known}")
        return rows if rows.shape[1] == self.n_steps else rows[:, self.picks]

    def _importance(self) -> NDArray[np.float64]:
        """Mean importance over annotators, 0 to 1, (steps,)."""
        if self.user_scores is not None:
            mean, lowest = self.user_scores.mean(axis=0, dtype=np.float64), self.user_scores.min()
            scaled: NDArray[np.float64] = (mean - lowest) / max(float(np.ptp(self.user_scores)), 1e-9)
            return scaled
        if self.user_summary is None:
            raise ValueError("annotations need user_summary, user_scores or gtscore")
        share: NDArray[np.float64] = self.user_summary[:, self.picks].mean(axis=0, dtype=np.float64)
        return share


Annotated = Annotations | Video
"""Whatever can be measured: a video of a store has the same attributes."""
