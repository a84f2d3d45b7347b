"""Sweeps with the server of Weights & Biases: register the file, start agents."""

import os
import sys
from pathlib import Path
from typing import Any

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.core.processes import Pool
from clipit_lightning.studies.sweep_check import check
from clipit_lightning.studies.sweep_file import Sweep
from clipit_lightning.training.wandb import online_problem

_HERE = "without --online (make sweep SWEEP=local) the same file runs here"


def run_online(sweep: Sweep, trials: int | None, workers: int) -> int:
    """Register a sweep with the server and start agents for it, which call `clipit train`.

    The server hands out ``trials`` runs, over all agents, or as many as the file says; ``workers`` agents run here.

    Returns:
        Exit status of the first agent that failed, else 0.

    Raises:
        UserError: There is no account or no network, or the server refuses the sweep.
    """
    check(sweep)
    if problem := online_problem():
        raise UserError(f"wandb: {problem}; {_HERE}")
    import wandb

    config = registered(sweep, trials)
    project = str(config["project"])
    try:
        identifier = wandb.sweep(config, project=project)
    except Exception as error:  # wandb raises many kinds for a server that refuses
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"wandb: the sweep could not be registered ({reason}); {_HERE}") from error
    entity = os.environ.get("WANDB_ENTITY")
    address = "/".join(part for part in (entity, project, identifier) if part)
    log.info(f"sweep {address}: {workers} agent{'s' if workers > 1 else ''}; on other machines: wandb agent {address}")
    return _run_agents(address, workers)


def registered(sweep: Sweep, trials: int | None) -> dict[str, Any]:
    """What is registered: the file, with the words of the command line in the command and the number as ``run_cap``."""
    command, caps = sweep.raw["command"], [number for number in (trials, sweep.run_cap) if number is not None]
    end = command.index("${args_no_hyphens}")
    config = {"project": "clipit_lightning"} | sweep.raw | {"command": [*command[:end], *sweep.added, *command[end:]]}
    return config | ({"run_cap": min(caps)} if caps else {})


def _run_agents(address: str, number: int) -> int:
    """Start agents that find this environment's `clipit`, and wait for them."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    statuses = []
    with Pool(number, logs=None, threads=None) as pool:
        for index in range(number):
            command = [sys.executable, "-m", "wandb", "agent", address]
            pool.start(f"agent-{index}", command, environment={"PATH": path})
        while pool.running:
            statuses += [agent.status for agent in pool.wait()]
    return next((status for status in statuses if status), 0)
