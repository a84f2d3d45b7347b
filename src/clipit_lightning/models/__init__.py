"""Scorers and losses: torch modules, nothing else."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipit_lightning.models.bilstm import BiLstmScorer
    from clipit_lightning.models.clip_it import ClipItScorer
    from clipit_lightning.models.clip_it_plus import ClipItPlusScorer, TransformerScorer
    from clipit_lightning.models.csta import CstaScorer
    from clipit_lightning.models.dsnet_af import DsNetAfScorer
    from clipit_lightning.models.losses import SummaryLoss
    from clipit_lightning.models.mf2summ import Mf2SummScorer
    from clipit_lightning.models.mlp import MlpScorer
    from clipit_lightning.models.pglsum import PglSumScorer
    from clipit_lightning.models.prompts_to_summaries import PromptsToSummariesScorer
    from clipit_lightning.models.random import RandomScorer
    from clipit_lightning.models.ridge import RidgeScorer
    from clipit_lightning.models.scorer import Scorer, ScorerOutput
    from clipit_lightning.models.sd_vsum import SdVsumScorer
    from clipit_lightning.models.text_motion import TextMotionScorer
    from clipit_lightning.models.transcript import TranscriptScorer
    from clipit_lightning.models.tripss import TripssScorer
    from clipit_lightning.models.vasnet import VasNetScorer

__all__ = [
    "SCORERS",
    "BiLstmScorer",
    "ClipItPlusScorer",
    "ClipItScorer",
    "CstaScorer",
    "DsNetAfScorer",
    "Mf2SummScorer",
    "MlpScorer",
    "PglSumScorer",
    "PromptsToSummariesScorer",
    "RandomScorer",
    "RidgeScorer",
    "Scorer",
    "ScorerOutput",
    "SdVsumScorer",
    "SummaryLoss",
    "TextMotionScorer",
    "TranscriptScorer",
    "TransformerScorer",
    "TripssScorer",
    "VasNetScorer",
    "make_scorer",
    "scorer_class",
]

SCORERS = {
    "clip-it+": "clipit_lightning.models.clip_it_plus:ClipItPlusScorer",
    "clip-it": "clipit_lightning.models.clip_it:ClipItScorer",
    "transformer": "clipit_lightning.models.clip_it_plus:TransformerScorer",
    "linear": "clipit_lightning.models.ridge:RidgeScorer",
    "mlp": "clipit_lightning.models.mlp:MlpScorer",
    "bilstm": "clipit_lightning.models.bilstm:BiLstmScorer",
    "vasnet": "clipit_lightning.models.vasnet:VasNetScorer",
    "pglsum": "clipit_lightning.models.pglsum:PglSumScorer",
    "csta": "clipit_lightning.models.csta:CstaScorer",
    "dsnet-af": "clipit_lightning.models.dsnet_af:DsNetAfScorer",
    "mf2summ": "clipit_lightning.models.mf2summ:Mf2SummScorer",
    "sd-vsum": "clipit_lightning.models.sd_vsum:SdVsumScorer",
    "prompts-to-summaries": "clipit_lightning.models.prompts_to_summaries:PromptsToSummariesScorer",
    "tripss": "clipit_lightning.models.tripss:TripssScorer",
    "text-motion": "clipit_lightning.models.text_motion:TextMotionScorer",
    "transcript": "clipit_lightning.models.transcript:TranscriptScorer",
    "random": "clipit_lightning.models.random:RandomScorer",
}
"""Name to ``module:Class`` of every scorer; a module is imported when its scorer is asked for."""


_CLASSES = {target.partition(":")[2]: target.partition(":")[0] for target in SCORERS.values()} | {
    "Scorer": "clipit_lightning.models.scorer",
    "ScorerOutput": "clipit_lightning.models.scorer",
    "SummaryLoss": "clipit_lightning.models.losses",
}
"""Module of every class that is imported when it is asked for."""


def _class(name: str) -> Any:  # noqa: ANN401 - a class
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_CLASSES[name]), name)


__getattr__ = _class  # not defined as such: type checkers would take any name


def __dir__() -> list[str]:
    return __all__


class OptionsError(TypeError):
    """The constructor of a scorer takes other options; the message is one line that lists those."""


def make_scorer(
    scorer: str | type[Scorer],
    seed: int = 0,
    streams: Mapping[str, int] | None = None,
    **options: Any,  # noqa: ANN401 - of the scorer
) -> Scorer:
    """Make a scorer with weights drawn from a seed, whatever was drawn before.

    Args:
        scorer: A name in ``SCORERS``, ``package.module:Class``, or a class.
        seed: Seed of its weights; its constructor gets it too where it names it.
        streams: Parts of a step's features with their widths, for a constructor that names them; by default
            ``{"visual": feature_dim}``.
        options: Of its constructor: `feature_dim`, `text_dim`, and its own.

    Raises:
        ValueError: There is no such scorer; one line.
        OptionsError: Its constructor takes other options.
    """
    import torch  # here, because the names alone must not cost an import of torch

    made = scorer_class(scorer)
    named = signature(made).parameters
    parts = dict(streams or {"visual": int(options.get("feature_dim", 0))})
    offered: dict[str, Any] = {"seed": seed, "streams": parts}
    options |= {name: value for name, value in offered.items() if name in named}
    try:
        signature(made).bind(**options)
    except TypeError as error:
        name = made.__name__ if isinstance(scorer, type) else scorer
        raise OptionsError(f"{name} cannot be made ({error}); it takes {', '.join(named)}") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made(**options)


def scorer_name(scorer: str | type[Scorer]) -> str:
    """The name by which ``scorer_class`` finds a scorer again: as registered, or ``module:Class``."""
    if isinstance(scorer, str):
        return scorer
    target = f"{scorer.__module__}:{scorer.__qualname__}"
    return next((name for name, registered in SCORERS.items() if registered == target), target)


def scorer_class(name: str | type[Scorer]) -> type[Scorer]:
    """Find the class of a scorer.

    Args:
        name: A name in ``SCORERS``, or a class of your own as ``package.module:Class``, which may lie in the working
            directory; or the class itself.

    Raises:
        ValueError: There is no such name, module or class, or the class is not a ``Scorer``; one line.
    """
    scorer = _find_class(name) if isinstance(name, str) else name
    from clipit_lightning.models.scorer import Scorer  # here, because the names alone must not cost an import of torch

    if not isinstance(scorer, type) or not issubclass(scorer, Scorer):
        raise ValueError(f"{name}: not a scorer; derive it from clipit_lightning.models.scorer.Scorer")
    return scorer


def _find_class(name: str) -> type:
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
    scorer = getattr(module, class_name, None)
    if not isinstance(scorer, type):
        raise ValueError(f"{name}: {module_name} has no class {class_name}")
    return scorer
