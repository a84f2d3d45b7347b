"""`judge`: scores of a video's shots by a language model that reads what they show, for a store or a raw video."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipit_lightning.core.arrays import spread
from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.core.files import STORE, write_json
from clipit_lightning.core.locks import run_lock
from clipit_lightning.core.log import log
from clipit_lightning.data.shot_scores import NO_SCORE, with_scores_of
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_checked
from clipit_lightning.pipelines.chat import Answer, Judge, make_client, prompt_hash
from clipit_lightning.video.captioner import load_captioner
from clipit_lightning.video.captions import frames_to_caption
from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.extract import extract_features
from clipit_lightning.video.frames import whole_frames

MOST_SHOTS = 60
"""Shots that a request describes of the video, spread over it, beside the one that it asks for."""

Captions = Mapping[str, Sequence[str]]
"""A caption of each shot, empty where it has none, by video."""


@dataclass(frozen=True)
class Judged:
    """What `judge` wrote, and what it cost."""

    judge: str
    """Its name in a store: the model, and a hash of what it is told."""
    paths: tuple[Path, ...]
    scored: int
    """How many shots have a score now."""
    asked: int
    """How many of them were asked for now; the others were answered before."""
    prompt_tokens: int
    """Tokens of the requests of now, as the server counts them."""
    completion_tokens: int
    without: dict[str, str]
    """Shots of which both answers are no number, such as ``video_1 shot 7``, with the last one."""


def judge(
    source: Path | str,
    model: str,
    base_url: str,
    *,
    to: Path | str | None = None,
    captioner: str | None = None,
    encoder: str | None = None,
    cache: Path | str | None = None,
    workers: int = 4,
    retries: int = 5,
    timeout: float = 60.0,
    pause: float = 0.5,
    device: str = "auto",
) -> Judged:
    """Ask a language model how important each shot of a video is, 0 to 100, by a server with OpenAI's chat interface.

    A request has a shot and, for the whole, at most ``MOST_SHOTS`` shots of its video. Answers are kept, so that the
    same call resumes an interrupted one, and a repeated one asks for nothing that was answered.

    Args:
        source: A store, whose captions of shots are read, and which gets the scores (``shot_scores``), atomically; or a
            raw video, whose shots are cut and captioned, and of which two JSON files are written.
        model: As the server calls it.
        base_url: Address of the server, such as ``http://localhost:8000/v1``. A key is read from the environment alone,
            ``OPENAI_API_KEY``.
        to: Folder of a raw video's files, ``NAME_shot_captions.json`` and ``NAME_shot_scores_JUDGE.json``.
        captioner: The model that captions a raw video's shots, by its name or folder.
        encoder: Of a raw video's steps, by which its shots are cut; by default ``hsv``.
        cache: Folder that keeps the answers; by default beside the store, or beside those files, ``NAME.judge``.
        workers: Requests at once.
        retries: How often a request is repeated that a busy or broken server did not answer.
        timeout: Seconds that an answer may take.
        pause: Seconds before the first repetition.
        device: Of encoder and captioner.

    Raises:
        UserError: The source cannot be read or has no captions, or the server does not answer; one line.
    """
    path, of_video = Path(source), {"to": to, "captioner": captioner, "encoder": encoder}
    if not model.strip() or not model.isprintable():
        raise ArgumentError("model", "give the name by which the server knows the model")
    given = [name for name, value in of_video.items() if value is not None]
    is_store = path.suffix == STORE
    if is_store and given:
        raise ArgumentError(given[0], f"is for a raw video; {path} is a store")
    if not is_store and captioner is None:
        raise ArgumentError("captioner", "name a caption model: the shots of a raw video are described by one")
    folder = path.parent if is_store else Path(to or ".")
    kept = Path(cache) if cache is not None else folder / f"{path.name if is_store else path.stem}.judge"
    asked = _Asked(Judge(make_client(base_url, timeout), model, kept, retries, pause), workers)
    with run_lock(path if is_store else folder / path.stem, way_out="judge another video"):
        if is_store:
            return _judge_store(path, asked)
        return _judge_video(path, folder, asked, str(captioner), encoder or "hsv", device)


@dataclass(frozen=True)
class _Asked:
    """A judge, and how many requests are sent to it at once."""

    judge: Judge
    workers: int

    @property
    def name(self) -> str:
        return f"{self.judge.model}@{prompt_hash()}"

    def answers(self, captions: Captions) -> dict[tuple[str, int], Answer]:
        """The answers of all shots that have a caption, by video and number."""
        prompts = {
            (video, shot): prompt(texts, shot)
            for video, texts in captions.items()
            for shot, text in enumerate(texts)
            if text
        }
        answers, left = {}, Counter(video for video, _ in prompts)
        for key, answer in self.judge.ask_all(prompts, self.workers):
            answers[key] = answer
            left[key[0]] -= 1
            if not left[key[0]]:
                log.info(f"{key[0]}: {sum(video == key[0] for video, _ in prompts)} shots")
        return answers

    def judged(self, answers: Mapping[tuple[str, int], Answer], *paths: Path) -> Judged:
        """What was written where, of these answers."""
        now = [answer for answer in answers.values() if not answer.kept]
        return Judged(
            judge=self.name,
            paths=paths,
            scored=sum(answer.score is not None for answer in answers.values()),
            asked=len(now),
            prompt_tokens=sum(answer.prompt_tokens for answer in now),
            completion_tokens=sum(answer.completion_tokens for answer in now),
            without={
                f"{video} shot {shot}": answer.text
                for (video, shot), answer in sorted(answers.items())
                if answer.score is None
            },
        )


def prompt(captions: Sequence[str], shot: int) -> str:
    """What a model is asked of a shot: what its video shows, shot by shot, and what it shows itself.

    Args:
        captions: Of all shots of the video, empty where one has none, (shots,).
        shot: Which of them, from 0 on.
    """
    told = [number for number, text in enumerate(captions) if text]
    chosen = [told[at] for at in spread(len(told), MOST_SHOTS)]
    lines = [f"{number + 1}. {_line(captions[number])}" for number in chosen]
    whole = f"The video has {len(captions)} shots:" if len(chosen) == len(captions) else "Some shots of the video:"
    return "\n".join([whole, *lines, "", f"Which number has shot {shot + 1}: {_line(captions[shot])}"])


def _line(text: str) -> str:
    return " ".join(text.split())


def _judge_store(path: Path, asked: _Asked) -> Judged:
    store = Store(path)
    if problems := store.check():
        raise UserError(f"{path}: {problems[0]}; run `clipit data check`")
    if store.attributes.get("layout") == "queries":
        raise UserError(f"{path}: its videos have queries; shots are judged in stores of annotated videos")
    captions = {video.key: video.shot_captions for video in store.read() if any(video.shot_captions)}
    if not captions:
        raise UserError(
            f"{path}: has no captions of shots; import it again with {path.stem}_shot_captions.json beside its files"
        )
    if lacking := len(store.video_keys()) - len(captions):
        log.info(f"NOTE: {lacking} videos of {path} have no captions of shots, and get no scores")
    answers = asked.answers(captions)
    videos = store.read()
    for number, video in enumerate(videos):
        if video.key in captions:
            row = np.full(len(video.change_points), NO_SCORE, np.float32)  # (shots,)
            for shot in range(len(row)):
                with suppress(KeyError):
                    row[shot] = _number(answers[video.key, shot])
            videos[number] = with_scores_of(video, asked.name, row)
    write_checked({path: (videos, store.attributes)})
    return asked.judged(answers, path)


def _number(answer: Answer) -> float:
    return NO_SCORE if answer.score is None else answer.score


def _judge_video(path: Path, folder: Path, asked: _Asked, captioner: str, encoder: str, device: str) -> Judged:
    name = path.stem
    writer = load_captioner(captioner, device, cache=asked.judge.cache / "captions")
    features = extract_features(path, make_encoder(encoder, device))
    shots, picks = features.change_points, features.picks
    first, end = np.searchsorted(picks, shots[:, 0]), np.searchsorted(picks, shots[:, 1], side="right")
    steps = frames_to_caption(shots, picks, int((end > first).sum()))  # the middle one of every shot that has one
    captions = [""] * len(shots)
    for shot, frame in zip(np.flatnonzero(end > first), whole_frames(path, picks[steps].tolist()), strict=True):
        captions[shot] = writer.caption(frame.image[None])[0]
    if not any(captions):
        raise UserError(f"{path}: {captioner} writes no caption of any shot; choose another model")
    described = folder / f"{name}_shot_captions.json"
    pairs = zip(shots.tolist(), captions, strict=True)
    write_json(described, {name: [{"first": one, "last": last, "caption": text} for (one, last), text in pairs]})
    answers = asked.answers({name: captions})
    scored = folder / f"{name}_shot_scores_{re.sub(r'[^A-Za-z0-9_.@+-]+', '-', asked.name)}.json"
    scores = {str(shot): answer.score for (_, shot), answer in sorted(answers.items()) if answer.score is not None}
    write_json(scored, {name: scores})
    return asked.judged(answers, described, scored)
