"""Work on many videos by one process or several, on one machine or several: Fabric starts or meets them.

Nothing is exchanged; each process holds an encoder of its own on a device of its own.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from clipit_lightning.core.errors import UserError

_TORCHRUN = "TORCHELASTIC_RUN_ID"  # set by torchrun, as torch.distributed.is_torchelastic_launched looks for it
_LONGEST_WAIT = timedelta(days=30)  # for the other processes, which may have hours of video left


@dataclass(frozen=True)
class Process:
    """This process among all: its number, how many there are, and its number on this machine."""

    rank: int = 0
    world: int = 1
    local: int = 0


def this_process(processes: int = 1) -> Process:
    """Which process this is, by what torchrun set in the environment, or Lightning, which starts so many.

    Raises:
        UserError: Both torchrun and the command name a number of processes, or that is below 1.
    """
    if processes < 1:
        raise UserError(f"{processes} processes: give 1 or more")
    local = int(os.environ.get("LOCAL_RANK", 0))
    if _TORCHRUN not in os.environ:
        return Process(local, processes, local)
    if processes > 1:
        raise UserError("torchrun starts the processes already; omit --devices")
    return Process(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), local)


def own_device(device: str, process: Process) -> str:
    """The device of a process: where several share a machine, ``auto`` and ``cuda`` give each a GPU of its own."""
    import torch

    gpus = torch.cuda.device_count() if process.world > 1 and device in ("auto", "cuda") else 0
    return f"cuda:{process.local % gpus}" if gpus else device


def work_through(numbers: Iterable[int], work: Callable[[int], None], processes: int = 1) -> None:
    """Call ``work`` with each number once over all processes; return when all have finished.

    Process r of w gets those of r, r + w, r + 2 w, ...; an error ends all. Under torchrun the processes are torchrun's.
    Else Lightning starts ``processes`` of them by running the command line again, and so needs to be called by a
    command.
    """
    import lightning as L  # takes seconds, and `summarize` needs the rest of this module alone
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.strategies.ddp import DDPStrategy

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # lines on ranks are noise here
    nodes, torchrun = 1, _TORCHRUN in os.environ
    if torchrun:
        processes = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // processes
    several = processes * nodes > 1
    fabric = L.Fabric(
        accelerator="cpu",
        devices=processes,
        num_nodes=nodes,
        strategy=DDPStrategy(process_group_backend="gloo", timeout=_LONGEST_WAIT) if several else "auto",
        plugins=None if torchrun else LightningEnvironment(),  # no guess from what a cluster's batch system set
    )
    fabric.launch()
    for number in numbers:
        if number % fabric.world_size == fabric.global_rank:
            work(number)
    fabric.barrier()


@contextmanager
def memory_checked(path: Path) -> Iterator[None]:
    """Raise a UserError where memory is too small: not the video's fault, and so no reason to skip it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise UserError(f"{path}: the memory is too small; choose a smaller --batch-size") from error
