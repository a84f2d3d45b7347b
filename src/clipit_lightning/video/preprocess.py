"""From decoded frames to what an image encoder takes: resize, centre crop and normalise, on tensors in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Mode = Literal["crop", "squash", "native"]
Interpolation = Literal["bicubic", "bilinear"]

TOLERANCE = 2 / 255
"""Largest difference of a resized pixel (0 to 1, before mean and std) from Pillow's resize: two grey levels.

One case is coarser: where both sides are squashed and the height shrinks much more than the width, Pillow 13 resizes
the height first (its change 9549), and noise between single pixels comes out up to 6 levels apart (a fifth of the
pixels by one level, one in a hundred by more). transformers resizes with torch: no difference.
"""


@dataclass(frozen=True)
class Preprocessing:
    """How a model wants its images: read from the model's own configuration, never assumed.

    ``crop`` scales the shorter side to ``side`` and cuts out the centre square of ``size``; ``squash`` scales both
    sides to ``side``. A decoder may do this (scale to ``side``, cut out that square) and spare the resize here.
    ``native`` means that only the model's own transform will do (padding, images of any shape): it takes frames as
    decoded.
    """

    size: int
    """Side of the square image that the model sees, pixels; 0 where ``native``."""
    mode: Mode
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize_to: int = 0
    interpolation: Interpolation = "bicubic"
    scale: float = 1 / 255
    """What a grey level is multiplied with before mean and std."""
    crop_rounds: bool = True
    """An odd margin is rounded half to even (torchvision), or down (transformers)."""

    @property
    def side(self) -> int:
        """Side that the resize aims at, before the crop, pixels: ``size``, where ``resize_to`` is not more."""
        return self.resize_to or self.size

    def target(self, height: float, width: float) -> tuple[int, int]:
        """Height and width after the resize; torchvision and transformers round the longer side down."""
        if self.mode == "squash":
            return self.side, self.side
        longer = int(self.side * max(height, width) / min(height, width))
        return (self.side, longer) if width > height else (longer, self.side)

    def describe(self) -> str:
        """All of it in one line, for provenance."""
        if self.mode == "native":
            return "the model's own transform"
        sides = "both sides" if self.mode == "squash" else "the shorter side"
        crop = "" if self.mode == "squash" and self.side == self.size else f", centre crop {self.size}"
        mean, std = (",".join(f"{value:.6g}" for value in values) for values in (self.mean, self.std))
        return f"resize {sides} to {self.side}, {self.interpolation} with antialias{crop}, mean {mean}, std {std}"


def check_frames(frames: NDArray[np.uint8]) -> None:
    """Raise a ValueError where frames are not (frames, height, width, 3) in uint8, a fault of the caller."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames must be uint8 (frames, height, width, 3), not {frames.dtype} {frames.shape}")


def fit(frames: NDArray[np.uint8], preprocessing: Preprocessing) -> torch.Tensor:
    """Bring RGB frames, uint8 (frames, height, width, 3), to the encoder's size, uint8 (frames, 3, size, size).

    Frames that are ``size`` by ``size`` are taken as they are: they were fitted by the decoder. Others are resized
    with antialiasing in 8 bits on the CPU, which is the arithmetic of Pillow and of torchvision, then cropped, and are
    within ``TOLERANCE`` of the model's own transform. Not for ``native``.
    """
    import torch
    from torch.nn.functional import interpolate

    check_frames(frames)
    plain = np.require(frames, requirements=["C", "W"])  # torch takes no mirrored array, and warns of a read-only one
    images = torch.from_numpy(plain).permute(0, 3, 1, 2)  # (frames, 3, height, width), channels last in memory
    height, width = images.shape[-2:]
    if (height, width) == (preprocessing.size, preprocessing.size):
        return images
    target = preprocessing.target(height, width)
    if target != (height, width):
        images = interpolate(images, size=target, mode=preprocessing.interpolation, antialias=True)
    whole = round if preprocessing.crop_rounds else int
    top, left = (whole((side - preprocessing.size) / 2) for side in target)
    return images[..., top : top + preprocessing.size, left : left + preprocessing.size]


def normalise(
    images: torch.Tensor,
    preprocessing: Preprocessing,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Move images, uint8 (frames, 3, size, size), to the device, and make them what the model takes.

    That is (grey * scale - mean) / std, in float32 always, then in the model's ``dtype``, float32 by default. It is the
    8 bits that travel to the device, a quarter of float32.
    """
    import torch

    moments = torch.tensor([preprocessing.mean, preprocessing.std], device=device)  # (2, 3)
    mean, std = moments.view(2, 1, 3, 1, 1)  # (1, 3, 1, 1) each
    values = images.to(device).to(torch.float32, memory_format=torch.contiguous_format)
    return values.mul_(preprocessing.scale / std).sub_(mean / std).to(dtype or torch.float32)
