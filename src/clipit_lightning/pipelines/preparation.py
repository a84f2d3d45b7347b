"""`clipit prepare`: raw videos to a store that trains, resumable video by video, by any number of processes.

Each video is extracted into a working folder beside the store, ``<store>.parts``; then the first process joins
annotations and writes the store, atomically. A video that cannot be read, or whose annotation has another number of
frames, is omitted and named; then the working folder stays, so that the same command tries only that video again.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.core.locks import run_lock
from clipit_lightning.core.log import log
from clipit_lightning.data.completion import complete_video
from clipit_lightning.data.official_shots import has_official_shots
from clipit_lightning.data.schema import read_arrays
from clipit_lightning.data.shard_files import write_one_by_one
from clipit_lightning.data.store import Store, group_arrays, open_store
from clipit_lightning.data.video import Video
from clipit_lightning.pipelines.arguments import check_one_of, require_encoder
from clipit_lightning.pipelines.collect import Collection, Source, make_collection
from clipit_lightning.pipelines.extraction import Process, memory_checked, own_device, this_process, work_through
from clipit_lightning.pipelines.feature_cache import FeatureCache, inputs_hash
from clipit_lightning.pipelines.progress import Progress
from clipit_lightning.pipelines.settings import Settings
from clipit_lightning.video.captioner import Captioner, load_captioner
from clipit_lightning.video.encoders import Encoder, make_encoder
from clipit_lightning.video.extract import N_CAPTIONS, extract_features, provenance
from clipit_lightning.video.frames import RATE
from clipit_lightning.video.pretrained import Precision
from clipit_lightning.video.streams import Stream, chosen_streams, load_streams

_SAME = ("encoder", "weights_sha256", "sampling", "streams", "audio_weights_sha256", "captions", "caption_model")
"""Attributes in which a store may not differ from what takes its place."""


@dataclass(frozen=True)
class Prepared:
    """The store that a run wrote."""

    path: Path
    n_videos: int
    valid: bool
    """Whether nothing is wrong with it, as `clipit data check` sees it."""
    skipped: dict[str, str]
    """Videos that are not in it, with the reason."""


def prepare(
    videos: Path | str | Sequence[Path | str] = (),
    to: Path | str | None = None,
    encoder: str | None = None,
    *,
    labels: Path | str | None = None,
    captions: Path | str | None = None,
    captioner: str | None = None,
    n_captions: int = N_CAPTIONS,
    subtitles: bool = False,
    streams: str | Sequence[str] = (),
    caption_cache: Path | str | None = None,
    dataset: tuple[str, Path | str] | None = None,
    part: str | None = None,
    stride: int | None = None,
    rate: float | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int = 32,
    processes: int = 1,
    force: bool = False,
    keep: bool = False,
) -> Prepared | None:
    """Make a store of raw videos: frames, features, shots, captions. The same call resumes an interrupted one.

    Args:
        videos: A file or folder, or several.
        to: The store, ``.h5``; of a data set by default ``data/NAME.h5``.
        encoder: Of the frames, by name (`clipit prepare --help`).
        labels: Your annotations, ``.csv`` or ``.json``.
        captions: Your captions: a file, or a folder of them.
        captioner: A model that makes captions, by its name or folder.
        n_captions: How many it makes of each video.
        subtitles: Captions are the subtitles beside each video (``NAME.srt``, ``NAME.vtt``) or inside it.
        streams: What stands beside the features of the encoder: ``audio`` or ``audio:MODEL``, ``motion``, or both.
        caption_cache: Folder that keeps them.
        dataset: ``summe`` or ``tvsum``, and the folder of its authors' files, in place of ``videos``.
        part: Make a store of a part of the videos, ``K/N``, to be joined with others by `clipit data join`.
        stride: Take every frame whose number it divides.
        rate: Take so many frames a second, by default 2.
        device: Of the models: ``auto``, ``cpu``, ``cuda``, ...
        precision: Of the models.
        batch_size: Frames at once.
        processes: On this machine, each with an encoder; more than one only where a command calls this.
        force: Replace a store of other videos or settings.
        keep: Keep the working folder, so that a store with other labels or more videos is made from it.

    Returns:
        The store, and which videos are not in it; None in all processes but the first.

    Raises:
        UserError: No video could be extracted, arguments do not fit together, or a store of others would be replaced.
    """
    check_one_of(stride=stride, rate=rate)
    check_one_of(captions=captions, captioner=captioner, subtitles=subtitles or None)
    name, store = require_encoder(encoder), _store_path(to, dataset)
    collection = make_collection(store.stem, videos, dataset, labels, captions, subtitles, part)
    rate, beside = RATE if rate is None else rate, chosen_streams(streams)
    settings = Settings(name, stride, rate, captioner, n_captions, device, precision, batch_size, beside, caption_cache)
    return make_store(collection, store, settings, processes, force, keep)


def _store_path(to: Path | str | None, dataset: tuple[str, Path | str] | None) -> Path:
    if to is None and dataset is not None:
        return Path("data") / f"{dataset[0]}.h5"
    if to is None or Path(to).suffix != ".h5":
        raise ArgumentError("to", "name the store, such as data/mine.h5; its name ends with .h5")
    return Path(to)


def make_store(
    collection: Collection,
    to: Path,
    settings: Settings,
    processes: int = 1,
    force: bool = False,
    keep: bool = False,
) -> Prepared | None:
    """Make a store of a collection. An interrupted run is resumed by the same call, and ends with the same store.

    All processes but the first, which locks the store, return None; they are as in ``work_through``.

    Args:
        collection: The videos, with their annotations and captions.
        to: The store, ``.h5``.
        settings: How they are extracted.
        processes: On this machine, each with an encoder.
        force: Replace a store of other videos or settings, and write one again that is finished.
        keep: Keep the working folder, so that a store with other annotations or more videos is made from it.

    Raises:
        UserError: No video could be extracted, settings are not usable, a store of others would be replaced, or
            another process makes it just now.
    """
    process = this_process(processes)
    with run_lock(to, way_out="give another file with --to") if process.rank == 0 else nullcontext():
        return _make_store(collection, to, settings, process, processes, force, keep)


def _make_store(
    collection: Collection, to: Path, settings: Settings, process: Process, processes: int, force: bool, keep: bool
) -> Prepared | None:
    folder = to.with_name(f"{to.name}.parts")
    encoder, captioner, streams = _load(settings, folder, process)
    texts = collection.has_captions
    made = provenance(encoder, settings.stride, settings.rate, captioner, settings.n_captions, texts, streams)
    attributes = {"dataset": collection.dataset, "features": encoder.name, "data": "real", **made}
    attributes |= {"annotations_sha256": collection.annotations_sha256, "inputs": inputs_hash(collection, made)}
    if not force and to.exists():
        present = Store(to).attributes
        if present.get("inputs") == attributes["inputs"] and not folder.exists() and not Store(to).check():
            log.info(f"{to}: is finished, of the same videos and settings; --force writes it again")
            return Prepared(to, len(collection.sources), True, {}) if process.rank == 0 else None
        _check_replaceable(to, present, attributes, collection)
    cache = FeatureCache(folder, json.dumps(made, sort_keys=True))
    sources = collection.sources
    todo = [number for number, source in enumerate(sources) if not cache.is_done(source)]
    if process.rank == 0:
        kept = f", {len(sources) - len(todo)} of them extracted before" if len(todo) < len(sources) else ""
        by = f", by {process.world} processes" if process.world > 1 else ""
        for line in (f"{to}: {len(sources)} videos{kept}, with {encoder.name}{by}", *collection.notes):
            log.info(line)
    paths = {number: sources[number].path for number in todo if number % process.world == process.rank}
    sizes = {number: path.stat().st_size if path.exists() else 0 for number, path in paths.items()}
    with Progress(sizes, f"process {process.rank + 1}: " if process.world > 1 else "") as progress:
        extraction = _Extraction(sources, cache, encoder, captioner, streams, settings, progress)
        work_through(todo, extraction, processes)
    if process.rank:
        return None
    prepared = _assemble(collection, cache, to, attributes)
    if not prepared.skipped and not keep:
        cache.remove()
    return prepared


def _load(settings: Settings, folder: Path, process: Process) -> tuple[Encoder, Captioner | None, tuple[Stream, ...]]:
    device = own_device(settings.device, process)
    encoder = make_encoder(settings.encoder, device, settings.precision, settings.batch_size)
    streams = load_streams(settings.streams, device)
    if settings.captioner is None:
        return encoder, None, streams
    if settings.n_captions < 1:
        raise UserError(f"{settings.n_captions} captions a video: give 1 or more")
    cache = Path(settings.caption_cache or folder / "captions")
    return encoder, load_captioner(settings.captioner, device, settings.precision, cache=cache), streams


def _check_replaceable(to: Path, present: dict[str, str], wanted: dict[str, str], collection: Collection) -> None:
    """Raise where a store holds what cannot be made again from this collection with these settings."""
    way_out = "give another file with --to, or --force"
    for name in _SAME:
        has, gets = (attributes.get(name, "not recorded") for attributes in (present, wanted))
        if has != gets:
            raise UserError(f"{to}: holds other features ({name} is {has}, not {gets}); {way_out}")
    with open_store(to) as file:
        names = {group_arrays(group).get("name", key) for key, group in file.items()}
    if lost := sorted(names - {source.name for source in collection.sources}):
        raise UserError(f"{to}: holds {lost[0]}, which is not among these videos; name all of the store, {way_out}")


@dataclass(frozen=True)
class _Extraction:
    """Extracts videos by their number and keeps them. One video that cannot be read stops nothing."""

    sources: Sequence[Source]
    cache: FeatureCache
    encoder: Encoder
    captioner: Captioner | None
    streams: tuple[Stream, ...]
    settings: Settings
    progress: Progress

    def __call__(self, number: int) -> None:
        source, note, given = self.sources[number], None, self.settings
        show = partial(self.progress.at, source.name)
        with memory_checked(source.path):
            try:
                features = extract_features(
                    source.path,
                    self.encoder,
                    given.stride,
                    given.rate,
                    self.captioner,
                    given.n_captions,
                    source.captions,
                    given.batch_size,
                    show,
                    self.streams,
                )
            except UserError as error:
                reason = str(error).encode("utf-8", "backslashreplace").decode()  # file names may be any bytes
                self.cache.fail(source, reason)
                result = f"skipped: {reason}"
            else:
                self.cache.save(source, features)
                counts = [f"{features.info.n_frames} frames", f"{len(features.picks)} steps"]
                counts += [f"{len(features.change_points)} shots"]
                counts += [f"{len(features.captions)} captions"] if features.captions else []
                result, note = ", ".join(counts), features.info.warning
        self.progress.finished(number, f"{source.name}: {result}", note)


def _assemble(collection: Collection, cache: FeatureCache, to: Path, attributes: dict[str, str]) -> Prepared:
    """Write the store of all extracted videos, join their annotations, and omit what does not fit."""
    skipped: dict[str, str] = {}

    def videos() -> Iterator[Video]:
        for source in collection.sources:
            if not cache.is_done(source):
                skipped[source.name] = cache.failure(source)
                continue
            try:
                video = _video(collection, cache, source)
            except UserError as error:
                skipped[source.name] = str(error)
            else:
                yield video
        if len(skipped) == len(collection.sources):  # raised inside the write: the old store stays
            name, reason = next(iter(skipped.items()))
            raise UserError(f"none of {len(skipped)} videos could be prepared; {name}: {reason}")

    write_one_by_one(to, videos(), attributes)
    if has_official_shots(collection.dataset) and not Store(to).with_other_shots():
        log.info(f"{to}: the shots are the official ones")
    return Prepared(to, len(collection.sources) - len(skipped), not Store(to).check(), skipped)


def _video(collection: Collection, cache: FeatureCache, source: Source) -> Video:
    with open_hdf5(cache.path(source)) as file:
        annotation = collection.annotate(source, file["frame_times"][()], float(file["duration"][()]))
        if annotation is not None:
            stored, of_key = read_arrays(file, "annotated"), {source.key: annotation}
            return complete_video(stored, collection.dataset, source.key, of_key)
        unknown = np.full(len(file["picks"]), np.nan, np.float32)  # nobody annotated it
        fields = group_arrays(file) | {"gtscore": unknown, "gtsummary": unknown}
        return Video(dataset=collection.dataset, key=source.key, **fields)
