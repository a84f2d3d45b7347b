"""`clipit prepare`: raw videos to a store that trains, resumable video by video, by any number of processes.

Each video is described (``describe.py``) and kept in a working folder beside the store, ``<store>.parts``; when all
processes have finished, the first one joins annotations and writes the store, atomically. A video that cannot be read,
or whose annotation has another number of frames, is left out and named; then the working folder stays, so that the
same command tries only that video again. Else it is removed, unless it is to serve other labels or more videos.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import complete_video
from clipit_lightning.data.store import Store, group_arrays, write_store
from clipit_lightning.data.video import Video
from clipit_lightning.pipelines.collect import Collection, Source
from clipit_lightning.pipelines.extraction import Place, own_device, own_place, work_through
from clipit_lightning.pipelines.feature_cache import Parts, content_mark
from clipit_lightning.pipelines.progress import Progress
from clipit_lightning.video.captioner import Captioner, load_captioner
from clipit_lightning.video.encoders import Encoder, make_encoder
from clipit_lightning.video.extract import N_CAPTIONS, Description, describe, provenance
from clipit_lightning.video.frames import RATE
from clipit_lightning.video.pretrained import Precision

Say = Callable[[str], None]

_SAME = ("encoder", "weights_sha256", "sampling", "captions", "caption_model")
"""Attributes in which a store may not differ from what takes its place."""


@dataclass(frozen=True)
class Settings:
    """How videos are described."""

    encoder: str
    """Its name, see ``encoders.py``."""
    stride: int | None = None
    """Take every frame whose number it divides, instead of ``rate``."""
    rate: float = RATE
    """Take frames per second."""
    captioner: str | None = None
    """Name or folder of a model that describes frames."""
    n_captions: int = N_CAPTIONS
    """How many it describes of each video."""
    device: str = "auto"
    precision: Precision = "fp32"
    batch_size: int = 32
    """Frames at once."""
    caption_cache: Path | None = None
    """Folder that keeps a model's captions; by default the working folder."""


@dataclass(frozen=True)
class Prepared:
    """What a run left."""

    path: Path
    n_videos: int
    sound: bool
    """Whether nothing is wrong with it, as `clipit data check` sees it."""
    skipped: dict[str, str]
    """Videos that are not in the store, with the reason."""


def prepare(
    collection: Collection,
    to: Path,
    settings: Settings,
    processes: int = 1,
    force: bool = False,
    keep: bool = False,
    say: Say = print,
) -> Prepared | None:
    """Make a store of raw videos. An interrupted run continues with the same call, and ends with the same store.

    Args:
        collection: The videos, with their annotations and captions.
        to: The store, ``.h5``.
        settings: How they are described.
        processes: Processes on this machine, each with an encoder; not under torchrun, which has its own. More than
            one needs to be called by a command, which Lightning runs again for each.
        force: Replace a store of other videos or settings, and write one again that is finished.
        keep: Keep the working folder, so that a store with other annotations or more videos is made from it.
        say: Takes a line for each video, and notes.

    Returns:
        What was written; None in all processes but the first.

    Raises:
        UserError: No video could be described, settings are not usable, or a store of others would be replaced.
    """
    place = own_place(processes)
    folder = to.with_name(f"{to.name}.parts")
    encoder, captioner = _load(settings, folder, place)
    made = provenance(
        encoder, settings.stride, settings.rate, captioner, settings.n_captions, texts=collection.has_captions
    )
    attributes = {"dataset": collection.dataset, "features": encoder.name, "data": "real", **made}
    attributes |= {"annotations_sha256": collection.annotations_sha256, "inputs": _inputs(collection, made)}
    if not force and to.exists():
        there = Store(to).attributes
        if there.get("inputs") == attributes["inputs"] and not folder.exists() and not Store(to).check():
            say(f"{to}: is finished, of the same videos and settings; --force writes it again")
            return Prepared(to, len(collection.sources), True, {}) if place.rank == 0 else None
        _refuse_others(to, there, attributes, collection)
    parts = Parts(folder, json.dumps(made, sort_keys=True))
    work = _Work(collection, parts, encoder, captioner, settings, place, say)
    if place.rank == 0:
        before = len(collection.sources) - len(work.left)
        kept = f", {before} of them described before" if before else ""
        by = f", by {place.world} processes" if place.world > 1 else ""
        for line in (f"{to}: {len(collection.sources)} videos{kept}, with {encoder.name}{by}", *collection.notes):
            say(line)
    work_through(len(collection.sources), work, processes)
    if place.rank:
        return None
    found = _assemble(collection, parts, to, attributes)
    if not found.skipped and not keep:
        parts.remove()
    return found


def _load(settings: Settings, folder: Path, place: Place) -> tuple[Encoder, Captioner | None]:
    device = own_device(settings.device, place)
    encoder = make_encoder(settings.encoder, device, settings.precision, settings.batch_size)
    if settings.captioner is None:
        return encoder, None
    if settings.n_captions < 1:
        raise UserError(f"{settings.n_captions} captions a video: give 1 or more")
    cache = settings.caption_cache or folder / "captions"
    return encoder, load_captioner(settings.captioner, device, settings.precision, cache=cache)


