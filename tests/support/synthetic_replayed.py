"""MR.HiSum and MoSu as they are distributed, in small."""

import json
from itertools import chain
from pathlib import Path

import h5py
import numpy as np

PARTS = {
    "train_keys": ["video_3", "video_1", "video_10"],
    "val_keys": ["video_2", "video_7"],
    "test_keys": ["video_4", "video_5"],
}
KEYS = list(chain(*PARTS.values()))
SHOTS = [0, 6, 9, 17, 23]  # borders; the last is the number of steps
STEPS = SHOTS[-1]
SIZES = {"visual_clip": 8, "audio_ast": 5, "text_roberta": 3}


def write_mr_hisum(folder: Path, summary="gt_summary", unlisted=("video_99",)) -> Path:
    """Write the form of MR.HiSum's authors: ends of shots are exclusive, of ``video_7`` the last is one short."""
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / "mr_hisum.h5", "w") as file:
        for key in [*KEYS, *unlisted]:
            rng = np.random.default_rng(len(file))
            group = file.create_group(key)
            group["features"] = rng.normal(size=(STEPS, SIZES["visual_clip"])).astype(np.float32)
            shots = np.stack([SHOTS[:-1], SHOTS[1:]], axis=1)
            shots[-1, 1] -= key == "video_7"
            write_annotations(group, rng, shots, "gtscore", summary)
    (folder / "mr_hisum_split.json").write_text(json.dumps(PARTS))
    rows = [f'{key},train0026,ORaA,"yt-{key}",258,84554,[8]' for key in KEYS]
    (folder / "metadata.csv").write_text(
        "\n".join(["video_id,yt8m_file,random_id,youtube_id,duration,views,labels", *rows])
    )
    return folder


def write_triplesumm(folder: Path, dataset="mosu", streams=tuple(SIZES)) -> Path:
    """Write the form of TripleSumm: ends of shots are inclusive; ``video_4`` has no sound, and text in its first half.

    The audio of ``video_5`` has a row more.
    """
    folder.mkdir(exist_ok=True)
    for stream in streams:
        with h5py.File(folder / f"{dataset}_feat_{stream}.h5", "w") as file:
            for key in KEYS:
                rng = np.random.default_rng((len(stream), len(file)))
                longer = int(key == "video_5" and stream == "audio_ast")
                rows = rng.normal(size=(STEPS + longer, SIZES[stream])).astype(np.float16)
                if key == "video_4":
                    rows[{"visual_clip": STEPS, "audio_ast": 0, "text_roberta": STEPS // 2}[stream] :] = 0
                file[key] = rows
    with h5py.File(folder / f"{dataset}_gt.h5", "w") as file:
        for key in KEYS:
            shots = np.stack([SHOTS[:-1], np.array(SHOTS[1:]) - 1], axis=1)
            write_annotations(file.create_group(key), np.random.default_rng(len(file)), shots, "gt_score", "gt_summary")
    (folder / f"{dataset}_split.json").write_text(json.dumps(PARTS))
    return folder


def write_annotations(group, rng, shots, score, summary):
    """Importance, shots and a summary of the second shot."""
    group[score] = rng.random(STEPS)
    group["change_points"] = shots
    group[summary] = np.isin(np.arange(STEPS), range(*SHOTS[1:3])).astype(np.int64)
