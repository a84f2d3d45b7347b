"""Image and text features from the same weights, for CLIP-like models of any library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import pretrained
from clipit_lightning.video.preprocess import Preprocessing, check_frames, fit, normalise

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Backbone:
    """A loaded model in float32, and how to call it; all that differs between the libraries."""

    model: torch.nn.Module
    preprocessing: Preprocessing
    image_features: Callable[..., torch.Tensor]
    """From the model's input, moved to its device, to features (frames, features)."""
    tokenize: Callable[[list[str]], Mapping[str, torch.Tensor]]
    text_features: Callable[..., torch.Tensor]
    """From tokens to features (texts, features)."""
    libraries: tuple[str, ...]
    transform: Callable[[NDArray[np.uint8]], Mapping[str, Any]] | None = None
    """The model's own transform, where the preprocessing is ``native``."""


class ClipEncoder:
    """An image and a text encoder of the same weights, in batches, on any device. An ``Encoder``.

    Features are float32 and of unit norm, whatever the precision of the model. With bf16 or fp16 the whole
    model is in it; in the tests' small models its features have a cosine above 0.999 with those of fp32. A model that
    overflows in its precision is a UserError.
    """

    def __init__(
        self, name: str, backbone: Backbone, device: torch.device, dtype: torch.dtype, batch_size: int
    ) -> None:
        self.name = name
        self.preprocessing = backbone.preprocessing
        self.fingerprint = pretrained.fingerprint(backbone.model.state_dict())  # of the weights as distributed: first
        self._backbone, self._device, self._dtype, self._batch_size = backbone, device, dtype, batch_size
        backbone.model.to(device=device, dtype=dtype).eval().requires_grad_(False)
        self.feature_dim = self.encode_texts(["a photo"]).shape[1]

    def encode_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of RGB frames of any size, uint8 (frames, height, width, 3): unit norm, (frames, features)."""
        check_frames(frames)
        return self._joined([self._image_batch(batch) for batch in _batches(frames, self._batch_size)])

    def encode_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Features of texts, unit norm, (texts, features). What is longer than the model's context is cut off."""
        tokens = map(self._backbone.tokenize, _batches(texts, self._batch_size))
        return self._joined([self._unit(self._backbone.text_features, self._moved(batch)) for batch in tokens])

    def provenance(self) -> dict[str, str]:
        """What a store records."""
        return {
            "encoder": self.name,
            "weights_sha256": self.fingerprint,
            "preprocessing": self.preprocessing.describe(),
            "precision": str(self._dtype).removeprefix("torch."),
            "libraries": pretrained.library_versions(*self._backbone.libraries),
        }

    def _image_batch(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._backbone.transform is not None:
            inputs = self._moved(self._backbone.transform(frames))
        else:
            images = fit(frames, self.preprocessing)
            inputs = {"images": normalise(images, self.preprocessing, self._device, self._dtype)}
        return self._unit(self._backbone.image_features, inputs)

    def _moved(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs on the model's device; fractions in its precision, whole numbers (tokens, masks) as they are."""
        on_device = {name: value.to(self._device) for name, value in inputs.items()}
        return {name: v.to(self._dtype) if v.is_floating_point() else v for name, v in on_device.items()}

    def _unit(self, call: Callable[..., torch.Tensor], inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            features = torch.nn.functional.normalize(call(**inputs).float(), dim=-1)  # (frames or texts, features)
            return np.asarray(features.cpu().numpy(), dtype=np.float32)

    def _joined(self, batches: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        features = np.concatenate(batches) if batches else np.zeros((0, self.feature_dim), np.float32)
        if not np.isfinite(features).all():
            raise UserError(f"{self.name} overflows in {self._dtype}; choose precision bf16 or fp32")
        return features


def _batches(items: Any, size: int) -> Iterable[Any]:  # noqa: ANN401 - an array or a list, sliced alike
    return (items[start : start + size] for start in range(0, len(items), size))
