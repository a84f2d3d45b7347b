"""Checkpoints of a fold: written whole, read without trust, at home wherever their folder is moved."""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO
from torch import Tensor

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import atomic_path, check_is_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints appear whole: killed while it writes, a run still has the epoch before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ANN401
        """Write a checkpoint to a file beside ``path`` and let it take its place."""
        buffer = io.BytesIO()  # where a disk is full, torch's own writer says something else
        torch.save(checkpoint, buffer)
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())


class FoldCheckpoint(ModelCheckpoint):
    """Lightning's, in a folder that may be moved or copied between two starts.

    Lightning keeps absolute paths, and would test the best epoch of the folder that was copied.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume the state of an earlier start, with all paths in this folder."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        moved = {name: here(state_dict[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
        kept = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": kept, "dirpath": self.dirpath})


def read_checkpoint(path: Path, weights: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are allowed in it, so that a foreign one can do no harm.

    Where the task's ``weights`` are given, those of the checkpoint must have their names and shapes.

    Returns:
        ``state_dict``, ``epoch``, ``validation``, ``hyper_parameters`` (of the task, with the name of the scorer) and
        the states to resume from.

    Raises:
        UserError: It is damaged, or not a checkpoint of such a task.
    """
    try:
        check_is_file(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        _check_content(checkpoint)
        if weights is not None:
            _check_weights(checkpoint["state_dict"], weights)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise unreadable(path, error) from error
    return cast(dict[str, Any], checkpoint)


def plain(value: Any, name: str) -> Any:  # noqa: ANN401
    """A value as a checkpoint may hold it, since it is read without running code; a TypeError where it cannot be."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, name) for item in value]
    if value is not None and not isinstance(value, bool | int | float | str):
        raise TypeError(f"{name} is a {type(value).__name__}; a checkpoint keeps numbers, texts, and lists of them")
    return value


def unreadable(path: Path, error: Exception) -> UserError:
    """The error to raise where a checkpoint cannot be read or resumed from."""
    reason = first_line(error)[:100]
    way_out = f"remove {path.parent} to train anew, or say overwrite=true where the run is finished"
    return UserError(f"{path}: not a checkpoint that can be read ({reason}); {way_out}")


def _check_content(checkpoint: Any) -> None:  # noqa: ANN401 - whatever stood in the file
    if not isinstance(checkpoint, dict) or not {"state_dict", "epoch", "validation"} <= set(checkpoint):
        raise ValueError("it holds no weights of a run")
    if not isinstance(checkpoint.get("hyper_parameters"), dict):
        raise ValueError("of an earlier version, it does not say which scorer it holds")
    state, epoch, validation = (checkpoint[name] for name in ("state_dict", "epoch", "validation"))
    if not isinstance(state, dict) or not state or not all(isinstance(weight, Tensor) for weight in state.values()):
        raise ValueError("it holds no weights")
    if not all(bool(torch.isfinite(weight).all()) for weight in state.values()):
        raise ValueError("some weights are not finite")
    if not isinstance(epoch, int) or epoch < 0:
        raise ValueError("epoch is no number of an epoch")
    if not isinstance(validation, dict) or not all(
        isinstance(value, int | float) and math.isfinite(value) for value in validation.values()
    ):
        raise ValueError("validation holds other things than finite numbers")


def _check_weights(saved: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name in sorted(set(saved) ^ set(weights)):
        raise ValueError(f"weight {name[:60]} is {'missing' if name in weights else 'not of this scorer'}")
    for name, weight in weights.items():
        if saved[name].shape != weight.shape:
            raise ValueError(f"weight {name} has another shape, {tuple(saved[name].shape)}")
