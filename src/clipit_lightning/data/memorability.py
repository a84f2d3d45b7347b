"""Memorability: importance that counts as much as its step is remembered, for training.

After Memorability Weighted Correction for Video Summarization (MWCVS) of Zhu, Wu, Lu (2025, arXiv 2506.08649). Its
abstract, which was all that could be read, says that predicted memorability is there to make labels less subjective.
The equation here is ours.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video
from clipit_lightning.summary.key_shots import select_shots


def weighed_targets(video: Video, weight: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Importance and key frames of a video, weighed by what is remembered of it.

    With importance g and memorability m of a step, both 0 to 1, and weight w, importance becomes ``g (1 - w + w m)``: w
    = 0 leaves it, w = 1 is the product. Key frames are those of the shots that it then chooses, by the 15 % knapsack as
    where a store is made. A video that nobody annotated stays as it is.

    Args:
        video: One with `memorability`, (steps,), where it is annotated.
        weight: 0 to 1.

    Returns:
        (steps,) each.
    """
    if video.memorability is None or not video.is_annotated:
        return video.gtscore, video.gtsummary
    importance = video.gtscore * (1 - weight + weight * video.memorability)  # (steps,)
    summary = select_shots(importance, video.change_points, video.n_frames, video.picks)  # (frames,)
    return importance.astype(np.float32), summary[video.picks].astype(np.float32)


def check_memorability(stores: Iterable[Store]) -> None:
    """Raise a UserError, of one line, where an annotated video of a store has no memorability."""
    for store in stores:
        if not store.all_have("memorability"):
            advice = "store the array `memorability`, (steps,), or keep data.memorability=0"
            raise UserError(f"data.memorability: not every video of {store.path} has some; {advice}")
