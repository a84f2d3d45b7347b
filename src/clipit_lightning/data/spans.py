"""Timed text: when captions, subtitles or sentences hold, from seconds to steps.

In steps, step i is the time from i to i + 1: from the frame of its pick to the next one's, the last until the video
ends.
"""

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.arrays import spread


def spans_in_steps(frames: NDArray[np.floating], picks: NDArray[np.int64], n_frames: int) -> NDArray[np.float32]:
    """Turn frame numbers into positions among the steps; what lies outside the steps is moved to their ends.

    Args:
        frames: First and end of each text, in frames and parts of them, (captions, 2).
        picks: Frame number of each step, (steps,).
        n_frames: Number of frames of the video.

    Returns:
        0 to the number of steps, (captions, 2).
    """
    borders = np.append(picks, n_frames)  # (steps + 1,)
    positions: NDArray[np.float64] = np.interp(frames, borders, np.arange(len(borders)))
    return positions.astype(np.float32)


def caption_spans(
    spans: NDArray[np.float32] | None, wanted: int, source: str, n_steps: int
) -> NDArray[np.float32] | None:
    """When the text tokens hold that ``caption_tokens`` takes of a video's dense captions.

    Args:
        spans: When the captions hold, in steps, (captions, 2); None where that is not known.
        wanted: How many tokens at most.
        source: As for ``caption_tokens``; one token of all captions (``fused``, ``concat``) holds for the whole video.
        n_steps: Steps of the video.

    Returns:
        In steps, (tokens, 2); None where it is not known.
    """
    if source in ("fused", "concat"):
        return np.array([[0, n_steps]] * (wanted > 0), np.float32).reshape(-1, 2)
    return None if spans is None else spans[spread(len(spans), wanted)]
