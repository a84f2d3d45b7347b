"""``Protocol``: every choice that changes a number, as one value with a short identifier; and published presets."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from clipit_lightning.core.config import Config, ProtocolConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS, benchmark_names, check_names, has_queries
from clipit_lightning.data.benchmark import CorrelationRule
from clipit_lightning.data.folds import Fold
from clipit_lightning.evaluation.matching import QueryRules
from clipit_lightning.evaluation.rules import Rules


@dataclass(frozen=True)
class Preset:
    """What a published code base does, where it differs from our defaults; read in the code itself."""

    family: str
    """Its folds."""
    selection: str
    """How it chooses the epoch; `val` where its own rule is none of ours (see ``about``)."""
    correlation: dict[str, CorrelationRule]
    """What it correlates, by data set; the default rule where the code computes none."""
    about: str
    """What the code does, in a sentence."""


PRESETS: dict[str, Preset] = {
    "default": Preset("kfold", "val", {}, "Our rules: see README, How we measure."),
    "pglsum": Preset(
        "pglsum",
        "val",
        {},
        "github.com/e-apostolidis/PGL-SUM: shot means, floor of 15 %, exact knapsack. It chooses the epoch by a "
        "rule on its training loss, which other models do not have: our validation stands in.",
    ),
    "vasnet": Preset(
        "vasnet",
        "best-on-test",
        {},
        "github.com/ok1zjf/VASNet: shot means, floor of 15 %, knapsack by OR-tools; best epoch on the test fold "
        "by F1. It computes no correlations.",
    ),
    "dsnet": Preset(
        "dsnet",
        "best-on-test",
        {},
        "github.com/li-plus/DSNet: shot means cut to thousandths, floor of 15 %, knapsack by OR-tools; best epoch"
        " on the test fold by F1. It computes no correlations.",
    ),
    "csta": Preset(
        "csta",
        "best-on-test",
        {"summe": "binary-summary"},
        "github.com/thswodnjs3/CSTA: correlations of the step scores with each annotator on TVSum, of the 0/1 "
        "summary with the annotators' mean on SumMe; best epoch on the test fold.",
    ),
    "msva": Preset(
        "msva",
        "best-on-test",
        {"summe": "binary-summary", "tvsum": "binary-summary"},
        "github.com/TIBHannover/MSVA: correlations of the 0/1 summary with the annotators' mean; best epoch on "
        "the test fold by F1.",
    ),
    "clip-it": Preset(
        "kfold",
        "val",
        {},
        "The paper: five random splits, F1 and per-annotator correlations on TVSum; its code and its choice of "
        "the epoch are not published, so our folds and validation stand in.",
    ),
}


@dataclass(frozen=True)
class Protocol:
    """How a number was made. Two results can be compared when their evaluation parts are equal."""

    dataset: str
    data: str
    """``real`` or ``mini``."""
    annotations_hash: str
    """Hash of the target's annotations: what predictions are measured against, whatever the features."""
    folds: str
    """Family, number and seed of the folds."""
    folds_hash: str
    """Hash of the videos that each fold tests."""
    selection: str
    """How the epoch was chosen."""
    f1: str
    """How F1 is taken over annotators, or ``semantic-matching`` for queries."""
    correlation: str
    """What is correlated with what; ``none`` for queries."""
    budget: float
    rounding: str
    shot_value: str
    """``score`` for queries: a shot has one score."""
    solver: str
    """``best`` for queries: the shots of highest score."""
    setting: str
    """From here on: how the scorer was trained. Results that differ only below can be compared."""
    sources: tuple[str, ...]
    """Benchmarks that trained beside the target."""
    training_hash: str
    """Hash of the videos that train and validate in each fold."""
    data_hash: str
    """Hash of the contents of all stores that were read, features included."""

    @property
    def evaluation(self) -> dict[str, Any]:
        """The part that two comparable results share."""
        training = ("setting", "sources", "training_hash", "data_hash")
        return {name: value for name, value in asdict(self).items() if name not in training}

    @property
    def identifier(self) -> str:
        """Readable part and hash: ``tvsum-canonical-kfold5-val-per-annotator-3f2a9c1e``."""
        rule = self.f1 if self.correlation == "none" else self.correlation
        folds = self.folds.partition(" ")[0].replace("/", "")
        names = (self.dataset, self.setting, folds, self.selection, rule)
        return "-".join((*names, _digest(asdict(self))))

    @property
    def evaluation_identifier(self) -> str:
        """Eight hexadecimal digits; equal for comparable results."""
        return _digest(self.evaluation)


def protocol_of(saved: dict[str, Any]) -> Protocol:
    """A protocol as it stands in ``result.json``."""
    values = {field.name: saved[field.name] for field in fields(Protocol)}
    return Protocol(**values | {"sources": tuple(values["sources"])})


def evaluation_differences(one: Protocol, other: Protocol) -> list[str]:
    """In what the evaluation parts of two protocols differ, with both values; empty where they can be compared."""
    left, right = one.evaluation, other.evaluation
    return [f"{name}: {left[name]} against {right[name]}" for name in left if left[name] != right[name]]


