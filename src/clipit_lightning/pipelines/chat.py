"""Scores of shots by a language model behind OpenAI's chat interface: asked, asked again, kept on disk.

The key comes from the environment (``OPENAI_API_KEY``) and goes to the server alone: it is cut out of all that a server
says before that is kept or shown.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from clipit_lightning.core.errors import ArgumentError, UserError, first_line
from clipit_lightning.core.files import write_json

if TYPE_CHECKING:
    from openai import OpenAI

Key = TypeVar("Key")

KEY = "OPENAI_API_KEY"
"""Variable of the environment that holds the key of the server; servers of one's own mostly need none."""
SYSTEM = (
    "You judge which shots of a video belong in a short summary of it. You read what its shots show, in order, and are "
    "asked for one of them. Give it a whole number from 0 to 100: 0 where nothing is lost without the shot, 50 where "
    "it adds something, 100 where the summary would be wrong without it. High numbers are for few shots. "
    "Answer with the number alone."
)
AGAIN = "That is not one number from 0 to 100. Answer with the number alone."
SETTINGS: dict[str, Any] = {"temperature": 0, "seed": 0}
"""Of every request, so that the same question has the same answer where the server can do that."""
_BUSY = (408, 409, 425, 429)  # statuses after which asking again helps, beside those from 500 on
_LONGEST = 60.0  # seconds to wait before asking again