def _inputs(collection: Collection, made: dict[str, str]) -> str:
    """Hash of all that a store is made from; where files are and when they changed is no part of it."""
    marks = [(source.key, source.name, _mark(source)) for source in collection.sources]
    words = json.dumps([marks, made, collection.annotations_sha256])
    return hashlib.sha256(words.encode()).hexdigest()


def _mark(source: Source) -> str:
    try:
        return content_mark(source)
    except UserError:
        return "unreadable"


def _refuse_others(to: Path, there: dict[str, str], wanted: dict[str, str], collection: Collection) -> None:
    """Refuse to replace a store that holds what cannot be made again from this collection with these settings."""
    way_out = "give another file with --to, or --force"
    for name in _SAME:
        if there.get(name) != wanted.get(name):
            has, gets = (each.get(name, "not recorded") for each in (there, wanted))
            raise UserError(f"{to}: holds other features ({name} is {has}, not {gets}); {way_out}")
    with h5py.File(to, "r") as file:
        names = {group_arrays(group).get("name", key) for key, group in file.items()}
    if lost := sorted(names - {source.name for source in collection.sources}):
        raise UserError(f"{to}: holds {lost[0]}, which is not among these videos; name all of the store, {way_out}")


class _Work:
    """Describes videos by their number and keeps each. One video that cannot be read stops nothing."""

    def __init__(
        self,
        collection: Collection,
        parts: Parts,
        encoder: Encoder,
        captioner: Captioner | None,
        settings: Settings,
        place: Place,
        say: Say,
    ) -> None:
        self._sources, self._parts = collection.sources, parts
        self._encoder, self._captioner, self._settings = encoder, captioner, settings
        self.left = [number for number, source in enumerate(self._sources) if not parts.is_done(source)]
        mine = [number for number in self.left if number % place.world == place.rank]
        who = f"process {place.rank + 1}: " if place.world > 1 else ""
        self._progress = Progress({number: _size(self._sources[number]) for number in mine}, say, who)

    def __call__(self, number: int) -> None:
        """Describe a video that is not described yet."""
        if number not in self.left:
            return
        source, notes = self._sources[number], list[str]()
        try:
            found = self._describe(source, notes.append)
        except UserError as error:
            reason = str(error).encode("utf-8", "backslashreplace").decode()  # file names may be any bytes
            self._parts.fail(source, reason)
            result = f"skipped: {reason}"
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                raise
            # Not the video's fault, and so no reason to skip it and all others one by one.
            raise UserError(f"{source.path}: the memory is too small; choose a smaller --batch-size") from error
        else:
            self._parts.save(source, found)
            result = _counts(found)
        self._progress.finished(number, f"{source.name}: {result}", notes)

    def _describe(self, source: Source, say: Say) -> Description:
        settings = self._settings
        return describe(
            source.path,
            self._encoder,
            settings.stride,
            settings.rate,
            self._captioner,
            settings.n_captions,
            source.captions,
            say,
            settings.batch_size,
            partial(self._progress.at, source.name),
        )


def _assemble(collection: Collection, parts: Parts, to: Path, attributes: dict[str, str]) -> Prepared:
    """Write the store of all described videos, join their annotations, and leave out what does not fit."""
    skipped: dict[str, str] = {}

    def videos() -> Iterator[Video]:
        for source in collection.sources:
            if not parts.is_done(source):
                skipped[source.name] = parts.failure(source)
                continue
            try:
                video = _video(collection, parts, source)
            except UserError as error:
                skipped[source.name] = str(error)
            else:
                yield video
        if len(skipped) == len(collection.sources):  # raised inside the atomic write: the old store stays
            name, reason = next(iter(skipped.items()))
            raise UserError(f"none of {len(skipped)} videos could be prepared; {name}: {reason}")

    write_store(to, videos(), attributes)
    return Prepared(to, len(collection.sources) - len(skipped), not Store(to).check(), skipped)


def _video(collection: Collection, parts: Parts, source: Source) -> Video:
    with h5py.File(parts.path(source), "r") as file:
        annotation = collection.annotate(source, file["frame_times"][()], float(file["duration"][()]))
        if annotation is not None:
            return complete_video(file, collection.dataset, source.key, {source.key: annotation})
        unknown = np.full(len(file["picks"]), np.nan, np.float32)  # nobody annotated it
        return Video(
            dataset=collection.dataset, key=source.key, gtscore=unknown, gtsummary=unknown, **group_arrays(file)
        )


def _size(source: Source) -> int:
    try:
        return max(1, source.path.stat().st_size)
    except OSError:
        return 1


def _counts(found: Description) -> str:
    captions = f", {len(found.captions)} captions" if found.captions else ""
    return f"{found.info.n_frames} frames, {len(found.picks)} steps, {len(found.change_points)} shots{captions}"
