"""What is wrong with a sweep is said before its first trial: unknown keys, impossible values, missing data."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from clipit_lightning.core.config import Config, LoggerConfig, TrainerConfig
from clipit_lightning.core.config_files import flatten, load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.studies.sweep_space import PREFIX, Sweep, trial_words, values_of
from clipit_lightning.studies.sweep_values import Choice, Parameter

LOCAL = ("test=false", "logger.wandb='off'", "overwrite=false", "trainer.progress=false")
"""What every local trial has, whatever the file says: a search sees no test fold, and needs no account."""
_OURS = ("test", "output", "overwrite")
_RULES = ("dataset", "setting", "root", "sources", "family", "folds", "fold", "fold_seed", "validation")
_TRIES = 16  # drawn combinations that may show that a value is possible beside some others


@dataclass(frozen=True)
class Prepared:
    """A sweep that can run."""

    config: Config
    """Of every trial, without its parameters; the folder of the stores is found."""
    metric: str
    """Name of what is searched for, in ``validation`` of a result."""
    monitor: str
    """What chooses the epoch."""
    definition: dict[str, Any]
    """What may not change while a study goes on, by key."""


def base_config(sweep: Sweep, values: dict[str, Any] | None = None, last: Sequence[str] = LOCAL) -> Config:
    """The configuration of a trial with these values; by default of none.

    Raises:
        UserError: A key is unknown or a value impossible.
    """
    return load_config(sweep.files, [*sweep.words, *trial_words(values or {}), *last])


def check(sweep: Sweep) -> Config:
    """Check a sweep without looking at data.

    Returns:
        The configuration of every trial, with the sweep's constants.

    Raises:
        UserError: A key is unknown, a value impossible, or the search would see test folds or compare the incomparable.
    """
    for each in sweep.parameters:
        _refuse_keys(each)
    constants = {each.key: each.value(None) for each in sweep.parameters if each.base is None}
    config = base_config(sweep, constants)
    if config.trainer.devices * config.trainer.num_nodes > 1:
        raise UserError("trainer.devices: a search gives each trial one process; say --workers instead")
    for each in sweep.parameters:
        for value in each.probes():
            _refuse_value(sweep, each, value, constants)
    return config


def _refuse_keys(each: Parameter) -> None:
    section, _, name = each.key.partition(".")
    if each.key in _OURS or section in ("logger", "trainer"):
        raise UserError(f"parameters.{each.key}: is nothing to search over; say {each.key}=... in the command")
    if each.base is not None and (section == "protocol" or (section == "data" and name in _RULES)):
        raise UserError(f"parameters.{each.key}: changes what is measured, so that trials cannot be compared; fix it")


def _refuse_value(sweep: Sweep, each: Parameter, value: Any, constants: dict[str, Any]) -> None:  # noqa: ANN401
    """Refuse a value that is impossible alone and beside drawn values of the other parameters, too."""
    try:
        config = base_config(sweep, constants | {each.key: value})
    except UserError as error:
        draws = random.Random(0)
        if any(_possible(sweep, values_of(sweep, _drawn(draws)) | {each.key: value}) for _ in range(_TRIES)):
            return
        raise UserError(f"{sweep.path}: parameters.{each.key}: {value} is impossible ({error})") from error
    _refuse_test_folds(config)


def _possible(sweep: Sweep, values: dict[str, Any]) -> bool:
    try:
        base_config(sweep, values)
    except UserError:
        return False
    return True


def _drawn(draws: random.Random) -> Callable[[Parameter], Any]:
    def draw(each: Parameter) -> Any:  # noqa: ANN401 - a label or a number
        if isinstance(each.base, Choice):
            return draws.choice(each.base.labels)
        assert each.base is not None
        return (
            draws.randint(int(each.base.low), int(each.base.high))
            if each.base.integer
            else draws.uniform(each.base.low, each.base.high)
        )

    return draw


def _refuse_test_folds(config: Config) -> None:
    """Refuse to choose epochs on test folds, by the configuration or by a preset.

    Raises:
        UserError: It does.
    """
    from clipit_lightning.evaluation.presets import apply_preset

    if apply_preset(config).selection == "best-on-test":
        raise UserError("selection: best-on-test validates on test folds, which a search must not see; say val or last")


def prepare(sweep: Sweep, say: Callable[[str], None]) -> Prepared:
    """Check a sweep, and find and check its data.

    Raises:
        UserError: As of `check`; or data are missing or unsound, or the metric is none of the data set's.
    """
    from clipit_lightning.evaluation.presets import apply_preset
    from clipit_lightning.evaluation.protocol import check_contradictions
    from clipit_lightning.training import build
    from clipit_lightning.training.scorers import check_scorer

    config = check(sweep)
    _refuse_test_folds(config)
    check_contradictions(config)
    check_scorer(config)
    config = replace(config, data=replace(config.data, root=build.resolve_root(config)))
    datamodule = build.datamodule(apply_preset(config))
    datamodule.setup()
    measures = build.measures(config)
    metric = sweep.metric or measures.monitor
    if metric not in measures.names:
        known = ", ".join(f"{PREFIX}{name}" for name in measures.names)
        raise UserError(f"{sweep.path}: metric.name: {PREFIX}{metric} is unknown; there are {known}")
    protocol = build.describe_protocol(apply_preset(config), datamodule)
    return Prepared(config, metric, measures.monitor, _definition(sweep, config, metric, protocol.data_hash))


def _definition(sweep: Sweep, config: Config, metric: str, data: str) -> dict[str, Any]:
    same = replace(
        config,
        data=replace(config.data, root=None, workers=0, preload_mb=0),
        trainer=TrainerConfig(precision=config.trainer.precision, accelerator=config.trainer.accelerator),
        logger=LoggerConfig(),
    )
    return {
        "method": sweep.method,
        "metric": metric,
        "goal": "maximize" if sweep.maximize else "minimize",
        "parameters": sweep.raw["parameters"],
        "early_terminate": sweep.raw.get("early_terminate"),
        "data": data,
        **{key: value for key, value in flatten(asdict(same)).items() if value is not None},
    }
