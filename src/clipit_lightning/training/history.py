"""The curves of a fold: kept in its checkpoints, and written whole to ``metrics.csv`` after each epoch."""

from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
from lightning.pytorch.callbacks import Callback

from clipit_lightning.core.files import write_text


class History(Callback):
    """Means of each finished epoch: the losses over its training batches, and the metrics of its validation.

    Lightning computes an epoch's means of the losses after the checkpoints at the end of its validation, and a
    resumed run does not train that epoch again. So this callback takes means of its own. Lightning calls checkpoint
    callbacks last: what they save, and ``metrics.csv`` in the folder of the fold, hold their epoch.
    """

    def __init__(self, path: Path) -> None:
        self.file = path / "metrics.csv"
        self.epochs: dict[int, dict[str, float]] = {}
        """Values by epoch and name: ``step`` (its last, from 0), ``train/<loss>``, ``val/<metric>``."""
        self._sums: dict[str, float] = {}
        self._items = 0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - what ``training_step`` returned
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Add the losses of a batch, each as often as the batch has items."""
        self._items += outputs["items"]
        for name, value in outputs["terms"].items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * outputs["items"]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Finish the epoch with all that its validation logged."""
        self._finish(trainer, {name: float(value) for name, value in trainer.callback_metrics.items()})

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Finish the epoch where nothing was validated."""
        if trainer.current_epoch not in self.epochs:
            self._finish(trainer, {})

    def _finish(self, trainer: L.Trainer, validation: dict[str, float]) -> None:
        losses = {name: total / self._items for name, total in self._sums.items()}
        self._sums, self._items = {}, 0
        self.epochs[trainer.current_epoch] = {"step": max(0, trainer.global_step - 1)} | validation | losses
        if trainer.is_global_zero:
            self.write()

    def write(self) -> None:
        """Write ``metrics.csv``, a row for each epoch."""
        table = pd.DataFrame.from_dict(self.epochs, orient="index").astype({"step": int})
        write_text(self.file, table.to_csv(index_label="epoch"))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume with the epochs of a checkpoint."""
        self.epochs = {
            int(epoch): {str(name): float(value) for name, value in values.items()}
            for epoch, values in state_dict["epochs"].items()
        }
