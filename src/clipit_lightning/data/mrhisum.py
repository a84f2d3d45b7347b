"""MR.HiSum: 31,892 videos of YouTube-8M, each with at least 50,000 views.

Source: Sul, Han, Lee, "Mr. HiSum: A Large-scale Dataset for Video Highlight Detection and Summarization", NeurIPS 2023.
Importance is YouTube's "most replayed" curve: a hundred equal stretches of a video, each with a value from 0 to 1,
which a second takes from the stretch that it is in. Shots are by kernel temporal segmentation, and the only summary is
the knapsack of these by importance, within 15 %. So F1 says how well a scorer's knapsack agrees with that of the curve,
and rank correlations compare with the curve itself. The authors' evaluation has F1, and mAP of clips of five seconds of
which the floor of 50 % or 15 % are best; that of TripleSumm on the same videos rounds up.

Features are YouTube-8M's of each second (Inception, 1024 by PCA), which the authors' ``preprocess/preprocess.py`` adds
to their file; TripleSumm's have 30,452 of the videos, with sound (AST) and text (RoBERTa) beside. ``metadata.csv`` has
YouTube ids. How the files lie, and what was read: ``most_replayed.py``. Licence: CC BY 4.0, as the authors' README says
of the data set, beside YouTube's terms; their code is for academic, non-commercial use.
"""

from collections.abc import Sequence
from pathlib import Path

from clipit_lightning.data.benchmark import Benchmark, FileImport, Source
from clipit_lightning.data.most_replayed import read_most_replayed

SPLITS = {"train": 27892, "validation": 2000, "test": 2000}
"""Videos of each part, counted in the authors' ``dataset/mr_hisum_split.json``."""


def read_mrhisum(paths: Sequence[Path], features: str | None = None) -> FileImport:
    """Join MR.HiSum's files, in its authors' form or in TripleSumm's; see ``read_most_replayed``."""
    return read_most_replayed("mrhisum", SPLITS, paths, features)


MRHISUM = Benchmark(
    name="mrhisum",
    title="MR.HiSum",
    kind="annotated",
    n_videos=sum(SPLITS.values()),
    correlation="importance",
    highlights="floor",
    families=("official",),
    read_files=read_mrhisum,
    how_to_get="mr_hisum.h5 with YouTube-8M's features and mr_hisum_split.json by https://github.com/MRHiSum/MR.HiSum, "
    "or https://huggingface.co/datasets/hminjeong/TripleSumm-Mr.HiSum",
    sources=(
        Source(
            name="mrhisum",
            title="MR.HiSum: 31,892 videos with YouTube's most replayed curve (Sul et al., NeurIPS 2023)",
            licence="CC BY 4.0, and YouTube's terms of service",
            how_to_get="mr_hisum.h5, metadata.csv and mr_hisum_split.json by https://github.com/MRHiSum/MR.HiSum, "
            "whose preprocess/preprocess.py adds features of YouTube-8M; or the files of "
            "https://huggingface.co/datasets/hminjeong/TripleSumm-Mr.HiSum; then run `clipit data import FOLDER`",
        ),
    ),
)
