"""One fold: train it or resume its training, choose the epoch, test it, write its result."""

from pathlib import Path
from typing import Any, cast

import lightning as L
from lightning.pytorch.callbacks import LambdaCallback

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.names import METRICS, SHOWN, printed
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.evaluation.statistics import means
from clipit_lightning.training import build, closed_form
from clipit_lightning.training.checkpoints import read_checkpoint, unreadable
from clipit_lightning.training.ranks import Processes
from clipit_lightning.training.result import FoldResult
from clipit_lightning.training.run import Run
from clipit_lightning.training.scorers import scorer_class
from clipit_lightning.training.task import SummarizationTask
from clipit_lightning.training.trainer import Watch, make_trainer


def run_fold(
    config: Config,
    datamodule: SummarizationDataModule,
    run: Run,
    index: int,
    protocol: Protocol,
    processes: Processes,
    watch: Watch | None = None,
    device: int | None = None,
) -> FoldResult:
    """Train and, but for ``test=false``, test one fold, or read its result where an earlier run finished it."""
    path = run.fold(index)
    finished = processes.first(lambda: run.fold_result(index))
    if finished is not None:
        log.info(f"fold {index}: finished before")
        return finished
    datamodule.fold = index
    task = build.task(config, datamodule.feature_dim, datamodule.text_dim, datamodule.streams)
    validates = datamodule.validate_on_test or bool(datamodule.folds[index].validation)
    trainer, checkpoint = make_trainer(config, path, run.path.name, protocol, index, validates, device, watch)
    epoch, validation = None, None
    try:
        best = None
        if task.scorer.fit == "closed form":
            best = closed_form.fit(task, config, datamodule, path, processes, trainer.loggers, watch)
        elif task.scorer.fit == "gradient":
            _fit(trainer, task, datamodule, path, processes)
            best = Path(checkpoint.best_model_path)
        if best is not None:
            chosen = read_checkpoint(best, task.state_dict())
            task.load_state_dict(chosen["state_dict"])
            epoch, validation = int(chosen["epoch"]), chosen["validation"]
        tested = _test(trainer, task, datamodule) if config.test else {"metrics": {}, "per_video": [], "scores": {}}
    except SystemExit as error:  # lightning's answer to Ctrl-C
        raise KeyboardInterrupt from error
    for row in tested["per_video"]:
        row["fold"] = index
    fold = FoldResult(fold=index, epoch=epoch, validation=validation, **tested)
    for logger in trainer.loggers:
        from clipit_lightning.training.wandb import FoldLogger, log_fold  # wandb takes a second to import

        log_fold(cast(FoldLogger, logger), fold)
    processes.first(lambda: run.write_fold(fold))
    log.info(fold_line(config, fold))
    return fold


def fold_line(config: Config, fold: FoldResult) -> str:
    """A finished fold as a line of progress."""
    reached = fold.metrics if config.test else fold.validation or {}
    words = [] if config.test else ["validation"]
    words += [f"{METRICS[name].column} {printed(name, reached[name])}" for name in SHOWN if name in reached]
    if fold.epoch is not None:
        chosen = f"epoch {fold.epoch + 1} of {config.optim.epochs}"
        if scorer_class(config.model.name).selects == "alpha":
            chosen = f"alpha {config.model.alphas[fold.epoch]:g}"
        words.append(f"({chosen}, selection {config.selection})")
    return f"fold {fold.fold}: " + "  ".join(words)


def _test(trainer: L.Trainer, task: SummarizationTask, datamodule: SummarizationDataModule) -> dict[str, Any]:
    trainer.test(task, datamodule=datamodule, verbose=False)
    metrics = means(task.tested, task.measures.names)
    return {"metrics": metrics, "per_video": task.tested.to_dict("records"), "scores": task.scores}


def _fit(
    trainer: L.Trainer, task: SummarizationTask, datamodule: SummarizationDataModule, path: Path, processes: Processes
) -> None:
    """Train, from the last epoch of an interrupted run where there is one."""
    last = path / "last.ckpt"
    resumes = processes.first(last.exists)
    if resumes:  # says what is wrong before Lightning would
        processes.first(lambda: bool(read_checkpoint(last, task.state_dict())))
    began: list[bool] = []
    trainer.callbacks.append(LambdaCallback(on_train_start=lambda *_: began.append(True)))  # type: ignore[attr-defined]
    try:
        trainer.fit(task, datamodule=datamodule, ckpt_path=str(last) if resumes else None, weights_only=True)
    except Exception as error:
        if began or not resumes or isinstance(error, UserError | OSError):
            raise
        raise unreadable(last, error) from error  # the state of an optimizer, a schedule, a loop or a callback
