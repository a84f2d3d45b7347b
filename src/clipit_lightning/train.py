"""Where configuration meets classes: build, train and test every fold, and write what came out."""

import hashlib
import logging
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger
from torch import nn

import clipit_lightning
from clipit_lightning.config import Config, config_hash
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.datamodules import DATAMODULES, SummarizationDataModule
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.files import read_json, write_json, write_text
from clipit_lightning.losses import SummaryLoss
from clipit_lightning.models.baselines import LinearScorer, RandomScorer
from clipit_lightning.models.scorer import ClipItScorer
from clipit_lightning.protocol import Protocol, correlation_rule, make_protocol
from clipit_lightning.run_folder import RunFolder
from clipit_lightning.task import SummarizationTask

DEFAULT_ROOT = "data"
METRICS = ("f1", "f1_mean", "f1_max", "kendall_tau", "spearman_rho")
Say = Callable[[str], None]
_LINE = "=" * 100
_MINI_BANNER = f"""{_LINE}
MINIATURE: no real data under data/, so this run uses a small synthetic benchmark (data=mini).
Its numbers say that the code works, and nothing about real videos.
Real data: `clipit data import FOLDER`, see README.
{_LINE}"""


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
    _quiet_lightning()
    started = time.monotonic()
    config = replace(config, data=replace(config.data, root=resolve_root(config, say)))
    datamodule = build_datamodule(config)
    datamodule.setup()
    protocol = describe_protocol(config, datamodule)
    folder = RunFolder(Path(config.output) if config.output else Path("runs") / run_name(config, protocol))
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


def resolve_root(config: Config, say: Say) -> str:
    """The folder of the stores: the one named, else ``data``, else the miniature where no real store lies there."""
    if config.data.root is not None:
        return config.data.root
    if any((Path(DEFAULT_ROOT) / f"{name}.h5").exists() for name in BENCHMARKS):
        return DEFAULT_ROOT
    mini = ensure_mini(Path(DEFAULT_ROOT) / "mini")
    say(_MINI_BANNER)
    return str(mini)


def build_datamodule(config: Config) -> SummarizationDataModule:
    """The datamodule of a configuration whose root is resolved."""
    data = config.data
    return DATAMODULES[data.dataset](
        root=data.root or DEFAULT_ROOT,
        setting=data.setting,
        sources=data.sources,
        folds=data.folds,
        fold_seed=data.fold_seed,
        validation=data.validation,
        captions=data.captions,
        batch_size=data.batch_size,
        workers=data.workers,
        preload_mb=data.preload_mb,
        seed=config.seed,
    )


def build_scorer(config: Config, feature_dim: int, text_dim: int) -> nn.Module:
    """The scorer of a configuration, with weights drawn from its seed."""
    torch.manual_seed(config.seed)
    model = config.model
    if model.name == "random":
        return RandomScorer(feature_dim, text_dim, seed=config.seed)
    if model.name == "linear":
        return LinearScorer(feature_dim, text_dim)
    return ClipItScorer(
        feature_dim,
        text_dim,
        width=model.width,
        heads=model.heads,
        encoder_layers=model.encoder_layers,
        decoder_layers=model.decoder_layers,
        dropout=model.dropout,
    )


def build_task(config: Config, feature_dim: int, text_dim: int) -> SummarizationTask:
    """The task of a configuration."""
    return SummarizationTask(
        scorer=build_scorer(config, feature_dim, text_dim),
        loss=SummaryLoss(**asdict(config.loss)),
        rule=lambda dataset: correlation_rule(config, dataset),
        budget=config.protocol.budget,
        lr=config.optim.lr,
        weight_decay=config.optim.weight_decay,
        warmup=config.optim.warmup,
        seed=config.seed,
    )


def describe_protocol(config: Config, datamodule: SummarizationDataModule) -> Protocol:
    """The protocol of a configuration on the data of a datamodule that is set up."""
    stores = datamodule.stores
    content = "".join(f"{name}:{store.content_hash()};" for name, store in stores.items())
    origins = {store.attributes.get("data", "real") for store in stores.values()}
    data = "mini" if "mini" in origins else "real"
    return make_protocol(config, datamodule.sources, data, hashlib.sha256(content.encode()).hexdigest()[:12])


