"""Reading sweep files in the format of Weights & Biases: what is searched, how, and which runs the trials are.

The names and meanings are those of wandb's sweep configuration (https://docs.wandb.ai/guides/sweeps/sweep-config-keys)
and of its engine (https://github.com/wandb/sweeps, ``params.py``, ``grid_search.py``, ``hyperband_stopping.py``).
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clipit_lightning.core.errors import UserError, require
from clipit_lightning.core.yaml_files import read_yaml
from clipit_lightning.studies.sweep_values import Parameter, parameter

PREFIX = "validation/"
"""Before a metric's name: what a trial reports, the mean over its folds' validation parts."""
_KNOWN = {"method", "metric", "parameters", "command", "early_terminate", "name", "run_cap"}
_FOR_THE_SERVER = {"program", "project", "entity", "description", "apiVersion", "kind", "controller"}
_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_LAST_BAND = 10**9  # epochs; wandb goes on to its hundredth band


@dataclass(frozen=True)
class Stopping:
    """Early stopping: at each band a trial must be among the best ``1 / eta`` of all that came so far."""

    bands: tuple[int, ...]
    """Epochs, counted over the folds of a trial."""
    eta: float
    strict: bool
    """Compare the value at the band; else the best value up to now."""


@dataclass(frozen=True)
class Sweep:
    """A sweep file, read."""

    path: Path
    name: str
    method: Literal["grid", "random", "bayes"]
    metric: str | None
    """Name of the metric without `validation/`; None for what chooses the epoch."""
    maximize: bool
    target: float | None
    """The search ends when a trial reaches this."""
    parameters: tuple[Parameter, ...]
    files: tuple[str, ...]
    """Configuration files of every trial."""
    words: tuple[str, ...]
    """``key=value`` of every trial, beside its parameters."""
    added: tuple[str, ...]
    """Those of the words that were not in the file."""
    stopping: Stopping | None
    run_cap: int | None
    raw: dict[str, Any]
    """The content of the file."""


def read_sweep(path: Path, words: Sequence[str] = ()) -> Sweep:
    """Read a sweep file.

    Args:
        path: The YAML file.
        words: More ``key=value`` for every trial, which win over those of its command; a parameter of the file that one
            of them names is fixed to it.

    Raises:
        UserError: It is missing, damaged, or says what cannot be done; one line that names the key.
    """
    raw = read_yaml(path, "no such sweep file; see experiments/sweeps/")
    if not isinstance(raw, dict):
        raise UserError(f"{path}: holds no sweep; see experiments/sweeps/")
    return parse_sweep(raw, path, words)


def parse_sweep(raw: dict[str, Any], path: Path, words: Sequence[str] = ()) -> Sweep:
    """What the content of a sweep file means.

    Raises:
        UserError: As of `read_sweep`.
    """
    try:
        return _parse(_fixed(raw, words), path, words)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _fixed(raw: dict[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """The content of a file without the parameters that words fix."""
    fixed = {word.partition("=")[0] for word in words}
    if not isinstance(raw.get("parameters"), dict):
        return raw
    return raw | {"parameters": {key: spec for key, spec in raw["parameters"].items() if key not in fixed}}


def _parse(raw: dict[str, Any], path: Path, words: Sequence[str]) -> Sweep:
    for key in raw:
        require(key in _KNOWN | _FOR_THE_SERVER, key, f"is not supported; there are {', '.join(sorted(_KNOWN))}")
    method: Any = raw.get("method")
    require(method in ("grid", "random", "bayes"), "method", f"is {method}; there are grid, random and bayes")
    files, own = _command(raw.get("command"))
    metric, maximize, target = _metric(raw.get("metric"))
    run_cap = raw.get("run_cap")
    require(run_cap is None or (_whole(run_cap) and run_cap >= 1), "run_cap", f"is {run_cap}; 1 or more is possible")
    return Sweep(
        path=path,
        name=str(raw.get("name") or path.stem),
        method=method,
        metric=metric,
        maximize=maximize,
        target=target,
        parameters=tuple(_parameters(raw.get("parameters"), method == "grid")),
        files=files,
        words=(*own, *words),
        added=tuple(words),
        stopping=_stopping(raw["early_terminate"]) if raw.get("early_terminate") is not None else None,
        run_cap=run_cap,
        raw=raw,
    )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _metric(raw: Any) -> tuple[str | None, bool, float | None]:  # noqa: ANN401 - from YAML
    if raw is None:
        return None, True, None
    require(isinstance(raw, dict) and isinstance(raw.get("name"), str), "metric", "has no name")
    name = raw["name"]
    require(
        name.startswith(PREFIX),
        "metric.name",
        f"is {name}; trials report {PREFIX}kendall_tau and the like, the mean over the folds' validation parts",
    )
    goal = raw.get("goal")
    require(goal in ("maximize", "minimize"), "metric.goal", f"is {goal}; say maximize (without it wandb minimizes)")
    target = raw.get("target")
    require(target is None or _number(target), "metric.target", f"is {target}; a number is needed")
    return name.removeprefix(PREFIX), goal == "maximize", target


def _command(raw: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: ANN401 - from YAML
    """The configuration files and the ``key=value`` words of ``clipit train`` in a command."""
    wanted = "needs ${env}, clipit, train, configs/NAME.yaml, ${args_no_hyphens}"
    require(isinstance(raw, list) and "train" in raw and "${args_no_hyphens}" in raw, "command", wanted)
    after = [_filled(str(word)) for word in raw[raw.index("train") + 1 :] if word != "${args_no_hyphens}"]
    for word in after:
        require(not word.startswith(("-", "${")), "command", f"{word} is nothing that clipit train takes")
    files = tuple(word for word in after if "=" not in word)
    return files, tuple(word for word in after if "=" in word)


def _filled(word: str) -> str:
    """``${envvar:NAME}`` replaced as by wandb's agent: an unset variable becomes its name."""
    return _ENVIRONMENT.sub(lambda match: os.environ.get(match[1], match[1]), word)