def apply_preset(config: Config) -> Config:
    """Fill what is left at its default with the choices of ``protocol.preset``; what was chosen stays."""
    preset, base = PRESETS[config.protocol.preset], Config()
    rule: CorrelationRule | Literal["default"] = preset.correlation.get(config.data.dataset, "default")
    changes: dict[str, Any] = {}
    if config.data.family == base.data.family:
        changes["data"] = replace(config.data, family=preset.family)
    if config.selection == base.selection:
        changes["selection"] = preset.selection
    if config.protocol.correlation == base.protocol.correlation:
        changes["protocol"] = replace(config.protocol, correlation=rule)
    return replace(config, **changes)


def rules_of(chosen: ProtocolConfig, dataset: str, target: str) -> Rules:
    """The rules for a video of a benchmark: as chosen for the target; sources always keep their own conventions."""
    benchmark = BENCHMARKS[dataset]
    correlation, f1 = benchmark.correlation, benchmark.f1_convention
    if dataset == target:
        correlation = correlation if chosen.correlation == "default" else chosen.correlation
        f1 = f1 if chosen.f1 == "default" else chosen.f1
    budget = benchmark.budget if chosen.budget is None else chosen.budget
    return Rules(f1, correlation, budget, chosen.shot_value, chosen.rounding, chosen.solver)


def query_rules_of(chosen: ProtocolConfig, dataset: str) -> QueryRules:
    """The rules for the queries of a benchmark."""
    budget = BENCHMARKS[dataset].budget if chosen.budget is None else chosen.budget
    return QueryRules(budget, chosen.rounding)


def refuse_contradictions(config: Config) -> None:
    """Refuse what a benchmark does not have, before any data are read.

    Raises:
        UserError: The configuration contradicts the kind of its benchmark.
    """
    data = config.data
    check_names(data.dataset, data.sources)
    if data.validation == 0 and config.selection == "val":
        raise UserError("selection: val needs a validation part, and data.validation=0 leaves none; say selection=last")
    benchmark = BENCHMARKS[data.dataset]
    if benchmark.kind == "annotated":
        with_queries = benchmark_names("queries")
        if data.family in {name for other in with_queries for name in BENCHMARKS[other].families} or data.sentence:
            key = "data.sentence" if data.sentence else f"data.family={data.family}"
            raise UserError(
                f"{key}: is for benchmarks with queries ({', '.join(with_queries)}), not for {data.dataset}"
            )
        return
    families, name = " or ".join(benchmark.families), benchmark.name
    if data.setting != "canonical":
        raise UserError(
            f"data.setting: {data.setting} needs other benchmarks to train on, and none but {name} has queries; leave "
            f"the setting away: {name} leaves one video out (data.family={families})"
        )
    if data.family not in benchmark.families:
        raise UserError(f"data.family: {data.family} has no folds of {name}; say data.family={families}")
    if data.fold is not None and data.fold >= len(benchmark.videos):
        raise UserError(f"data.fold: is {data.fold}; there are folds 0 to {len(benchmark.videos) - 1}")
    if data.family == "3/1" and config.selection == "val":
        raise UserError("selection: val needs a validation part, and data.family=3/1 has none; say selection=last")
    base = ProtocolConfig()
    for key in ("preset", "f1", "correlation", "shot_value", "solver"):
        if getattr(config.protocol, key) != getattr(base, key):
            raise UserError(f"protocol.{key}: is for benchmarks with annotators; leave it away for {name}")


def make_protocol(
    config: Config, sources: tuple[str, ...], folds: Sequence[Fold], data: str, annotations_hash: str, data_hash: str
) -> Protocol:
    """The protocol of a configuration whose preset is applied.

    Args:
        config: The run's configuration.
        sources: Benchmarks that train beside the target.
        folds: All folds, also where only one is run.
        data: ``real`` or ``mini``.
        annotations_hash: Hash of the target's annotations.
        data_hash: Hash of the contents of the stores.
    """
    dataset = config.data.dataset
    return Protocol(
        dataset=dataset,
        data=data,
        annotations_hash=annotations_hash,
        folds=_folds_name(config, len(folds)),
        folds_hash=_digest([fold.test for fold in folds]),
        selection=config.selection,
        **_rules_as_values(config.protocol, dataset),
        setting=config.data.setting,
        sources=sources,
        training_hash=_digest([(fold.train, fold.validation) for fold in folds]),
        data_hash=data_hash,
    )


def _rules_as_values(chosen: ProtocolConfig, dataset: str) -> dict[str, Any]:
    if BENCHMARKS[dataset].kind == "annotated":
        return asdict(rules_of(chosen, dataset, dataset))
    unlike_annotators = {"f1": "semantic-matching", "correlation": "none", "shot_value": "score", "solver": "best"}
    return asdict(query_rules_of(chosen, dataset)) | unlike_annotators


def _folds_name(config: Config, count: int) -> str:
    if has_queries(config.data.dataset):
        return config.data.family
    if config.data.family != "kfold":
        return f"{config.data.family.rpartition('/')[2]}{count}"
    return "all" if config.data.setting == "transfer" else f"kfold{count} seed {config.data.fold_seed}"


def _digest(content: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
