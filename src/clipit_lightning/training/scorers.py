"""The scorer of a configuration: its class, its options by name, and the scorer that a checkpoint holds."""

from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch

from clipit_lightning import models
from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError, require
from clipit_lightning.models.scorer import Scorer
from clipit_lightning.training.checkpoints import read_checkpoint


def scorer_class(name: str) -> type[Scorer]:
    """The class that ``model.name`` names; a ``UserError`` where there is none."""
    try:
        return models.scorer_class(name)
    except ValueError as error:
        raise UserError(f"model.name: {error}") from error


def check_scorer(config: Config) -> None:
    """Check that the scorer exists and can be trained as configured, before any data are read."""
    name, chosen = config.model.name, config.selection
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


def make_scorer(config: Config, feature_dim: int, text_dim: int) -> Scorer:
    """Make the scorer of a configuration, with weights drawn from its seed."""
    torch.manual_seed(config.seed)
    return from_recipe(recipe(config, feature_dim, text_dim))


def recipe(config: Config, feature_dim: int, text_dim: int) -> dict[str, Any]:
    """What a scorer is made from, in plain values that its checkpoints keep: ``name`` and ``options``."""
    named = signature(scorer_class(config.model.name)).parameters
    options = {key: value for key, value in (asdict(config.model) | {"seed": config.seed}).items() if key in named}
    return {"name": config.model.name, "options": {"feature_dim": feature_dim, "text_dim": text_dim, **options}}


def from_recipe(recipe: dict[str, Any]) -> Scorer:
    """Make a scorer from what ``recipe`` returned; a UserError where its constructor takes other options."""
    made, options = scorer_class(recipe["name"]), recipe["options"]
    try:
        signature(made).bind(**options)
    except TypeError as error:
        raise UserError(
            f"model.name: {recipe['name']} cannot be made ({error}); its constructor takes feature_dim, text_dim, and "
            "of `model` the keys that it names"
        ) from error
    return made(**options)


def read_scorer(path: Path, exact: bool = False) -> tuple[Scorer, dict[str, Any]]:
    """Read the scorer of a checkpoint, ready to score, and the options that it was made with.

    ``exact`` scores long videos exactly too, whatever the checkpoint's options say.
    """
    checkpoint = read_checkpoint(path)
    weights = checkpoint["state_dict"]
    state = {key.removeprefix("scorer."): weights[key] for key in weights if key.startswith("scorer.")}
    try:
        made = checkpoint["scorer"]
        if exact and "exact" in signature(scorer_class(made["name"])).parameters:
            made["options"]["exact"] = True
        scorer = from_recipe(made)
        scorer.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: its weights are of another version; train it anew") from error
    return scorer.eval(), made["options"]
