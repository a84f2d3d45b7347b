"""MoSu: 52,678 videos with what is seen, heard and said of each second.

Source: Kim et al., "TripleSumm: Adaptive Triple-Modality Fusion for Video Summarization", ICLR 2026, arXiv 2603.01169.
Importance is YouTube's "most replayed" curve, as of MR.HiSum, and so are shots and the only summary. The authors' code
correlates scores with importance, and takes mAP of clips of five seconds of which the ceiling of 50 % or 15 % are best,
the last clip padded with zeros; it has no F1. Ours has the knapsack's against the summary that lies there.

Features of each second, 768 of each: what is seen by CLIP, what is heard by AST, what is said by RoBERTa, in three
files of about 40 GB; ``mosu_metadata.csv`` has YouTube ids. Whatever lies there becomes streams of the store. How the
files lie, and what was read: ``most_replayed.py``; the data set's page at Hugging Face was read in part, up to the list
of features. Licence: the authors' repository says MIT of itself; of the data none was read.
"""

from collections.abc import Sequence
from pathlib import Path

from clipit_lightning.data.benchmark import Benchmark, FileImport, Source
from clipit_lightning.data.most_replayed import read_most_replayed

SPLITS = {"train": 42152, "validation": 5263, "test": 5263}
"""Videos of each part, 80, 10 and 10 % of all."""


def read_mosu(paths: Sequence[Path], features: str | None = None) -> FileImport:
    """Join MoSu's files; see ``read_most_replayed``."""
    return read_most_replayed("mosu", SPLITS, paths, features)


_PAGE = "https://huggingface.co/datasets/hminjeong/TripleSumm-MoSu"
MOSU = Benchmark(
    name="mosu",
    title="MoSu",
    kind="annotated",
    n_videos=sum(SPLITS.values()),
    correlation="importance",
    highlights="ceil",
    families=("official",),
    read_files=read_mosu,
    how_to_get=f"mosu_gt.h5, mosu_split.json and mosu_feat_visual_clip.h5 from {_PAGE}",
    sources=(
        Source(
            name="mosu",
            title="MoSu: 52,678 videos with YouTube's most replayed curve and three modalities (Kim et al., ICLR 2026)",
            licence="MIT of the code; see the page for the data, and YouTube's terms of service",
            how_to_get=f"mosu_gt.h5, mosu_split.json, mosu_feat_visual_clip.h5 and, to have sound and text, "
            f"mosu_feat_audio_ast.h5 and mosu_feat_text_roberta.h5 from {_PAGE}; then run `clipit data import FOLDER`",
        ),
    ),
)
