"""A worker of a search on this machine: a process that runs trial after trial of one of Optuna's studies.

A trial that runs reports to the study every few seconds that it lives. Of one that does not any more, because its
process or its machine died, Optuna queues a copy, which continues in the folder of the first.
"""

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import atomic_path
from clipit_lightning.core.locks import HeldError, run_lock
from clipit_lightning.core.log import log
from clipit_lightning.studies.sweep_check import trial_config
from clipit_lightning.studies.sweep_file import Sweep, draw_values
from clipit_lightning.studies.sweep_report import FINISHED, first_number, shown_trials
from clipit_lightning.training.objective import RunningObjective

_RETRIES = 3  # of a trial whose process died
_FAILURES = 5
"""So many trials that fail one after the other end a search: something is wrong with all of them."""
_POLL = 0.5  # seconds
_OF_STORAGE = (SQLAlchemyError, StorageInternalError, DuplicatedStudyError, OSError)
_NOT_OF_THE_TRIAL = (KeyboardInterrupt, *_OF_STORAGE)
"""What ends a search, such as a full disk; the trial runs again."""


class _FailedError(Exception):
    """A trial failed by itself."""


@dataclass(frozen=True)
class Search:
    """What a worker has to know; it is sent to another process."""

    sweep: Sweep
    config: Config
    """Of every trial, with its root resolved."""
    metric: str
    """What is searched for, in ``validation`` of a result."""
    monitor: str
    """What chooses the epoch."""
    folder: Path
    name: str
    url: str
    wanted: int
    beat: int = 10
    """Seconds after which a trial reports that it lives."""
    grace: int = 60
    """Seconds without a report after which a trial counts as dead."""


def make_database(search: Search) -> None:
    """Make the file of a search's database where there is none, whole or not at all.

    In one that was made in part, names have no index, and Optuna makes the study once more beside the first.
    """
    url = make_url(search.url)
    path = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or not path.parent.is_dir() or path.name.startswith((":", "file:")):
        return
    with run_lock(search.folder / "turn", patience=120):
        if not path.exists():
            with atomic_path(path) as temporary:
                storage = _storage(replace(search, url="sqlite://"))  # in memory
                with storage.engine.connect() as connection:
                    connection.exec_driver_sql("VACUUM INTO ?", (str(temporary),))
                storage.engine.dispose()


def open_study(search: Search) -> optuna.Study:
    """Open the study of a search, made where there is none."""
    # wandb's hyperband has one bracket, which is successive halving. Optuna's HyperbandPruner has several, most of
    # which stop no trial in a search of some tens.
    halving = search.sweep.halving
    return optuna.create_study(
        storage=_storage(search),
        study_name=search.name,
        load_if_exists=True,
        direction="maximize" if search.sweep.maximize else "minimize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(*halving) if halving else optuna.pruners.NopPruner(),
    )


def _storage(search: Search) -> RDBStorage:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    warnings.filterwarnings("ignore", message="The reported value is ignored")  # of an epoch that is trained again
    waits = {"connect_args": {"timeout": 60}} if search.url.startswith("sqlite") else {"pool_pre_ping": True}
    return RDBStorage(
        search.url,
        engine_kwargs=waits,
        heartbeat_interval=search.beat,
        grace_period=search.grace,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(_RETRIES, inherit_intermediate_values=True),
    )


def work(search: Search) -> None:
    """Run trials until the search is over: what a worker does."""
    with storage_errors(search.url):
        study = open_study(search)
        while True:
            # One process of this machine looks and begins a trial at a time, so that none is one too many.
            with ExitStack() as turn:
                turn.enter_context(run_lock(search.folder / "turn", patience=120))
                _retry_dead_trials(study, search.grace)
                trials = study.get_trials(deepcopy=False)
                running = sum(trial.state == TrialState.RUNNING for trial in trials)
                done = sum(trial.state in FINISHED for trial in trials)
                exhausted = _is_grid_exhausted(search.sweep, trials)
                if done >= search.wanted or _reached_target(search.sweep, trials) or (exhausted and not running):
                    return
                if done + running < search.wanted and not exhausted:
                    study.sampler = _sampler(search, _next_number(shown_trials(study)))
                    try:
                        study.optimize(partial(_run_trial, search, turn), n_trials=1, catch=(_FailedError,))
                    except (AssertionError, ValueError, UpdateFinishedTrialError) as error:
                        # Where a trial ended well, Optuna hides the reason behind an assertion that fails.
                        reason = error.__context__ if isinstance(error, AssertionError) else error
                        if not isinstance(reason, ValueError | UpdateFinishedTrialError):
                            raise reason or error from None
                        # It was silent, and another worker took it.
                        log.info(f"the trial is not this worker's any more: {reason}")
                    _check_failures(shown_trials(study))
                    continue
            time.sleep(_POLL)


def _retry_dead_trials(study: optuna.Study, grace: int) -> None:
    """Queue what died once more; Optuna does not see what died before its first heartbeat."""
    fail_stale_trials(study)
    latest = datetime.now() - timedelta(seconds=grace)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if "values" not in trial.user_attrs and trial.datetime_start and trial.datetime_start < latest:
            study.tell(trial.number, state=TrialState.FAIL)
            _queue_again(study, trial)


