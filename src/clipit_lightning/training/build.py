"""Where configuration meets classes: the datamodule, measures and task of a configuration, and its protocol."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError, first_line, require
from clipit_lightning.core.log import log
from clipit_lightning.data import BENCHMARKS, DEFAULT_ROOT, has_queries, has_scripts
from clipit_lightning.data.annotated import AnnotatedDataModule
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.data.queries import QueryDataModule
from clipit_lightning.data.schema import DAMAGED
from clipit_lightning.data.scripts import ScriptDataModule
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.metrics import Measures
from clipit_lightning.evaluation.protocol import Protocol, make_protocol
from clipit_lightning.models import OptionsError
from clipit_lightning.training.measures import make_measures
from clipit_lightning.training.scorers import options_of, scorer_class
from clipit_lightning.training.task import SummarizationTask

_LINE = "=" * 100
_MINI_BANNER = f"""{_LINE}
MINIATURE: no real data under data/, so this run uses a small synthetic benchmark (data=mini).
Its numbers say that the code works, and nothing about real videos.
Real data: `clipit data fetch` lists where they are, `clipit data import FOLDER` reads them.
{_LINE}"""


def resolve_root(config: Config, announce: bool = True) -> str:
    """The folder of the stores: the named one, or ``data``, or the miniature where ``data`` has no real store.

    A store of one's own counts where it is what trains.
    """
    if config.data.root is not None:
        return config.data.root
    if any((Path(DEFAULT_ROOT) / f"{name}.h5").exists() for name in (*BENCHMARKS, config.data.dataset)):
        return DEFAULT_ROOT
    mini = ensure_mini(Path(DEFAULT_ROOT) / "mini")
    if announce:
        log.info(_MINI_BANNER)
    return str(mini)


def datamodule(config: Config) -> SummarizationDataModule:
    """The datamodule of a configuration whose root is resolved."""
    data = config.data
    common: dict[str, Any] = {
        "root": data.root or DEFAULT_ROOT,
        "seed": config.seed,
        "validate_on_test": config.selection == "best-on-test",
        **{name: getattr(data, name) for name in ("family", "batch_size", "crop", "workers")},
    }
    weighs = not (data.memorability and (has_queries(data.dataset) or has_scripts(data.dataset)))
    require(weighs, "data.memorability", f"{data.dataset} has no importance to weigh; keep it 0")
    if has_queries(data.dataset):
        own: dict[str, Any] = {name: getattr(data, name) for name in ("sentence", "query_captions", "oracle_captions")}
        return QueryDataModule(target=data.dataset, language=data.captions > 0, **own, **common)
    if has_scripts(data.dataset):
        chosen = ("fold_seed", "validation", "caption_source", "preload_mb")
        own = {name: getattr(data, name) for name in chosen}
        return ScriptDataModule(target=data.dataset, language=data.captions > 0, **own, **common)
    names = ("setting", "sources", "folds", "fold_seed", "validation", "captions", "caption_source", "preload_mb")
    options = {name: getattr(data, name) for name in (*names, "shot_captions", "memorability")}
    if scorer_class(config.model.name).reads_judge:
        options["judge"] = data.judge or ""  # by default the only one
    return AnnotatedDataModule(target=data.dataset, **common, **options)


def measures(config: Config) -> Measures:
    """The measures of the scores of a configuration."""
    return make_measures(config.data.dataset, config.protocol, config.data.root)


def task(
    config: Config, feature_dim: int, text_dim: int, streams: Mapping[str, int] | None = None
) -> SummarizationTask:
    """The task of a configuration."""
    try:
        made = SummarizationTask(
            config.model.name,
            feature_dim=feature_dim,
            text_dim=text_dim,
            streams=streams,
            loss=asdict(config.loss),
            optimizer=config.optim.name,
            lr=config.optim.lr,
            weight_decay=config.optim.weight_decay,
            warmup=config.optim.warmup,
            schedule=config.optim.schedule,
            seed=config.seed,
            rules=asdict(config.protocol),
            **options_of(config),
        )
    except OptionsError as error:
        raise UserError(f"model.name: {error}, of which the keys of `model` give those that they name") from error
    if config.trainer.compile:
        made.scorer.compile(dynamic=True)  # videos differ in length
    return made


def describe_protocol(config: Config, datamodule: SummarizationDataModule) -> Protocol:
    """The protocol of a configuration on the data of a datamodule that is set up."""
    stores = datamodule.stores
    origins = {store.attributes.get("data", "real") for store in stores.values()}
    return make_protocol(
        config,
        datamodule.sources,
        datamodule.folds,
        "mini" if "mini" in origins else "real",
        annotations_hash=stores[config.data.dataset].annotations_hash(),
        data_hash=data_hash(stores),
    )


def data_hash(stores: Mapping[str, Store], content_hash: Callable[[Store], str] = Store.content_hash) -> str:
    """A short hash of the contents of stores, by their names; ``content_hash`` may be one that remembers.

    Raises:
        UserError: A store cannot be read.
    """
    try:
        content = "".join(f"{name}:{content_hash(store)};" for name, store in stores.items())
    except DAMAGED as error:
        paths = ", ".join(str(store.path) for store in stores.values())
        raise UserError(f"{paths}: cannot be read ({first_line(error)}); run `clipit data check`") from error
    return hashlib.sha256(content.encode()).hexdigest()[:12]
