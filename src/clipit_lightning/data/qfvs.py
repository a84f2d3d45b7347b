"""QFVS (Sharghi, Laurel, Gong, "Query-Focused Video Summarization", CVPR 2017) on four videos of UT Egocentric.

Four videos of 3 to 5 hours, recorded by a camera on a person's head, cut into shots of 5 seconds: 2783, 3692, 2152
and 3588. Each shot is tagged with those of 48 concepts that it shows. A query is two concepts; each video has 45 (the
paper says 46), and each query an oracle summary: a set of shots that the annotators agreed on. A prediction is
compared by what its shots show, not by which they are (``evaluation/matching.py``).

Distributed as ``Oracle_summaries/P0x/A_B_oracle.txt`` (shot numbers counted **from 1**, a line each),
``Dense_per_shot_tags/P0x/P0x.txt`` (a line a shot, concepts separated by commas), ``Dictionary.txt`` (the concepts),
and ``Tags.mat`` (the tags as 0/1, which published evaluation code reads; as distributed, it lacks the last tag of the
last shot of P01, P02 and P03; apart from the last shot the two must agree here). Licence: research use.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.data import qfvs_annotations as distributed
from clipit_lightning.data.benchmark import Benchmark, FileImport, Source
from clipit_lightning.data.qfvs_annotations import CONCEPTS, VIDEOS
from clipit_lightning.data.query_video import QueryVideo
from clipit_lightning.data.schema import open_group, read_member

_OURS = re.compile(r"qfvs_?(.*)", re.IGNORECASE)
_SEGMENTS = re.compile(rf"({'|'.join(VIDEOS)})_?(.*)")
_CAPTIONS = 15  # as many as CLIP-It takes

Floats = NDArray[np.float32]


def _find_features(paths: Sequence[Path]) -> tuple[dict[str, dict[str, Path]], list[Path]]:
    """Every set of features by name, with the file of each video, and files with the concepts' embeddings.

    Files are ``qfvs_<features>.h5`` with a group a video, and UniVTG's ``P0x_<features>.h5``.
    """
    features: dict[str, dict[str, Path]] = {}
    texts = []
    for path in (path for path in paths if path.suffix.lower() in (".h5", ".hdf5")):
        if match := _OURS.fullmatch(path.stem):
            try:
                with open_hdf5(path) as file:
                    held = set(file)
            except OSError as error:
                raise UserError(f"{path}: not a readable HDF5 file, perhaps cut short; download it again") from error
            if videos := [key for key in VIDEOS if key in held]:
                features[match[1] or "unnamed"] = dict.fromkeys(videos, path)
            texts += [path] if "concept_features" in held else []
        elif match := _SEGMENTS.fullmatch(path.stem):
            features.setdefault(match[2] or "unnamed", {})[match[1]] = path
    return features, texts


def read_qfvs(paths: Sequence[Path], features: str | None = None) -> FileImport:
    """Join features and annotations into videos with queries, from all files under the searched folders.

    ``features`` are those to take where there are several.

    Raises:
        UserError: Annotations or the concepts' embeddings are missing, files are damaged or contradict each other.
    """
    sets, with_texts = _find_features(paths)
    oracles = {key: sorted(path for path in paths if path.match(f"{key}/*_oracle.txt")) for key in VIDEOS}
    missing = [key for key in VIDEOS if not oracles[key]]
    if not sets or missing == list(VIDEOS):
        lacking = "oracle summaries" if sets else "all"
        return FileImport(features=", ".join(sets), missing=lacking if missing == list(VIDEOS) else "features")
    name, vectors, texts, captions = _read_features(sets, with_texts, features)
    if missing:
        raise UserError(
            f"qfvs: no oracle summaries of {', '.join(missing)} (Oracle_summaries/P0x/*_oracle.txt); {QFVS.how_to_get}"
        )
    files = {path.name: path for path in paths}
    mat = distributed.read_tags_mat(files["Tags.mat"]) if "Tags.mat" in files else {}
    sentences = distributed.read_sentences(files["queries.json"]) if "queries.json" in files else {}
    embedded = _read_sentence_features(with_texts)
    notices: list[str] = []
    videos = []
    for key in VIDEOS:
        tags = _read_tags(key, [path for path in paths if path.match(f"{key}/{key}.txt")], mat, notices)
        queries = [distributed.query_of(path) for path in oracles[key]]
        if len(queries) != QFVS.n_queries:
            notices.append(f"{key} has {len(queries)} of {QFVS.n_queries} queries")
        told = [sentences.get((key, *query), "") for query in queries]
        video = QueryVideo(
            dataset=QFVS.name,
            key=key,
            features=_of_tagged_shots(key, vectors[key], len(tags), notices),
            tags=tags,
            concepts=CONCEPTS,
            queries=np.array(queries, dtype=np.int64),
            query_features=np.stack([texts[list(query)] for query in queries]),
            oracle=np.stack([distributed.read_oracle(path, len(tags)) for path in oracles[key]]),
            shot_seconds=QFVS.shot_seconds,
            sentences=tuple(told) if all(told) else (),
            sentence_features=np.stack([embedded[sentence] for sentence in told]) if {*told} <= {*embedded} else None,
            captions=captions[key][0],
            caption_features=captions[key][1],
        )
        videos.append(video)
    return FileImport(videos, name, notices)


def _read_tags(
    key: str, paths: Sequence[Path], mat: dict[str, NDArray[np.uint8]], notices: list[str]
) -> NDArray[np.uint8]:
    if not paths and key not in mat:
        raise UserError(f"qfvs: no tags of {key} (Dense_per_shot_tags/{key}/{key}.txt or Tags.mat); {QFVS.how_to_get}")
    dense = distributed.read_dense_tags(paths[-1]) if paths else mat[key]
    tags = distributed.join_tags(key, dense, mat.get(key, dense))
    if (tags != dense).any():
        notices.append(f"Tags.mat lacks {int((tags != dense).sum())} tag of {key}'s last shot, as distributed")
    return tags


def _of_tagged_shots(key: str, features: Floats, n_shots: int, notices: list[str]) -> Floats:
    """Features of the tagged shots: released ones may have a few more at the end (P04)."""
    if len(features) < n_shots:
        raise UserError(
            f"qfvs: {key} has features of {len(features)} shots, but tags of {n_shots}; get its other features"
        )
    if len(features) > n_shots:
        notices.append(f"{key} has {len(features) - n_shots} features more than tags, left out at the end")
    return features[:n_shots]


def _read_features(
    sets: dict[str, dict[str, Path]], with_texts: list[Path], wanted: str | None
) -> tuple[str, dict[str, Floats], Floats, dict[str, tuple[tuple[str, ...], Floats | None]]]:
    """Name, shot features by video (shots, features), the concepts' embeddings (48, features), captions by video."""
    chosen = [name for name in sets if wanted is None or name == wanted]
    if len(chosen) != 1:
        listed = ", ".join(f"{name} ({next(iter(paths.values()))})" for name, paths in sets.items())
        what = f"several sets of features: {listed}" if chosen else f"no features called {wanted}; found {listed}"
        raise UserError(f"qfvs: {what}; name one with --features NAME")
    paths = sets[chosen[0]]
    source = next(iter(paths.values()))
    try:
        vectors = {key: _read_shots(path, key) for key, path in paths.items()}
        texts = _read_concepts(source, with_texts)
        captions = {key: _read_captions(path, key) for key, path in paths.items()}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{source}: cannot be read ({error}); get it again") from error
    if missing := [key for key in VIDEOS if key not in vectors]:
        raise UserError(f"{source}: no features of {', '.join(missing)}; get its other files")
    return chosen[0], vectors, texts, captions


