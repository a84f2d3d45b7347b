"""Real `clipit` processes: started, waited for, killed."""

import os
import subprocess
import sys
from pathlib import Path

from clipit_lightning.cli.main import main

CLIPIT = [sys.executable, "-m", "clipit_lightning.cli.main"]
PATIENCE = 600
"""Seconds after which a process is taken for hanging, on a machine however busy."""
QUICK = [
    *("optim.epochs=2", "model.width=8", "model.heads=2", "data.batch_size=4", "data.folds=2"),
    *("trainer.accelerator=cpu", "model.dropout=0", "model.input_dropout=0"),
]


def environment(threads=1):
    """So many threads a process, and nothing of a group that pytest itself may be in."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MASTER_", "LOCAL_", "TORCHELASTIC"))
    }
    return inherited | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}


def clipit(*words, threads=1):
    """Run `clipit` to its end; returns what it printed and its status."""
    command = [*CLIPIT, *map(str, words)]
    return subprocess.run(
        command, env=environment(threads), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def invoke(*words):
    """Run `clipit` in this process; raises the errors that `main` would print."""
    from typer.main import get_command

    from clipit_lightning.cli.main import app

    with get_command(app).make_context("clipit", [str(word) for word in words]) as context:
        return context.command.invoke(context) or 0


def start(*words, **options):
    """Start `clipit` and return the process at once."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*CLIPIT, *map(str, words)], env=environment(), **(pipes | options))


def train(root: Path, output: Path, *words, threads=1):
    """Train quickly in processes of its own; fails the test where it does not end well."""
    done = clipit("train", *QUICK, f"data.root={root}", f"output={output}", *words, threads=threads)
    assert done.returncode == 0, done.stderr


def train_here(root: Path, output: Path, *words):
    """Train quickly in this process, which spares starting one."""
    assert main(["train", *QUICK, f"data.root={root}", f"output={output}", *words]) == 0
