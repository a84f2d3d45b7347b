"""The arrays of a video's group in a store, one table for each kind of benchmark."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from clipit_lightning.data.benchmark import Kind


@dataclass(frozen=True)
class Array:
    """What an array of a group may hold. Numbers are finite; int64 are whole."""

    dtype: DTypeLike
    """Type as which it is read; str for texts."""
    shape: tuple[str | int, ...] = ()
    """Its dimensions. Arrays agree in dimensions of one name, but for `size` and `annotators`."""
    required: bool = False
    stored: DTypeLike | None = None
    """Type as which it is written; by default as it is."""
    packed: bool = False
    binary: bool = False
    """Whether it holds 0 and 1 alone."""


LAYOUTS: dict[Kind, dict[str, Array]] = {
    "annotated": {
        "picks": Array(np.int64, ("steps",), required=True, stored=np.int32),
        "features": Array(np.float32, ("steps", "size"), required=True),
        "n_frames": Array(np.int64, required=True),
        "change_points": Array(np.int64, ("shots", 2), required=True, stored=np.int32),
        "gtscore": Array(np.float32, ("steps",)),
        "gtsummary": Array(np.float32, ("steps",), binary=True),
        "memorability": Array(np.float32, ("steps",)),
        "video_name": Array(str),
        "user_summary": Array(np.uint8, ("annotators", "frames"), packed=True, binary=True),
        "user_scores": Array(np.float32, ("annotators", "steps"), packed=True),
        "captions": Array(str, ("captions",)),
        "caption_features": Array(np.float32, ("captions", "size"), packed=True),
        "text_spans": Array(np.float64, ("captions", 2)),
        "fps": Array(np.float64),
        "shot_captions": Array(str, ("shots",)),
        "shot_caption_features": Array(np.float32, ("shots", "size"), packed=True),
        "judges": Array(str, ("judges",)),
        "shot_scores": Array(np.float32, ("judges", "shots")),
        "split": Array(str),
    },
    "queries": {
        "features": Array(np.float32, ("shots", "size"), required=True),
        "concepts": Array(str, ("concepts",), required=True),
        "queries": Array(np.int64, ("queries", "phrases"), required=True),
        "query_features": Array(np.float32, ("queries", "phrases", "size"), required=True),
        "tags": Array(np.uint8, ("shots", "concepts"), required=True, packed=True, binary=True),
        "oracle": Array(np.uint8, ("queries", "shots"), required=True, packed=True, binary=True),
        "shot_seconds": Array(np.float64, required=True),
        "sentences": Array(str, ("queries",)),
        "sentence_features": Array(np.float32, ("queries", "size")),
        "captions": Array(str, ("captions",)),
        "caption_features": Array(np.float32, ("captions", "size"), packed=True),
    },
    "scripts": {
        "features": Array(np.float32, ("steps", "size"), required=True),
        "script_features": Array(np.float32, ("scripts", "sentences", "size"), required=True, packed=True),
        "summaries": Array(np.uint8, ("scripts", "steps"), required=True, packed=True, binary=True),
        "step_seconds": Array(np.float64, required=True),
        "split": Array(str),
        "script_texts": Array(str, ("scripts",)),
    },
}
"""Arrays by name, as ``Video``, ``QueryVideo`` and ``ScriptVideo`` describe them; ``FIELDS`` has
those of another name."""
FIELDS = {"video_name": "name"}
"""Fields of ``Video`` that are not called as the array."""
IMPORTANCE = ("gtscore", "gtsummary")
"""What an annotated video's group holds beside what is required."""
ANNOTATIONS = (
    *("n_frames", "picks", "change_points", "gtscore", "user_summary", "user_scores"),
    *("tags", "queries", "oracle", "summaries"),
)
"""What predictions are measured against."""