def _read_shots(path: Path, key: str) -> Floats:
    """A video's features, (shots, features), of its group or of a file of its own.

    The latter is in the layout of UniVTG's release: (segments, shots, size), of which each segment has ``seg_len`` real
    shots.
    """
    with open_hdf5(path) as file:
        if key in set(file):
            return _rows(open_group(file, key), "features")
        segments, lengths = (read_member(file, name) for name in ("features", "seg_len"))
    segments, lengths = segments.astype(np.float32), lengths.astype(int)
    if segments.ndim != 3 or lengths.shape != segments.shape[:1] or lengths.max() > segments.shape[1]:
        raise ValueError(f"features {segments.shape} do not fit seg_len {lengths.shape}")
    return np.concatenate([segment[:length] for segment, length in zip(segments, lengths, strict=True)])


def _rows(group: h5py.Group, name: str) -> Floats:
    """A table of features of a group or file; a ValueError where it is none."""
    if (rows := read_member(group, name).astype(np.float32)).ndim != 2:
        raise ValueError(f"{name} has shape {rows.shape}, expected a table")
    return rows


def _texts(group: h5py.Group, name: str) -> list[str]:
    """A row of texts of a group or file; a ValueError where it is none."""
    if (texts := read_member(group, name, text=True)).ndim != 1:
        raise ValueError(f"{name} has shape {texts.shape}, expected a row of texts")
    names: list[str] = texts.tolist()
    return names


