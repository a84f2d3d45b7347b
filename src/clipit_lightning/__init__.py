"""CLIP-It on PyTorch Lightning: language-guided video summarization, trained and measured the field's way."""

from clipit_lightning.core import torchvision_repair

__version__ = "0.1.0"

torchvision_repair.install()  # cheap: acts only when, and if, torchvision is imported
