"""What a video sounds like around each step, as a model of transformers hears it: by name on the hub or a folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import pretrained
from clipit_lightning.video.hugging_face import load, load_model
from clipit_lightning.video.reader import open_video
from clipit_lightning.video.sound import is_known, sound_blocks

if TYPE_CHECKING:
    import torch

SHORTEST, LONGEST = 1, 10
"""Seconds that a model hears at once, where it takes sounds of any length."""
AT_ONCE = 64
"""Seconds of sound in a batch, at most, or one piece."""

_LOCAL = "a local folder as `audio:/path/to/folder`"
_USUAL = "take one such as wav2vec2, HuBERT, WavLM, AST or Whisper"
_HOP = 0.01  # seconds from frame to frame of AST's input
_NO_MASKS = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}  # of training; without them the weights need none


@dataclass(frozen=True)
class AudioModel:
    """A loaded model of sound. The same sound gives the same numbers: nothing is drawn."""

    name: str
    fingerprint: str
    """SHA-256 of the weights."""
    rate: int
    """Samples a second, as the model's feature extractor says."""
    fixed: float
    """Seconds of sound that the model always takes (AST 10.24, Whisper 30), or 0 where it takes any length."""
    width: int
    """Columns of the stream: those of the hidden states, and the mask."""
    model: Any
    extractor: Any

    def provenance(self) -> dict[str, str]:
        """What a store records of the stream."""
        libraries = ["transformers", "torch", *(["torchaudio"] if pretrained.is_installed("torchaudio") else [])]
        heard = f"{self.fixed:g} s" if self.fixed else f"{SHORTEST} to {LONGEST} s"
        return {
            "audio": f"audio-model-1: mean of the last hidden states over {heard} at {self.rate} Hz, unit norm",
            "audio_model": self.name,
            "audio_weights_sha256": self.fingerprint,
            "audio_libraries": pretrained.library_versions(*libraries),
        }

    def hear(self, path: Path, start: float, borders: NDArray[np.float64]) -> NDArray[np.float32]:
        """What the model makes of the sound of each step. Decoded in sequence; what is held grows with the steps alone.

        The sound is the mean of the channels of the track that a player would choose. A step longer than what the model
        hears at once is cut into equal pieces. Around the middle of a piece the model hears whole seconds, as many as
        cover it, or its own fixed length; what is not there is silence. The mean of the last hidden states, over the
        pieces that have sound, is scaled to unit norm. The last column is the mask: 1, or 0 where a step has no sound
        of its own; then all is 0.

        Args:
            path: The video.
            start: The file's own time, in seconds, of time 0.
            borders: Seconds at which steps begin, and at which the last one ends, increasing, (steps + 1,).

        Returns:
            (steps, width).

        Raises:
            UserError: The file cannot be opened, or the model gives numbers that are not finite.
        """
        sums = np.zeros((len(borders) - 1, self.width - 1))  # (steps, hidden)
        count = np.zeros(len(sums))  # (steps,) pieces with sound
        with open_video(path) as file:
            stream = file.streams.best("audio")
            if isinstance(stream, AudioStream) and is_known(stream):
                layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
                blocks = sound_blocks(file, stream, self.rate, layout, start)
                sound = _Sound((at, block.mean(axis=0)) for at, block in blocks)
                for steps, pieces in _batches(self._pieces(sound, borders), AT_ONCE * self.rate):
                    np.add.at(sums, steps, self._hidden(pieces))
                    np.add.at(count, steps, 1)
        mean = sums / np.maximum(count, 1)[:, None]
        norm = np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        return np.column_stack([mean / norm, count > 0]).astype(np.float32)

    def _pieces(self, sound: _Sound, borders: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Each piece that has sound: the number of its step, and what the model hears around it, (samples,)."""
        longest = self.fixed or LONGEST
        for step, (begin, end) in enumerate(pairwise(borders)):
            parts = np.linspace(begin, end, 1 + max(1, math.ceil((end - begin) / longest - 1e-6)))
            for low, high in pairwise(parts):
                seconds = self.fixed or max(SHORTEST, math.ceil(high - low - 1e-6))
                count, middle = round(seconds * self.rate), round((low + high) / 2 * self.rate)
                samples, there = sound.take(middle - count // 2, count)
                own = [round(second * self.rate) - middle + count // 2 for second in (low, high)]
                if there[max(0, own[0]) : max(own[1], own[0] + 1)].any():
                    yield step, samples

    def _hidden(self, pieces: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Means of the last hidden states of pieces of one length, (pieces, hidden)."""
        hidden = _states(self.model, self.extractor, pieces).mean(dim=1)  # (pieces, hidden)
        values: NDArray[np.float64] = hidden.double().cpu().numpy()
        if not np.isfinite(values).all():
            raise UserError(f"audio:{self.name}: gives numbers that are not finite; choose another model")
        return values


class _Sound:
    """Sound by its position in samples, read once: positions that are asked for may only grow."""

    def __init__(self, blocks: Iterator[tuple[int, NDArray[np.float32]]]) -> None:
        self._blocks, self._kept = blocks, list[tuple[int, NDArray[np.float32]]]()

    def take(self, begin: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """So many samples from a position on, 0 where there is none, and whether each is there, (count,) both."""
        until = begin + count
        samples, there = np.zeros(count, np.float32), np.zeros(count, bool)
        self._kept = [(at, block) for at, block in self._kept if at + len(block) > begin]
        while not self._kept or self._kept[-1][0] + len(self._kept[-1][1]) < until:
            if (read := next(self._blocks, None)) is None:
                break
            self._kept.append(read)
        for at, block in self._kept:
            low, high = max(begin, at), min(until, at + len(block))
            if low < high:
                samples[low - begin : high - begin] = block[low - at : high - at]
                there[low - begin : high - begin] = True
        return samples, there


def _batches(
    pieces: Iterator[tuple[int, NDArray[np.float32]]], samples: int
) -> Iterator[tuple[list[int], list[NDArray[np.float32]]]]:
    """Steps and pieces in batches of one length, of so many samples at most, or one piece."""
    for length, run in groupby(pieces, key=lambda piece: len(piece[1])):
        while batch := list(islice(run, max(1, samples // length))):
            yield [step for step, _ in batch], [piece for _, piece in batch]


def load_audio_model(name: str, device: str = "auto") -> AudioModel:
    """Load a model of sound: a name on the hub (``facebook/wav2vec2-base``) or a folder. It counts in fp32.

    Raises:
        UserError: The model is not there, not loadable, or gives no hidden states of sound alone.
    """
    on = pretrained.choose_device(device)
    loaded = load(name, partial(_build, name), _LOCAL)
    loaded.model.to(on)
    return loaded


def _build(name: str, wanted: str, **options: Any) -> AudioModel:  # noqa: ANN401 - transformers' own options
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    extractor = AutoFeatureExtractor.from_pretrained(wanted)
    model = load_model(name, AutoModel, wanted, changes=_NO_MASKS, dtype=torch.float32, **options)
    mark = pretrained.fingerprint(model.state_dict())
    heard = model.get_encoder() if model.config.is_encoder_decoder else model
    heard.eval().requires_grad_(False)
    try:
        rate = int(extractor.sampling_rate)
        fixed = _fixed_length(name, extractor)
        states = _states(heard, extractor, [np.zeros(round((fixed or SHORTEST) * rate), np.float32)])
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:  # as many as models
        why = pretrained.first_line(error)
        raise UserError(f"{name}: {type(model).__name__} gives no hidden states of sound ({why}); {_USUAL}") from error
    return AudioModel(name, mark, rate, fixed, 1 + states.shape[2], heard, extractor)


def _fixed_length(name: str, extractor: Any) -> float:  # noqa: ANN401 - any feature extractor of transformers
    """Seconds that a feature extractor makes of every sound; 0 where what it makes is as long as the sound."""
    rate = extractor.sampling_rate
    one, two = (extractor(np.zeros(seconds * rate, np.float32), sampling_rate=rate) for seconds in (1, 2))
    if any(np.shape(one[key]) != np.shape(two[key]) for key in one):
        return 0.0
    if samples := getattr(extractor, "n_samples", None):
        return float(samples / rate)
    if type(extractor).__name__ == "ASTFeatureExtractor":
        return float(extractor.max_length * _HOP)
    raise UserError(f"{name}: makes as much of any sound, and it is not known how long it hears; {_USUAL}")


def _states(model: Any, extractor: Any, pieces: list[NDArray[np.float32]]) -> torch.Tensor:  # noqa: ANN401
    """Last hidden states of pieces of one length, (pieces, states, hidden)."""
    import torch

    device = next(model.parameters()).device
    with torch.inference_mode(), pretrained.quiet():
        inputs = extractor(pieces, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        moved = {
            key: value.to(device, torch.float32 if value.is_floating_point() else None) for key, value in inputs.items()
        }
        states: torch.Tensor = model(**moved).last_hidden_state
    if states.ndim != 3 or len(states) != len(pieces):
        raise ValueError(f"they have shape {tuple(states.shape)}")
    return states
