"""Captions of shots: read from ``<benchmark>_shot_captions.json``, joined with the videos, as text and as features.

The file maps a video's key, name or YouTube id to its shots in order, ``[{"first": 0, "last": 160, "caption": "..."}]``
with first and last frame inclusive. A shot without a caption has an empty one, and features of 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_typed
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video

Embed = Callable[[list[str]], NDArray[np.float32]]
"""Texts to features of unit norm, (texts, features)."""


@dataclass(frozen=True)
class ShotCaption:
    """A caption as it stands in the file."""

    first: int
    last: int
    caption: str


def with_shot_captions(videos: list[Video], paths: Sequence[Path], embed: Embed | None) -> list[Video]:
    """Join videos of one benchmark with the captions of their shots, where a file among the paths has them.

    Videos that it does not name, or that have other shots, stay as they are; without ``embed`` there are texts alone.

    Raises:
        UserError: The file is damaged or of another form.
    """
    file = f"{videos[0].dataset}_shot_captions.json"
    if not (files := [path for path in paths if path.name.lower() == file]):
        return videos
    read = read_typed(files[-1], dict[str, list[ShotCaption]], "not a file of shot captions", "download it again")
    by_name = {_plain(name): captions for name, captions in read.items()}
    of_videos = [by_name.get(_plain(video.name), by_name.get(_plain(video.key), [])) for video in videos]
    joined = [_joined(video, captions) for video, captions in zip(videos, of_videos, strict=True)]
    return joined if embed is None else _embedded(joined, embed)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _joined(video: Video, captions: list[ShotCaption]) -> Video:
    shots = [(caption.first, caption.last) for caption in captions]
    if not np.array_equal(shots, video.change_points):
        return video
    return replace(video, shot_captions=tuple(caption.caption.strip() for caption in captions))


def _embedded(videos: list[Video], embed: Embed) -> list[Video]:
    """Videos with the features of their shots' captions; all texts are embedded at once."""
    texts = [text for video in videos for text in video.shot_captions]
    told = np.array([bool(text) for text in texts], dtype=np.bool_)  # (shots of all videos,)
    if not told.any():
        return videos
    of_texts = embed([text for text in texts if text])  # (captions, features)
    features = np.zeros((len(texts), of_texts.shape[1]), np.float32)
    features[told] = of_texts
    ends = np.cumsum([len(video.shot_captions) for video in videos])[:-1]
    of_videos = zip(videos, np.split(features, ends), strict=True)
    return [replace(video, shot_caption_features=rows) if len(rows) else video for video, rows in of_videos]


def describe_shot_captions(videos: Sequence[Video]) -> str:
    """How many shots have a caption, for the table of `clipit data import`; empty where none has."""
    captioned = [video for video in videos if video.shot_captions]
    if not captioned:
        return ""
    text = f"; {sum(bool(caption) for video in captioned for caption in video.shot_captions)} shots"
    if len(captioned) < len(videos):
        text += f" ({len(captioned)} of {len(videos)} videos)"
    if any(video.shot_caption_features is None for video in captioned):
        text += ", not embedded: pip install 'clipit_lightning[offline]'"
    return text


def reads_shot_captions(caption_source: str, shot_captions: bool) -> bool:
    """Whether ``data.caption_source`` or ``data.shot_captions`` asks for captions of shots."""
    return shot_captions or caption_source == "shots"


def with_captions_read(video: Video, caption_source: str, shot_captions: bool, size: int) -> Video:
    """A video as training reads it: captions of its shots as features, as text, or as both.

    Args:
        video: As it was read.
        caption_source: ``shots`` for captions of shots as text.
        shot_captions: Whether they are features beside those of the steps.
        size: Features of a caption.
    """
    if shot_captions:
        video = _with_captions_as_features(video, size)
    return _with_captions_as_text(video) if caption_source == "shots" else video


def _with_captions_as_text(video: Video) -> Video:
    """A video whose dense captions are those of its shots that have one, each for the time of its shot."""
    texts, features = tuple(filter(None, video.shot_captions)), video.shot_caption_features
    if features is None:
        return replace(video, captions=texts, caption_features=None, text_spans=None)
    told = features.any(axis=1)  # (shots,)
    fps = video.fps or 1.0  # where it is not known, by a clock of a frame a second: spans are read in steps
    spans = (video.change_points[told] + [0, 1]) / fps  # (captions, 2)
    return replace(video, captions=texts, caption_features=features[told], text_spans=spans, fps=fps)


def shot_caption_size(store: Store) -> int:
    """Features of a shot's caption in a store; a UserError where no video of it has any."""
    read = (store.read([key])[0].shot_caption_features for key in store.video_keys())
    features = next((rows for rows in read if rows is not None), None)
    if features is None:
        raise UserError(
            f"{store.path}: has no embedded captions of shots, which data.caption_source=shots and data.shot_captions "
            f"read; import it again with {store.path.stem}_shot_captions.json beside its files"
        )
    return int(features.shape[1])


def _with_captions_as_features(video: Video, size: int) -> Video:
    """A video whose steps have the caption of their shot as features beside their own, with the norm of these.

    Where captions are as long as features, those that are text tokens stand twice: their product with a step is then
    the sum of their products with its frame and with its shot's caption.

    Args:
        video: As it was read; without captions of shots all of these are 0.
        size: Features of a caption.

    Returns:
        The same with features (steps, features + size).
    """
    of_shots = video.shot_caption_features
    if of_shots is None:
        of_shots = np.zeros((len(video.change_points), size), np.float32)
    shot = np.searchsorted(video.change_points[:, 1], video.picks)  # (steps,)
    beside = of_shots[shot] * np.linalg.norm(video.features, axis=1, keepdims=True)  # (steps, size)
    wide = replace(video, features=np.hstack([video.features, beside]))
    if video.features.shape[1] != size:
        return wide
    text = video.caption_features
    twice = None if text is None else np.hstack([text, text])
    return replace(wide, caption_features=twice, shot_caption_features=np.hstack([of_shots, of_shots]))