def _queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(study, trial)


def _is_grid_exhausted(sweep: Sweep, trials: list[FrozenTrial]) -> bool:
    """Whether every combination of a grid has its trial; one that failed would fail again."""
    if sweep.method != "grid" or any(trial.state == TrialState.WAITING for trial in trials):
        return False
    return len({trial.system_attrs.get("grid_id") for trial in trials}) >= sweep.combinations


def _reached_target(sweep: Sweep, trials: list[FrozenTrial]) -> bool:
    target, sign = sweep.target, 1 if sweep.maximize else -1
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return target is not None and any(sign * ((trial.value or 0.0) - target) >= 0 for trial in complete)


def _next_number(trials: list[FrozenTrial]) -> int:
    """Of the trial that begins next, the number that it would have if none had died: that of the first in the queue."""
    queued = next((first_number(trial) for trial in trials if trial.state == TrialState.WAITING), None)
    return len(trials) if queued is None else sum(first_number(trial) < queued for trial in trials)


def _sampler(search: Search, number: int) -> BaseSampler:
    """Draw from the seed and the trial's number, also when a search continues."""
    seed = int(np.random.SeedSequence((search.config.seed, number)).generate_state(1)[0])
    if search.sweep.method == "grid":
        return GridSampler(search.sweep.labels, seed=search.config.seed)
    if search.sweep.method == "random":
        return RandomSampler(seed)
    # Trials that run elsewhere count as bad ones, so that workers do not all draw beside the best.
    return TPESampler(seed=seed, constant_liar=True)


def _run_trial(search: Search, turn: ExitStack, trial: optuna.Trial) -> float:
    """Draw a trial, give the turn to others, and train."""
    with ExitStack() as logged:
        try:
            number = first_number(trial.study.get_trials(deepcopy=False)[trial.number])
            values = draw_values(search.sweep, trial)
            trial.set_user_attr("values", values)
            turn.close()
            logged.enter_context(_logged_to(search.folder / "logs" / f"trial-{number}.txt"))
            return _objective(search, trial, values, search.folder / "trials" / str(number))
        except optuna.TrialPruned:
            raise
        except (KeyboardInterrupt, Exception) as error:
            of_disk = isinstance(error.__cause__, OSError) and not isinstance(error, HeldError)
            if of_disk or isinstance(error, _NOT_OF_THE_TRIAL):
                _queue_again(trial.study, trial.study.get_trials(deepcopy=False)[trial.number])
                raise
            # It may run out of memory, diverge, or be an impossible combination.
            log.info(f"failed: {error!r}")
            line = (str(error).splitlines() or [""])[0] if isinstance(error, UserError) else f"{error!r}"[:200]
            trial.set_user_attr("error", line)
            raise _FailedError from error


@contextmanager
def _logged_to(file: Path) -> Iterator[None]:
    """Write the log to a file, too."""
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _objective(search: Search, trial: optuna.Trial, values: dict[str, Any], folder: Path) -> float:
    """Train the folds of a trial, reporting each epoch; returns the mean of its validation."""
    from clipit_lightning.training import train
    from clipit_lightning.training.scorers import validations

    config = trial_config(search.sweep, values)
    config = replace(config, data=replace(config.data, root=search.config.data.root), output=str(folder))
    running = RunningObjective(config.selection, search.monitor, folder)

    def watch(fold: int, epoch: int, validation: dict[str, float]) -> None:
        before = 0 if config.data.fold is not None else fold  # folds are trained one after the other
        trial.report(running.update(fold, validation)[search.metric], before * validations(config) + epoch + 1)
        if trial.should_prune():
            raise optuna.TrialPruned

    result = train.run(config, watch=watch)
    reached = result.validation.metrics.get(search.metric)
    if reached is None:
        raise UserError(f"{config.model.name} reports no validation {search.metric}; search over a scorer that trains")
    return reached.mean


def _check_failures(trials: list[FrozenTrial]) -> None:
    ended = [trial for trial in trials if trial.datetime_complete]
    ended.sort(key=lambda trial: trial.datetime_complete or datetime.min)
    last = ended[-_FAILURES:]
    if len(last) == _FAILURES and all("error" in trial.user_attrs for trial in last):
        raise UserError(f"{_FAILURES} trials failed one after the other; the last: {last[-1].user_attrs['error']}")


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn the many errors of databases into one line, without the password that a URL may hold."""
    try:
        yield
    except ImportError as error:
        raise UserError(
            f"--storage: the driver for {shown_url(url)} is missing; for PostgreSQL: pip install 'psycopg[binary]'"
        ) from error
    except _OF_STORAGE as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        origin = getattr(cause, "orig", None) or cause
        reason = first_line(origin)[:200]
        raise UserError(
            f"the study in {shown_url(url)} cannot be used ({_without_password(reason, url)}); "
            "check the address and the server, or the folder and its disk; the same command continues"
        ) from error


def shown_url(url: str) -> str:
    """A database URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "the database"


def _without_password(text: str, url: str) -> str:
    try:
        password = make_url(url).password
        return text.replace(str(password), "***") if password else text
    except SQLAlchemyError:
        return "not a database URL"
