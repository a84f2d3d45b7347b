"""A script: the sentences that a summary shows one after another, and how long each."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.summary.budget import Budget

Order = Literal["time", "free"]
"""Whether the sentences' shots follow each other in the video, too, or may come from anywhere in it."""

_LENGTH = re.compile(r"\[\s*(\d+\.?\d*|\.\d+)\s*s\s*\]")
_LIKE_LENGTH = re.compile(r"\[\s*[-+]?[\d.]")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]”’»]*\s+(?![a-z])|(?<=[。！？])")  # noqa: RUF001 - of other scripts
_LONGEST = 1000  # letters; a subtitle of more is no sentence, and MP4 holds none


@dataclass(frozen=True)
class Sentence:
    """A sentence of a script."""

    text: str
    seconds: float | None = None
    """How long it is shown at most; by default its share of the budget."""


@dataclass(frozen=True)
class Script:
    """The sentences that a summary shows, in their order."""

    sentences: tuple[Sentence, ...]
    order: Order = "time"
    name: str = field(default="script", compare=False)
    """Of its file."""

    @property
    def texts(self) -> list[str]:
        """The sentences."""
        return [sentence.text for sentence in self.sentences]

    def budget_of(self, default: Budget, duration: float) -> Budget:
        """The budget where none is asked for: written lengths, and of the default an equal share for each other one.

        ``duration`` is the video's, in seconds.
        """
        own = [sentence.seconds for sentence in self.sentences if sentence.seconds is not None]
        if not own:
            return default
        seconds = default.seconds if default.seconds is not None else (default.share or 0) * duration
        return Budget(seconds=sum(own) + seconds * (1 - len(own) / len(self.sentences)))

    def rooms(self, room: int, frame: float) -> list[int]:
        """Frames that each sentence may take: where its length is written that, the others an equal share of the rest.

        Args:
            room: Frames of the whole summary.
            frame: How long one lasts, in seconds.

        Raises:
            UserError: The written lengths are more than the budget, or less than a frame is left for a sentence.
        """
        own = [None if each.seconds is None else int(each.seconds / frame + 1e-6) for each in self.sentences]
        left = room - sum(frames or 0 for frames in own)
        if left < 0:
            seconds = sum(sentence.seconds or 0 for sentence in self.sentences)
            most = f"the {room * frame:.3g} s of the summary"
            raise UserError(f"{self.name}: its lengths add up to {seconds:g} s, more than {most}; raise --budget")
        rooms = [left // own.count(None) if frames is None else frames for frames in own]
        if min(rooms) < 1:
            raise UserError(f"{self.name}: a sentence has room for less than a frame; raise --budget")
        return rooms


def parse_script(text: str, name: str = "script", order: Order = "time") -> Script:
    """Read a script: a line is divided into its sentences, or is one with its length where it begins with ``[5 s]``.

    A sentence never goes on in the next line; empty lines count for nothing.

    >>> parse_script("A dog runs. It sleeps.").texts, parse_script("[2.5 s] A red car. Rain!").sentences
    (['A dog runs.', 'It sleeps.'], (Sentence(text='A red car. Rain!', seconds=2.5),))

    Raises:
        UserError: There is no sentence, a length is none, or a sentence is far too long; the message names the line.
        ArgumentError: The order is none that there is.
    """
    if order not in ("time", "free"):
        raise ArgumentError("order", f"{order!r} is none; choose time or free")
    sentences = list[Sentence]()
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        where, words = f"{name}: line {number}", " ".join(line.split())
        length = _LENGTH.match(words)
        if length is None:
            if _LIKE_LENGTH.match(words):
                raise UserError(f"{where}: {words[:20]!r} begins with no length; write it as [5 s]")
            sentences += [Sentence(part.strip()) for part in _divided(words)]
        elif not (rest := words[length.end() :].strip()) or float(length[1]) == 0:
            raise UserError(f"{where}: write a length above 0 and a sentence, as [5 s] A dog runs.")
        else:
            sentences.append(Sentence(rest, float(length[1])))
        if sentences and len(sentences[-1].text) > _LONGEST:
            raise UserError(f"{where}: a sentence of more than {_LONGEST} letters; divide it")
    if not sentences:
        raise UserError(f"{name}: it holds no sentence; write what the summary shows, a sentence a line")
    return Script(tuple(sentences), order, name)


def _divided(words: str) -> list[str]:
    borders = [0, *(match.end() for match in _SENTENCE_END.finditer(words)), len(words)]
    return [part for first, after in pairwise(borders) if (part := words[first:after].strip())]
