"""QFVS from its distributed files and somebody's shot features to videos with queries."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.qfvs import (
    CONCEPTS,
    QFVS,
    concept,
    join_tags,
    query_of,
    read_dense_tags,
    read_oracle,
    read_sentences,
    read_tags_mat,
)
from clipit_lightning.data.query_video import QueryVideo

_OURS = re.compile(r"qfvs_?(.*)", re.IGNORECASE)
_SEGMENTS = re.compile(r"(P0[1-4])_?(.*)")


@dataclass
class QFVSFiles:
    """What was found of QFVS under the searched folders."""

    oracles: dict[str, list[Path]] = field(default_factory=dict)
    """Oracle files by video."""
    dense: dict[str, Path] = field(default_factory=dict)
    """``P0x.txt`` by video."""
    tags_mat: Path | None = None
    sentences: Path | None = None
    ours: list[Path] = field(default_factory=list)
    """``qfvs_<features>.h5`` with a group a video, ``features`` in each."""
    texts: list[Path] = field(default_factory=list)
    """``qfvs_*.h5`` with the concepts' embeddings at the top."""
    segments: dict[str, dict[str, Path]] = field(default_factory=dict)
    """Name of the features, to a file a video with ``features`` (segments, shots, size) and ``seg_len``."""

    @property
    def features(self) -> dict[str, list[Path]]:
        """Every set of features by name."""
        named = {_ours_name(path): [path] for path in self.ours}
        return named | {name: list(paths.values()) for name, paths in self.segments.items()}

    def take(self, path: Path) -> None:
        """Note the file if it is one of QFVS's."""
        folder = path.parent.name
        if path.name.endswith("_oracle.txt") and folder in QFVS.videos:
            self.oracles.setdefault(folder, []).append(path)
        elif path.suffix == ".txt" and path.stem == folder and folder in QFVS.videos:
            self.dense[folder] = path
        elif path.name == "Tags.mat":
            self.tags_mat = path
        elif path.name == "queries.json":
            self.sentences = path
        elif path.suffix.lower() in (".h5", ".hdf5"):
            self._take_features(path)

    def _take_features(self, path: Path) -> None:
        if _OURS.fullmatch(path.stem):
            held = _names_in(path)
            self.ours += [path] if held & set(QFVS.videos) else []
            self.texts += [path] if "concept_features" in held else []
        elif match := _SEGMENTS.fullmatch(path.stem):
            self.segments.setdefault(match[2] or "unnamed", {})[match[1]] = path


@dataclass(frozen=True)
class Imported:
    """What an import of QFVS gives."""

    videos: list[QueryVideo]
    features: str
    """Name of the features."""
    notices: list[str]
    """What the user should know: what was left out, what is missing."""


def join_qfvs(files: QFVSFiles, features: str | None = None) -> Imported:
    """Join features and annotations into videos with queries.

    Args:
        files: What was found.
        features: Which features to take where there are several.

    Raises:
        UserError: Annotations or the concepts' embeddings are missing, files are damaged or contradict each other.
    """
    name, vectors, texts = _read_features(files, features)
    if missing := [key for key in QFVS.videos if key not in files.oracles]:
        raise UserError(
            f"qfvs: no oracle summaries of {', '.join(missing)} (Oracle_summaries/P0x/*_oracle.txt); {QFVS.how_to_get}"
        )
    mat = read_tags_mat(files.tags_mat) if files.tags_mat else {}
    sentences = read_sentences(files.sentences) if files.sentences else {}
    said_features = _read_sentence_features(files.texts)
    notices: list[str] = []
    videos = []
    for key in QFVS.videos:
        dense = read_dense_tags(files.dense[key]) if key in files.dense else None
        if dense is None and key not in mat:
            raise UserError(
                f"qfvs: no tags of {key} (Dense_per_shot_tags/{key}/{key}.txt or Tags.mat); {QFVS.how_to_get}"
            )
        tags = join_tags(key, dense, mat.get(key))
        if dense is not None and (tags != dense).any():
            notices.append(f"Tags.mat lacks {int((tags != dense).sum())} tag of {key}'s last shot, as distributed")
        paths = sorted(files.oracles[key])
        if len(paths) != QFVS.n_queries:
            notices.append(f"{key} has {len(paths)} of {QFVS.n_queries} queries")
        queries = [query_of(path) for path in paths]
        said = [sentences.get((key, *query), "") for query in queries]
        video = QueryVideo(
            dataset=QFVS.name,
            key=key,
            features=_fit(key, vectors[key], len(tags), notices),
            tags=tags,
            concepts=CONCEPTS,
            queries=np.array(queries, dtype=np.int64),
            query_features=np.stack([texts[list(query)] for query in queries]),
            oracle=np.stack([read_oracle(path, len(tags)) for path in paths]),
            shot_seconds=QFVS.shot_seconds,
            sentences=tuple(said) if all(said) else (),
            sentence_features=np.stack([said_features[each] for each in said])
            if set(said) <= set(said_features)
            else None,
        )
        videos.append(video)
    return Imported(videos, name, notices)


