"""Folds side by side, each in a process of its own: the faster use of many cores or GPUs for data sets this small."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from clipit_lightning.core.config import Config, TrainerConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.core.processes import CAN_FORK, Pool
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training import build
from clipit_lightning.training.fold import fold_line, run_fold
from clipit_lightning.training.ranks import Processes, uses_gpu
from clipit_lightning.training.result import FoldResult
from clipit_lightning.training.run import Run
from clipit_lightning.training.trainer import quiet_lightning

_MOST = 4
"""Folds at once for each core, at the most: the system shares the cores out better than rounds of as many folds."""


def folds_at_once(config: TrainerConfig, folds: int) -> int:
    """How many of the folds train side by side: as the configuration says, by default all where cores do the work."""
    if config.devices is not None:
        return min(folds, config.devices) if config.parallel == "folds" else 1
    cores = torch.get_num_threads()
    # A trial of a sweep is one run of wandb, which processes cannot share.
    alone = cores == 1 or config.num_nodes > 1 or config.strategy != "auto" or "WANDB_SWEEP_ID" in os.environ
    return 1 if alone or uses_gpu(config) else min(folds, _MOST * cores)


@contextmanager
def threads_of_a_fold(config: TrainerConfig, folds: int) -> Iterator[None]:
    """Share the cores out among the folds, also where they train one after the other.

    Sums differ in their last digits with the number of threads: this way the results do not depend on how many folds
    train side by side.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if uses_gpu(config) else max(1, threads // folds))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train_apart(
    config: Config,
    datamodule: SummarizationDataModule,
    folder: Run,
    indices: Sequence[int],
    protocol: Protocol,
    size: int,
) -> list[FoldResult]:
    """Train and test folds, ``size`` at once; the results are those of one process.

    Raises:
        UserError: A fold failed, or its process was killed; finished folds are kept.
    """
    folds = {index: result for index in indices if (result := folder.fold_result(index)) is not None}
    for index in folds:
        log.info(f"fold {index}: finished before")
    waiting = [index for index in indices if index not in folds]
    threads = torch.get_num_threads()
    copies = CAN_FORK and threads == 1 and not uses_gpu(config.trainer)
    with Pool(size, folder.path / "logs", threads) as pool:
        begin = pool.fork if copies else pool.call
        while waiting or pool.running:
            while waiting and pool.running < size:
                index = waiting.pop(0)
                begin(f"fold-{index}", train_fold, config, folder, index, protocol, datamodule if copies else None)
            for ended in pool.wait():
                if ended.status:
                    way_out = "the same command continues, with trainer.devices=1 in less memory"
                    problem = f"{ended.name.replace('-', ' ')}: {ended.reason}"
                    raise UserError(problem if ended.status == 2 else f"{problem}, see {folder.path}/logs; {way_out}")
                result = folder.fold_result(int(ended.name.removeprefix("fold-")))
                if result is not None:
                    folds[result.fold] = result
                    log.info(fold_line(config, result))
    return [folds[index] for index in indices]


def train_fold(
    config: Config, folder: Run, index: int, protocol: Protocol, datamodule: SummarizationDataModule | None
) -> None:
    """Train and test one fold on the one device that its process sees, and write its result."""
    quiet_lightning()
    config = replace(config, trainer=replace(config.trainer, progress=False))
    if datamodule is None:
        datamodule = build.datamodule(config)
        datamodule.setup()
    run_fold(config, datamodule, folder, index, protocol, Processes(), device=0)
