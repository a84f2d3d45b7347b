"""A worker of a local sweep: one process that runs trial after trial."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.studies.sweep_check import base_config
from clipit_lightning.studies.sweep_claims import Place, next_trial
from clipit_lightning.studies.sweep_search import open_study, storage_errors
from clipit_lightning.studies.sweep_space import parse_sweep
from clipit_lightning.training.objective import RunningObjective

_FAILURES = 5
"""So many trials that fail one after the other end a search: something is wrong with all of them."""


@dataclass(frozen=True)
class Search:
    """What a worker has to know; plain values, for it is sent to another process."""

    path: Path
    raw: dict[str, Any]
    words: tuple[str, ...]
    root: str
    metric: str
    monitor: str
    seed: int
    folder: Path
    name: str
    url: str
    shared: bool
    wanted: int


def place_of(search: Search) -> Place:
    """Open the study of a search.

    Raises:
        UserError: The database cannot be used.
    """
    sweep = parse_sweep(search.raw, search.path, search.words)
    study = open_study(search.url, search.name, sweep, search.seed, search.shared)
    return Place(search.folder, study, sweep, search.wanted, search.shared)


def start(search: Search, number: int, device: str | None, messages: Connection) -> None:
    """What a worker's process does: become one that dies with its parent and writes to a log, then work.

    Args:
        search: What to work on.
        number: Of the worker, for the name of its log.
        device: What ``CUDA_VISIBLE_DEVICES`` is set to; None leaves it.
        messages: Takes the one line of an error that ends the search.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what happens
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    log = os.open(search.folder / "logs" / f"worker-{number}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    try:
        work(search)
    except UserError as error:
        messages.send(str(error))
        sys.exit(2)


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # trials go on when the command runs again


def work(search: Search) -> None:
    """Run trials until the search is over.

    Raises:
        UserError: The database cannot be used, or the last trials all failed.
    """
    _one_thread()
    with storage_errors(search.url):
        place = place_of(search)
        while True:
            # Suppressed: another machine took the trial over, as this one was silent.
            with suppress(UpdateFinishedTrialError), next_trial(place) as trial:
                if trial is None:
                    return
                _run_trial(search, place, trial)
            _refuse_to_fail_for_ever(place.trials())


def _one_thread() -> None:
    """Compute with one thread, so that a trial's numbers do not depend on how many run beside it."""
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)


def _run_trial(search: Search, place: Place, trial: optuna.Trial) -> None:
    folder = place.trial_folder(trial)
    try:
        value = _objective(search, place, trial, folder)
    except optuna.TrialPruned:
        place.study.tell(trial, state=TrialState.PRUNED)
    except (SQLAlchemyError, StorageInternalError, UpdateFinishedTrialError):
        raise
    except Exception as error:  # a trial may run out of memory, diverge, or be an impossible combination
        _log(search, trial.number, f"failed: {error!r}")
        line = (str(error).splitlines() or [""])[0] if isinstance(error, UserError) else f"{error!r}"[:200]
        trial.set_user_attr("error", line)
        place.study.tell(trial, state=TrialState.FAIL)
    else:
        place.study.tell(trial, value)


def _objective(search: Search, place: Place, trial: optuna.Trial, folder: Path) -> float:
    """Train the folds of a trial, reporting each epoch; returns the mean of its validation."""
    from clipit_lightning.training import train
    from clipit_lightning.training.scorers import validations

    config = _config(search, place, trial, folder)
    running = RunningObjective(config.selection, search.monitor, folder)
    reported = set(next(each for each in place.trials() if each.number == trial.number).intermediate_values)

    def watch(fold: int, epoch: int, validation: dict[str, float]) -> None:
        value = running.update(fold, validation)[search.metric]
        before = 0 if config.data.fold is not None else fold  # folds are trained one after the other
        step = before * validations(config) + epoch + 1
        if step not in reported:
            trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    with _logged(search, trial.number):
        result = train.run(config, watch=watch)
    reached = result.validation.metrics.get(search.metric)
    if reached is None:
        raise UserError(f"{config.model.name} reports no validation {search.metric}; search over a scorer that trains")
    return reached.mean


def _config(search: Search, place: Place, trial: optuna.Trial, folder: Path) -> Config:
    config = base_config(place.sweep, trial.user_attrs["values"])
    return replace(config, data=replace(config.data, root=search.root), output=str(folder))


@contextmanager
def _logged(search: Search, number: int) -> Iterator[None]:
    """Write the lines of a training to the log of its trial."""
    handler = logging.Handler()
    handler.emit = lambda record: _log(search, number, record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _log(search: Search, number: int, line: str) -> None:
    """Add a line to the log of a trial; a full disk is no reason to lose it."""
    with suppress(OSError), (search.folder / "logs" / f"trial-{number}.txt").open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")


def _refuse_to_fail_for_ever(trials: list[FrozenTrial]) -> None:
    ended = sorted((each for each in trials if each.datetime_complete), key=lambda each: each.datetime_complete or 0)
    last = ended[-_FAILURES:]
    if len(last) == _FAILURES and all(each.state == TrialState.FAIL and "error" in each.user_attrs for each in last):
        raise UserError(f"{_FAILURES} trials failed one after the other; the last: {last[-1].user_attrs['error']}")
