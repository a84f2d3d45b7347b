"""Where configuration meets classes: the datamodule, scorer, task and trainer that a configuration means."""

import hashlib
import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.plugins import TorchCheckpointIO
from torch import Tensor, nn

from clipit_lightning.config import Config
from clipit_lightning.config_files import config_hash
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.datamodules import DATAMODULES, SummarizationDataModule
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.files import atomic_path
from clipit_lightning.losses import SummaryLoss
from clipit_lightning.models.baselines import LinearScorer, RandomScorer
from clipit_lightning.models.scorer import ClipItScorer
from clipit_lightning.protocol import Protocol, make_protocol, rules_of
from clipit_lightning.task import SummarizationTask

DEFAULT_ROOT = "data"
Say = Callable[[str], None]
_LINE = "=" * 100
_MINI_BANNER = f"""{_LINE}
MINIATURE: no real data under data/, so this run uses a small synthetic benchmark (data=mini).
Its numbers say that the code works, and nothing about real videos.
Real data: `clipit data import FOLDER`, see README.
{_LINE}"""


def resolve_root(config: Config, say: Say) -> str:
    """The folder of the stores: the one named, else ``data``, else the miniature where no real store lies there."""
    if config.data.root is not None:
        return config.data.root
    if any((Path(DEFAULT_ROOT) / f"{name}.h5").exists() for name in BENCHMARKS):
        return DEFAULT_ROOT
    mini = ensure_mini(Path(DEFAULT_ROOT) / "mini")
    say(_MINI_BANNER)
    return str(mini)


def datamodule(config: Config) -> SummarizationDataModule:
    """The datamodule of a configuration whose root is resolved."""
    data = config.data
    return DATAMODULES[data.dataset](
        root=data.root or DEFAULT_ROOT,
        setting=data.setting,
        sources=data.sources,
        family=data.family,
        folds=data.folds,
        fold_seed=data.fold_seed,
        validation=data.validation,
        captions=data.captions,
        batch_size=data.batch_size,
        workers=data.workers,
        preload_mb=data.preload_mb,
        seed=config.seed,
        validate_on_test=config.selection == "best-on-test",
    )


def scorer(config: Config, feature_dim: int, text_dim: int) -> nn.Module:
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
        input_dropout=model.input_dropout,
        feature_gain=model.feature_gain,
        windows=model.windows,
        linear_path=model.linear_path,
        transformer_gain=model.transformer_gain,
        score_window=model.score_window,
    )


def task(config: Config, feature_dim: int, text_dim: int) -> SummarizationTask:
    """The task of a configuration."""
    return SummarizationTask(
        scorer=scorer(config, feature_dim, text_dim),
        loss=SummaryLoss(**asdict(config.loss)),
        rules=lambda dataset: rules_of(config.protocol, dataset, config.data.dataset),
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
    return make_protocol(
        config,
        datamodule.sources,
        datamodule.folds,
        data,
        annotations_hash=stores[config.data.dataset].annotations_hash(),
        data_hash=hashlib.sha256(content.encode()).hexdigest()[:12],
    )


def run_name(config: Config, protocol: Protocol) -> str:
    """Name of the run's folder: what it is, and a hash of configuration and data; equal commands meet in one folder."""
    digest = hashlib.sha256(f"{config_hash(config)}{protocol.data_hash}".encode()).hexdigest()[:8]
    parts = [config.model.name, protocol.dataset, protocol.setting]
    parts += ["unsupervised"] if config.loss.supervision == "unsupervised" else []
    parts += ["mini"] if protocol.data == "mini" else []
    parts += [digest, f"seed{config.seed}"]
    parts += [] if config.data.fold is None else [f"fold{config.data.fold}"]
    return "-".join(parts)


def trainer(config: Config, path: Path, run_name: str, protocol: Protocol) -> tuple[L.Trainer, ModelCheckpoint]:
    """The trainer of one fold, and its callback that keeps the selected epoch."""
    # Two, because lightning's save_last follows the best: it writes only when there is a new one.
    last = ModelCheckpoint(dirpath=path, filename="last", enable_version_counter=False, save_on_train_epoch_end=False)
    best = ModelCheckpoint(
        dirpath=path, filename="best", monitor="val/kendall_tau", mode="max", enable_version_counter=False
    )
    checkpoint = last if config.selection == "last" else best
    # The best first, so that the last holds what is the best so far.
    callbacks: list[Callback] = [last] if config.selection == "last" else [best, last]
    if config.optim.ema:
        callbacks.append(WeightAveraging(avg_fn=partial(moving_average, decay=config.optim.ema)))
    loggers: list[Logger] = [CSVLogger(path, name="", version="")]
    if config.logger.wandb != "off":
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
        plugins=[AtomicCheckpointIO()],
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        deterministic="warn",
        enable_model_summary=False,
        enable_progress_bar=config.trainer.progress and sys.stderr.isatty(),
    )
    return trainer, checkpoint


def moving_average(average: Tensor, current: Tensor, updates: Tensor | int, decay: float) -> Tensor:
    """Exponential moving average of weights, with a ramp: ``min(decay, (1 + n) / (10 + n))`` after n updates.

    Benchmarks have so few videos that a run has some 50 steps, within which a constant decay of 0.99 would never
    forget the first weights. The ramp is that of TensorFlow's ``ExponentialMovingAverage(num_updates=...)``.
    """
    ramp = (1 + int(updates)) / (10 + int(updates))
    return torch.lerp(current, average, min(decay, ramp))


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints appear whole: killed while it writes, a run still has the epoch before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ANN401
        """Write a checkpoint to a file beside ``path`` and let it take its place."""
        with atomic_path(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def quiet_lightning() -> None:
    """Lightning's hints on hardware and workers are noise here; its warnings stay."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings(
        "ignore", message=".*treespec, LeafSpec.*"
    )  # lightning 2.6 calls what torch 2.13 deprecates
