"""TVSum (Song et al., "TVSum: Summarizing web videos using titles", CVPR 2015).

50 YouTube videos of 10 categories, 2 to 10 minutes, 25 to 30 fps. 20 annotators a video rated every 2-second part
from 1 to 5. Distributed as ``ydata-tvsum50.mat`` (MATLAB v7.3: the group ``tvsum50`` with ``video``, ``nframes``,
``user_anno`` (annotators, frames)) and as ``ydata-tvsum50-anno.tsv`` (a line per video and annotator: id, category,
ratings of all frames separated by commas). Videos under CC BY 3.0. ``video_N`` of the field's HDF5 files is the N-th
of the ``.mat``.
"""

from pathlib import Path, PurePosixPath

import h5py
import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.hdf5 import open_hdf5
from clipit_lightning.data.benchmark import AnnotationFile, Benchmark, Ratings, RemoteFile, Source
from clipit_lightning.data.schema import DAMAGED, open_group, read_member, storage_problems

MAT_NAME = "ydata-tvsum50.mat"
TSV_NAME = "ydata-tvsum50-anno.tsv"


def read_mat(path: Path) -> dict[str, Ratings]:
    """Read all ratings of ``ydata-tvsum50.mat``, by key (``video_1`` is the first).

    Raises:
        UserError: The file is damaged or is not TVSum's.
    """
    try:
        with open_hdf5(path) as file:
            group = open_group(file, "tvsum50")
            if problems := storage_problems(group, ["video", "user_anno"], [], [], only=["video", "user_anno"]):
                raise ValueError(problems[0])
            ratings = {}
            for index in range(len(group["video"])):
                name, rows = (_follow(file, group[what][index, 0]) for what in ("video", "user_anno"))
                text = "".join(map(chr, name.ravel().astype(int)))
                ratings[f"video_{index + 1}"] = Ratings(text, rows.astype(np.float32))  # (annotators, frames)
    except DAMAGED as error:
        raise UserError(f"{path}: not TVSum's annotations or damaged ({error}); download it again") from error
    return ratings


def _follow(file: h5py.File, reference: h5py.Reference) -> NDArray[np.generic]:
    """Numbers that a reference of MATLAB leads to."""
    array = file[reference]
    return read_member(array.parent, PurePosixPath(array.name).name)


def is_mat(path: Path) -> bool:
    """Whether a file is TVSum's in MATLAB's form, whatever its name."""
    try:
        with open_hdf5(path) as file:
            return "tvsum50" in set(file)
    except (OSError, RuntimeError):  # not of HDF5
        return False


def is_tsv(path: Path) -> bool:
    """Whether a file is TVSum's in its other form: its first line is id, category, and numbers with commas."""
    with path.open(encoding="utf-8", errors="replace") as file:
        fields = file.readline(10**6).rstrip("\n").split("\t")
    return len(fields) == 3 and "," in fields[2] and not fields[2].strip("0123456789.,")


def read_tsv(path: Path) -> dict[str, Ratings]:
    """Read all ratings of ``ydata-tvsum50-anno.tsv``, by key, in the order of the file.

    Raises:
        UserError: A line is not id, category and comma-separated ratings, or the annotators' lengths differ.
    """
    lines: dict[str, list[NDArray[np.float32]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            name, _, ratings = line.split("\t")
            lines.setdefault(name, []).append(np.array(ratings.split(","), dtype=np.float32))
        except ValueError as error:
            raise UserError(f"{path}: line {number} is not id, category, ratings; download it again") from error
    for name, rows in lines.items():
        if len({len(row) for row in rows}) > 1:
            raise UserError(f"{path}: annotators of {name} rated different numbers of frames; download it again")
    return {
        f"video_{index}": Ratings(name, np.stack(rows)) for index, (name, rows) in enumerate(lines.items(), start=1)
    }


TVSUM = Benchmark(
    name="tvsum",
    title="TVSum",
    kind="annotated",
    n_videos=50,
    f1_convention="mean",
    correlation="per-annotator",
    annotations=(AnnotationFile(MAT_NAME, read_mat, is_mat), AnnotationFile(TSV_NAME, read_tsv, is_tsv)),
    raw_files=f"video/*.mp4 and {MAT_NAME} or {TSV_NAME}",
    how_to_get="ydata-tvsum50.mat from https://github.com/yalesong/tvsum, "
    "features from the field's eccv16_dataset_tvsum_*.h5, or your own as tvsum_NAME.h5",
    sources=(
        Source(
            name="tvsum",
            title="TVSum: 20 annotators' ratings of 50 videos (Song et al., CVPR 2015)",
            licence="videos CC BY 3.0; annotations: see https://github.com/yalesong/tvsum",
            how_to_get="put features (eccv16_dataset_tvsum_*.h5, `clipit data fetch features`) beside it and run "
            "`clipit data import FOLDER`",
            files=(
                RemoteFile(
                    url="https://raw.githubusercontent.com/yalesong/tvsum/master/matlab/ydata-tvsum50.mat",
                    name="ydata-tvsum50.mat",
                    size=1_102_132,
                    sha256="6a9d2a0cee7f577736cd38ba3cdb746f86635012791eaaec933480ec00eb9d36",
                ),
            ),
        ),
        Source(
            name="tvsum-videos",
            title="TVSum: the authors' archive with the 50 videos, about 640 MB",
            licence="videos CC BY 3.0",
            how_to_get="unpack ydata-tvsum50-video.zip inside it; the videos are named by their YouTube ids",
            files=(
                RemoteFile(
                    url="https://people.csail.mit.edu/yalesong/tvsum/tvsum50_ver_1_1.tgz",
                    name="tvsum50_ver_1_1.tgz",
                    size=671_779_858,  # as its server answers
                ),
            ),
        ),
    ),
)
