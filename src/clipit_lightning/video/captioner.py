"""Captions of frames by any image-to-text model of transformers: greedy, in batches, and cached on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_json
from clipit_lightning.video import pretrained
from clipit_lightning.video.hugging_face import load, load_model
from clipit_lightning.video.preprocess import check_frames
from clipit_lightning.video.pretrained import Precision

if TYPE_CHECKING:
    import torch

_LOCAL = "a local folder as `/path/to/folder`"
CHAT_PROMPT = "Describe this image in one short sentence."
"""What a chat model is asked, where no other prompt is given."""


@dataclass(frozen=True)
class Captioner:
    """A loaded caption model with its settings. The same frame always has the same caption: nothing is drawn."""

    name: str
    fingerprint: str
    """SHA-256 of the weights."""
    settings: str
    """All that changes a caption beside weights and frame, in one line."""
    generate: Callable[[NDArray[np.uint8]], list[str]]
    """Frames (frames, height, width, 3) of a batch to their captions."""
    batch_size: int = 8
    cache: Path | None = None
    """Folder with one JSON file a caption, named by its key; several processes may share it."""

    def caption(self, frames: NDArray[np.uint8]) -> list[str]:
        """Caption RGB frames, uint8 (frames, height, width, 3); a text is empty where the model writes nothing."""
        check_frames(frames)
        keys = [self.key(frame) for frame in frames]
        captions = {key: text for key in keys if (text := self._cached(key)) is not None}
        absent = [index for index, key in enumerate(keys) if key not in captions]
        for start in range(0, len(absent), self.batch_size):
            batch = absent[start : start + self.batch_size]
            for index, text in zip(batch, self.generate(frames[batch]), strict=True):
                captions[keys[index]] = text
                if self.cache is not None:
                    write_json(self._entry(self.cache, keys[index]), {"key": keys[index], "caption": text})
        return [captions[key] for key in keys]

    def key(self, frame: NDArray[np.uint8]) -> str:
        """Hash of the weights, the settings and the pixels of a frame (height, width, 3)."""
        head = f"{self.fingerprint};{self.settings};{frame.shape};".encode()
        return hashlib.sha256(head + frame.tobytes()).hexdigest()

    def _cached(self, key: str) -> str | None:
        """A caption that is in the cache; a damaged entry counts as absent, and is written again."""
        if self.cache is None:
            return None
        try:
            entry = json.loads(self._entry(self.cache, key).read_text(encoding="utf-8"))
            return str(entry["caption"]) if entry["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _entry(self, cache: Path, key: str) -> Path:
        return cache / key[:2] / f"{key}.json"

    def provenance(self) -> dict[str, str]:
        """What a store records of its captions."""
        return {
            "caption_model": self.name,
            "caption_weights_sha256": self.fingerprint,
            "caption_settings": self.settings,
        }


def load_captioner(
    name: str,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int = 8,
    max_new_tokens: int = 30,
    prompt: str = "",
    cache: Path | None = None,
) -> Captioner:
    """Load an image-to-text model: BLIP, GIT, ViT-GPT2, BLIP-2, Florence-2, PaliGemma, chat models as LLaVA, ...

    The name is one on the hub (``Salesforce/blip-image-captioning-base``) or a folder, after ``hf:`` or not. The prompt
    is for models that take one (``<CAPTION>`` for Florence-2); chat models are asked for a short sentence.

    Raises:
        UserError: The model is not there, not loadable, or writes no text about images.
    """
    if batch_size < 1 or max_new_tokens < 1:
        raise UserError(f"batch_size {batch_size} and max_new_tokens {max_new_tokens} must be 1 or more")
    on = pretrained.choose_device(device)
    dtype = pretrained.choose_precision(precision, on)
    model, processor, tokenizer = load(name, partial(_build, name, dtype=dtype), _LOCAL)
    mark = pretrained.fingerprint(model.state_dict())
    model.to(on).eval().requires_grad_(False)
    prompt = prompt or (CHAT_PROMPT if _is_chat(processor) else "")
    libraries = pretrained.library_versions("transformers", "torch")
    settings = f"greedy, {max_new_tokens} tokens, prompt {prompt!r}, {str(dtype).removeprefix('torch.')}, {libraries}"
    generate = partial(_generate, model, processor, tokenizer, prompt, max_new_tokens)
    return Captioner(name, mark, settings, generate, batch_size, cache)


def _build(name: str, wanted: str, dtype: torch.dtype, **options: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """The model, what makes its inputs (a processor, or only an image processor), and its tokenizer."""
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as WRITERS

    kind = AutoConfig.from_pretrained(wanted).model_type
    if kind not in WRITERS:
        raise UserError(f"{name}: a {kind} model writes no text about images; take one such as BLIP, GIT or Florence-2")
    model = load_model(name, AutoModelForImageTextToText, wanted, dtype=dtype, **options)
    processor = AutoProcessor.from_pretrained(wanted)  # type: ignore[no-untyped-call]
    if hasattr(processor, "image_processor") and hasattr(processor, "tokenizer"):
        return model, processor, processor.tokenizer
    tokenizer = AutoTokenizer.from_pretrained(wanted)  # ViT-GPT2 and its like have no processor of both
    return model, AutoImageProcessor.from_pretrained(wanted), tokenizer  # type: ignore[no-untyped-call]


def _is_chat(processor: Any) -> bool:  # noqa: ANN401 - any processor of transformers
    return bool(getattr(processor, "chat_template", None))


def _inputs(processor: Any, prompt: str, frames: list[NDArray[np.uint8]]) -> Any:  # noqa: ANN401 - transformers' own
    if _is_chat(processor):
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        messages = [{"role": "user", "content": content}]
        text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return processor(images=[[frame] for frame in frames], text=[text] * len(frames), return_tensors="pt")
    if prompt or getattr(processor, "num_query_tokens", None):  # BLIP-2 puts its image tokens into the text
        return processor(images=frames, text=[prompt] * len(frames), return_tensors="pt")
    return processor(images=frames, return_tensors="pt")


def _generate(
    model: Any,  # noqa: ANN401 - transformers' own classes share no type
    processor: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    prompt: str,
    max_new_tokens: int,
    frames: NDArray[np.uint8],
) -> list[str]:
    import torch

    with torch.inference_mode(), pretrained.quiet():
        inputs = _inputs(processor, prompt, list(frames)).to(model.device)
        for key, value in inputs.items():
            inputs[key] = value.to(model.dtype) if value.is_floating_point() else value
        tokens = model.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=max_new_tokens)
    asked = inputs["input_ids"] if "input_ids" in inputs else tokens[:, :0]
    if torch.equal(tokens[:, : asked.shape[1]], asked):  # decoders repeat the prompt, encoder-decoders do not
        tokens = tokens[:, asked.shape[1] :]
    return [" ".join(text.split()) for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]
