"""One process or several that train together: which one this is, and what only the first may do.

The processes are started by `launch` (``trainer.devices``), by torchrun, or by SLURM; they form a process group before
anything is read or written, so that an error of the first is everybody's. Who started them ends all where one died.
"""

import os
import pickle
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import find_free_network_port
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.utilities.exceptions import MisconfigurationException

from clipit_lightning.core.config import Config, TrainerConfig
from clipit_lightning.core.errors import LoggedElsewhereError, RankError, UserError, first_line, require
from clipit_lightning.core.files import write_bytes, write_text
from clipit_lightning.core.processes import CAN_FORK, Ended, Pool, end_with_parent
from clipit_lightning.training.result import RunResult

T = TypeVar("T")
_OF_GROUP = {"LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
_WAY_OUT = "the others were ended, the same command continues"


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


def uses_gpu(config: TrainerConfig) -> bool:
    """Whether a run, or its folds, are trained on a GPU."""
    there = torch.cuda.is_available() or torch.backends.mps.is_available()
    return there if config.accelerator == "auto" else config.accelerator != "cpu"


def check_accelerator(config: TrainerConfig) -> None:
    """Check that torch sees what ``trainer.accelerator`` names."""
    mps = torch.backends.mps.is_available()
    there = {"gpu": mps or torch.cuda.is_available(), "mps": mps}
    problem = f"{config.accelerator} is asked for, and torch sees none here; say cpu, or auto for what there is"
    require(there.get(config.accelerator, True), "trainer.accelerator", problem)
    gpus = torch.cuda.device_count()
    if config.parallel == "batch" and config.accelerator in ("auto", "gpu") and 0 < gpus < config.processes:
        problem = f"{config.processes} are asked for, and torch sees {gpus} GPU{'s' if gpus > 1 else ''}"
        raise UserError(f"trainer.devices: {problem}; give {gpus}, or trainer.accelerator=cpu")


def start(config: TrainerConfig) -> Processes | None:
    """Meet the other processes of a run that shares batches; None where they are still to be launched.

    torchrun must have started as many as configured.
    """
    _check_number(config, os.environ)
    if config.processes * config.num_nodes == 1 or config.parallel == "folds":
        return Processes()
    if not torch.distributed.is_available():
        raise UserError("trainer.devices: this build of torch cannot share a run between processes; use 1")
    try:
        fabric = L.Fabric(
            accelerator=config.accelerator, devices=config.processes, num_nodes=config.num_nodes, strategy="ddp"
        )
        environment = cast(DDPStrategy, fabric.strategy).cluster_environment
        if environment is not None and not environment.creates_processes_externally:
            return None
        fabric.launch()
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        problem = f"the processes cannot be started ({first_line(error)})"
        raise UserError(f"trainer.devices={config.processes}: {problem}") from error
    return Processes(fabric)


def launch(train: Callable[[Config], RunResult], config: Config) -> RunResult:
    """Train by the processes of this machine; an importable function trains in each, of which the first gives a result.

    Raises:
        UserError, OSError: As the first process that failed raised it; the others are ended.
        RankError: A process was killed, or failed otherwise; the others are ended.
    """
    meeting = {"MASTER_PORT": os.environ.get("MASTER_PORT", str(find_free_network_port()))}
    copies = CAN_FORK and torch.get_num_threads() == 1 and not uses_gpu(config.trainer)
    with tempfile.TemporaryDirectory() as folder, Pool(config.trainer.processes, None, None) as pool:
        answers = {f"rank {rank}": Path(folder, str(rank)) for rank in range(config.trainer.processes)}
        begin: Callable[..., None] = pool.fork if copies else partial(pool.call, all_gpus=True)
        for name, answer in answers.items():
            begin(name, _train_as_rank, train, config, answer, meeting | {"LOCAL_RANK": answer.name})
        while pool.running:
            if failed := [ended for ended in pool.wait() if ended.status]:
                failed += [ended for ended in pool.wait(1) if ended.status]  # of two the other may have been the first
                raise _first_error(failed, answers)
        return cast(RunResult, pickle.loads(answers["rank 0"].read_bytes()))


def _first_error(failed: Sequence[Ended], answers: Mapping[str, Path]) -> Exception:
    """Of the processes that failed the error of the first: who is killed gives no answer, others find it gone."""
    answered = [ended for ended in failed if answers[ended.name].exists()]
    killed = [ended for ended in failed if ended not in answered]
    if killed:
        return RankError(f"{killed[0].name}: {killed[0].reason}; {_WAY_OUT}")
    first = min(answered, key=lambda ended: answers[ended.name].stat().st_mtime_ns)
    error = pickle.loads(answers[first.name].read_bytes())
    if isinstance(error, Exception):
        return error
    reason = first.reason
    if isinstance(error, list):  # a traceback
        log = Path(tempfile.mkdtemp(prefix="clipit-"), f"{first.name}.txt".replace(" ", "-"))
        write_text(log, "".join(error))
        reason = f"{error[-1].splitlines()[0]}, see {log}"
    return RankError(f"{first.name}: {reason}; {_WAY_OUT}")


def _train_as_rank(
    train: Callable[[Config], RunResult], config: Config, answer: Path, environment: Mapping[str, str]
) -> None:
    """What a process of `launch` does: it writes its result, or what went wrong, for the one that started it."""
    os.environ.update(environment)
    end_with_parent(signal.SIGKILL)  # where it waits for others it would not hear anything else
    error: Exception | list[str]
    try:
        write_bytes(answer, pickle.dumps(train(config)))
        return
    except UserError as problem:
        error = UserError(str(problem))  # as any of its kinds can be read back
    except OSError as problem:
        error = problem
    except Exception as problem:
        error = traceback.format_exception(problem)
    write_bytes(answer, pickle.dumps(error))
    os._exit(2)  # the usual way out waits for the others


@contextmanager
def no_group_left() -> Iterator[None]:
    """Take down the process group that a strategy makes, also of one process, and what Lightning sets for it.

    The next run of this process would take itself for one of several that somebody else started, and train alone.
    """
    before = dict(os.environ)
    if not torch.distributed.is_available() or torch.distributed.is_initialized():  # others made it
        yield
        return
    try:
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
            for name in _OF_GROUP - before.keys():
                os.environ.pop(name, None)


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
