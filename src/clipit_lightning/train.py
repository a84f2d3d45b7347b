"""Train and test every fold of a configuration, continue what was interrupted, and write what came out."""

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.loggers import WandbLogger

import clipit_lightning
from clipit_lightning import build
from clipit_lightning.build import Say
from clipit_lightning.config import Config
from clipit_lightning.config_files import config_hash
from clipit_lightning.data.datamodules import SummarizationDataModule
from clipit_lightning.errors import UserError
from clipit_lightning.files import read_json, write_json, write_text
from clipit_lightning.metrics.correlation import references
from clipit_lightning.metrics.rules import METRICS
from clipit_lightning.protocol import Protocol, apply_preset, rules_of
from clipit_lightning.run_folder import RunFolder
from clipit_lightning.task import SummarizationTask


def run(config: Config, say: Say = print) -> dict[str, Any]:
    """Train and test all folds of a configuration, continuing where an interrupted run stopped.

    Args:
        config: What to run.
        say: Takes lines of progress.

    Returns:
        The content of ``result.json``.

    Raises:
        UserError: Data are missing or unsound, or the output folder holds another run.
    """
    build.quiet_lightning()
    started = time.monotonic()
    config = apply_preset(config)
    config = replace(config, data=replace(config.data, root=build.resolve_root(config, say)))
    datamodule = build.datamodule(config)
    datamodule.setup()
    if config.data.fold is not None and config.data.fold >= len(datamodule.folds):
        raise UserError(
            f"data.fold: is {config.data.fold}; {config.data.family} has folds 0 to {len(datamodule.folds) - 1}"
        )
    for number, video in enumerate(datamodule.ids):  # a rule that the annotations do not allow is said now
        references(
            datamodule.video(number),
            rules_of(config.protocol, video.partition("/")[0], config.data.dataset).correlation,
        )
    protocol = build.describe_protocol(config, datamodule)
    folder = RunFolder(Path(config.output) if config.output else Path("runs") / build.run_name(config, protocol))
    finished = folder.open(config, protocol)
    if finished is not None:
        say(f"{folder.path} is already finished; overwrite=true runs it again")
        return finished
    if config.model.name == "clip-it" and not datamodule.has_captions:
        say("NOTE: no captions (the store holds none, or data.captions=0): CLIP-It trains without language")
    indices = range(len(datamodule.folds)) if config.data.fold is None else [config.data.fold]
    say(f"run {folder.path}: {len(indices)} fold{'s' * (len(indices) != 1)}, protocol {protocol.identifier}")
    folds = [run_fold(config, datamodule, folder, index, protocol, say) for index in indices]
    return _write_results(config, datamodule, protocol, folder, folds, time.monotonic() - started)


def run_fold(
    config: Config,
    datamodule: SummarizationDataModule,
    folder: RunFolder,
    index: int,
    protocol: Protocol,
    say: Say,
) -> dict[str, Any]:
    """Train and test one fold, or read its result where an earlier run finished it.

    Returns:
        ``metrics`` (means over the fold's test videos), ``per_video`` rows, ``scores``, the selected ``epoch``
        and what it reached in ``validation`` (None for a scorer that does not train).
    """
    path = folder.fold(index)
    if (path / "result.json").exists():
        say(f"fold {index}: finished before")
        fold: dict[str, Any] = read_json(path / "result.json")
        return fold
    datamodule.fold = index
    task = build.task(config, datamodule.feature_dim, datamodule.text_dim)
    trainer, checkpoint = build.trainer(config, path, folder.path.name, protocol)
    epoch, validation = None, None
    if any(parameter.requires_grad for parameter in task.parameters()):
        _fit(trainer, task, datamodule, path / "last.ckpt")
        chosen = read_checkpoint(Path(checkpoint.best_model_path))
        task.load_state_dict(chosen["state_dict"])
        epoch, validation = int(chosen["epoch"]), chosen["validation"]
    trainer.test(task, datamodule=datamodule, verbose=False)
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):  # else the next fold's curves would go on in this fold's run
            logger.experiment.finish()
    rows = task.per_video()
    means = {name: float(rows[name].mean()) for name in METRICS if name in rows}
    fold = {
        "fold": index,
        "epoch": epoch,
        "validation": validation,
        "metrics": means,
        "per_video": rows.assign(fold=index).to_dict("records"),
        "scores": task.scores,
    }
    write_json(path / "result.json", fold)
    say(_fold_line(config, fold))
    return fold


