"""Optuna's side of a sweep: the study, how a trial's values are drawn, and when a trial is stopped."""

import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, StorageInternalError
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from clipit_lightning.core.errors import UserError
from clipit_lightning.studies.sweep_space import Stopping, Sweep
from clipit_lightning.studies.sweep_values import Choice, Parameter

BEAT, GRACE = 10, 60  # seconds: how often a trial on a shared server says that it lives, and when it counts as dead
_RETRIES = 3  # of a trial whose machine was lost
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def suggest(trial: optuna.Trial, each: Parameter) -> Any:  # noqa: ANN401 - a label or a number
    """Draw the base variable of a parameter; a trial that has it already keeps it."""
    assert each.base is not None
    if isinstance(each.base, Choice):
        return trial.suggest_categorical(each.key, each.base.labels)
    if each.base.integer:
        return trial.suggest_int(each.key, int(each.base.low), int(each.base.high))
    return trial.suggest_float(each.key, each.base.low, each.base.high, log=each.base.log)


def combinations(sweep: Sweep) -> Iterator[dict[str, str]]:
    """All combinations of a grid, as labels by key, in wandb's order: the last parameter changes first."""
    choices = {each.key: each.base.labels for each in sweep.parameters if isinstance(each.base, Choice)}
    for labels in product(*choices.values()):
        yield dict(zip(choices, labels, strict=True))


def next_combination(sweep: Sweep, trials: Sequence[FrozenTrial]) -> dict[str, str] | None:
    """The first combination of a grid that no trial has; a trial that failed would fail again."""
    taken = {tuple(trial.params.get(key) for key in keys) for trial in trials} if (keys := _keys(sweep)) else set()
    return next((each for each in combinations(sweep) if tuple(each.values()) not in taken), None)


def _keys(sweep: Sweep) -> list[str]:
    return [each.key for each in sweep.parameters if isinstance(each.base, Choice)]


class NumberedSampler(BaseSampler):
    """Draws a trial by its number: the same number draws the same, whatever process asks and whatever stopped before.

    Grid: the first combination that no trial has. Random: from the seed, the number and the key alone. Bayes: Optuna's
    TPE, from these and the trials so far. Each key has random numbers of its own, for a worker may die between two keys
    and the next one draws only the rest.

    Args:
        sweep: What is searched.
        seed: Seed of all draws.
    """

    def __init__(self, sweep: Sweep, seed: int) -> None:
        self.sweep, self.seed = sweep, seed
        self._combination: dict[str, str] = {}

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Get ready to draw this trial."""
        if self.sweep.method == "grid":
            others = [each for each in study.get_trials(deepcopy=False) if each.number != trial.number]
            self._combination = next_combination(self.sweep, others) or {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """What is drawn together: nothing."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw them: none."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - what the base class says
        """Draw one parameter."""
        if param_name in self._combination:
            return self._combination[param_name]
        drawing = self._sampler(trial.number, param_name)
        return drawing.sample_independent(study, trial, param_name, param_distribution)

    def _sampler(self, number: int, key: str) -> BaseSampler:
        seeds = np.random.SeedSequence((self.seed, number, zlib.crc32(key.encode())))
        seed = int(seeds.generate_state(1)[0])
        if self.sweep.method == "bayes":
            # Trials that run elsewhere count as bad ones, so that workers do not all draw beside the best.
            return TPESampler(seed=seed, constant_liar=True)
        return RandomSampler(seed=seed)


class BandPruner(optuna.pruners.BasePruner):
    """Stops trials as wandb's hyperband does: one bracket, and at each band the best ``1 / eta`` go on.

    Optuna's own HyperbandPruner parts trials into several brackets, most of which never stop one in a search of some
    tens of trials, so the same file would mean another search (wandb: ``sweeps/hyperband_stopping.py``).

    Args:
        stopping: Bands, in epochs over all folds, and what counts.
    """

    def __init__(self, stopping: Stopping) -> None:
        self.stopping = stopping

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether a trial is to stop now."""
        step = trial.last_step
        passed = [band for band in self.stopping.bands if step is not None and band <= step]
        if not passed or passed[-1] not in trial.intermediate_values:
            return False
        band, sign = passed[-1], -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
        others = [each for each in study.get_trials(deepcopy=False) if each.number != trial.number]
        rivals = [each for each in (*others, trial) if each.state != TrialState.FAIL]
        losses = sorted(sign * each.intermediate_values[band] for each in rivals if band in each.intermediate_values)
        threshold = losses[int(len(losses) / self.stopping.eta)]
        if self.stopping.strict:
            return sign * trial.intermediate_values[band] > threshold
        return min(sign * value for value in trial.intermediate_values.values()) > threshold


def open_study(url: str, name: str, sweep: Sweep, seed: int, shared: bool) -> optuna.Study:
    """The study, made where there is none.

    Args:
        url: Of the database: ``sqlite:///...``, ``postgresql://...``.
        name: Of the study in it.
        sweep: What is searched.
        seed: Of the draws.
        shared: Other machines may use it, too: a trial then says every few seconds that it lives.

    Raises:
        UserError: The database cannot be reached, or its driver is missing.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # we beat ourselves, see claims.py
    with storage_errors(url):
        retry = RetryHeartbeatStaleTrialCallback(max_retry=_RETRIES, inherit_intermediate_values=True)
        storage = _patiently(
            lambda: RDBStorage(
                url,
                engine_kwargs={"connect_args": {"timeout": 60}}
                if url.startswith("sqlite")
                else {"pool_pre_ping": True},
                heartbeat_interval=BEAT if shared else None,
                grace_period=GRACE if shared else None,
                heartbeat_stale_trial_callback=retry if shared else None,
            )
        )
        return optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="maximize" if sweep.maximize else "minimize",
            sampler=NumberedSampler(sweep, seed),
            pruner=optuna.pruners.NopPruner() if sweep.stopping is None else BandPruner(sweep.stopping),
        )


def _patiently(make: Callable[[], RDBStorage]) -> RDBStorage:
    """Two processes that make the tables of a new database at once disturb each other; the second try finds them."""
    for wait in (0.5, 2.0):
        try:
            return make()
        except (SQLAlchemyError, StorageInternalError):
            time.sleep(wait)
    return make()


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn the many errors of databases into one line, without the password that a URL may hold.

    Raises:
        UserError: Something went wrong with the database.
    """
    try:
        yield
    except ImportError as error:
        raise UserError(
            f"--storage: the driver for {shown(url)} is missing; for PostgreSQL: pip install 'psycopg[binary]'"
        ) from error
    except (SQLAlchemyError, StorageInternalError, DuplicatedStudyError, OSError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        origin = getattr(cause, "orig", None) or cause
        reason = (str(origin).splitlines() or [type(origin).__name__])[0][:200]
        raise UserError(
            f"the study in {shown(url)} cannot be used ({_without_password(reason, url)}); "
            "check the address and the server, or the folder and its disk; the same command continues"
        ) from error


def shown(url: str) -> str:
    """A database URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "the database"


def _without_password(text: str, url: str) -> str:
    try:
        password = make_url(url).password
    except SQLAlchemyError:
        return "not a database URL"
    return text.replace(str(password), "***") if password else text
