"""``Protocol``: every choice that changes a number, as one value with a short identifier."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clipit_lightning.core.config import Config, ProtocolConfig
from clipit_lightning.core.errors import require
from clipit_lightning.data import BENCHMARKS, benchmark_names, check_names, has_queries
from clipit_lightning.data.benchmark import Benchmark
from clipit_lightning.data.folds import Fold
from clipit_lightning.data.own import find_benchmark
from clipit_lightning.evaluation.best_steps import ScriptRules
from clipit_lightning.evaluation.matching import QueryRules
from clipit_lightning.evaluation.rules import CORRELATION_RULES, Rules, measured


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
    """How F1 is taken over annotators, or ``semantic-matching`` for queries, ``best-steps`` for scripts."""
    correlation: str
    """What is correlated with what; ``none`` for queries and scripts."""
    budget: float
    rounding: str
    shot_value: str
    """``score`` for queries and scripts: a shot or step has one score."""
    solver: str
    """``best`` for queries and scripts: the shots or steps of highest score."""
    setting: str
    """From here on: how the scorer was trained. Results that differ only below can be compared."""
    sources: tuple[str, ...]
    """Benchmarks that trained beside the target."""
    training_hash: str
    """Hash of the videos that train and validate in each fold."""
    data_hash: str
    """Hash of the contents of all stores that were read, features included."""
    highlights: str = "off"
    """By which rule mAP of clips is measured, of the evaluation again; no part of files and identifiers where it is
    ``off``, or results from before there was a choice had others."""

    @property
    def values(self) -> dict[str, Any]:
        """All of it by name, as files hold it."""
        return measured(asdict(self))

    @property
    def evaluation(self) -> dict[str, Any]:
        """The part that two comparable results share."""
        training = ("setting", "sources", "training_hash", "data_hash")
        return {name: value for name, value in self.values.items() if name not in training}

    @property
    def identifier(self) -> str:
        """Readable part and hash: ``tvsum-canonical-kfold5-val-per-annotator-3f2a9c1e``."""
        rule = self.f1 if self.correlation == "none" else self.correlation
        folds = self.folds.partition(" ")[0].replace("/", "")
        names = (self.dataset, self.setting, folds, self.selection, rule)
        return "-".join((*names, _digest(self.values)))

    @property
    def evaluation_identifier(self) -> str:
        """Eight hexadecimal digits; equal for comparable results."""
        return _digest(self.evaluation)


def evaluation_differences(one: Protocol, other: Protocol) -> list[str]:
    """In what the evaluation parts of two protocols differ, with both values; empty where they can be compared."""
    left, right = ({"highlights": "off"} | protocol.evaluation for protocol in (one, other))
    return [f"{name}: {left[name]} against {right[name]}" for name in left if left[name] != right[name]]


def rules_of(chosen: ProtocolConfig, benchmark: Benchmark, is_target: bool = True) -> Rules:
    """The rules for a video of a benchmark: as chosen for the target; sources always keep their own conventions."""
    names = ("default", *CORRELATION_RULES)
    wrong = f"is {chosen.correlation}; it must be one of {', '.join(names)}"
    require(chosen.correlation in names, "protocol.correlation", wrong)
    correlation, f1, highlights = benchmark.correlation, benchmark.f1_convention, benchmark.highlights
    if is_target:
        correlation = correlation if chosen.correlation == "default" else chosen.correlation
        f1 = f1 if chosen.f1 == "default" else chosen.f1
        highlights = highlights if chosen.highlights == "default" else chosen.highlights
    budget = benchmark.budget if chosen.budget is None else chosen.budget
    return Rules(f1, correlation, budget, chosen.shot_value, chosen.rounding, chosen.solver, highlights)


def query_rules_of(chosen: ProtocolConfig, dataset: str) -> QueryRules:
    """The rules for the queries of a benchmark."""
    budget = BENCHMARKS[dataset].budget if chosen.budget is None else chosen.budget
    return QueryRules(budget, chosen.rounding)


def script_rules_of(chosen: ProtocolConfig, dataset: str) -> ScriptRules:
    """The rules for the scripts of a benchmark."""
    budget = BENCHMARKS[dataset].budget if chosen.budget is None else chosen.budget
    return ScriptRules(budget, chosen.rounding)


def check_contradictions(config: Config) -> None:
    """Check that the benchmark has what the configuration asks for, before any data are read."""
    data, selects = config.data, config.selection == "val"
    check_names(data.dataset, data.sources, data.root)
    no_part = "val needs a validation part, and {} leaves none; say selection=last"
    require(not (selects and data.validation == 0), "selection", no_part.format("data.validation=0"))
    benchmark = find_benchmark(data.dataset, data.root)
    if benchmark.kind == "annotated":
        rules_of(config.protocol, benchmark)
        of_queries = f"is for benchmarks with queries ({', '.join(benchmark_names('queries'))}), not for {data.dataset}"
        require(not data.sentence, "data.sentence", of_queries)
        _check_family(data.family, benchmark)
        return
    if benchmark.kind == "scripts":
        _check_scripts(config, benchmark.name)
        return
    family, name, last = " or ".join(benchmark.families), benchmark.name, len(benchmark.videos) - 1
    require(
        data.setting == "canonical",
        "data.setting",
        f"{data.setting} needs other benchmarks to train on, and none but {name} has queries; omit the setting: {name} "
        f"leaves one video out (data.family={family})",
    )
    has_folds = data.family in benchmark.families
    require(has_folds, "data.family", f"{data.family} has no folds of {name}; say data.family={family}")
    require(data.fold is None or data.fold <= last, "data.fold", f"is {data.fold}; there are folds 0 to {last}")
    require(not (selects and data.family == "3/1"), "selection", no_part.format("data.family=3/1"))
    _check_no_annotators(config.protocol, name)


def _check_family(family: str, benchmark: Benchmark) -> None:
    """Check that annotated videos may be parted by a family of folds."""
    only = benchmark.families
    no_folds = f"{family} has no folds of {benchmark.name}; say data.family={''.join(only[:1])}"
    require(not only or family in only, "data.family", no_folds)
    others = [other.name for other in BENCHMARKS.values() if family in other.families]
    wrong = f"is for {', '.join(others)}, not for {benchmark.name}"
    require(bool(only) or not others, f"data.family={family}", wrong)


def _check_scripts(config: Config, name: str) -> None:
    data, families = config.data, BENCHMARKS[name].families
    no_others = f"{data.setting} needs other benchmarks to train on, which {name} has not; omit the setting"
    require(data.setting == "canonical", "data.setting", no_others)
    has_folds = data.family in families
    require(has_folds, "data.family", f"{data.family} has no folds of {name}; say data.family={families[0]}")
    known, source = ("own", "another", "fused"), data.caption_source
    require(source in known, "data.caption_source", f"is {source}; on {name} it is one of {', '.join(known)}")
    for key in ("sentence", "shot_captions", "query_captions", "oracle_captions"):
        require(not getattr(data, key), f"data.{key}", f"is not for scripts; omit it for {name}")
    _check_no_annotators(config.protocol, name)


def _check_no_annotators(chosen: ProtocolConfig, name: str) -> None:
    base = ProtocolConfig()
    for key in ("preset", "f1", "correlation", "shot_value", "solver", "highlights"):
        is_default = getattr(chosen, key) == getattr(base, key)
        require(is_default, f"protocol.{key}", f"is for benchmarks with annotators; omit it for {name}")


def make_protocol(
    config: Config, sources: tuple[str, ...], folds: Sequence[Fold], data: str, annotations_hash: str, data_hash: str
) -> Protocol:
    """The protocol of a configuration whose preset is applied, with all its folds, also where only one is run."""
    dataset = config.data.dataset
    return Protocol(
        dataset=dataset,
        data=data,
        annotations_hash=annotations_hash,
        folds=_folds_name(config, len(folds)),
        folds_hash=_digest([fold.test for fold in folds]),
        selection=config.selection,
        **_rules_as_values(config.protocol, find_benchmark(dataset, config.data.root)),
        setting=config.data.setting,
        sources=sources,
        training_hash=_digest([(fold.train, fold.validation) for fold in folds]),
        data_hash=data_hash,
    )


def _rules_as_values(chosen: ProtocolConfig, benchmark: Benchmark) -> dict[str, Any]:
    if benchmark.kind == "annotated":
        return asdict(rules_of(chosen, benchmark))
    unlike_annotators = {"correlation": "none", "shot_value": "score", "solver": "best"}
    if benchmark.kind == "scripts":
        return asdict(script_rules_of(chosen, benchmark.name)) | unlike_annotators | {"f1": "best-steps"}
    return asdict(query_rules_of(chosen, benchmark.name)) | unlike_annotators | {"f1": "semantic-matching"}


def _folds_name(config: Config, count: int) -> str:
    if has_queries(config.data.dataset):
        return config.data.family
    if config.data.family != "kfold":
        return f"{config.data.family.rpartition('/')[2]}{count}"
    return "all" if config.data.setting == "transfer" else f"kfold{count} seed {config.data.fold_seed}"


def _digest(content: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
