"""Make a torchvision whose compiled operators do not match torch importable.

A CPU build of torch beside the registry's torchvision has no ``torchvision::nms``; then ``import torchvision`` fails,
and with it lightning, open_clip and transformers' CLIP, none of which call that operator here. Where the import fails
with exactly that error, the missing operator schemas are declared and the import is done again.

``src/clipit_lightning.pth`` installs this whenever Python starts, so that ``import lightning`` may come first: what is
imported here costs every start. (``importlib.abc`` would take 40 ms, ``typing`` 5.)
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_SYMPTOM = "operator torchvision::nms does not exist"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _RepairingLoader(SourceFileLoader):
    """Loads torchvision, and a second time after a repair where that is needed."""

    def exec_module(self, module: ModuleType) -> None:
        try:
            super().exec_module(module)
        except RuntimeError as error:
            if str(error) != _SYMPTOM:
                raise
            _declare_missing_operators()
            super().exec_module(module)


class _TorchvisionFinder:
    """Finds torchvision where it lies, and gives it the repairing loader."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "torchvision" else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _RepairingLoader(spec.loader.name, spec.loader.path)
        return spec


def _declare_missing_operators() -> None:
    """Declare ``nms`` and ``qnms`` and forget the half-imported submodules, so that they are imported anew."""
    import torch

    for name in [name for name in sys.modules if name.startswith("torchvision.")]:
        del sys.modules[name]
    for operator in ("nms", "qnms"):
        torch.library.define(f"torchvision::{operator}", _SCHEMA)


def install() -> None:
    """Watch for the first import of torchvision. Calling it again changes nothing."""
    if not any(isinstance(finder, _TorchvisionFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TorchvisionFinder())
