"""S-VideoXum and S-NewsVSum as they are distributed, in small."""

import json
from itertools import chain
from pathlib import Path

import h5py
import numpy as np

PARTS = {"train": ["v_a", "v_b", "v_c"], "val": ["v_d", "v_e"], "test": ["v_f", "v_g"]}
STEPS, SIZE, SENTENCES, SCRIPTS = 20, 6, 3, 10


def write_s_videoxum(folder: Path, summaries="gtsummaries", split="script_videoxum_splits.json") -> Path:
    """Write features, parts and texts; of ``v_f`` script 4 has no sentence, and others have one, two or three."""
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / "script_videoxum.h5", "w") as file:
        for number, name in enumerate([*chain(*PARTS.values()), "v_unlisted"]):
            write_group(file, name, np.random.default_rng(number), SCRIPTS, summaries)
        file["v_f/text_embeddings"][4] = 0
    (folder / split).write_text(json.dumps(PARTS))
    texts = folder / "Text Annotations" / "Scripts"
    texts.mkdir(parents=True)
    for script in range(SCRIPTS):
        (texts / f"v_f_{script}.txt").write_text(f"The {script}th summary.\nIt ends.\n")
    return folder


def write_s_newsvsum(folder: Path) -> Path:
    """Write all 45 videos, each with one script, whose array has no axis of scripts."""
    with h5py.File(folder / "S_NewsVSum.h5", "w") as file:
        for number in range(1, 46):
            group = write_group(file, f"video_{number}", np.random.default_rng(number), 1, "gtsummaries")
            text = group["text_embeddings"][0]
            del group["text_embeddings"]
            group["text_embeddings"] = text
    return folder


def write_group(file, name, rng, scripts, summaries):
    """A video's arrays by their distributed names."""
    group = file.create_group(name)
    group["n_frames"] = STEPS
    group["video_embeddings"] = rng.normal(size=(STEPS, SIZE)).astype(np.float32)
    text = rng.normal(size=(scripts, SENTENCES, SIZE)).astype(np.float32)
    for script in range(scripts):
        text[script, 1 + script % SENTENCES :] = 0
    group["text_embeddings"] = text
    group[summaries] = (rng.random((scripts, STEPS)) < 0.2).astype(np.float32)
    group["change_points"] = [[0, STEPS - 1]]
    return group