def _fit(key: str, features: NDArray[np.float32], n_shots: int, notices: list[str]) -> NDArray[np.float32]:
    """Features of the tagged shots: released ones may have a few more at the end (P04)."""
    if len(features) < n_shots:
        raise UserError(
            f"qfvs: {key} has features of {len(features)} shots, but tags of {n_shots}; get its other features"
        )
    if len(features) > n_shots:
        notices.append(f"{key} has {len(features) - n_shots} features more than tags, left out at the end")
    return features[:n_shots]


def _read_features(
    files: QFVSFiles, wanted: str | None
) -> tuple[str, dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Name, shot features by video (shots, features), and the concepts' embeddings (48, features)."""
    have = files.features
    chosen = [name for name in have if wanted is None or name == wanted]
    if len(chosen) != 1:
        listed = ", ".join(f"{name} ({paths[0]})" for name, paths in have.items())
        what = f"several sets of features: {listed}" if chosen else f"no features called {wanted}; found {listed}"
        raise UserError(f"qfvs: {what}; name one with --features NAME")
    name = chosen[0]
    paths = files.segments.get(name, {})
    ours = [path for path in files.ours if not paths and _ours_name(path) == name]
    source = ours[0] if ours else next(iter(paths.values()))
    try:
        vectors = _read_ours(ours[0]) if ours else {key: _read_segments(path) for key, path in paths.items()}
        texts = _read_concepts(source, files.texts)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{source}: cannot be read ({error}); get it again") from error
    if missing := [key for key in QFVS.videos if key not in vectors]:
        raise UserError(f"{source}: no features of {', '.join(missing)}; get its other files")
    return name, vectors, texts


def _ours_name(path: Path) -> str:
    match = _OURS.fullmatch(path.stem)
    return (match[1] if match else "") or "unnamed"


def _read_ours(path: Path) -> dict[str, NDArray[np.float32]]:
    with h5py.File(path, "r") as file:
        return {key: np.asarray(file[key]["features"], np.float32) for key in QFVS.videos if key in file}


def _read_segments(path: Path) -> NDArray[np.float32]:
    """The layout of UniVTG's release: (segments, shots, size), of which each segment has ``seg_len`` real shots."""
    with h5py.File(path, "r") as file:
        segments, lengths = np.asarray(file["features"], np.float32), np.asarray(file["seg_len"]).astype(int)
    if segments.ndim != 3 or lengths.shape != segments.shape[:1] or lengths.max() > segments.shape[1]:
        raise ValueError(f"features {segments.shape} do not fit seg_len {lengths.shape}")
    return np.concatenate([segment[:length] for segment, length in zip(segments, lengths, strict=True)])


def _read_concepts(source: Path, paths: list[Path]) -> NDArray[np.float32]:
    """The embeddings of the 48 concepts, in our order: of the features' own file, else of the first that has them."""
    if not paths:
        raise UserError(
            f"{source}: no embeddings of the concepts; put `concepts` (48,) and `concept_features` (48, size), made by "
            "the text side of the same encoder, into this file or into a file qfvs_<name>.h5 beside it"
        )
    with h5py.File(source if source in paths else paths[0], "r") as file:
        names = [concept(each) for each in _texts(file["concepts"])]
        rows = np.asarray(file["concept_features"], np.float32)  # (concepts, features)
    if sorted(names) != sorted(CONCEPTS) or len(rows) != len(names):
        raise ValueError(f"concepts has {len(names)} names, concept_features {len(rows)} rows, expected the 48")
    return rows[[names.index(each) for each in CONCEPTS]]


def _read_sentence_features(paths: list[Path]) -> dict[str, NDArray[np.float32]]:
    """Embeddings of sentences by the sentence, from ``sentences`` and ``sentence_features`` at the top of a file."""
    for path in paths:
        with h5py.File(path, "r") as file:
            if "sentences" in file and "sentence_features" in file:
                rows = np.asarray(file["sentence_features"], np.float32)  # (sentences, features)
                return dict(zip(_texts(file["sentences"]), rows, strict=True))
    return {}


def _names_in(path: Path) -> set[str]:
    try:
        with h5py.File(path, "r") as file:
            return set(file)
    except OSError as error:
        raise UserError(f"{path}: not a readable HDF5 file, perhaps cut short; download it again") from error


def _texts(array: h5py.Dataset) -> list[str]:
    return [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in array[()]]