def run_name(config: Config, protocol: Protocol) -> str:
    """Name of the run's folder: what it is, and a hash of configuration and data; equal commands meet in one folder."""
    digest = hashlib.sha256(f"{config_hash(config)}{protocol.data_hash}".encode()).hexdigest()[:8]
    parts = [config.model.name, protocol.dataset, protocol.setting]
    parts += ["unsupervised"] if config.loss.supervision == "unsupervised" else []
    parts += ["mini"] if protocol.data == "mini" else []
    parts += [digest, f"seed{config.seed}"]
    parts += [] if config.data.fold is None else [f"fold{config.data.fold}"]
    return "-".join(parts)


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
        ``metrics`` (means over the fold's test videos), ``per_video`` rows, ``scores`` and ``epoch``.
    """
    path = folder.fold(index)
    if (path / "result.json").exists():
        say(f"fold {index}: finished before")
        fold: dict[str, Any] = read_json(path / "result.json")
        return fold
    datamodule.fold = index
    task = build_task(config, datamodule.feature_dim, datamodule.text_dim)
    trainer, checkpoint = build_trainer(config, path, folder.path.name, protocol)
    epoch = None
    if any(parameter.requires_grad for parameter in task.parameters()):
        last = path / "last.ckpt"
        trainer.fit(task, datamodule=datamodule, ckpt_path=str(last) if last.exists() else None, weights_only=True)
        if trainer.interrupted:
            raise KeyboardInterrupt
        chosen = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
        task.load_state_dict(chosen["state_dict"])
        epoch = int(chosen["epoch"])
    trainer.test(task, datamodule=datamodule, verbose=False)
    rows = task.per_video()
    means = {name: float(rows[name].mean()) for name in METRICS if name in rows}
    fold = {
        "fold": index,
        "epoch": epoch,
        "metrics": means,
        "per_video": rows.assign(fold=index).to_dict("records"),
        "scores": task.scores,
    }
    write_json(path / "result.json", fold)
    say(_fold_line(config, fold))
    return fold


def _fold_line(config: Config, fold: dict[str, Any]) -> str:
    means, epoch = fold["metrics"], fold["epoch"]
    shown = [f"tau {means['kendall_tau']:.3f}", f"rho {means['spearman_rho']:.3f}", f"F1 {100 * means['f1']:.1f}"]
    shown += [] if epoch is None else [f"(epoch {epoch + 1} of {config.optim.epochs}, selection {config.selection})"]
    return f"fold {fold['fold']}: " + "  ".join(shown)


def build_trainer(config: Config, path: Path, run_name: str, protocol: Protocol) -> tuple[L.Trainer, ModelCheckpoint]:
    """The trainer of one fold, and its callback that keeps the selected epoch."""
    checkpoint = ModelCheckpoint(
        dirpath=path,
        filename="best",
        save_top_k=1,
        save_last=True,
        enable_version_counter=False,
        monitor="val/kendall_tau" if config.selection == "val" else None,
        mode="max",
    )
    callbacks: list[Callback] = [checkpoint]
    if config.optim.ema:
        callbacks.append(EMAWeightAveraging(decay=config.optim.ema))
    loggers: list[Logger] = [CSVLogger(path, name="", version="")]
    if config.logger.wandb != "off":
        from lightning.pytorch.loggers import WandbLogger

        offline = config.logger.wandb == "offline"
        loggers.append(
            WandbLogger(
                name=f"{run_name}-{path.name}",
                project=config.logger.project,
                group=protocol.identifier,
                save_dir=path,
                offline=offline,
                config=asdict(config),
            )
        )
    trainer = L.Trainer(
        accelerator=config.trainer.accelerator,
        devices=1,
        precision=config.trainer.precision,
        max_epochs=config.optim.epochs,
        gradient_clip_val=config.optim.clip or None,
        callbacks=callbacks,
        logger=loggers,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        deterministic="warn",
        enable_model_summary=False,
        enable_progress_bar=config.trainer.progress and sys.stderr.isatty(),
    )
    return trainer, checkpoint


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
    scorer = build_scorer(config, datamodule.feature_dim, datamodule.text_dim)
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
        "protocol": {"identifier": protocol.identifier, **asdict(protocol)},
        "config_hash": config_hash(config),
        "seed": config.seed,
        "metrics": {
            name: _over_folds([fold["metrics"][name] for fold in folds if name in fold["metrics"]]) for name in METRICS
        },
        "folds": [{"fold": fold["fold"], "epoch": fold["epoch"], "videos": len(fold["per_video"])} for fold in folds],
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
    return result


def _over_folds(values: Sequence[float]) -> dict[str, Any] | None:
    """Mean, sample standard deviation (None for one fold) and values of the folds; fractions, not percent."""
    if not values:
        return None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": spread, "folds": list(values)}


def _quiet_lightning() -> None:
    """Lightning's hints on hardware and workers are noise here; its warnings stay."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
