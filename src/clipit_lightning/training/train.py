"""Train and test every fold of a configuration, resume what was interrupted, and write the result."""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from clipit_lightning import __version__
from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError, require
from clipit_lightning.core.locks import run_lock
from clipit_lightning.core.log import log
from clipit_lightning.core.processes import interrupt, keep_memory
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.presets import apply_preset
from clipit_lightning.evaluation.protocol import Protocol, check_contradictions
from clipit_lightning.training import build
from clipit_lightning.training.fold import run_fold
from clipit_lightning.training.folds_apart import folds_at_once, threads_of_a_fold, train_apart
from clipit_lightning.training.names import run_folder
from clipit_lightning.training.over_folds import run_result
from clipit_lightning.training.ranks import Processes, check_accelerator, launch, no_group_left, start
from clipit_lightning.training.result import RunResult
from clipit_lightning.training.run import Run
from clipit_lightning.training.scorers import check_scorer, scorer_class
from clipit_lightning.training.trainer import Watch, handle_sigterm, quiet_lightning


def run(config: Config, watch: Watch | None = None) -> RunResult:
    """Train and test all folds of a configuration, resuming where an interrupted run stopped.

    ``watch`` is called in this process, which therefore must be the only one.

    Raises:
        UserError: Data are missing or invalid, the output folder holds another run or is in use, or training failed in
            a way that the user can fix.
    """
    quiet_lightning()
    keep_memory()
    check_contradictions(config)
    check_scorer(config)
    check_accelerator(config.trainer)
    processes = start(config.trainer)
    if processes is None:
        require(watch is None, "trainer.devices", "a run that is watched is one process; use 1")
        return launch(run, config)
    with _logging(processes), no_group_left():
        config = apply_preset(config)
        config = replace(config, data=replace(config.data, root=build.resolve_root(config)))
        datamodule = build.datamodule(config)
        datamodule.setup()
        _check_measurable(config, datamodule)
        if config.loss.contrast:  # the task says what it lacks
            build.task(config, datamodule.feature_dim, datamodule.text_dim, datamodule.streams).check_data(datamodule)
        protocol = build.describe_protocol(config, datamodule)
        named = Run(Path(config.output)) if config.output else None
        folder = named or processes.first(lambda: run_folder(config, protocol))
        with run_lock(folder.path) if processes.rank == 0 else nullcontext():
            return _run(config, datamodule, protocol, folder, processes, watch)


def _run(
    config: Config,
    datamodule: SummarizationDataModule,
    protocol: Protocol,
    folder: Run,
    processes: Processes,
    watch: Watch | None,
) -> RunResult:
    started = time.monotonic()
    finished = processes.first(lambda: folder.open(config, protocol))
    if finished is not None:
        by = "" if finished.version == __version__ else f", by version {finished.version}"
        log.info(f"{folder.path} is already finished{by}; overwrite=true runs it again")
        return finished
    scorer = scorer_class(config.model.name)
    if scorer.reads_language and not datamodule.has_text:
        title = scorer.title or scorer.__name__
        log.info(f"NOTE: no captions (the store holds none, or data.captions=0): {title} trains without language")
    for note in datamodule.stores[datamodule.target].notes():
        log.info(f"NOTE: {datamodule.stores[datamodule.target].path}: {note}")
    indices = list(range(len(datamodule.folds))) if config.data.fold is None else [config.data.fold]
    count = "1 fold" if len(indices) == 1 else f"{len(indices)} folds"
    at_once = 1 if watch is not None else folds_at_once(config.trainer, len(indices))
    side_by_side = ", side by side, a line as each ends" if at_once > 1 else ""
    log.info(f"run {folder.path}: {count}{side_by_side}, protocol {protocol.identifier}")
    with threads_of_a_fold(config.trainer, len(indices)):
        if at_once > 1:
            folds = train_apart(config, datamodule, folder, indices, protocol, at_once)
        else:
            folds = [run_fold(config, datamodule, folder, index, protocol, processes, watch) for index in indices]
    seconds = time.monotonic() - started
    result = processes.first(
        lambda: run_result(folder.path.name, config, datamodule, protocol, folds, seconds, folder.versions())
    )
    processes.first(lambda: folder.write(result, folds))
    if config.logger.wandb != "off":
        from clipit_lightning.training.wandb import log_run  # wandb takes a second to import

        log_run(config, folder.path, result)
    return result


@contextmanager
def _logging(processes: Processes) -> Iterator[None]:
    """Log on the first process alone, and stop on SIGTERM."""
    level, handler = log.level, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
    log.setLevel(logging.INFO if processes.rank == 0 else logging.ERROR)
    handle_sigterm(interrupt)
    try:
        yield
    finally:
        log.setLevel(level)
        handle_sigterm(handler)


def _check_measurable(config: Config, datamodule: SummarizationDataModule) -> None:
    """Check before any training that the fold exists, and the annotations that the rules need."""
    if config.data.fold is not None and config.data.fold >= len(datamodule.folds):
        raise UserError(
            f"data.fold: is {config.data.fold}; {config.data.family} has folds 0 to {len(datamodule.folds) - 1}"
        )
    measures = build.measures(config)
    measured = {name for fold in datamodule.folds for name in (*fold.validation, *fold.test)}
    learned = {name for fold in datamodule.folds if config.loss.supervision == "supervised" for name in fold.train}
    if lacking := [name for name in datamodule.not_annotated() if name in measured | learned]:
        raise UserError(
            f"{lacking[0]} has no annotations; train without labels (`unsupervised`) and test on others, "
            "or give it labels (clipit prepare --labels)"
        )
    for number in datamodule.numbers(sorted(measured)):
        measures.check(datamodule.annotations(number))
