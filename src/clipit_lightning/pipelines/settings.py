"""How `clipit prepare` extracts videos."""

from dataclasses import dataclass
from pathlib import Path

from clipit_lightning.video.extract import N_CAPTIONS
from clipit_lightning.video.frames import RATE
from clipit_lightning.video.pretrained import Precision


@dataclass(frozen=True)
class Settings:
    """How videos are extracted; encoder and captioner by their names."""

    encoder: str
    stride: int | None = None
    """Take every frame whose number it divides, instead of ``rate`` frames per second."""
    rate: float = RATE
    captioner: str | None = None
    n_captions: int = N_CAPTIONS
    device: str = "auto"
    precision: Precision = "fp32"
    batch_size: int = 32
    streams: tuple[str, ...] = ()
    """What is made beside the features of the encoder: ``audio`` or ``audio:MODEL``, ``motion``."""
    caption_cache: Path | str | None = None
    """Folder that keeps a model's captions; by default the working folder."""
