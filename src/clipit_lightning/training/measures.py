"""By which rules scores are measured: those that were chosen, else the conventions of the benchmark."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.data import has_queries, has_scripts
from clipit_lightning.data.datamodule import check_choice
from clipit_lightning.data.own import find_benchmark
from clipit_lightning.evaluation.metrics import AnnotatorMeasures, Measures, QueryMeasures, ScriptMeasures
from clipit_lightning.evaluation.presets import PRESETS
from clipit_lightning.evaluation.protocol import query_rules_of, rules_of, script_rules_of
from clipit_lightning.evaluation.rules import Rules


def make_measures(dataset: str, protocol: ProtocolConfig, root: Path | str | None = None) -> Measures:
    """The measures of scores for a benchmark; a preset says what is correlated where nothing else does.

    ``root`` is the folder of the stores, where those of one's own declare their conventions.
    """
    if has_queries(dataset):
        return QueryMeasures(query_rules_of(protocol, dataset))
    if has_scripts(dataset):
        return ScriptMeasures(script_rules_of(protocol, dataset))
    if protocol.correlation == "default":
        protocol = replace(protocol, correlation=PRESETS[protocol.preset].correlation.get(dataset, "default"))

    @cache  # is asked for every video, and a store of one's own is read for it
    def rules(name: str) -> Rules:
        return rules_of(protocol, find_benchmark(name, root), name == dataset)

    return AnnotatorMeasures(rules, rules(dataset).highlights != "off")


def protocol_of(rules: Rules | Mapping[str, Any] | None) -> ProtocolConfig:
    """The section `protocol` of a configuration with some of its fields, or with those of ``Rules``.

    Raises:
        TypeError: There is no such field; one line.
        ValueError: A field has no allowed value; one line.
    """
    chosen = asdict(rules) if isinstance(rules, Rules) else dict(rules or {})
    for name, hint in get_type_hints(ProtocolConfig).items():
        if name in chosen and get_origin(hint) is Literal:
            check_choice(f"rules: {name}", chosen[name], get_args(hint))
    return ProtocolConfig(**chosen)
