"""Which worker runs which trial of a study: nothing twice, nothing lost, nothing over the wanted number.

On one machine a worker holds a lock for each trial that it runs; the system lets go of it when the worker ends, however
it ends, and the next worker goes on with that trial, in its folder and under its number. Of a trial on another machine
only the heartbeat in the database is seen; when it stays away, Optuna fails the trial and queues it once more.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import optuna
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from clipit_lightning.core.locks import HeldError, run_lock
from clipit_lightning.studies.sweep_search import BEAT, FINISHED, next_combination, suggest
from clipit_lightning.studies.sweep_space import Sweep, values_of

_POLL = 0.5  # seconds
_STILLBORN = timedelta(seconds=60)
"""A trial that nobody owns after this time lost its worker between being made and being claimed."""
_FRUITLESS = 3
"""A trial whose workers died this often without an epoch in between fails, before it takes all workers with it."""


@dataclass(frozen=True)
class Place:
    """Where a search runs: its folder on this machine, its study, and how many trials are wanted."""

    folder: Path
    study: optuna.Study
    sweep: Sweep
    wanted: int
    shared: bool = False
    """Other machines may work on the study."""

    @property
    def home(self) -> str:
        """Name of the folder among those of all machines."""
        return f"{socket.gethostname()}:{self.folder.resolve()}"

    def trials(self) -> list[FrozenTrial]:
        """All trials, as the database has them now."""
        return self.study.get_trials(deepcopy=False)

    def trial_folder(self, trial: FrozenTrial | optuna.Trial) -> Path:
        """Folder of a trial's run; a trial that is run once more goes on in the folder of its first try."""
        return self.folder / "trials" / str(trial.user_attrs.get("folder", trial.number))

    def lock(self, trial: FrozenTrial | optuna.Trial) -> Path:
        """What is locked while a worker of this machine runs a trial."""
        return self.folder / "claims" / self.trial_folder(trial).name


@contextmanager
def choosing(place: Place) -> Iterator[None]:
    """Hold the right to choose trials, which one process of this machine has at a time.

    Raises:
        UserError: Another one holds it for minutes, or the folder cannot be written to.
    """
    with run_lock(place.folder / "claims" / "choosing", patience=120):
        yield


@contextmanager
def next_trial(place: Place) -> Iterator[optuna.Trial | None]:
    """Claim the next trial to run, waiting where all that are missing run elsewhere; None when the search is over.

    While the block runs the trial is this worker's, and its heart beats where the study is shared.
    """
    with ExitStack() as held:
        trial = None
        while not over(place):
            with choosing(place):
                trial = _adopted(place, held) or _new(place, held)
            if trial is not None or _complete_grid(place):
                break
            time.sleep(_POLL)
        if trial is not None:
            held.enter_context(_heartbeat(place, trial))
        yield trial


def over(place: Place) -> bool:
    """Whether the wanted number of trials is finished, or one reached the target."""
    done = [trial for trial in place.trials() if trial.state in FINISHED]
    target, sign = place.sweep.target, 1 if place.sweep.maximize else -1
    values = [trial.value for trial in done if trial.state == TrialState.COMPLETE and trial.value is not None]
    return len(done) >= place.wanted or (target is not None and any(sign * (each - target) >= 0 for each in values))


def _complete_grid(place: Place) -> bool:
    """Whether every combination of a grid has its trial and none of them runs."""
    if place.sweep.method != "grid":
        return False
    trials = place.trials()
    open_ones = any(trial.state in (TrialState.RUNNING, TrialState.WAITING) for trial in trials)
    return not open_ones and next_combination(place.sweep, trials) is None


def _adopted(place: Place, held: ExitStack) -> optuna.Trial | None:
    """A trial of this machine whose worker died."""
    for seen in place.trials():
        if not _is_ours(place, seen):
            continue
        with ExitStack() as stack:
            try:
                stack.enter_context(run_lock(place.lock(seen), patience=0))
            except HeldError:
                continue  # its worker lives
            trial = optuna.Trial(place.study, seen._trial_id)  # the only way to go on with a running trial
            frozen = trial.storage.get_trial(seen._trial_id)
            if not _is_ours(place, frozen):
                continue  # its worker finished it before we had the lock
            if _fruitless(trial, frozen):
                trial.set_user_attr("error", f"its worker died {_FRUITLESS} times without an epoch in between")
                place.study.tell(trial, state=TrialState.FAIL)
                continue
            _own(place, trial)
            held.push(stack.pop_all())
            return trial
    return None


def _is_ours(place: Place, frozen: FrozenTrial) -> bool:
    """Whether a trial runs, and whether it does so here can be seen from its lock.

    Of a study on one machine every trial is ours, also where the folder was moved or the machine has another name. One
    without an owner lost its maker, since we hold the right to make trials; on a shared study time has to show that.
    """
    if frozen.state != TrialState.RUNNING:
        return False
    if not place.shared:
        return True
    if "home" in frozen.user_attrs:
        return bool(frozen.user_attrs["home"] == place.home)
    return frozen.datetime_start is not None and datetime.now() - frozen.datetime_start > _STILLBORN


def _fruitless(trial: optuna.Trial, frozen: FrozenTrial) -> bool:
    """Note an adoption; whether the last ones all began after the same epoch."""
    begun = [*frozen.user_attrs.get("adopted", []), frozen.last_step]
    trial.set_user_attr("adopted", begun)
    return begun[-_FRUITLESS - 1 :] == [frozen.last_step] * (_FRUITLESS + 1)


def _new(place: Place, held: ExitStack) -> optuna.Trial | None:
    """A new trial, or one that lost its machine; None where as many run or are finished as are wanted."""
    if place.shared:
        fail_stale_trials(place.study)
    trials = place.trials()
    counted = [trial for trial in trials if trial.state in FINISHED or trial.state == TrialState.RUNNING]
    waiting = any(trial.state == TrialState.WAITING for trial in trials)
    if len(counted) >= place.wanted:
        return None
    if place.sweep.method == "grid" and not waiting and next_combination(place.sweep, trials) is None:
        return None
    trial = place.study.ask()
    if trial.user_attrs.get("home") != place.home:
        trial.set_user_attr("folder", trial.number)
    try:
        held.enter_context(run_lock(place.lock(trial)))
    except HeldError:  # its first worker, here, was only silent; it will find that it has lost the trial
        trial.set_user_attr("folder", trial.number)
        held.enter_context(run_lock(place.lock(trial)))
    _own(place, trial)
    return trial


def _own(place: Place, trial: optuna.Trial) -> None:
    """Write down whose the trial is, and its values; of those that it has already, none changes."""
    trial.set_user_attr("home", place.home)
    values = values_of(place.sweep, lambda each: suggest(trial, each))
    trial.set_user_attr("values", values)


@contextmanager
def _heartbeat(place: Place, trial: optuna.Trial) -> Iterator[None]:
    """Say every few seconds that the trial lives, where others may ask; Optuna's own thread needs `Study.optimize`."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.is_set():
            with suppress(Exception):  # the database is away for a moment; if it stays away the next report says so
                place.study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]  # has heartbeats
            stop.wait(BEAT)

    thread = threading.Thread(target=beat, daemon=True)
    if place.shared:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if place.shared:
            thread.join()
