"""QFVS's annotations from their distributed files: concepts, tags of shots, oracle summaries, sentences."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError

VIDEOS = ("P01", "P02", "P03", "P04")
"""In the order in which the field prints results."""
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

    1 where a shot shows a concept, (shots, 48).

    Raises:
        UserError: A line names something that is no concept, or the file holds no shot.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="replace").rstrip("\n").splitlines()
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
    """Read ``Tags.mat``: 1 where a shot shows a concept, (shots, 48), by video.

    Raises:
        UserError: The file is damaged or is not QFVS's.
    """
    import scipy.io

    try:
        videos = scipy.io.loadmat(path, variable_names=["Tags"])["Tags"].ravel()
        # A cell a video, in it a cell a shot, in it a struct that holds the shot's 0/1 row.
        tags = [np.stack([np.asarray(shot[0][0]).ravel() for shot in video[0]]) for video in videos]
        if len(tags) != len(VIDEOS) or any(rows.shape[1] != len(CONCEPTS) for rows in tags):
            raise ValueError(f"shapes {[rows.shape for rows in tags]}")
    except Exception as error:  # scipy raises many kinds for a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not the tags of QFVS or damaged ({reason}); unpack it again") from error
    return {key: (rows > 0).astype(np.uint8) for key, rows in zip(VIDEOS, tags, strict=True)}


def join_tags(key: str, dense: NDArray[np.uint8], mat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The tags that are measured with where both forms lie there: those of ``Tags.mat``, as in published code.

    Raises:
        UserError: The two disagree in more than the last shot.
    """
    if len(mat) != len(dense):
        raise UserError(f"{key}: Tags.mat has {len(mat)} shots, {key}.txt {len(dense)}: they are of different versions")
    if (differ := (mat != dense).any(axis=1))[:-1].any():
        raise UserError(
            f"{key}: Tags.mat and {key}.txt differ in {int(differ.sum())} shots, first in shot "
            f"{int(np.argmax(differ)) + 1}: they are of different versions"
        )
    return mat


def read_oracle(path: Path, n_shots: int) -> NDArray[np.uint8]:
    """Read an oracle summary: shot numbers counted from 1, a line each.

    An index off by one costs a prediction 33 to 48 points, so that a number out of 1 to ``n_shots`` is an error. The
    result is 1 at the oracle's shots, (shots,).

    Raises:
        UserError: A line is no number, a number is out of range or stands twice, or the file is empty.
    """
    oracle = np.zeros(n_shots, dtype=np.uint8)
    for line, text in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not (word := text.strip()):
            continue
        shot = int(word) if word.removeprefix("-").isdecimal() else None
        if shot is None:
            problem = f"{word!r} is no shot number; unpack it again"
        elif not 1 <= shot <= n_shots:
            versions = "of another version, or was written counting from 0"
            problem = f"shot {shot}, but shots count from 1 to {n_shots}: the file is {versions}"
        elif oracle[shot - 1]:
            problem = f"shot {shot} stands twice; unpack it again"
        else:
            oracle[shot - 1] = 1
            continue
        raise UserError(f"{path}: line {line}: {problem}")
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
        first, second = (CONCEPTS.index(concept(name)) for name in names)
    except ValueError as error:
        raise UserError(
            f"{path}: its name should be two of the 48 concepts, as Car_Food_oracle.txt ({error})"
        ) from error
    return first, second


def read_sentences(path: Path) -> dict[tuple[str, int, int], str]:
    """Read the sentences of ``queries.json``, by video and query.

    Raises:
        UserError: The file is damaged or of another layout.
    """
    try:
        entries: Iterable[dict[str, str]] = json.loads(path.read_text(encoding="utf-8")).values()
        return {(entry["video_id"], *query_of(Path(entry["gt_file"]))): entry["query"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not the queries of QFVS or damaged ({error}); restore it") from error