def _fit(trainer: L.Trainer, task: SummarizationTask, datamodule: SummarizationDataModule, last: Path) -> None:
    """Train, from the last epoch of an interrupted run where there is one."""
    if last.exists():
        read_checkpoint(last)  # says what is wrong before lightning would
    try:
        trainer.fit(task, datamodule=datamodule, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    except SystemExit as error:  # lightning's answer to Ctrl-C
        raise KeyboardInterrupt from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are allowed in it, so that a foreign one can do no harm.

    Raises:
        UserError: It is damaged or not a checkpoint of a run.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if "state_dict" not in checkpoint or "epoch" not in checkpoint:
            raise ValueError("it holds no weights")
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise UserError(
            f"{path}: not a checkpoint that can be read ({reason}); remove {path.parent} to train anew"
        ) from error
    return checkpoint


def _fold_line(config: Config, fold: dict[str, Any]) -> str:
    means, epoch = fold["metrics"], fold["epoch"]
    shown = [f"tau {means['kendall_tau']:.3f}", f"rho {means['spearman_rho']:.3f}", f"F1 {100 * means['f1']:.1f}"]
    shown += [] if epoch is None else [f"(epoch {epoch + 1} of {config.optim.epochs}, selection {config.selection})"]
    return f"fold {fold['fold']}: " + "  ".join(shown)


def _write_results(
    config: Config,
    datamodule: SummarizationDataModule,
    protocol: Protocol,
    folder: RunFolder,
    folds: Sequence[dict[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    rows = pd.DataFrame([row for fold in folds for row in fold["per_video"]])
    first = [name for name in ("video", "fold", *METRICS) if name in rows]
    write_text(folder.per_video, rows[first].to_csv(index=False, float_format="%.6f"))
    write_json(folder.scores, {video: scores for fold in folds for video, scores in fold["scores"].items()})
    scorer = build.scorer(config, datamodule.feature_dim, datamodule.text_dim)
    result = {
        "run": folder.path.name,
        "method": config.model.name,
        "dataset": protocol.dataset,
        "setting": protocol.setting,
        "supervision": config.loss.supervision if config.model.name != "random" else "none",
        "features": datamodule.stores[protocol.dataset].attributes.get("features", "unnamed"),
        "captions": config.data.captions if datamodule.has_captions else 0,
        "data": protocol.data,
        "selection": protocol.selection,
        "protocol": {
            "identifier": protocol.identifier,
            "evaluation": protocol.evaluation_identifier,
            **asdict(protocol),
        },
        "config_hash": config_hash(config),
        "seed": config.seed,
        "metrics": {
            name: _over_folds([fold["metrics"][name] for fold in folds if name in fold["metrics"]]) for name in METRICS
        },
        "folds": [
            {name: fold[name] for name in ("fold", "epoch", "validation")} | {"videos": len(fold["per_video"])}
            for fold in folds
        ],
        "parameters": sum(each.numel() for each in scorer.parameters() if each.requires_grad),
        "wall_seconds": round(seconds, 1),
        "versions": {
            "clipit_lightning": clipit_lightning.__version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": L.__version__,
            "numpy": np.__version__,
        },
    }
    write_json(folder.result, result)
    written: dict[str, Any] = read_json(folder.result)  # as every later reader sees it
    return written


def _over_folds(values: Sequence[float]) -> dict[str, Any] | None:
    """Mean, sample standard deviation (None for one fold) and values of the folds; fractions, not percent."""
    if not values:
        return None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": spread, "folds": list(values)}
