"""The progress bar of a fold: one line on a terminal with fold, epoch, loss and what validation reached."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from clipit_lightning.evaluation.names import METRICS, printed


class FoldBar(Callback):
    """One bar over all epochs of a fold, as wide as the terminal; it goes when the fold is trained.

    Epochs count from 1. It is drawn on standard error, so that standard output may be a file.
    """

    def __init__(self, fold: int, monitor: str, console: Console | None = None) -> None:
        self._fold, self._monitor = fold, monitor
        self._loss = self._reached = ""
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TimeRemainingColumn())
        console = console or Console(stderr=True)
        self._bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, expand=True)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the bar, of a resumed fold with what is done."""
        if trainer.is_global_zero:
            batches = int(trainer.num_training_batches)
            done = trainer.current_epoch * batches
            self._bar.add_task("", total=(trainer.max_epochs or 1) * batches, completed=done)
            self._draw(trainer, 0)
            self._bar.start()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - what ``training_step`` returned
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Move on by a batch."""
        self._loss = f"  loss {float(outputs['loss']):.3f}"
        self._draw(trainer, 1)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show what the epoch reached."""
        value = trainer.callback_metrics.get(f"val/{self._monitor}")
        if value is not None:
            self._reached = f"  {METRICS[self._monitor].column} {printed(self._monitor, float(value))}"
            self._draw(trainer, 0)
            self._bar.refresh()  # an epoch may be shorter than the time between two drawings

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Remove the bar."""
        self._bar.stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Remove the bar before an error is printed."""
        self._bar.stop()

    def _draw(self, trainer: L.Trainer, batches: int) -> None:
        epoch = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        for task in self._bar.task_ids:  # none on other processes than the first
            text = f"fold {self._fold}  {epoch}{self._loss}{self._reached}"
            self._bar.update(task, advance=batches, description=text)
