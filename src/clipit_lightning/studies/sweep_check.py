"""Find what is wrong with a sweep before its first trial: unknown keys, impossible values, test folds in the search."""

from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import optuna

from clipit_lightning.core.config import Config, LoggerConfig, TrainerConfig
from clipit_lightning.core.config_files import flatten, load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.evaluation.presets import apply_preset
from clipit_lightning.studies.sweep_file import Parameter, Sweep, draw_values

LOCAL = ("test=false", "logger.wandb='off'", "overwrite=false", "trainer.progress=false")
"""What every local trial has, whatever the file says: a search sees no test fold, and needs no account."""
_OURS = ("test", "output", "overwrite")
_RULES = ("dataset", "setting", "root", "sources", "family", "folds", "fold", "fold_seed", "validation")
_TRIES = 16  # drawn combinations that may show that a value is possible beside some others


def trial_config(sweep: Sweep, values: dict[str, Any], last: tuple[str, ...] = LOCAL) -> Config:
    """Load the configuration of a trial with these values."""
    return load_config(sweep.files, [*sweep.words, *(f"{key}={value}" for key, value in values.items()), *last])


def check(sweep: Sweep) -> Config:
    """Check a sweep without looking at data; returns the configuration of every trial, with the sweep's constants.

    Raises:
        UserError: A key is unknown, a value impossible, or the search would see test folds or compare the incomparable.
    """
    for parameter in sweep.parameters:
        _check_key(parameter)
    constants = {parameter.key: parameter.values[0] for parameter in sweep.parameters if parameter.distribution is None}
    config = trial_config(sweep, constants)
    if config.trainer.processes * config.trainer.num_nodes > 1:
        raise UserError("trainer.devices: a search gives each trial one process; give --workers instead")
    for parameter in sweep.parameters:
        for value in parameter.probes():
            _check_value(sweep, parameter.key, value, constants)
    _check_selection(config)
    return config


def _check_key(parameter: Parameter) -> None:
    section, _, name = parameter.key.partition(".")
    where = f"parameters.{parameter.key}"
    if parameter.key in _OURS or section in ("logger", "trainer"):
        raise UserError(f"{where}: is nothing to search over; write {parameter.key}=... in the command")
    if parameter.distribution is not None and (section == "protocol" or (section == "data" and name in _RULES)):
        raise UserError(f"{where}: changes what is measured, so that trials cannot be compared; fix it")


def _check_value(sweep: Sweep, key: str, value: Any, constants: dict[str, Any]) -> None:  # noqa: ANN401
    """Refuse a value that is impossible alone and beside drawn values of the other parameters, too."""
    try:
        _check_selection(trial_config(sweep, constants | {key: value}))
    except UserError as error:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        draws = (draw_values(sweep, study.ask()) for _ in range(_TRIES))
        for drawn in draws:
            with suppress(UserError):
                _check_selection(trial_config(sweep, drawn | {key: value}))
                return
        raise UserError(f"{sweep.path}: parameters.{key}: {value} is impossible ({error})") from error


def _check_selection(config: Config) -> None:
    """Refuse to choose epochs on test folds, by the configuration or by a preset."""
    if apply_preset(config).selection == "best-on-test":
        raise UserError("selection: best-on-test validates on test folds, which a search must not see; use val or last")


def definition(sweep: Sweep, config: Config, metric: str, data: str) -> dict[str, Any]:
    """Say by key what may not change while a study goes on; ``data`` is the hash of its data."""
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
