"""One process or several that train together: which one this is, and what only the first may do.

The processes are started by Lightning (``trainer.devices``), by torchrun, or by SLURM; they form a process group before
anything is read or written, so that an error of the first is everybody's, and nobody waits for one who stopped.
"""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar, cast

import lightning as L
import torch

from clipit_lightning.core.config import TrainerConfig
from clipit_lightning.core.errors import LoggedElsewhereError, UserError, first_line, require

T = TypeVar("T")


class Processes:
    """The processes of a run, with what started them; None where there is only this one."""

    def __init__(self, fabric: L.Fabric | None = None) -> None:
        self._fabric = fabric
        self.rank = 0 if fabric is None else fabric.global_rank
        self.size = 1 if fabric is None else fabric.world_size
        self.device = torch.device("cpu") if fabric is None else fabric.device
        """Where tensors must lie that the processes exchange."""

    def first(self, function: Callable[[], T]) -> T:
        """Call a function on the first process alone; every process gets what it returned.

        Raises:
            UserError: The function raised it; on every process, of which only the first prints it.
        """
        if self._fabric is None:
            return function()
        value, problem = None, ""
        try:
            value = function() if self.rank == 0 else None
        except UserError as error:
            problem = str(error)
        value, problem = self._fabric.broadcast((value, problem))
        if problem:
            raise UserError(problem) if self.rank == 0 else LoggedElsewhereError(problem)
        return cast(T, value)

    def stop(self) -> None:
        """End the processes that this one started, where it stops before its time."""
        launcher = None if self._fabric is None else self._fabric.strategy.launcher
        kill = getattr(launcher, "kill", None)  # where torchrun or SLURM started them, they end them
        if kill is not None and self.rank == 0:
            kill(signal.SIGKILL)


def check_accelerator(config: TrainerConfig) -> None:
    """Check that torch sees what ``trainer.accelerator`` names."""
    mps = torch.backends.mps.is_available()
    there = {"gpu": mps or torch.cuda.is_available(), "mps": mps}
    problem = f"{config.accelerator} is asked for, and torch sees none here; say cpu, or auto for what there is"
    require(there.get(config.accelerator, True), "trainer.accelerator", problem)


def start(config: TrainerConfig) -> Processes:
    """Start, or meet, the processes of a run that shares batches; torchrun must have started as many as configured."""
    _check_number(config, os.environ)
    if config.processes * config.num_nodes == 1 or config.parallel == "folds":
        return Processes()
    if not torch.distributed.is_available():
        raise UserError("trainer.devices: this build of torch cannot share a run between processes; use 1")
    try:
        fabric = L.Fabric(
            accelerator=config.accelerator, devices=config.processes, num_nodes=config.num_nodes, strategy="ddp"
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        problem = f"the processes cannot be started ({first_line(error)})"
        raise UserError(f"trainer.devices={config.processes}: {problem}") from error
    return Processes(fabric)


def _check_number(config: TrainerConfig, environment: Mapping[str, str]) -> None:
    """Compare what torchrun started with what is configured: a run that expects more processes waits for ever."""
    if "TORCHELASTIC_RUN_ID" not in environment or config.parallel == "folds":
        return
    local, world = (int(environment[name]) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if (local, world) != (config.processes, config.processes * config.num_nodes):
        raise UserError(
            f"torchrun started {world} processes, {local} on this machine; give trainer.devices={local} "
            f"trainer.num_nodes={world // max(1, local)}"
        )


def is_first() -> bool:
    """Whether this process may print: the first of its group, or the only one. Works before there is a group."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        with suppress(KeyError, ValueError):
            return int(os.environ[name]) == 0
    return True
