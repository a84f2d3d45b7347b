"""``Video``: one annotated video, the only form in which data leave the store."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.data.spans import spans_in_steps


@dataclass(frozen=True, eq=False)
class Video:
    """One video with features and annotations, under the names of the field's HDF5 layout (Zhang et al., ECCV 2016)."""

    dataset: str
    """Name of its benchmark, such as ``tvsum``."""
    key: str
    """Its key there, such as ``video_7``."""
    features: NDArray[np.float32]
    """Frame features, (steps, features)."""
    picks: NDArray[np.int64]
    """Frame number of each step, increasing, (steps,)."""
    n_frames: int
    """Number of frames of the video."""
    change_points: NDArray[np.int64]
    """First and last frame of each shot, inclusive, (shots, 2)."""
    gtscore: NDArray[np.float32]
    """Mean importance over annotators, 0 to 1, (steps,); NaN where nobody annotated the video."""
    gtsummary: NDArray[np.float32]
    """1 at the key frames, (steps,); NaN where nobody annotated the video."""
    user_summary: NDArray[np.uint8] | None = None
    """1 where a frame is in an annotator's summary, (annotators, frames)."""
    user_scores: NDArray[np.float32] | None = None
    """Raw ratings of the annotators at the picks (TVSum: 1 to 5), (annotators, steps)."""
    memorability: NDArray[np.float32] | None = None
    """How well each step is remembered, 0 to 1, where known, (steps,)."""
    captions: tuple[str, ...] = ()
    """Dense captions in time order, (captions,)."""
    caption_features: NDArray[np.float32] | None = None
    """Their embeddings, (captions, features)."""
    text_spans: NDArray[np.float64] | None = None
    """First second and end of each caption, by the clock on which frame i is shown at i / `fps`, (captions, 2)."""
    fps: float | None = None
    """Frames a second, where known."""
    shot_captions: tuple[str, ...] = ()
    """A caption of each shot, empty where a shot has none, (shots,)."""
    shot_caption_features: NDArray[np.float32] | None = None
    """Their embeddings, 0 where a shot has none, (shots, features)."""
    judges: tuple[str, ...] = ()
    """Names of those who scored its shots, (judges,)."""
    shot_scores: NDArray[np.float32] | None = None
    """Their scores of the shots, 0 to 100, -1 where one gave none, (judges, shots)."""
    name: str = ""
    """Name or YouTube id, where known."""
    split: str = ""
    """The official part that it is in: ``train``, ``validation`` or ``test``; empty where there are none."""

    @property
    def id(self) -> str:
        """Benchmark and key, unique over benchmarks: ``tvsum/video_7``."""
        return f"{self.dataset}/{self.key}"

    @property
    def is_annotated(self) -> bool:
        """Whether anybody annotated it; without, it serves training without labels, and to be summarized."""
        return not np.isnan(self.gtscore).all()

    @property
    def caption_spans(self) -> NDArray[np.float32] | None:
        """When each caption holds, in steps, (captions, 2); None where that is not known. See ``data/spans.py``."""
        if self.text_spans is None or self.fps is None:
            return None
        return spans_in_steps(self.text_spans * self.fps, self.picks, self.n_frames)

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.picks)
