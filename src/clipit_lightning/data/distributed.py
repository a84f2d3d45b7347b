"""What readers of distributed files share: official parts, and videos that are read when they are asked for."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar, overload

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import check_is_file, named_once
from clipit_lightning.data.schema import DAMAGED

V = TypeVar("V", covariant=True)
_PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


class DistributedVideos(Sequence[V]):
    """The videos of a distributed file, each read when it is asked for: all together take gigabytes.

    Args:
        path: The HDF5 file.
        splits: The part of each video, or an empty text, by its name; videos keep this order.
    """

    def __init__(self, path: Path, splits: Mapping[str, str]) -> None:
        self.path, self.splits, self._keys = path, splits, list(splits)

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> V: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[V]: ...

    def __getitem__(self, at: int | slice) -> V | Sequence[V]:
        """A video, or some; a UserError where its arrays are not as distributed."""
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        key = self._keys[at]
        try:
            return self._read(key)
        except DAMAGED as error:
            raise UserError(f"{self.path}: {key} cannot be read ({error}); get the file again") from error

    @abstractmethod
    def _read(self, key: str) -> V:
        """The video of a name; raises one of `DAMAGED` where its arrays are not as distributed."""


def read_splits(path: Path) -> dict[str, str]:
    """Read official parts: the part, ``train``, ``validation`` or ``test``, of each video by name.

    The file is JSON of lists ``train``, ``val`` and ``test``, or ``train_keys`` and so on.

    Raises:
        UserError: The file cannot be read, is something else, or has a video twice.
    """
    try:
        check_is_file(path)
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=named_once)
        lists = {_PARTS[name.removesuffix("_keys")]: [_name(video) for video in content[name]] for name in content}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not lists of videos by train, val and test; get it again") from error
    splits: dict[str, str] = {}
    for part, videos in lists.items():
        for video in videos:
            if video in splits:
                raise UserError(f"{path}: {video[:40]!r} stands in {splits[video]} and again in {part}; get it again")
            splits[video] = part
    return splits


def _name(video: object) -> str:
    """A video's name; a ValueError for what would lead elsewhere in an HDF5 file."""
    name = str(video)
    if not name.isprintable() or "/" in name or name in ("", ".", ".."):
        raise ValueError(f"{name[:40]!r} is no name")
    return name


def describe_parts(splits: Mapping[str, str], published: Mapping[str, int]) -> tuple[str, list[str]]:
    """How many videos each part has, as text, and what differs from the published numbers, a line each."""
    counts = {part: sum(split == part for split in splits.values()) for part in published}
    differ = counts != published
    lines = [f"{part} has {counts[part]} of {published[part]} videos" for part in published] if differ else []
    return ", ".join(f"{part} {count}" for part, count in counts.items()), lines
