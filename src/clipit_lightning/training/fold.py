"""One fold: train it or resume its training, choose the epoch, test it, write its result."""

from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loggers import WandbLogger

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json, write_json
from clipit_lightning.core.log import log
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.evaluation.statistics import means
from clipit_lightning.training import build, closed_form
from clipit_lightning.training.checkpoints import read_checkpoint, unreadable
from clipit_lightning.training.ranks import Processes
from clipit_lightning.training.result import fold_line
from clipit_lightning.training.run import RunFolder
from clipit_lightning.training.task import SummarizationTask
from clipit_lightning.training.trainer import Watch, make_trainer


def run_fold(
    config: Config,
    datamodule: SummarizationDataModule,
    folder: RunFolder,
    index: int,
    protocol: Protocol,
    processes: Processes,
    watch: Watch | None = None,
    device: int | None = None,
) -> dict[str, Any]:
    """Train and test one fold, or read its result where an earlier run finished it.

    Returns:
        ``metrics`` (means over the fold's test videos), ``per_video`` rows, ``scores``, the selected ``epoch``
        and what it reached in ``validation`` (None for a scorer that does not train). Nothing is tested with
        ``test=false``.
    """
    path = folder.fold(index)
    finished: dict[str, Any] | None = processes.first(lambda: _finished(path / "result.json"))
    if finished is not None:
        log.info(f"fold {index}: finished before")
        return finished
    datamodule.fold = index
    task = build.task(config, datamodule.feature_dim, datamodule.text_dim)
    validates = datamodule.validate_on_test or bool(datamodule.folds[index].validation)
    trainer, checkpoint = make_trainer(config, path, folder.path.name, protocol, index, validates, device, watch)
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
    fold = {"fold": index, "epoch": epoch, "validation": validation, **tested}
    for row in fold["per_video"]:
        row["fold"] = index
    _tell_wandb(trainer, fold)
    processes.first(lambda: write_json(path / "result.json", fold))
    log.info(fold_line(config, fold, task.measures.names))
    return fold


def _tell_wandb(trainer: L.Trainer, fold: dict[str, Any]) -> None:
    if not any(isinstance(logger, WandbLogger) for logger in trainer.loggers):
        return
    from clipit_lightning.training.wandb import FoldLogger, log_fold  # wandb takes a second to import

    for logger in trainer.loggers:
        if isinstance(logger, FoldLogger):
            log_fold(logger, fold, pd.DataFrame(fold["per_video"]))


def _finished(path: Path) -> dict[str, Any] | None:
    """The result of a fold that an earlier run finished, or None.

    Raises:
        UserError: The file is not one.
    """
    if not path.exists():
        return None
    fold = read_json(path)
    if not _is_result(fold):
        raise UserError(f"{path}: not the result of a fold, or damaged; remove {path.parent} to train it anew")
    result: dict[str, Any] = fold
    return result


def _is_result(fold: Any) -> bool:  # noqa: ANN401 - whatever stood in the file
    """Whether it has what ``run_fold`` writes, of the right kinds."""
    if not isinstance(fold, dict) or not {"fold", "epoch", "validation", "metrics", "per_video", "scores"} <= set(fold):
        return False
    rows, scores = fold["per_video"], fold["scores"]
    return (
        isinstance(fold["fold"], int)
        and isinstance(fold["epoch"], int | None)
        and _are_numbers(fold["metrics"])
        and (fold["validation"] is None or _are_numbers(fold["validation"]))
        and isinstance(rows, list)
        and all(isinstance(row, dict) and _is_row(row) for row in rows)
        and isinstance(scores, dict)
        and all(
            isinstance(row, list) and all(isinstance(score, int | float) for score in row) for row in scores.values()
        )
    )


def _are_numbers(values: Any) -> bool:  # noqa: ANN401 - whatever stood in the file
    return isinstance(values, dict) and all(isinstance(value, int | float) for value in values.values())


def _is_row(row: dict[str, Any]) -> bool:
    names = {name: row[name] for name in ("video", "query") if name in row}
    printable = all(isinstance(name, str) and name.isprintable() for name in names.values())
    return "video" in row and printable and _are_numbers({name: row[name] for name in row if name not in names})


def _test(trainer: L.Trainer, task: SummarizationTask, datamodule: SummarizationDataModule) -> dict[str, Any]:
    trainer.test(task, datamodule=datamodule, verbose=False)
    rows = task.test_rows()
    return {
        "metrics": means(rows, task.measures.names),
        "per_video": rows.to_dict("records"),
        "scores": task.scores,
    }


def _fit(
    trainer: L.Trainer, task: SummarizationTask, datamodule: SummarizationDataModule, path: Path, processes: Processes
) -> None:
    """Train, from the last epoch of an interrupted run where there is one."""
    last = path / "last.ckpt"
    resumes = processes.first(lambda: _can_resume(last, task))
    began: list[bool] = []
    trainer.callbacks.append(LambdaCallback(on_train_start=lambda *_: began.append(True)))  # type: ignore[attr-defined]
    try:
        trainer.fit(task, datamodule=datamodule, ckpt_path=str(last) if resumes else None, weights_only=True)
    except Exception as error:
        if began or not resumes or isinstance(error, UserError | OSError):
            raise
        # Lightning could not resume the state of an optimizer, a schedule, a loop or a callback.
        raise unreadable(last, error) from error


def _can_resume(last: Path, task: SummarizationTask) -> bool:
    if not last.exists():
        return False
    read_checkpoint(last, task.state_dict())  # says what is wrong before Lightning would
    return True
