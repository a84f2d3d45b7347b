"""Local sweeps: the trials of a sweep file as runs of this machine, on a study that outlives every process."""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import yaml

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json, write_json, write_text
from clipit_lightning.core.processes import devices
from clipit_lightning.studies.sweep_check import prepare
from clipit_lightning.studies.sweep_claims import Place, choosing
from clipit_lightning.studies.sweep_report import describe, results_table, write_plots, write_results
from clipit_lightning.studies.sweep_search import FINISHED, shown, storage_errors
from clipit_lightning.studies.sweep_space import Sweep
from clipit_lightning.studies.sweep_values import Choice
from clipit_lightning.studies.sweep_worker import Search, place_of, start

Say = Callable[[str], None]
_TRIALS = 20
_POLL = 0.5  # seconds
_PATIENCE = 10  # seconds for a worker to end by itself


def run_sweep(
    sweep: Sweep,
    trials: int | None = None,
    workers: int = 1,
    storage: str | None = None,
    name: str | None = None,
    folder: Path | None = None,
    say: Say = print,
) -> optuna.Study:
    """Run trials until ``trials`` are complete or stopped early, going on where an interrupted search stopped.

    Args:
        sweep: What is searched.
        trials: Of the whole study, those before included; by default the file's ``run_cap``, a whole grid, or 20.
        workers: Processes, each with a trial of its own.
        storage: URL of a database for several machines; by default an SQLite file in the folder.
        name: Of the study; by default the sweep's.
        folder: Of the search; by default ``runs/sweeps/<name>``.
        say: Takes lines of progress.

    Returns:
        The study.

    Raises:
        UserError: The sweep or its data are unsound, the folder or the study holds another search, the database cannot
            be used, or trials keep failing.
        KeyboardInterrupt: Interrupted; trials go on with the same call.
    """
    name = name or sweep.name
    folder = folder or Path("runs") / "sweeps" / name
    prepared = prepare(sweep, say)
    search = Search(
        path=sweep.path,
        raw=sweep.raw,
        words=sweep.added,
        root=str(prepared.config.data.root),
        metric=prepared.metric,
        monitor=prepared.monitor,
        seed=prepared.config.seed,
        folder=folder,
        name=name,
        url=storage or f"sqlite:///{folder / 'study.db'}",
        shared=storage is not None,
        wanted=wanted_trials(sweep, trials),
    )
    _make(folder, sweep)
    with storage_errors(search.url):
        place = place_of(search)
        _refuse_another_search(place, name, search.url, prepared.definition)
        say(f"sweep {folder}: {search.wanted} trials, {sweep.method}, {workers} worker{'s' * (workers != 1)}")
        try:
            _run_workers(search, place, workers, say)
        finally:
            write_results(place.study, sweep, search.metric, folder)
        write_plots(place.study, search.metric, folder, say)
    say(results_table(place.study, sweep, search.metric))
    if (folder / "best.yaml").exists():
        say(f"best configuration: {folder / 'best.yaml'} (clipit train takes it), all trials: {folder / 'trials.csv'}")
    return place.study


def wanted_trials(sweep: Sweep, trials: int | None) -> int:
    """How many trials are to be finished: what was asked for, but not above ``run_cap`` or the size of a grid."""
    limits = [] if sweep.run_cap is None else [sweep.run_cap]
    if sweep.method == "grid":
        limits.append(prod(len(each.base.labels) for each in sweep.parameters if isinstance(each.base, Choice)))
    if trials is None:
        return min(limits, default=_TRIALS)
    return min([trials, *limits])


def _make(folder: Path, sweep: Sweep) -> None:
    """Make the folder of a search, with a copy of its file."""
    try:
        for name in ("claims", "logs", "trials"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}; give --to FOLDER") from error
    if not (folder / "sweep.yaml").exists():
        write_text(folder / "sweep.yaml", yaml.safe_dump(sweep.raw, sort_keys=False))


def _refuse_another_search(place: Place, name: str, url: str, definition: dict[str, Any]) -> None:
    """The first search of a study and of a folder leaves in both what it is; every other has to be the same."""
    definition = json.loads(json.dumps(definition))  # as it is read back
    mark = place.folder / "search.json"
    with choosing(place):
        # The database of a search on one machine lies in its folder, which may move.
        here = {"study": name, "storage": shown(url) if place.shared else "study.db", **definition}
        known = [(place.study.user_attrs.get("definition", definition), definition)]
        known += [(read_json(mark), here)] if mark.exists() else []
        changed = [key for old, new in known for key in {*old, *new} if old.get(key) != new.get(key)]
        if changed:
            reasons = ", ".join(sorted(set(changed))[:5])
            raise UserError(f"{place.folder} holds another search (other {reasons}); give --to FOLDER or --name NAME")
        place.study.set_user_attr("definition", definition)
        write_json(mark, here)


def _run_workers(search: Search, place: Place, number: int, say: Say) -> None:
    """Start workers, print what ends, and wait for them; stop them when interrupted.

    Raises:
        UserError: A worker met an error that ends the search, or all of them died.
        KeyboardInterrupt: Interrupted.
    """
    context = multiprocessing.get_context("spawn")
    told, tell = context.Pipe(duplex=False)
    gpus = devices(number)
    workers: list[BaseProcess] = [
        context.Process(target=start, args=(search, index, gpus[index], tell), name=f"worker {index}")
        for index in range(number)
    ]
    ended = {trial.number for trial in place.trials() if trial.state.is_finished()}
    with _stopping(workers):
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            time.sleep(_POLL)
            ended |= _say_news(place, search, ended, say)
            _refuse_errors(told)
        _say_news(place, search, ended, say)
        _refuse_errors(told)
    for worker in workers:
        if worker.exitcode:
            say(f"{worker.name} died (exit status {worker.exitcode}), see {search.folder / 'logs'}")
    if all(worker.exitcode for worker in workers):
        raise UserError(f"all workers died, see {search.folder / 'logs'}; the same command continues")


def _say_news(place: Place, search: Search, known: set[int], say: Say) -> set[int]:
    """Print the trials that ended since the last look, and write the tables anew; returns their numbers."""
    trials = place.trials()
    news = [trial for trial in trials if trial.state.is_finished() and trial.number not in known]
    done = sum(trial.state in FINISHED for trial in trials)
    for trial in news:
        say(f"[{done}/{search.wanted}] {describe(trial, place.sweep, search.metric)}")
    if news:
        write_results(place.study, place.sweep, search.metric, search.folder)
    return {trial.number for trial in news}


def _refuse_errors(told: Connection) -> None:
    if told.poll():
        raise UserError(str(told.recv()))


@contextmanager
def _stopping(workers: Sequence[BaseProcess]) -> Iterator[None]:
    """Leave no worker behind: tell them to end, then make them; a run survives both."""
    try:
        yield
    finally:
        started = [worker for worker in workers if worker.pid is not None]
        for worker in started:
            worker.terminate()
        until = time.monotonic() + _PATIENCE
        for worker in started:
            worker.join(max(0.0, until - time.monotonic()))
            worker.kill()
            worker.join()
