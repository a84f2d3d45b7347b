"""Scorers and losses: torch modules, nothing else."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipit_lightning.models.scorer import Scorer

SCORERS = {
    "clip-it+": "clipit_lightning.models.clip_it_plus:ClipItPlusScorer",
    "clip-it": "clipit_lightning.models.clip_it:ClipItScorer",
    "transformer": "clipit_lightning.models.clip_it_plus:TransformerScorer",
    "linear": "clipit_lightning.models.ridge:RidgeScorer",
    "mlp": "clipit_lightning.models.mlp:MlpScorer",
    "vasnet": "clipit_lightning.models.vasnet:VasNetScorer",
    "pglsum": "clipit_lightning.models.pglsum:PglSumScorer",
    "random": "clipit_lightning.models.random:RandomScorer",
}
"""Name to ``module:Class`` of every scorer; a module is imported when its scorer is asked for."""


def scorer_class(name: str) -> type[Scorer]:
    """Find the class of a scorer.

    Args:
        name: A name in ``SCORERS``, or a class of your own as ``package.module:Class``, which may lie in the working
            directory.

    Raises:
        ValueError: There is no such name, module or class, or the class is not a ``Scorer``; one line.
    """
    target = SCORERS.get(name, name)
    if not re.fullmatch(r"\w+(\.\w+)*:\w+", target):
        known = ", ".join(SCORERS)
        raise ValueError(f"no scorer {name[:60]!r}; there are {known}, or your own as package.module:Class")
    module_name, _, class_name = target.partition(":")
    here = str(Path.cwd())
    if name not in SCORERS and here not in sys.path:
        sys.path.append(here)  # the `clipit` command does not look there by itself
    try:
        module = import_module(module_name)
    except Exception as error:  # whatever the user's code raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{name}: cannot import {module_name} ({reason})") from error
    from clipit_lightning.models.scorer import Scorer  # here, because the names alone must not cost an import of torch

    scorer = getattr(module, class_name, None)
    if not isinstance(scorer, type):
        raise ValueError(f"{name}: {module_name} has no class {class_name}")
    if not issubclass(scorer, Scorer):
        raise ValueError(f"{name}: not a scorer; derive it from clipit_lightning.models.scorer.Scorer")
    return scorer