def _parameters(raw: Any, grid: bool, prefix: str = "") -> list[Parameter]:  # noqa: ANN401 - from YAML
    """All parameters, nested ones with dotted keys."""
    require(isinstance(raw, dict) and bool(raw), f"{prefix}parameters".rstrip("."), "is missing or empty")
    found = []
    for name, spec in raw.items():
        key = f"{prefix}{name}"
        require(isinstance(spec, dict), f"parameters.{key}", f"is {spec}; say value: or values: or min: and max:")
        if "parameters" in spec:
            found += _parameters(spec["parameters"], grid, f"{key}.")
        else:
            found.append(parameter(key, spec, grid))
    keys = [each.key for each in found]
    for key in keys:
        require(keys.count(key) == 1, f"parameters.{key}", "is there twice")
    return found


def _stopping(raw: Any) -> Stopping:  # noqa: ANN401 - from YAML
    """The bands of wandb: ``min_iter * eta^k``, or ``max_iter / eta^k`` for ``s`` of them, each cut to whole epochs."""
    require(isinstance(raw, dict) and raw.get("type") == "hyperband", "early_terminate.type", "hyperband is possible")
    for key in raw:
        known = ("type", "min_iter", "max_iter", "s", "eta", "strict")
        require(key in known, f"early_terminate.{key}", f"is unknown; there are {', '.join(known)}")
    eta, strict = raw.get("eta", 3), raw.get("strict", True)
    require(_number(eta) and eta > 1, "early_terminate.eta", f"is {eta}; above 1 is possible")
    require(isinstance(strict, bool), "early_terminate.strict", f"is {strict}; true or false is possible")
    if "max_iter" in raw:
        bands = _bands_down(raw, eta)
    else:
        first: Any = raw.get("min_iter")
        require(_whole(first) and first >= 1, "early_terminate", "needs min_iter, or max_iter and s; whole numbers")
        bands = _bands_up(first, eta)
    return Stopping(tuple(sorted(set(bands))), float(eta), strict)


def _bands_down(raw: Mapping[str, Any], eta: float) -> list[int]:
    last: Any = raw["max_iter"]
    number: Any = raw.get("s")
    require(_whole(last) and _whole(number) and number >= 1, "early_terminate.s", "max_iter and s are whole numbers")
    bands = [int(last / eta**step) for step in range(1, number + 1) if last / eta**step >= 1]
    require(bool(bands), "early_terminate.max_iter", f"is {last}; no band is left below it")
    return bands


def _bands_up(first: int, eta: float) -> list[int]:
    bands: list[int] = []
    band = float(first)
    while band < _LAST_BAND and len(bands) < 100:
        bands.append(int(band))
        band *= eta
    return bands


def values_of(sweep: Sweep, suggest: Callable[[Parameter], Any]) -> dict[str, Any]:
    """The values of a trial by key, constants too.

    Args:
        sweep: The sweep.
        suggest: Gives the base variable of a parameter that has one.
    """
    return {each.key: each.value(None if each.base is None else suggest(each)) for each in sweep.parameters}


def trial_words(values: Mapping[str, Any]) -> list[str]:
    """Values as the words that wandb's agent puts in the place of ``${args_no_hyphens}``."""
    return [f"{key}={value}" for key, value in values.items()]
