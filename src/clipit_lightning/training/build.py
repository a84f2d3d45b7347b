"""Where configuration meets classes: the datamodule, scorer, measures and task that a configuration means."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import config_hash
from clipit_lightning.data import BENCHMARKS, has_queries
from clipit_lightning.data.annotated import AnnotatedDataModule
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.data.queries import QueryDataModule
from clipit_lightning.evaluation.measures import AnnotatorMeasures, Measures, QueryMeasures
from clipit_lightning.evaluation.protocol import Protocol, make_protocol, query_rules_of, rules_of
from clipit_lightning.models.clip_it import ClipItScorer
from clipit_lightning.models.clip_it_plus import ClipItPlusScorer
from clipit_lightning.models.losses import SummaryLoss
from clipit_lightning.models.mlp import MlpScorer
from clipit_lightning.models.pglsum import PglSumScorer
from clipit_lightning.models.random import RandomScorer
from clipit_lightning.models.ridge import RidgeScorer
from clipit_lightning.models.vasnet import VasNetScorer
from clipit_lightning.training.task import SummarizationTask

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
    if has_queries(data.dataset):
        return QueryDataModule(
            data.dataset,
            root=data.root or DEFAULT_ROOT,
            family=data.family,
            sentence=data.sentence,
            language=data.captions > 0,
            batch_size=data.batch_size,
            workers=data.workers,
            seed=config.seed,
            validate_on_test=config.selection == "best-on-test",
        )
    return AnnotatedDataModule(
        data.dataset,
        root=data.root or DEFAULT_ROOT,
        setting=data.setting,
        sources=data.sources,
        family=data.family,
        folds=data.folds,
        fold_seed=data.fold_seed,
        validation=data.validation,
        captions=data.captions,
        caption_source=data.caption_source,
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
        return RidgeScorer(feature_dim, text_dim, model.windows, model.score_window)
    if model.name == "mlp":
        return MlpScorer(feature_dim, text_dim, width=model.width, dropout=model.dropout)
    if model.name == "vasnet":
        return VasNetScorer(feature_dim, text_dim, dropout=model.dropout)
    if model.name == "pglsum":
        return PglSumScorer(feature_dim, text_dim, dropout=model.dropout)
    transformer: dict[str, Any] = {
        "width": model.width,
        "heads": model.heads,
        "encoder_layers": model.encoder_layers,
        "decoder_layers": model.decoder_layers,
        "dropout": model.dropout,
    }
    if model.name == "clip-it":
        return ClipItScorer(feature_dim, text_dim, **transformer)
    return ClipItPlusScorer(
        feature_dim,
        text_dim,
        **transformer,
        input_dropout=model.input_dropout,
        feature_gain=model.feature_gain,
        windows=model.windows,
        linear_path=model.linear_path,
        transformer_gain=model.transformer_gain,
        alike_gain=model.alike_gain,
        alike_window=model.alike_window,
        score_window=model.score_window,
        peak_window=model.peak_window,
        language=model.name != "transformer",
    )


def measures(config: Config) -> Measures:
    """What the scores of a configuration are measured with."""
    dataset = config.data.dataset
    if has_queries(dataset):
        return QueryMeasures(query_rules_of(config.protocol, dataset))
    return AnnotatorMeasures(lambda name: rules_of(config.protocol, name, dataset))


def task(config: Config, feature_dim: int, text_dim: int) -> SummarizationTask:
    """The task of a configuration."""
    model = scorer(config, feature_dim, text_dim)
    if config.trainer.compile:
        model.compile(dynamic=True)  # videos differ in length
    return SummarizationTask(
        scorer=model,
        loss=SummaryLoss(**asdict(config.loss)),
        measures=measures(config),
        lr=config.optim.lr,
        weight_decay=config.optim.weight_decay,
        warmup=config.optim.warmup,
        crop=config.data.crop,
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
