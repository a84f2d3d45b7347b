"""Stores in shards are written: shard by shard, so that the same call continues what was interrupted."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import atomic_path, write_text, write_typed
from clipit_lightning.core.progress import track
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.script_video import ScriptVideo
from clipit_lightning.data.shards import INDEX, VIDEOS, Index, Shard, describe_shard, stamp_of
from clipit_lightning.data.store_file import write_checked, write_videos
from clipit_lightning.data.video import Video

_MADE_OF = "made_of.json"
_FILE = rf"(\d{{4,}}\.h5|{re.escape(INDEX)}|{re.escape(_MADE_OF)})"
_OURS = re.compile(rf"{_FILE}|\.{_FILE}\..+")  # its files, and what is left of one by a process that was killed
VideoSequence = Sequence[Video | QueryVideo | ScriptVideo]


def write_all(stores: Mapping[Path, tuple[VideoSequence, dict[str, str]]], sources: Sequence[Path]) -> None:
    """Write stores of videos and attributes by path, those of more than ``VIDEOS`` videos in shards.

    Raises:
        UserError: A store is unsound, of which nothing is written; of the single files then none is.
    """
    large = {path: content for path, content in stores.items() if len(content[0]) > VIDEOS}
    small = {path: content for path, content in stores.items() if path not in large}
    for path in small:
        if path.is_dir():
            raise UserError(f"{path}: is a store in shards, of more videos; give another folder with --to")
    write_checked(small)
    for path, (videos, attributes) in large.items():
        write_shards(path, videos, attributes, sources)


def write_shards(path: Path, videos: VideoSequence, attributes: Mapping[str, str], sources: Sequence[Path]) -> None:
    """Write a store in shards of ``VIDEOS`` videos each, of which each is checked as it is written.

    Shards are kept in the folder ``<store>.parts`` until all are there; then it takes the place of the store. The same
    call continues after an interruption, unless the source files have changed.

    Args:
        path: The store.
        videos: Its videos, which are read one after the other.
        attributes: Those of a store.
        sources: Files that the videos are read from.

    Raises:
        UserError: A video is unsound, or the store cannot be written; what is finished stays for the next call.
    """
    folder = path.with_name(f"{path.name}.parts")
    _continue_or_clear(folder, _made_of(videos, attributes, sources))
    starts, shards = range(0, len(videos), VIDEOS), list[Shard]()
    for start in track(starts, f"write {path}"):
        file = folder / f"{start // VIDEOS:04d}.h5"
        if not file.exists():
            with atomic_path(file) as temporary:
                own = (videos[number] for number in range(start, min(start + VIDEOS, len(videos))))
                write_videos(temporary, own, dict(attributes), packed=True)
        shard, problems = describe_shard(file, path.stem)
        if problems:
            file.unlink()
            raise UserError(f"{path}: {problems[0]} (the store was not written)")
        shards.append(shard)
    put_in_place(folder, path, shards)


def write_one_by_one(path: Path, videos: Iterable[Video], attributes: Mapping[str, str]) -> None:
    """Write a store of any number of videos: a file, or shards where they are more than ``VIDEOS``.

    Equal content gives equal files. Where a video cannot be had, what lay there stays.

    Raises:
        UserError: A video of several shards is unsound, or the store cannot be written.
    """
    with new_shards(path) as folder:
        coming, files = iter(videos), list[Path]()
        for video in coming:
            files.append(folder / f"{len(files):04d}.h5")
            with atomic_path(files[-1]) as temporary:
                write_videos(temporary, chain([video], islice(coming, VIDEOS - 1)), dict(attributes))
        if len(files) == 1:
            _exchange(files[0], path)
            folder.rmdir()
            return
        described = [describe_shard(file, path.stem) for file in files]
        if problem := next((problems[0] for _, problems in described if problems), ""):
            raise UserError(f"{path}: {problem} (the store was not written)")
        put_in_place(folder, path, [shard for shard, _ in described])


@contextmanager
def new_shards(path: Path) -> Iterator[Path]:
    """Yield a folder beside a store for its shards, which is removed where the block raises."""
    folder = path.with_name(f".{path.name}.new")
    remove_store(folder)
    try:
        yield folder
    except BaseException:
        remove_store(folder)
        raise


def put_in_place(folder: Path, path: Path, shards: Sequence[Shard]) -> None:
    """Let a folder of shards take the place of a store; one that lay there goes when the new one is there."""
    write_typed(folder / INDEX, Index(tuple(shards)))
    _exchange(folder, path)
    (path / _MADE_OF).unlink(missing_ok=True)


def _exchange(new: Path, path: Path) -> None:
    before = path.with_name(f".{path.name}.before")
    if path.is_dir() or (path.exists() and new.is_dir()):  # which the system does not do in one step
        remove_store(before)
        path.rename(before)
    new.replace(path)
    remove_store(before)


def remove_store(path: Path) -> None:
    """Remove a store of ours: a file, or a folder of shards; a UserError where anything else lies in it."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    files = sorted(path.iterdir())
    if others := [file for file in files if not _OURS.fullmatch(file.name)]:
        raise UserError(f"{others[0]}: is in the way, and no part of a store; move it elsewhere")
    for file in files:
        file.unlink()
    path.rmdir()


def _made_of(videos: VideoSequence, attributes: Mapping[str, str], sources: Sequence[Path]) -> str:
    files = [[str(source.resolve()), *stamp_of(source)] for source in sources]
    return hashlib.sha256(json.dumps([len(videos), VIDEOS, dict(attributes), files]).encode()).hexdigest()


def _continue_or_clear(folder: Path, made_of: str) -> None:
    """Keep the shards that an interrupted call left, or remove them where they are made of something else."""
    mark = folder / _MADE_OF
    if folder.exists() and not (mark.exists() and mark.read_text(encoding="utf-8") == made_of):
        remove_store(folder)
    write_text(mark, made_of)
