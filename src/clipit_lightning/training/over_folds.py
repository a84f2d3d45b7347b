"""From the results of folds to the result of a run: means and standard deviations, and what was trained on what."""

import platform
from collections.abc import Sequence
from typing import Any, cast

import lightning as L
import numpy as np
import pandas as pd
import torch

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import config_hash
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.metrics import AnnotatorMeasures, Measures
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.evaluation.odd import count_odd
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.evaluation.statistics import means
from clipit_lightning.training import build
from clipit_lightning.training.names import variant
from clipit_lightning.training.result import FoldResult, FoldSummary, OverFolds, RunResult, Validation
from clipit_lightning.training.scorers import supervision_of


def run_result(
    name: str,
    config: Config,
    datamodule: SummarizationDataModule,
    protocol: Protocol,
    folds: Sequence[FoldResult],
    seconds: float,
    versions: str,
) -> RunResult:
    """Make the result of a run, which took so many seconds, from what each fold reached.

    ``versions`` are those of this package that worked on it.
    """
    store, measures = datamodule.stores[protocol.dataset].attributes, build.measures(config)
    reached = [fold.validation or {} for fold in folds]
    names = [name for name in METRICS if all(name in fold for fold in reached)]
    validation: dict[str, Any] = {name: _over_folds([fold[name] for fold in reached]) for name in names}
    scorer = build.task(config, datamodule.feature_dim, datamodule.text_dim, datamodule.streams).scorer
    # No gradient fits the weights of a closed form: they are buffers.
    fitted = scorer.buffers() if scorer.fit == "closed form" else scorer.parameters()
    return RunResult(
        run=name,
        method=config.model.name,
        dataset=protocol.dataset,
        setting=protocol.setting,
        supervision=supervision_of(config),
        features=store.get("features", "unnamed"),
        store=store,
        captions=config.data.captions if datamodule.has_text else 0,
        data=protocol.data,
        selection=protocol.selection,
        protocol=protocol,
        config_hash=config_hash(config),
        seed=config.seed,
        metrics={
            name: _over_folds([fold.metrics[name] for fold in folds if name in fold.metrics])
            for name in (measures.names if config.test else ())
        },
        validation=Validation(monitor=measures.monitor, **validation),
        folds=[_summary(fold) for fold in folds],
        parameters=sum(tensor.numel() for tensor in fitted),
        wall_seconds=round(seconds, 1),
        variant=" ".join(variant(config)),
        odd=_odd(measures, datamodule, protocol, folds),
        versions={
            "clipit_lightning": versions,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": L.__version__,
            "numpy": np.__version__,
        },
    )


def _odd(
    measures: Measures, datamodule: SummarizationDataModule, protocol: Protocol, folds: Sequence[FoldResult]
) -> dict[str, int]:
    if not isinstance(measures, AnnotatorMeasures):
        return {}
    scores = {id: np.asarray(row) for fold in folds for id, row in fold.scores.items()}  # (steps,) each
    videos = (cast(Video, datamodule.annotations(number)) for number in datamodule.numbers(list(scores)))
    return count_odd(zip(videos, scores.values(), strict=True), measures.rules(protocol.dataset))


def _over_folds(values: Sequence[float]) -> OverFolds | None:
    if not values:
        return None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return OverFolds(mean=float(np.mean(values)), std=spread, folds=list(values))


def _summary(fold: FoldResult) -> FoldSummary:
    """A fold with the number of its tested videos; with queries, also their number, and the means of each video."""
    rows = pd.DataFrame(fold.per_video, columns=None if fold.per_video else ["video"])
    tested: dict[str, Any] = {"videos": rows["video"].nunique()}
    if "query" in rows:
        videos = rows.groupby("video", sort=False)
        tested["queries"] = len(rows)
        tested["per_video"] = {str(video): means(group, list(METRICS)) for video, group in videos}
    return FoldSummary(fold=fold.fold, epoch=fold.epoch, validation=fold.validation, **tested)
