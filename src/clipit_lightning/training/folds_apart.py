"""Whole folds in several processes at once: the faster use of many GPUs for data sets this small."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.core.processes import Pool
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training import build
from clipit_lightning.training.fold import fold_line, run_fold
from clipit_lightning.training.ranks import Processes
from clipit_lightning.training.result import FoldResult
from clipit_lightning.training.run import Run
from clipit_lightning.training.trainer import quiet_lightning


def train_apart(config: Config, folder: Run, indices: Sequence[int], protocol: Protocol) -> list[FoldResult]:
    """Train and test folds, ``trainer.devices`` at once; the results are those of one process.

    Raises:
        UserError: A fold failed, or its process was killed; finished folds are kept.
    """
    names, waiting = build.measures(config).names, list(indices)
    folds: dict[int, FoldResult] = {}
    size = min(config.trainer.devices, len(indices))
    with Pool(size, folder.path / "logs", threads=max(1, torch.get_num_threads() // size)) as pool:
        while waiting or pool.running:
            while waiting and pool.running < size:
                pool.call(f"fold-{waiting[0]}", train_fold, config, folder, waiting.pop(0), protocol)
            for ended in pool.wait():
                if ended.status:
                    raise UserError(f"{ended.name.replace('-', ' ')}: {ended.reason}; the same command continues")
                index = int(ended.name.removeprefix("fold-"))
                if (result := folder.fold_result(index)) is not None:
                    folds[index] = result
                    log.info(fold_line(config, result, names))
    return [folds[index] for index in indices]


def train_fold(config: Config, folder: Run, index: int, protocol: Protocol) -> None:
    """Train and test one fold on the one device that its process sees, and write its result."""
    quiet_lightning()
    config = replace(config, trainer=replace(config.trainer, progress=False))
    datamodule = build.datamodule(config)
    datamodule.setup()
    run_fold(config, datamodule, folder, index, protocol, Processes(), device=0)
