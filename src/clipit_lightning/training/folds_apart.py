"""Whole folds on several devices at once: the faster use of many GPUs for data sets this small."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.queues import Queue

import torch

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training import build
from clipit_lightning.training.fold import fold_line, run_fold
from clipit_lightning.training.ranks import Processes
from clipit_lightning.training.result import FoldResult
from clipit_lightning.training.run import Run
from clipit_lightning.training.trainer import quiet_lightning

_device = 0


def train_apart(config: Config, folder: Run, indices: Sequence[int], protocol: Protocol) -> list[FoldResult]:
    """Train and test folds, each whole in one of ``trainer.devices`` processes; the results are those of one process.

    Args:
        config: The run's configuration, with its root resolved.
        folder: The run's folder, opened.
        indices: Which folds.
        protocol: The run's protocol.

    Raises:
        UserError: A fold failed in a way that the user can mend, or a process was killed; finished folds are kept.
    """
    context = multiprocessing.get_context("spawn")
    devices = context.Queue()
    count = min(config.trainer.devices, len(indices))
    for device in range(count):
        devices.put(device)
    names = build.measures(config).names
    folds = []
    with ProcessPoolExecutor(count, context, initializer=_take_device, initargs=(devices, count)) as pool:
        coming = [pool.submit(_one_fold, config, folder, index, protocol) for index in indices]
        try:
            for each in coming:
                folds.append(each.result())
                log.info(fold_line(config, folds[-1], names))
        except BrokenProcessPool as error:
            raise UserError("a process that trained a fold was killed (memory?); the same command continues") from error
        except BaseException:  # the other folds would be trained to their end before anything is said
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return folds


def _take_device(devices: "Queue[int]", count: int) -> None:
    """Each process takes a device of its own, and its share of the cores."""
    global _device
    _device = devices.get()
    torch.set_num_threads(max(1, torch.get_num_threads() // count))


def _one_fold(config: Config, folder: Run, index: int, protocol: Protocol) -> FoldResult:
    quiet_lightning()
    config = replace(config, trainer=replace(config.trainer, progress=False))
    datamodule = build.datamodule(config)
    datamodule.setup()
    return run_fold(config, datamodule, folder, index, protocol, Processes(), device=_device)
