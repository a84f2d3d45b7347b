"""The scenes of a summary by a script: each sentence with the shots that show it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.summary.choice import Cut
from clipit_lightning.summary.script import Order, Script, Sentence, parse_script
from clipit_lightning.video.captions import read_text

if TYPE_CHECKING:
    from clipit_lightning.pipelines.summary import Summary


def read_script(path: Path, order: Order = "time") -> Script:
    """Read a script, ``.txt``, as other texts are read; a UserError where it is none."""
    return parse_script(read_text(path, "scripts", (".txt",)), str(path), order)


@dataclass(frozen=True)
class Scene:
    """A sentence, and the shots that show it."""

    sentence: Sentence
    spans: tuple[tuple[float, float], ...]
    """When each shot starts and ends, in seconds of the source."""
    frame: int
    """The frame that shows it best."""
    begin: float
    end: float
    """In seconds of the summary."""


def scenes_of(made: "Summary") -> tuple[Scene, ...]:
    """The scenes of a summary, in order; none without a script."""
    if made.script is None:
        return ()
    scenes, begin = list[Scene](), 0.0
    frames = sentence_frames(made.scores, made.video.picks, made.cut)
    for sentence, rows, frame in zip(made.script.sentences, _rows(made.cut), frames, strict=True):
        spans = tuple(made.seconds[row] for row in rows)
        end = begin + sum(after - start for start, after in spans)
        scenes.append(Scene(sentence, spans, frame, begin, end))
        begin = end
    return tuple(scenes)


def first_frames(script: Script, cut: Cut) -> dict[int, str]:
    """The sentences by the frames with which they begin."""
    return {int(cut.shots[rows[0], 0]): text for text, rows in zip(script.texts, _rows(cut), strict=True)}


def sentence_frames(scores: NDArray[np.floating], picks: NDArray[np.int64], cut: Cut) -> list[int]:
    """The best step of each sentence's shots, or the middle of the first one; scores are of the steps, (steps,)."""
    frames = []
    for rows in _rows(cut):
        inside = np.concatenate([np.flatnonzero(_is_in(picks, cut.shots[row])) for row in rows])
        middle = int(cut.shots[rows[0]].sum()) // 2
        frames.append(int(picks[inside[scores[inside].argmax()]]) if len(inside) else middle)
    return frames


def shown_scores(scores: NDArray[np.floating], picks: NDArray[np.int64], cut: Cut) -> NDArray[np.floating]:
    """How well each step shows the sentence of its shot, and outside of these the one that it shows best, (steps,)."""
    shown: NDArray[np.floating] = scores.max(axis=0)
    for sentence, rows in enumerate(_rows(cut)):
        for row in rows:
            inside = _is_in(picks, cut.shots[row])
            shown[inside] = scores[sentence, inside]
    return shown


def _is_in(picks: NDArray[np.int64], shot: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((picks >= shot[0]) & (picks <= shot[1]))


def _rows(cut: Cut) -> list[list[int]]:
    """The shots of each sentence, in order of time."""
    sentences = np.empty(0, np.int64) if cut.sentences is None else cut.sentences
    return [np.flatnonzero(sentences == number).tolist() for number in range(int(sentences.max(initial=-1)) + 1)]
