"""Work on many videos by one process or several, on one machine or several: Lightning's predict deals them out.

Nothing is exchanged but the numbers of the videos, so that Lightning sees a module without weights on the CPU; each
process holds an encoder of its own on a device of its own. Lightning's sampler for predictions repeats none.
"""

import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from clipit_lightning.core.errors import UserError

_TORCHRUN = "TORCHELASTIC_RUN_ID"  # set by torchrun, as torch.distributed.is_torchelastic_launched looks for it
_LONGEST_WAIT = timedelta(days=30)  # for the other processes, which may have hours of video left


class _Dealer(L.LightningModule):
    """Hands each number that Lightning deals to this process to a function."""

    def __init__(self, work: Callable[[int], None]) -> None:
        super().__init__()
        self._work = work

    def predict_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self._work(int(batch))
        return batch


@dataclass(frozen=True)
class Place:
    """This process among all: its number, how many there are, and its number on this machine."""

    rank: int = 0
    world: int = 1
    local: int = 0


def own_place(processes: int = 1) -> Place:
    """Where this process stands, as torchrun or Lightning say in the environment.

    Args:
        processes: How many Lightning is about to start, where torchrun did not.

    Raises:
        UserError: Both torchrun and the command name a number of processes, or that is below 1.
    """
    if processes < 1:
        raise UserError(f"{processes} processes: give 1 or more")
    local = int(os.environ.get("LOCAL_RANK", 0))
    if _TORCHRUN not in os.environ:
        return Place(local, processes, local)
    if processes > 1:
        raise UserError("torchrun starts the processes already; leave away --devices")
    return Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), local)


def own_device(device: str, place: Place) -> str:
    """The device of this process: where several share a machine, ``auto`` and ``cuda`` give each a GPU of its own."""
    gpus = torch.cuda.device_count() if place.world > 1 and device in ("auto", "cuda") else 0
    return f"cuda:{place.local % gpus}" if gpus else device


def work_through(count: int, work: Callable[[int], None], processes: int = 1) -> None:
    """Call ``work`` with 0 to ``count - 1``, each once over all processes; return when all have finished.

    Process r of w gets r, r + w, r + 2 w, ...

    Under torchrun the processes are torchrun's. Else Lightning starts ``processes`` of them by running the command
    line again, and so needs to be called by a command.

    Args:
        count: How many numbers.
        work: What to do with one; an error ends all processes.
        processes: How many, on this machine.

    Raises:
        KeyboardInterrupt: The user interrupted.
    """
    _quiet()
    nodes, torchrun = 1, _TORCHRUN in os.environ
    if torchrun:
        processes = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // processes
    several = processes * nodes > 1
    trainer = L.Trainer(
        accelerator="cpu",
        devices=processes,
        num_nodes=nodes,
        strategy=DDPStrategy(process_group_backend="gloo", timeout=_LONGEST_WAIT) if several else "auto",
        plugins=None if torchrun else LightningEnvironment(),  # no guess from what a cluster's batch system set
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    try:
        numbers = DataLoader[int](range(count), batch_size=1)  # type: ignore[arg-type]
        trainer.predict(_Dealer(work), numbers, return_predictions=False)
    except SystemExit as error:  # lightning's answer to Ctrl-C
        raise KeyboardInterrupt from error
    trainer.strategy.barrier()


def _quiet() -> None:
    """Lightning's hints on hardware and workers are noise here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (".*does not have many workers.*", ".*GPU available but not used.*", ".*treespec, LeafSpec.*"):
        warnings.filterwarnings("ignore", message=message)
