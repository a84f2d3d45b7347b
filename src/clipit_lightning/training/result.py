"""What a run leaves: ``per_video.csv``, ``scores.json``, and last of all ``result.json``."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch

import clipit_lightning
from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import config_hash
from clipit_lightning.core.files import read_json, write_json, write_text
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.evaluation.statistics import means
from clipit_lightning.models.scorer import Scorer
from clipit_lightning.training import build
from clipit_lightning.training.run import RunFolder
from clipit_lightning.training.scorers import make_scorer, scorer_class, supervision_of


def fold_line(config: Config, fold: dict[str, Any], names: Sequence[str]) -> str:
    """A finished fold as a line of progress."""
    found = fold["metrics"] if config.test else fold["validation"] or {}
    shown = [] if config.test else ["validation"]
    shown += [f"{name} {found[name]:.3f}" for name in names if name in found]
    shown += [] if fold["epoch"] is None else [f"({_chosen(config, fold['epoch'])}, selection {config.selection})"]
    return f"fold {fold['fold']}: " + "  ".join(shown)


def _chosen(config: Config, epoch: int) -> str:
    """What was selected: an epoch, or where nothing is trained by epochs, the strength at that place."""
    if scorer_class(config.model.name).selects == "alpha":
        return f"alpha {config.model.alphas[epoch]:g}"
    return f"epoch {epoch + 1} of {config.optim.epochs}"


def write_results(
    config: Config,
    datamodule: SummarizationDataModule,
    protocol: Protocol,
    folder: RunFolder,
    folds: Sequence[dict[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """Write what the folds of a run found, and return the content of ``result.json``.

    Args:
        config: The run's configuration.
        datamodule: Its data.
        protocol: How the numbers were made.
        folder: Where to write.
        folds: What ``run_fold`` returned of each.
        seconds: How long it took.
    """
    if config.test:
        rows = pd.DataFrame([row for fold in folds for row in fold["per_video"]])
        first = [name for name in ("video", "query", "fold", *METRICS) if name in rows]
        write_text(folder.per_video, rows[first].to_csv(index=False, float_format="%.6f"))
        write_json(folder.scores, {video: scores for fold in folds for video, scores in fold["scores"].items()})
    result = {
        "run": folder.path.name,
        **_what(config, datamodule, protocol),
        **_found(config, folds),
        "parameters": fitted_parameters(make_scorer(config, datamodule.feature_dim, datamodule.text_dim)),
        "wall_seconds": round(seconds, 1),
        "versions": _versions(),
    }
    write_json(folder.result, result)
    written: dict[str, Any] = read_json(folder.result)  # as every later reader sees it
    return written


def _what(config: Config, datamodule: SummarizationDataModule, protocol: Protocol) -> dict[str, Any]:
    """What was trained, on what, and how it was measured."""
    store = datamodule.stores[protocol.dataset].attributes
    return {
        "method": config.model.name,
        "dataset": protocol.dataset,
        "setting": protocol.setting,
        "supervision": supervision_of(config),
        "features": store.get("features", "unnamed"),
        "store": store,
        "captions": config.data.captions if datamodule.has_text else 0,
        "data": protocol.data,
        "selection": protocol.selection,
        "protocol": {
            "identifier": protocol.identifier,
            "evaluation": protocol.evaluation_identifier,
            **asdict(protocol),
        },
        "config_hash": config_hash(config),
        "seed": config.seed,
    }


def _found(config: Config, folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the folds reached: means and standard deviations, and each by itself."""
    measures = build.measures(config)
    return {
        "metrics": {
            name: _over_folds([fold["metrics"][name] for fold in folds if name in fold["metrics"]])
            for name in (measures.names if config.test else ())
        },
        "validation": {"monitor": measures.monitor, **_validation(folds)},
        "folds": [
            {name: fold[name] for name in ("fold", "epoch", "validation")} | _counts(fold["per_video"])
            for fold in folds
        ],
    }


def _versions() -> dict[str, str]:
    return {
        "clipit_lightning": clipit_lightning.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": L.__version__,
        "numpy": np.__version__,
    }


def fitted_parameters(scorer: Scorer) -> int:
    """How many numbers are found from the training videos, by gradients or in closed form."""
    # No gradient finds the weights of a fit in closed form: they are buffers.
    fitted = scorer.buffers() if scorer.fit == "closed form" else scorer.parameters()
    return sum(weights.numel() for weights in fitted)


def _validation(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the selected epochs reached on the validation parts."""
    found = [fold["validation"] or {} for fold in folds]
    names = [name for name in METRICS if all(name in each for each in found)]
    return {name: _over_folds([each[name] for each in found]) for name in names}


def _counts(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Number of tested videos; with queries, also their number, and the means over those of each video."""
    by_video: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_video.setdefault(row["video"], []).append(row)
    if not any("query" in row for row in rows):
        return {"videos": len(by_video)}
    found = {video: means(pd.DataFrame(each), list(METRICS)) for video, each in by_video.items()}
    return {"videos": len(by_video), "queries": len(rows), "per_video": found}


def _over_folds(values: Sequence[float]) -> dict[str, Any] | None:
    """Mean, sample standard deviation (None for one fold) and values of the folds; fractions, not percent."""
    if not values:
        return None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": spread, "folds": list(values)}
