"""``Protocol``: every choice that changes a number, as one value with a short stable identifier."""

import hashlib
import json
from dataclasses import asdict, dataclass

from clipit_lightning.config import Config
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import CorrelationRule, F1Convention


@dataclass(frozen=True)
class Protocol:
    """How a number was made. Two results can be compared when their protocols are equal."""

    dataset: str
    setting: str
    sources: tuple[str, ...]
    """Benchmarks that trained beside the target."""
    data: str
    """``real`` or ``mini``."""
    data_hash: str
    """Hash of the contents of all stores that were read."""
    folds: str
    """Family, number and seed of the folds."""
    validation: float
    selection: str
    """How the epoch was chosen."""
    f1: F1Convention
    """How F1 is taken over annotators."""
    correlation: CorrelationRule
    """References of the rank correlations."""
    budget: float
    budget_rounding: str = "floor"
    shot_value: str = "mean"
    solver: str = "knapsack"

    @property
    def identifier(self) -> str:
        """Readable part and hash: ``tvsum-canonical-kfold5-val-per-annotator-3f2a9c1e``."""
        content = json.dumps(asdict(self), sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()[:8]
        names = (self.dataset, self.setting, self.folds.partition(" ")[0], self.selection, self.correlation)
        return "-".join((*names, digest))


def correlation_rule(config: Config, dataset: str) -> CorrelationRule:
    """The rule for a video of a benchmark: as configured for the target; sources always keep their own."""
    chosen = config.protocol.correlation
    return BENCHMARKS[dataset].correlation if chosen == "default" or dataset != config.data.dataset else chosen


def make_protocol(config: Config, sources: tuple[str, ...], data: str, data_hash: str) -> Protocol:
    """The protocol of a run.

    Args:
        config: The run's configuration.
        sources: Benchmarks that train beside the target.
        data: ``real`` or ``mini``.
        data_hash: Hash of the contents of the stores.
    """
    target = BENCHMARKS[config.data.dataset]
    one = config.data.setting == "transfer"
    return Protocol(
        dataset=target.name,
        setting=config.data.setting,
        sources=sources,
        data=data,
        data_hash=data_hash,
        folds=f"{'all' if one else f'kfold{config.data.folds}'} seed {config.data.fold_seed}",
        validation=config.data.validation,
        selection=config.selection,
        f1=target.f1_convention,
        correlation=correlation_rule(config, target.name),
        budget=config.protocol.budget,
    )
