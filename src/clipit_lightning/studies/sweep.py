"""Searches on this machine: the trials of a sweep file as runs, on a study that outlives every process."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import yaml

from clipit_lightning import __version__
from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json, write_json, write_text
from clipit_lightning.core.locks import run_lock
from clipit_lightning.core.log import log
from clipit_lightning.core.processes import Pool
from clipit_lightning.evaluation.presets import apply_preset
from clipit_lightning.evaluation.protocol import check_contradictions
from clipit_lightning.studies.sweep_check import check, definition
from clipit_lightning.studies.sweep_file import PREFIX, Sweep
from clipit_lightning.studies.sweep_report import (
    FINISHED,
    results_table,
    shown_trials,
    trial_line,
    write_plots,
    write_results,
)
from clipit_lightning.studies.sweep_worker import Search, make_database, open_study, shown_url, storage_errors, work
from clipit_lightning.training import build
from clipit_lightning.training.scorers import check_scorer

_TRIALS = 20
_POLL = 0.5  # seconds


def run_sweep(
    sweep: Sweep,
    trials: int | None = None,
    workers: int = 1,
    storage: str | None = None,
    name: str | None = None,
    folder: Path | None = None,
) -> optuna.Study:
    """Run trials until ``trials`` are complete or stopped early, continuing where an interrupted search stopped.

    Args:
        sweep: What is searched.
        trials: As of `wanted_trials`, those before included.
        workers: Processes, each with a trial of its own.
        storage: URL of a database for several machines; by default an SQLite file in the folder.
        name: Of the study; by default the sweep's.
        folder: Of the search; by default ``runs/sweeps/<name>``.

    Raises:
        UserError: The sweep or its data are invalid, the folder or the study holds another search, the database cannot
            be used, or trials keep failing.
        KeyboardInterrupt: Interrupted; trials continue with the same call.
    """
    name = name or sweep.name
    folder = folder or Path("runs") / "sweeps" / name
    config, metric, monitor, same = _prepare(sweep)
    wanted = wanted_trials(sweep, trials)
    url = storage or f"sqlite:///{folder / 'study.db'}"
    search = Search(sweep, config, metric, monitor, folder, name, url, wanted)
    workers = min(workers, wanted)
    _make_folder(folder, sweep)
    with storage_errors(url):
        make_database(search)
        study = open_study(search)
        # The database of a search on one machine lies in its folder, which may move.
        check_same_search(
            study, folder, {"study": name, "storage": shown_url(storage) if storage else "study.db"}, same
        )
        log.info(
            f"sweep {folder}: {search.wanted} trials, {sweep.method}, {workers} worker{'s' if workers > 1 else ''}"
        )
        try:
            run_workers(search, study, workers)
        finally:
            write_results(study, sweep, metric, folder)
        write_plots(study, metric, folder)
    log.info(results_table(study, sweep, metric))
    if (folder / "best.yaml").exists():
        log.info(f"best configuration: {folder}/best.yaml (clipit train takes it), all trials: {folder}/trials.csv")
    return study


def _prepare(sweep: Sweep) -> tuple[Config, str, str, dict[str, Any]]:
    """Check a sweep, find and check its data."""
    if sweep.online_only is not None:
        raise UserError(sweep.online_only)
    config = check(sweep)
    check_contradictions(config)
    check_scorer(config)
    config = replace(config, data=replace(config.data, root=build.resolve_root(config)))
    datamodule = build.datamodule(apply_preset(config))
    datamodule.setup()
    measures = build.measures(config)
    metric = sweep.metric or measures.monitor
    if metric not in measures.names:
        known = ", ".join(f"{PREFIX}{name}" for name in measures.names)
        raise UserError(f"{sweep.path}: metric.name: {PREFIX}{metric} is unknown; there are {known}")
    protocol = build.describe_protocol(apply_preset(config), datamodule)
    return config, metric, measures.monitor, definition(sweep, config, metric, protocol.data_hash)


def wanted_trials(sweep: Sweep, trials: int | None) -> int:
    """How many trials are to be finished: what was asked for, but not above ``run_cap`` or the size of a grid."""
    limits = (trials, sweep.run_cap, sweep.combinations if sweep.method == "grid" else None)
    return min((limit for limit in limits if limit is not None), default=_TRIALS)


def _make_folder(folder: Path, sweep: Sweep) -> None:
    try:
        for name in ("logs", "trials"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}; give --to FOLDER") from error
    if not (folder / "sweep.yaml").exists():
        write_text(folder / "sweep.yaml", yaml.safe_dump(sweep.raw, sort_keys=False))


def check_same_search(study: optuna.Study, folder: Path, names: dict[str, str], same: dict[str, Any]) -> None:
    """Note in a study and in its folder which search they hold, the first time; later compare.

    ``names`` are of the study and its database, and belong to the folder alone; ``same`` is what may not change.

    Raises:
        UserError: One of them holds another search.
    """
    same, mark = json.loads(json.dumps(same)), folder / "search.json"  # as it is read back
    with run_lock(folder / "turn", patience=120):
        known = [(study.user_attrs.get("definition", same), same)]
        known += [(read_json(mark), names | same)] if mark.exists() else []
        if changed := {key for old, new in known for key in {*old, *new} if old.get(key) != new.get(key)}:
            reasons = ", ".join(sorted(changed)[:5])
            raise UserError(f"{folder} holds another search (other {reasons}); give --to FOLDER or --name NAME")
        versions = study.user_attrs.get("versions", [])
        if __version__ not in versions:
            if versions:
                log.info(f"NOTE: trials so far are of version {', '.join(versions)}, those to come of {__version__}")
            study.set_user_attr("versions", [*versions, __version__])
        study.set_user_attr("definition", same)
        write_json(mark, names | same)


def run_workers(search: Search, study: optuna.Study, number: int) -> None:
    """Start workers, log what ends, and wait for them."""
    ended, died = {trial.number for trial in shown_trials(study) if trial.state.is_finished()}, 0
    with Pool(number, search.folder / "logs") as pool:
        for index in range(number):
            pool.call(f"worker-{index}", work, search)
        while pool.running:
            workers = pool.wait(_POLL)
            ended |= _log_news(search, study, ended)
            for worker in workers:
                if worker.status == 2:
                    raise UserError(worker.reason)
                if worker.status:
                    died += 1
                    log.info(f"{worker.name} died ({worker.reason}), see {search.folder}/logs")
    if died == number:
        raise UserError(f"all workers died, see {search.folder}/logs; the same command continues")


def _log_news(search: Search, study: optuna.Study, known: set[int]) -> set[int]:
    """Log the trials that ended since the last look, and write the tables anew; returns their numbers."""
    trials = shown_trials(study)
    done = sum(trial.state in FINISHED for trial in trials)
    news = [trial for trial in trials if trial.state.is_finished() and trial.number not in known]
    for trial in news:
        log.info(f"[{done}/{search.wanted}] {trial_line(trial, search.sweep, search.metric)}")
    if news:
        write_results(study, search.sweep, search.metric, search.folder)
    return {trial.number for trial in news}
