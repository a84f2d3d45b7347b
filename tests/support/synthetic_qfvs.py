"""QFVS as it is distributed, in small: oracle summaries, tags in both forms, sentences, features in both layouts."""

import json
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from clipit_lightning.core.files import write_text
from clipit_lightning.data.qfvs import QFVS
from clipit_lightning.data.qfvs_annotations import CONCEPTS

SHOTS = {"P01": 120, "P02": 160, "P03": 100, "P04": 140}
QUERIES = [("Car", "Food"), ("Cupglass", "Sky"), ("Face", "Petsanimal"), ("Lady", "Street")]
QUERIES += [("Musicalinstrument", "Tree")]
SIZE = 12


def make_tags(key, seed=0):
    """Each shot shows one to four concepts, neighbours often the same ones, (shots, concepts)."""
    rng = np.random.default_rng((seed, int(key[2])))
    tags = np.zeros((SHOTS[key], len(CONCEPTS)), dtype=np.uint8)
    for start in range(0, len(tags), 4):
        tags[start : start + 4, rng.choice(len(CONCEPTS), rng.integers(1, 5), replace=False)] = 1
    return tags


def oracle_shots(key, query):
    """Shots of the query's oracle summary, counted from 1."""
    rng = np.random.default_rng((int(key[2]), QUERIES.index(query)))
    return sorted((1 + rng.choice(SHOTS[key], 8, replace=False)).tolist())


def write_qfvs(folder: Path, features="own") -> Path:
    """Write everything under a folder; ``features`` is ``own`` or ``segments`` (UniVTG's layout)."""
    for key in QFVS.videos:
        for query in QUERIES:
            lines = "".join(f"{shot}\n" for shot in oracle_shots(key, query))
            write_text(folder / "Oracle_summaries" / key / f"{'_'.join(query)}_oracle.txt", lines)
        rows = [",".join(np.array(CONCEPTS)[row.astype(bool)]) for row in make_tags(key)]
        write_text(folder / "Dense_per_shot_tags" / key / f"{key}.txt", "\n".join(rows) + "\n")
    write_tags_mat(folder / "Tags.mat", {key: make_tags(key) for key in QFVS.videos})
    sentences = {
        f"VidQry_{number}": {
            "video_id": key,
            "query": f"Scenes with {one} and {other}",
            "gt_file": f"{one}_{other}_oracle.txt",
        }
        for number, (key, (one, other)) in enumerate((key, query) for key in QFVS.videos for query in QUERIES)
    }
    (folder / "queries.json").write_text(json.dumps(sentences))
    if features == "own":
        write_own_features(folder / "qfvs_fake.h5")
    else:
        write_segments(folder)
    return folder


def write_tags_mat(path, tags):
    """MATLAB v5 as distributed: a struct a video, in it a cell a shot that holds its 0/1 row."""
    videos = np.empty((1, len(tags)), dtype=[("Bin_Vecs", object)])
    for index, rows in enumerate(tags.values()):
        cells = np.empty((len(rows), 1), dtype=object)
        for number, row in enumerate(rows):
            cells[number, 0] = row[None]
        videos[0, index]["Bin_Vecs"] = cells
    scipy.io.savemat(path, {"Tags": videos})


def shot_features(key):
    """Features that show the tags, with noise, (shots, features)."""
    rng = np.random.default_rng(int(key[2]))
    return (make_tags(key) @ concept_features() + 0.3 * rng.normal(size=(SHOTS[key], SIZE))).astype(np.float32)


def concept_features():
    """(concepts, features)."""
    return np.random.default_rng(48).normal(size=(len(CONCEPTS), SIZE)).astype(np.float32)


def write_own_features(path):
    with h5py.File(path, "w") as file:
        file["concepts"], file["concept_features"] = list(CONCEPTS), concept_features()
        for key in QFVS.videos:
            file[f"{key}/features"] = shot_features(key)


def write_segments(folder):
    """UniVTG's layout: a file a video, segments of up to 50 shots; P04 has more features than tags."""
    for key in QFVS.videos:
        rows = shot_features(key)
        rows = np.concatenate([rows, rows[:3]]) if key == "P04" else rows
        segments = np.pad(rows, ((0, -len(rows) % 50), (0, 0))).reshape(-1, 50, SIZE)
        with h5py.File(folder / f"{key}_clip.h5", "w") as file:
            file["features"] = segments
            file["seg_len"] = np.minimum(50, len(rows) - np.arange(0, len(rows), 50))
