"""Scores to numbers: metrics, rules, protocol, floors.

Metrics take lists, arrays of numpy and tensors of PyTorch, which they do not import:

>>> from clipit_lightning.evaluation import f1, kendall_tau, select_shots
>>> summary = select_shots([0.1, 0.8, 0.9, 0.2], change_points=[[0, 0], [1, 2], [3, 3]], n_frames=4, budget=0.5)
>>> f1(summary, user_summary=[[0, 1, 1, 0], [1, 1, 0, 0]])
0.75
"""

from typing import TYPE_CHECKING

from clipit_lightning.core.lazy import lazy

if TYPE_CHECKING:
    from clipit_lightning.evaluation.annotations import Annotations as Annotations
    from clipit_lightning.evaluation.baselines import floors as floors
    from clipit_lightning.evaluation.baselines import query_floors as query_floors
    from clipit_lightning.evaluation.evaluate import evaluate_scores as evaluate_scores
    from clipit_lightning.evaluation.highlights import highlight_precision as highlight_precision
    from clipit_lightning.evaluation.key_frames import keyframe_f1 as keyframe_f1
    from clipit_lightning.evaluation.key_frames import keyframe_matching as keyframe_matching
    from clipit_lightning.evaluation.matching import Match as Match
    from clipit_lightning.evaluation.matching import QueryRules as QueryRules
    from clipit_lightning.evaluation.matching import measure_query as measure_query
    from clipit_lightning.evaluation.matching import semantic_f1 as semantic_f1
    from clipit_lightning.evaluation.matching import semantic_matching as semantic_matching
    from clipit_lightning.evaluation.overlap import f1 as f1
    from clipit_lightning.evaluation.rank_correlation import kendall_tau as kendall_tau
    from clipit_lightning.evaluation.rank_correlation import spearman_rho as spearman_rho
    from clipit_lightning.evaluation.rules import CORRELATION_RULES as CORRELATION_RULES
    from clipit_lightning.evaluation.rules import ConstantScoresWarning as ConstantScoresWarning
    from clipit_lightning.evaluation.rules import Rules as Rules
    from clipit_lightning.evaluation.rules import measure as measure
    from clipit_lightning.summary.key_shots import select_shots as select_shots

_MODULES = {
    "Annotations": "clipit_lightning.evaluation.annotations",
    "floors": "clipit_lightning.evaluation.baselines",
    "query_floors": "clipit_lightning.evaluation.baselines",
    "evaluate_scores": "clipit_lightning.evaluation.evaluate",
    "highlight_precision": "clipit_lightning.evaluation.highlights",
    "keyframe_f1": "clipit_lightning.evaluation.key_frames",
    "keyframe_matching": "clipit_lightning.evaluation.key_frames",
    "Match": "clipit_lightning.evaluation.matching",
    "QueryRules": "clipit_lightning.evaluation.matching",
    "measure_query": "clipit_lightning.evaluation.matching",
    "semantic_f1": "clipit_lightning.evaluation.matching",
    "semantic_matching": "clipit_lightning.evaluation.matching",
    "f1": "clipit_lightning.evaluation.overlap",
    "kendall_tau": "clipit_lightning.evaluation.rank_correlation",
    "spearman_rho": "clipit_lightning.evaluation.rank_correlation",
    "CORRELATION_RULES": "clipit_lightning.evaluation.rules",
    "ConstantScoresWarning": "clipit_lightning.evaluation.rules",
    "Rules": "clipit_lightning.evaluation.rules",
    "measure": "clipit_lightning.evaluation.rules",
    "select_shots": "clipit_lightning.summary.key_shots",
}
"""Where each public name is defined; a module is imported when its name is asked for."""
__all__ = list(_MODULES)
__getattr__ = lazy(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
