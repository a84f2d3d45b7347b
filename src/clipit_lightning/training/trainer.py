"""The trainer of a fold: what Lightning is told, and the callbacks and plugins that it lacks."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, LambdaCallback, WeightAveraging
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import SLURMEnvironment  # type: ignore[attr-defined]
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from clipit_lightning.core.config import Config
from clipit_lightning.core.processes import interrupt
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training import build
from clipit_lightning.training.checkpoints import AtomicCheckpointIO, FoldCheckpoint
from clipit_lightning.training.history import History
from clipit_lightning.training.progress import FoldBar
from clipit_lightning.training.task import SummarizationTask

Watch = Callable[[int, int, dict[str, float]], None]
"""Called after each validation with fold, epoch and means; what it raises ends the run, which can be resumed."""


def make_trainer(
    config: Config,
    path: Path,
    run_name: str,
    protocol: Protocol,
    fold: int,
    validates: bool,
    device: int | None,
    watch: Watch | None,
) -> tuple[L.Trainer, FoldCheckpoint]:
    """The trainer of one fold, and its callback that keeps the selected epoch.

    ``path`` is the folder of the fold. Where it validates, checkpoints are written after its validation. A ``device``
    is named where folds are spread over several; by default all that are configured are used.
    """
    # Two, because lightning's save_last follows the best: it writes only when there is a new one. Both at the end of
    # the validation: by default the best would be written later, and the last would not know the best of its epoch.
    moment: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": not validates}
    last = FoldCheckpoint(dirpath=path, filename="last", **moment)
    monitor = f"val/{build.measures(config).monitor}"
    best = FoldCheckpoint(dirpath=path, filename="best", monitor=monitor, mode="max", **moment)
    # The best first, so that the last holds what is the best so far.
    callbacks: list[Callback] = [History(path), *([last] if config.selection == "last" else [best, last])]
    if config.optim.ema:
        callbacks.append(WeightAveraging(multi_avg_fn=partial(moving_average, decay=config.optim.ema)))
    callbacks.append(_hooks(fold, watch))
    if config.trainer.progress and sys.stderr.isatty():
        callbacks.append(FoldBar(fold, build.measures(config).monitor))
    loggers: list[Logger] = []
    if config.logger.wandb != "off":
        from clipit_lightning.training.wandb import make_logger  # wandb takes a second to import

        loggers.append(make_logger(config, path, run_name, protocol, fold))
    trainer = L.Trainer(
        accelerator=config.trainer.accelerator,
        **_devices(config, device),
        precision=config.trainer.precision,
        max_epochs=config.optim.epochs,
        gradient_clip_val=config.optim.clip or None,
        callbacks=callbacks,
        logger=loggers,
        # Runs resume from their last epoch by themselves; experiments/slurm has the script that requeues them.
        plugins=[AtomicCheckpointIO(), *([SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else [])],
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        deterministic="warn",
        use_distributed_sampler=False,  # ours know which rank they are on, and repeat nothing
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    return trainer, last if config.selection == "last" else best


def _devices(config: Config, device: int | None) -> dict[str, Any]:
    chosen = config.trainer
    if device is not None or (chosen.processes == chosen.num_nodes == 1 and chosen.strategy == "auto"):
        accelerated = device is not None and chosen.accelerator != "cpu" and torch.cuda.is_available()
        return {"devices": [device] if accelerated else 1}
    # A scorer's reconstruction has no gradient where no loss reads it, and DDP must know.
    unused = not (config.loss.diversity or config.loss.reconstruction)
    strategy: Strategy = DDPStrategy(find_unused_parameters=unused)
    return {"devices": chosen.processes, "num_nodes": chosen.num_nodes, "strategy": strategy}


def _hooks(fold: int, watch: Watch | None) -> Callback:
    """Stops on SIGTERM as on Ctrl-C, and passes the means of each validation on."""

    def stop_on_sigterm(*_: object) -> None:
        # Lightning's own handler, set by now, talks to ranks inside a signal, where they may not listen.
        handle_sigterm(interrupt)

    def pass_on(trainer: L.Trainer, task: L.LightningModule) -> None:
        if watch is not None:
            watch(fold, trainer.current_epoch, dict(cast(SummarizationTask, task).validation))

    return LambdaCallback(on_train_start=stop_on_sigterm, on_test_start=stop_on_sigterm, on_validation_end=pass_on)


def handle_sigterm(handler: Any) -> None:  # noqa: ANN401 - what ``signal.getsignal`` returns
    """Set the handler of SIGTERM; only the main thread can."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def moving_average(averages: list[Tensor], current: list[Tensor], updates: Tensor | int, decay: float) -> None:
    """Move averages of weights, with a ramp of the decay: ``min(decay, (1 + n) / (10 + n))`` after n updates.

    Benchmarks have so few videos that a run has some 50 steps, within which a constant decay of 0.99 would never
    forget the first weights. The ramp is that of TensorFlow's ``ExponentialMovingAverage(num_updates=...)``.
    """
    ramp = (1 + int(updates)) / (10 + int(updates))
    get_ema_multi_avg_fn(min(decay, ramp))(averages, current, updates)  # type: ignore[no-untyped-call]


def quiet_lightning() -> None:
    """Lightning's hints on hardware and workers are noise here; its warnings stay."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for noise in (
        "does not have many workers",
        "exists and is not empty",
        "accumulate the metric across devices",  # ours are gathered before
        "across ranks is zero",  # a family of folds may have no validation
        "treespec, LeafSpec",  # lightning 2.6 calls what torch 2.13 deprecates
    ):
        warnings.filterwarnings("ignore", message=f".*{noise}.*")
