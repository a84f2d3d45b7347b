"""Frames by their captions: any caption model of transformers writes a sentence, MiniLM embeds it.

These are the features that this project's numbers on TVSum and SumMe were measured on (there of BLIP's captions). They
lie in one space with any text.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.video.captioner import Captioner
from clipit_lightning.video.minilm import MiniLM
from clipit_lightning.video.preprocess import Preprocessing


class CaptionEncoder:
    """Features of the captions of frames. An ``Encoder`` that names what it sees: the caption."""

    preprocessing = Preprocessing(384, "squash", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # as BLIP's own
    feature_dim = MiniLM.feature_dim

    def __init__(self, captioner: Captioner, texts: MiniLM) -> None:
        self.name = f"caption:{captioner.name}"
        self._captioner, self._texts = captioner, texts

    def encode_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of the captions of RGB frames, unit norm, (frames, 384)."""
        return self.encode_and_name(frames)[0]

    def encode_and_name(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[tuple[str, ...]]]:
        """The features, and the caption of each frame; where the model writes nothing, nothing."""
        captions = self._captioner.caption(frames)
        return self.encode_texts(captions), [(caption,) if caption else () for caption in captions]

    def encode_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Features of texts, unit norm, (texts, 384)."""
        return self._texts.encode_texts(texts)

    def provenance(self) -> dict[str, str]:
        """What a store records."""
        return {
            **self._texts.provenance(),
            "encoder": self.name,
            "preprocessing": self.preprocessing.describe(),
            "definition": f"caption-1:{self._captioner.fingerprint}:{self._captioner.settings}",
        }
