"""SumMe (Gygli et al., "Creating summaries from user videos", ECCV 2014).

25 videos of 1 to 6 minutes. 15 to 18 annotators a video each cut a summary of 5 to 15 %. Distributed as one MATLAB v5
file a video in ``GT/``: ``user_score`` (frames, annotators), above 0 where a frame is in the annotator's summary,
``FPS``, ``nFrames``. Licence: research use. ``video_N`` of the field's HDF5 files is the N-th name in ASCII order.
"""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import AnnotationFile, Benchmark, RemoteFile, Source, Summaries
from clipit_lightning.data.official_shots import find_official

# Values that a byte of a file may stand for, and that may stand for nothing: a frame in no summary takes no space.
_PACKED, _MOST = 100, 10**7


def read_ground_truth(path: Path) -> dict[str, Summaries]:
    """Read all ``.mat`` files of SumMe's ``GT`` folder, by the field's key, also where some files are missing.

    Args:
        path: Any of the files.

    Raises:
        UserError: A file is damaged or is not SumMe's.
    """
    files = [path for path in path.parent.glob("[!.]*") if path.suffix.lower() == ".mat"]
    if path.parent.name != "GT":  # perhaps among others
        files = list(filter(is_ground_truth, files))
    summaries = [Summaries(path.stem, _read(path)) for path in sorted(files, key=lambda path: path.stem)]
    known = [find_official("summe", summary.user_summary.shape[1], summary.name) for summary in summaries]
    keys = [video.key if video and all(known) else f"video_{index}" for index, video in enumerate(known, start=1)]
    return dict(zip(keys, summaries, strict=True))


def _read(path: Path) -> NDArray[np.uint8]:
    """One video's summaries, (annotators, frames)."""
    import scipy.io

    try:
        shapes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
        if math.prod(shapes["user_score"]) > _MOST + _PACKED * path.stat().st_size:
            raise ValueError(f"user_score has shape {shapes['user_score']}, of which the file holds next to none")
        scores = np.asarray(scipy.io.loadmat(path, variable_names=["user_score"])["user_score"])  # (frames, annotators)
        if scores.ndim != 2 or scores.dtype.kind not in "biuf" or not (scores >= 0).all():  # NaN fails, too
            raise ValueError("user_score is not a table of numbers from 0")
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise UserError(f"{path}: not SumMe's annotations or damaged ({error}); unpack it again") from error
    return (scores.T > 0).astype(np.uint8)


def is_ground_truth(path: Path) -> bool:
    """Whether a file is SumMe's annotations of a video, whatever its folder."""
    import scipy.io

    try:
        return "user_score" in {name for name, *_ in scipy.io.whosmat(path)}
    except Exception:  # scipy raises many kinds for what is not a file of MATLAB 5
        return False


SUMME = Benchmark(
    name="summe",
    title="SumMe",
    kind="annotated",
    n_videos=25,
    f1_convention="max",
    correlation="mean-annotator",
    annotations=(AnnotationFile("GT/*.mat", read_ground_truth, is_ground_truth),),
    raw_files="videos/*.mp4 and GT/*.mat",
    how_to_get="SumMe.zip (its GT folder) from https://data.vision.ee.ethz.ch/cvl/SumMe/SumMe.zip, "
    "features from the field's eccv16_dataset_summe_*.h5, or your own as summe_NAME.h5",
    sources=(
        Source(
            name="summe",
            title="SumMe: 25 videos and 15 to 18 annotators' summaries of each (Gygli et al., ECCV 2014), about 2.3 GB",
            licence="research use",
            how_to_get="put features (eccv16_dataset_summe_*.h5, `clipit data fetch features`) beside it and run "
            "`clipit data import FOLDER`",
            files=(RemoteFile(url="https://data.vision.ee.ethz.ch/cvl/SumMe/SumMe.zip", name="SumMe.zip"),),
        ),
    ),
)
