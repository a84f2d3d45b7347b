"""The scorer of a configuration: its class, its options by name, and the scorer that a checkpoint holds."""

from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from clipit_lightning import models
from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError, first_line, require
from clipit_lightning.data import has_queries
from clipit_lightning.models.scorer import Scorer
from clipit_lightning.training.checkpoints import read_checkpoint
from clipit_lightning.training.task import SummarizationTask


def scorer_class(name: str) -> type[Scorer]:
    """The class that ``model.name`` names; a ``UserError`` where there is none."""
    try:
        return models.scorer_class(name)
    except ValueError as error:
        raise UserError(f"model.name: {error}") from error


def check_scorer(config: Config) -> None:
    """Check that the scorer exists and can be trained as configured, before any data are read."""
    name, chosen = config.model.name, config.selection
    reads_judge, data = scorer_class(name).reads_judge, config.data
    require(reads_judge or data.judge is None, "data.judge", f"{name} reads no scores of judges; omit it")
    judged = not (reads_judge and has_queries(data.dataset))
    require(judged, "model.name", f"{name} reads a judge's scores of shots, which {data.dataset} does not have")
    way_out = "compares no motion with text; take model.name=text-motion, or loss.contrast=0"
    require(scorer_class(name).contrasts or not config.loss.contrast, "loss.contrast", f"{name} {way_out}")
    if supervision_of(config) == "unsupervised":
        way_out = "is fitted to annotations; give loss.keyframe or loss.correlation a weight"
        require(scorer_class(name).fit != "closed form", "model.name", f"{name} {way_out}")
        way_out = "chooses the epoch by annotations, which training without labels must not; say selection=last"
        require(chosen == "last", "selection", f"{chosen} {way_out}")


def supervision_of(config: Config) -> Literal["supervised", "unsupervised", "none"]:
    """Whether training reads annotations; ``none`` for a scorer that does not train."""
    return "none" if scorer_class(config.model.name).fit == "none" else config.loss.supervision


def validations(config: Config) -> int:
    """How often a fold is validated at most: after each epoch, or with each strength of a fit in closed form."""
    by_alpha = scorer_class(config.model.name).selects == "alpha"
    return len(config.model.alphas) if by_alpha else config.optim.epochs


def options_of(config: Config) -> dict[str, Any]:
    """The keys of the section `model` that the constructor of the configured scorer names."""
    named = signature(scorer_class(config.model.name)).parameters
    return {key: value for key, value in asdict(config.model).items() if key in named}


def read_scorer(path: Path, exact: bool = False) -> tuple[Scorer, dict[str, Any]]:
    """Read the scorer of a checkpoint, ready to score, and the hyperparameters of its task.

    ``exact`` scores long videos exactly too, whatever the checkpoint says.
    """
    checkpoint = read_checkpoint(path)
    given = checkpoint["hyper_parameters"]
    try:
        if exact and "exact" in signature(models.scorer_class(given["scorer"])).parameters:
            given["exact"] = True
        task = SummarizationTask(**given)
        task.load_state_dict(checkpoint["state_dict"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        problem = f"its scorer cannot be made again ({first_line(error)[:200]})"
        raise UserError(f"{path}: {problem}; train it anew") from error
    return task.scorer.eval(), given