@dataclass(frozen=True)
class Answer:
    """What a model answers of one shot."""

    score: float | None
    """0 to 100; None where both answers are no number."""
    text: str
    """The last answer."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    kept: bool = False
    """Whether it was kept from an earlier run, and cost nothing now."""


class _StoppedError(Exception):
    """Raised in threads that wait, when there is nothing to wait for any more."""


@dataclass
class Judge:
    """A model that is asked for scores; several threads may ask it at once."""

    client: OpenAI
    model: str
    cache: Path
    """Folder with one JSON file an answer, named by its key; several processes may share it."""
    retries: int = 5
    """How often a request is repeated that a busy or broken server did not answer."""
    pause: float = 0.5
    """Seconds before the first repetition, doubled before each further one, where the server names none."""
    stopped: Event = field(default_factory=Event)
    _reached: Event = field(default_factory=Event)

    def ask(self, prompt: str) -> Answer:
        """The score of a shot: kept, or asked for, twice where the first answer is no number.

        Raises:
            UserError: The server cannot be reached, refuses, or does not answer after all repetitions.
        """
        path = self.cache / self._key(prompt)[:2] / f"{self._key(prompt)}.json"
        if (answer := self._kept(path, prompt)) is not None:
            return answer
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
        sent = received = 0
        for _ in range(2):
            text, prompt_tokens, completion_tokens = self._reply(messages)
            sent, received = sent + prompt_tokens, received + completion_tokens
            if (score := read_score(text)) is not None:
                break
            messages += [{"role": "assistant", "content": text}, {"role": "user", "content": AGAIN}]
        answer = Answer(score, text, sent, received)
        if score is not None:
            names = ("score", "text", "prompt_tokens", "completion_tokens")
            kept = {name: getattr(answer, name) for name in names}
            write_json(path, {"key": self._key(prompt), "model": self.model, **kept})
        return answer

    def ask_all(self, prompts: Mapping[Key, str], workers: int) -> Iterator[tuple[Key, Answer]]:
        """Ask for many shots by several threads; answers in the order in which they come, raises as `ask`."""
        todo: SimpleQueue[tuple[Key, str]] = SimpleQueue()
        done: SimpleQueue[tuple[Key, Answer | BaseException]] = SimpleQueue()
        for item in prompts.items():
            todo.put(item)

        def work() -> None:
            while not self.stopped.is_set():
                try:
                    key, prompt = todo.get_nowait()
                except Empty:
                    return
                try:
                    done.put((key, self.ask(prompt)))
                except BaseException as error:  # raised below, by the thread that waits for the answers
                    done.put((key, error))
                    self.stopped.set()  # behind it, so that no thread that waits is heard first

        for _ in range(min(workers, len(prompts))):
            Thread(target=work, daemon=True).start()  # of a process that is interrupted they do not outlive it
        try:
            for _ in prompts:
                key, answer = done.get()
                if isinstance(answer, BaseException):
                    raise answer
                yield key, answer
        finally:
            self.stopped.set()

    def _key(self, prompt: str) -> str:
        words = json.dumps([self.model, SETTINGS, SYSTEM, AGAIN, prompt], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()

    def _kept(self, path: Path, prompt: str) -> Answer | None:
        """An answer of an earlier run; a damaged one counts as absent, and is asked for again."""
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            score = read_score(str(entry["score"]))
            if entry["key"] != self._key(prompt) or score is None:
                return None
            return Answer(score, str(entry["text"]), int(entry["prompt_tokens"]), int(entry["completion_tokens"]), True)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _reply(self, messages: list[Any]) -> tuple[str, int, int]:
        """The text of an answer, and the tokens of the request and of the answer."""
        from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

        for attempt in range(self.retries + 1):
            wait = min(_LONGEST, self.pause * 2**attempt)
            try:
                reply = self.client.chat.completions.create(model=self.model, messages=messages, **SETTINGS)
                text, usage = self.without_key(reply.choices[0].message.content or ""), reply.usage
                self._reached.set()
                return text, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
            except APIStatusError as error:
                problem = f"status {error.status_code}: {self.without_key(first_line(error))[:200]}"
                if error.status_code < 500 and error.status_code not in _BUSY:
                    raise UserError(f"{self.where}: {problem}; check --base-url, --model and {KEY}") from None
                self._reached.set()
                wait = _seconds(error.response.headers.get("retry-after"), wait)
            except APIConnectionError as error:
                problem = "no answer in time" if isinstance(error, APITimeoutError) else self._reason(error)
                nobody_there = type(error.__cause__).__name__ == "ConnectError"  # of httpx, or what took its place
                if nobody_there and not self._reached.is_set():
                    raise UserError(f"{self.where}: cannot be reached ({problem}); check --base-url") from None
            except (APIError, AttributeError, IndexError, TypeError, ValueError):
                problem = "its answers are not those of OpenAI's chat interface; does --base-url lack /v1?"
            if attempt < self.retries and self.stopped.wait(wait):
                raise _StoppedError
        raise UserError(
            f"{self.where}: {problem} (asked {self.retries + 1} times); what was answered is kept, repeat the command"
        )

    @property
    def where(self) -> str:
        """Address of the server."""
        return str(self.client.base_url)

    def _reason(self, error: Exception) -> str:
        return self.without_key(first_line(error.__cause__ or error))[:200]

    def without_key(self, text: str) -> str:
        """A text of the server with the key cut out."""
        key = self.client.api_key
        return text.replace(key, "***") if key and key != _NO_KEY else text


_NO_KEY = "none"


def make_client(base_url: str, timeout: float = 60.0) -> OpenAI:
    """The client of a server, such as ``http://localhost:8000/v1``, which waits so many seconds for an answer.

    Raises:
        UserError: The address is none, or has a key in it; the key of the environment cannot be one; the package lacks.
    """
    try:
        address = urlsplit(base_url)
        sound = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        raise ArgumentError("base_url", "give an address such as http://localhost:8000/v1")
    if address.username or address.password or address.query or address.fragment:
        raise ArgumentError("base_url", f"give the address alone; a key is read from the environment ({KEY})")
    key = os.environ.get(KEY, "").strip() or _NO_KEY
    if not re.fullmatch(r"[!#-&(-\[\]-~]+", key):  # ASCII without quotes and backslashes, which errors would escape
        raise UserError(f"{KEY}: holds letters that no key has; set it again")
    try:
        from openai import OpenAI
    except ImportError as error:
        way_out = "pip install 'clipit_lightning[judge]'"
        raise UserError(f"`clipit judge` needs the package openai: {way_out}") from error
    return OpenAI(api_key=key, base_url=base_url, timeout=timeout, max_retries=0)


def prompt_hash() -> str:
    """Eight hexadecimal digits of all that a model is told beside the shots."""
    return hashlib.sha256(json.dumps([SETTINGS, SYSTEM, AGAIN], sort_keys=True).encode()).hexdigest()[:8]


def read_score(text: str) -> float | None:
    """The one number of an answer, 0 to 100, as in ``Score: 85/100``; None where there is none, or several."""
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)  # what some models write before they answer
    text = re.sub(r"(?<=\d)\s*(/|out of)\s*100\b", "", text)
    numbers = re.findall(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text)
    if len(numbers) != 1 or not 0 <= (score := float(numbers[0])) <= 100:
        return None
    return score


def _count(usage: Any, name: str) -> int:  # noqa: ANN401 - whatever a server sends
    value = getattr(usage, name, 0)
    return value if isinstance(value, int) and value > 0 else 0


def _seconds(header: str | None, default: float) -> float:
    """Seconds that a server asks to wait, at most a minute; the default where it names none."""
    try:
        return min(_LONGEST, max(0.0, float(header or default)))
    except ValueError:
        return default
