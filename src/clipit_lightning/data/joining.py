"""Stores that were made apart, as on several machines, become one store in shards."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.files import STORE, atomic_path
from clipit_lightning.core.progress import track
from clipit_lightning.data.shard_files import new_shards, put_in_place
from clipit_lightning.data.shards import Index, Shard, describe_shard, problems_between, read_index
from clipit_lightning.data.store import open_store


def join_stores(stores: Sequence[Path], to: Path, force: bool = False) -> Index:
    """Join stores of other videos with features made alike; each file becomes a shard, byte by byte, and is checked.

    Of ``shards.OF_PARTS`` the attributes may differ, since a part knows only what itself was made of: those that do are
    no attributes of the whole. In all others the parts agree.

    Args:
        stores: Files, or folders of shards; they are left alone.
        to: The store, ``.h5``.
        force: Replace a store that lies there.

    Returns:
        What is known of the store, once it is written.

    Raises:
        UserError: A store is unsound, or two contradict each other: a key in both, other attributes, other sizes.
    """
    if to.suffix != STORE:
        raise ArgumentError("to", f"name the store, such as data/mine.h5; its name ends with {STORE}")
    if to.resolve() in [store.resolve() for store in stores]:
        raise ArgumentError("to", f"{to} is one of the stores that are to be joined; give another name")
    if to.exists() and not force:
        raise UserError(f"{to}: is there already; give another file with --to, or --force")
    files = [file for store in stores for file in _files(store)]
    shards, sources = list[Shard](), list[Shard]()
    with new_shards(to) as folder:
        for number, file in enumerate(track(files, f"join {to}")):
            copy = folder / f"{number:04d}.h5"
            with atomic_path(copy) as temporary:
                shutil.copyfile(file, temporary)
            shard, problems = describe_shard(copy, to.stem)
            if problems:
                raise UserError(f"{file}: {problems[0]} (nothing was written)")
            shards.append(shard)
            sources.append(replace(shard, file=str(file)))
            if problem := next(problems_between(Index(tuple(sources))), ""):
                raise UserError(f"{problem}; make parts with equal settings, by `clipit prepare --part`")
        put_in_place(folder, to, shards)
    return Index(tuple(shards))


def _files(store: Path) -> list[Path]:
    """The files of a store; a UserError where there is none, or one of its shards is missing."""
    with open_store(store):
        files = [store / shard.file for shard in read_index(store).shards] if store.is_dir() else [store]
    if missing := [file for file in files if not file.is_file()]:
        raise UserError(f"{missing[0]}: is missing, though {store} names it; copy the store again")
    return files
