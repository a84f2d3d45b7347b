"""QFVS (Sharghi, Laurel, Gong, "Query-Focused Video Summarization", CVPR 2017) on four videos of UT Egocentric.

Four videos of 3 to 5 hours, recorded by a camera on a person's head, cut into shots of 5 seconds: 2783, 3692, 2152
and 3588. Each shot is tagged with those of 48 concepts that it shows. A query is two concepts; each video has 45 (the
paper says 46), and each query an oracle summary: a set of shots that the annotators agreed on. A prediction is
compared by what its shots show, not by which they are (``metrics/semantic.py``).

Distributed as ``Oracle_summaries/P0x/A_B_oracle.txt`` (shot numbers counted **from 1**, a line each),
``Dense_per_shot_tags/P0x/P0x.txt`` (a line a shot, concepts separated by commas), ``Dictionary.txt`` (the concepts),
and ``Tags.mat`` (the same tags as 0/1, which published evaluation code reads). In the distribution, ``Tags.mat`` lacks
the last tag of the last shot of P01, P02 and P03; apart from the last shot the two must agree here. Licence: research
use.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import Benchmark, Source

QFVS = Benchmark(
    name="qfvs",
    title="QFVS",
    kind="queries",
    n_videos=4,
    videos=("P01", "P02", "P03", "P04"),
    n_queries=45,
    shot_seconds=5.0,
    budget=0.02,
    families=("2/1/1", "3/1"),
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

CONCEPTS = tuple(
    (  # noqa: SIM905 - a literal of 48 strings would take 48 lines
        "Baby Beach Bed Blonde Boat Book Building Car Chair Chocolate Computer Cupglass Dance Desk Drink Exercise Face "
        "Flower Food Garden Grass Hall Hands Hat Kids Lady Lake Market Men Musicalinstrument Ocean Office Park Party "
        "Petsanimal Phone Room School Shoes Sign Sky Sports Street Student Sun Toy Tree Window"
    ).split()
)
"""The 48 concepts, as ``Dictionary.txt`` writes them."""
_VARIANTS = {"glass": "Cupglass", "instrument": "Musicalinstrument", "animal": "Petsanimal"}
"""Other names that public code uses (showlab/UniVTG, main/dataset_qfvs.py)."""
_PLAIN = {concept.casefold(): concept for concept in CONCEPTS} | _VARIANTS


def concept(name: str) -> str:
    """The concept that a text names, whatever its spelling: ``Cup/Glass``, ``Musical Instrument``, ``'Car'``.

    Raises:
        ValueError: It names none of the 48.
    """
    plain = re.sub(r"[^a-z]", "", name.casefold())
    if plain not in _PLAIN:
        raise ValueError(f"{name!r} is none of the 48 concepts")
    return _PLAIN[plain]


def read_dense_tags(path: Path) -> NDArray[np.uint8]:
    """Read the tags of a video's shots, a line a shot; an empty line within the file is a shot without tags.

    Returns:
        1 where a shot shows a concept, (shots, 48).

    Raises:
        UserError: A line names something that is no concept, or the file holds no shot.
    """
    lines = path.read_text(encoding="utf-8-sig").rstrip("\n").splitlines()
    tags = np.zeros((len(lines), len(CONCEPTS)), dtype=np.uint8)
    for number, line in enumerate(lines):
        try:
            shown = [CONCEPTS.index(concept(name)) for name in line.split(",") if name.strip()]
        except ValueError as error:
            raise UserError(f"{path}: line {number + 1}: {error}; unpack the file again") from error
        tags[number, shown] = 1
    if not tags.any():
        raise UserError(f"{path}: holds no tags; unpack the file again")
    return tags


def read_tags_mat(path: Path) -> dict[str, NDArray[np.uint8]]:
    """Read ``Tags.mat``.

    Returns:
        1 where a shot shows a concept, (shots, 48), by video.

    Raises:
        UserError: The file is damaged or is not QFVS's.
    """
    import scipy.io

    try:
        videos = scipy.io.loadmat(path, variable_names=["Tags"])["Tags"].ravel()
        # A cell a video, in it a cell a shot, in it a struct that holds the shot's 0/1 row.
        tags = [np.stack([np.asarray(shot[0][0]).ravel() for shot in video[0]]) for video in videos]
        if len(tags) != len(QFVS.videos) or any(each.shape[1] != len(CONCEPTS) for each in tags):
            raise ValueError(f"shapes {[each.shape for each in tags]}")
    except Exception as error:  # scipy raises many kinds for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not the tags of QFVS or damaged ({reason}); unpack it again") from error
    return {key: (each > 0).astype(np.uint8) for key, each in zip(QFVS.videos, tags, strict=True)}


def join_tags(key: str, dense: NDArray[np.uint8] | None, mat: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """The tags that are measured with: those of ``Tags.mat``, as published code does, else the dense ones.

    Raises:
        UserError: The two disagree in more than the last shot.
    """
    if mat is None or dense is None:
        found = dense if mat is None else mat
        assert found is not None
        return found
    if mat.shape != dense.shape:
        raise UserError(f"{key}: Tags.mat has {len(mat)} shots, {key}.txt {len(dense)}: they are of different versions")
    if (differ := (mat != dense).any(axis=1))[:-1].any():
        raise UserError(
            f"{key}: Tags.mat and {key}.txt differ in {int(differ.sum())} shots, first in shot "
            f"{int(np.argmax(differ)) + 1}: they are of different versions"
        )
    return mat


def read_oracle(path: Path, n_shots: int) -> NDArray[np.uint8]:
    """Read an oracle summary: shot numbers counted from 1, a line each.

    An index off by one costs a prediction 33 to 48 points, so that a number out of 1 to ``n_shots`` is an error.

    Returns:
        1 at the oracle's shots, (shots,).

    Raises:
        UserError: A line is no number, a number is out of range or stands twice, or the file is empty.
    """
    oracle = np.zeros(n_shots, dtype=np.uint8)
    for line, text in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            shot = int(text)
        except ValueError as error:
            raise UserError(f"{path}: line {line}: {text.strip()!r} is no shot number; unpack it again") from error
        if not 1 <= shot <= n_shots:
            raise UserError(
                f"{path}: line {line}: shot {shot}, but shots count from 1 to {n_shots}: the file is of another "
                "version, or was written counting from 0"
            )
        if oracle[shot - 1]:
            raise UserError(f"{path}: line {line}: shot {shot} stands twice; unpack it again")
        oracle[shot - 1] = 1
    if not oracle.any():
        raise UserError(f"{path}: holds no shot; unpack it again")
    return oracle


def query_of(path: Path) -> tuple[int, int]:
    """The two concepts that the name of an oracle file says (``Car_Food_oracle.txt``), as positions in ``CONCEPTS``.

    Raises:
        UserError: The name is not made of two concepts.
    """
    names = path.stem.removesuffix("_oracle").split("_")
    try:
        one, other = (CONCEPTS.index(concept(name)) for name in names)
    except ValueError as error:
        raise UserError(
            f"{path}: the name should be two of the 48 concepts, as Car_Food_oracle.txt ({error})"
        ) from error
    return one, other


def read_sentences(path: Path) -> dict[tuple[str, int, int], str]:
    """Read the sentences of ``queries.json``, by video and query.

    Raises:
        UserError: The file is damaged or of another layout.
    """
    try:
        entries: Iterable[dict[str, str]] = json.loads(path.read_text(encoding="utf-8")).values()
        return {(each["video_id"], *query_of(Path(each["gt_file"]))): each["query"] for each in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not the queries of QFVS or damaged ({error}); restore it") from error