def _read_captions(path: Path, key: str) -> tuple[tuple[str, ...], Floats | None]:
    """A video's captions, and their embeddings, (captions, features); none where the file has no embeddings of them.

    These are ``caption_features``, or the features themselves, where there is a caption a shot and those of equal
    captions are always equal: then the features were made of the captions, of which some are kept, spread over the
    video.
    """
    with open_hdf5(path) as file:
        group = open_group(file, key) if key in set(file) else file
        if group is file or "captions" not in set(group):
            return (), None
        captions = np.array(_texts(group, "captions"), object)
        own = "caption_features" in set(group)
        rows = _rows(group, "caption_features" if own else "features")
    if not own:
        _, first, again = np.unique(captions, return_index=True, return_inverse=True)
        repeats = len(first) < len(captions) == len(rows)
        if not repeats or not np.array_equal(rows[first][again], rows):
            return (), None
        kept = np.linspace(0, len(rows) - 1, min(len(rows), _CAPTIONS)).round().astype(int)
        captions, rows = captions[kept], rows[kept]
    return tuple(captions.tolist()), rows


def _read_concepts(source: Path, paths: list[Path]) -> Floats:
    """Embeddings of the concepts, (48, features), of the features' own file, else of the first that has them."""
    if not paths:
        raise UserError(
            f"{source}: no embeddings of the concepts; put `concepts` (48,) and `concept_features` (48, size), made by "
            "the text side of the same encoder, into this file or into a file qfvs_<name>.h5 beside it"
        )
    with open_hdf5(source if source in paths else paths[0]) as file:
        names = [distributed.concept(name) for name in _texts(file, "concepts")]
        rows = _rows(file, "concept_features")  # (concepts, features)
    if sorted(names) != sorted(CONCEPTS) or len(rows) != len(names):
        raise ValueError(f"concepts has {len(names)} names, concept_features {len(rows)} rows, expected the 48")
    return rows[[names.index(name) for name in CONCEPTS]]


def _read_sentence_features(paths: list[Path]) -> dict[str, Floats]:
    """Embeddings of sentences by the sentence, from ``sentences`` and ``sentence_features`` at the top of a file."""
    for path in paths:
        with open_hdf5(path) as file:
            if {"sentences", "sentence_features"} <= set(file):
                rows = _rows(file, "sentence_features")  # (sentences, features)
                return dict(zip(_texts(file, "sentences"), rows, strict=True))
    return {}


QFVS = Benchmark(
    name="qfvs",
    title="QFVS",
    kind="queries",
    n_videos=len(VIDEOS),
    videos=VIDEOS,
    n_queries=45,
    shot_seconds=5.0,
    budget=0.02,
    families=("2/1/1", "3/1"),
    read_files=read_qfvs,
    how_to_get="Oracle_summaries and Dense_per_shot_tags from https://www.aidean-sharghi.com/cvpr2017/, "
    "features as qfvs_<features>.h5",
    sources=(
        Source(
            name="qfvs",
            title="QFVS: queries, tags of shots and oracle summaries of four long videos (Sharghi et al., CVPR 2017)",
            licence="research use",
            how_to_get="annotations from [Data] on the authors' page https://www.aidean-sharghi.com/cvpr2017; the "
            "videos are UT Egocentric's (Lee et al., CVPR 2012), from "
            "http://vision.cs.utexas.edu/projects/egocentric_data/UT_Egocentric_Dataset.html; unpack the annotations, "
            "put features of the shots (qfvs_<features>.h5) beside them and run `clipit data import FOLDER`",
        ),
    ),
)
