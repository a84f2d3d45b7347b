"""Results of runs that were not trained."""

import copy
import json
from typing import Any

from clipit_lightning.training.result import FoldResult, RunResult


def metric(*folds: float) -> dict[str, Any]:
    """A metric over folds, as ``result.json`` holds it."""
    return {"mean": sum(folds) / len(folds), "std": None, "folds": list(folds)}


def fold(number: int = 0) -> dict[str, Any]:
    """A fold in a result."""
    return {"fold": number, "epoch": 1, "validation": {"kendall_tau": 0.3}, "videos": 10}


PROTOCOL = {
    "dataset": "tvsum",
    "data": "real",
    "annotations_hash": "a",
    "folds": "kfold2 seed 0",
    "folds_hash": "f",
    "selection": "val",
    "f1": "mean",
    "correlation": "per-annotator",
    "budget": 0.15,
    "rounding": "floor",
    "shot_value": "mean",
    "solver": "knapsack",
    "setting": "canonical",
    "sources": [],
    "training_hash": "t",
    "data_hash": "d",
}
CONTENT: dict[str, Any] = {
    "run": "clip-it-seed0",
    "method": "clip-it",
    "dataset": "tvsum",
    "setting": "canonical",
    "supervision": "supervised",
    "features": "f",
    "store": {},
    "captions": 0,
    "data": "real",
    "selection": "val",
    "protocol": PROTOCOL,
    "config_hash": "abc",
    "seed": 0,
    "metrics": {
        "f1": metric(0.5, 0.6),
        "f1_mean": metric(0.5, 0.6),
        "f1_max": metric(0.7, 0.8),
        "kendall_tau": metric(0.1, 0.3),
        "spearman_rho": metric(0.2, 0.4),
    },
    "validation": {"monitor": "kendall_tau", "kendall_tau": metric(0.3, 0.3)},
    "folds": [fold(0), fold(1)],
    "parameters": 12,
    "wall_seconds": 1.5,
    "versions": {},
}
"""The content of a ``result.json``."""


def result(**changes: Any) -> RunResult:
    """A result, with other values for some of its keys."""
    return RunResult.model_validate_json(json.dumps(copy.deepcopy(CONTENT) | changes))


def fold_result(**changes: Any) -> FoldResult:
    """A result of a fold, with other values for some of its keys."""
    content = {"fold": 0, "epoch": 1, "validation": {}, "metrics": {}, "per_video": [], "scores": {}}
    return FoldResult.model_validate_json(json.dumps(content | changes))
