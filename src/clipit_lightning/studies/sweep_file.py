"""Sweep files in the format of Weights & Biases: what is searched, how, and which runs the trials are.

Names and meanings are those of wandb's sweep configuration (https://docs.wandb.ai/guides/sweeps/sweep-config-keys). A
search on this machine refuses what only wandb's server can do.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from clipit_lightning.core.errors import UserError, require
from clipit_lightning.core.shipped import HOME, SWEEPS
from clipit_lightning.core.yaml_files import read_yaml

PREFIX = "validation/"
"""Before a metric's name: what a trial reports, the mean over its folds' validation parts."""
_KNOWN = {"method", "metric", "parameters", "command", "early_terminate", "name", "run_cap"}
_FOR_THE_SERVER = {"program", "project", "entity", "description", "apiVersion", "kind", "controller"}
_KINDS = ("uniform", "int_uniform", "log_uniform_values", "q_uniform")
_PROBES = 20  # choices of a parameter that are tried before the search


@dataclass(frozen=True)
class Parameter:
    """A key of the configuration and where its value comes from."""

    key: str
    distribution: BaseDistribution | None
    """What a search draws from; None for a constant."""
    values: tuple[Any, ...] = ()
    """Of a constant or a choice."""

    def draw(self, trial: optuna.Trial) -> Any:  # noqa: ANN401 - any value of a configuration
        """The value of a trial; a trial that has it already keeps it."""
        match self.distribution:
            case None:
                return self.values[0]
            case CategoricalDistribution(choices=labels):
                return self.values[labels.index(trial.suggest_categorical(self.key, labels))]
            case IntDistribution(low=low, high=high, step=step):
                return trial.suggest_int(self.key, low, high, step=step)
            case FloatDistribution(low=low, high=high, log=log, step=step):
                drawn = trial.suggest_float(self.key, low, high, log=log, step=step)
                return drawn if step is None else float(f"{drawn:.12g}")  # 0.3, not 0.30000000000000004
        raise TypeError(f"{self.distribution} is drawn by nothing")

    def probes(self) -> tuple[Any, ...]:
        """Values to try whether the configuration takes them: both ends, or the first choices."""
        match self.distribution:
            case IntDistribution(low=low, high=high) | FloatDistribution(low=low, high=high):
                return (low, high)
        return self.values[:_PROBES]


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
    """Without those that only the server can draw."""
    files: tuple[str, ...]
    """Configuration files of every trial."""
    words: tuple[str, ...]
    """``key=value`` of every trial, beside its parameters."""
    added: tuple[str, ...]
    """Those of the words that were not in the file."""
    halving: tuple[int, int] | None
    """Early stopping: the first epoch, counted over the folds, after which a trial may stop, and the factor eta: the
    best ``1 / eta`` of all trials go on, and are looked at again after ``eta`` times as many epochs."""
    run_cap: int | None
    raw: dict[str, Any]
    """The content of the file without the parameters that words fix."""
    online_only: str | None
    """What in the file only the server can do, in one line."""

    @property
    def labels(self) -> dict[str, list[str]]:
        """Texts that stand for the values of each choice, by key."""
        distributions = {parameter.key: parameter.distribution for parameter in self.parameters}
        choices = {key: kind for key, kind in distributions.items() if isinstance(kind, CategoricalDistribution)}
        return {key: [str(label) for label in kind.choices] for key, kind in choices.items()}

    @property
    def combinations(self) -> int:
        """How many trials a grid has."""
        return math.prod(len(labels) for labels in self.labels.values())


def read_sweep(path: Path, words: Sequence[str] = ()) -> Sweep:
    """Read a sweep file, as `parse_sweep` its content.

    Raises:
        UserError: It is missing, damaged, or says what cannot be done; one line that names the key.
    """
    raw = read_yaml(path, f"no such sweep file; see {HOME / SWEEPS[0]}")
    if not isinstance(raw, dict):
        raise UserError(f"{path}: holds no sweep; see {HOME / SWEEPS[0]}")
    return parse_sweep(raw, path, words)


def parse_sweep(raw: dict[str, Any], path: Path, words: Sequence[str] = ()) -> Sweep:
    """Say what the content of a sweep file means.

    ``words`` are more ``key=value`` for every trial, which win over those of its command; a parameter of the file that
    one of them names is fixed to it.

    Raises:
        UserError: It says what cannot be done; one line that names the file and the key.
    """
    fixed = {word.partition("=")[0] for word in words}
    if isinstance(raw.get("parameters"), dict):
        raw = raw | {"parameters": {key: spec for key, spec in raw["parameters"].items() if key not in fixed}}
    try:
        return _parse(raw, path, words)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _parse(raw: dict[str, Any], path: Path, words: Sequence[str]) -> Sweep:
    for key in raw:
        require(key in _KNOWN | _FOR_THE_SERVER, key, f"is not supported; there are {', '.join(sorted(_KNOWN))}")
    method: Any = raw.get("method")
    run_cap, early = raw.get("run_cap"), raw.get("early_terminate")
    require(method in ("grid", "random", "bayes"), "method", f"is {method}; there are grid, random and bayes")
    files, own = _command(raw.get("command"))
    metric, maximize, target = _metric(raw.get("metric"))
    require(run_cap is None or (_is_whole(run_cap) and run_cap >= 1), "run_cap", f"is {run_cap}; 1 or more is possible")
    problems: list[str] = []
    read = [_parameter(key, spec, method, problems) for key, spec in _specifications(raw.get("parameters"))]
    halving = None if early is None else _halving(early, problems)
    return Sweep(
        path=path,
        name=str(raw.get("name") or path.stem),
        method=method,
        metric=metric,
        maximize=maximize,
        target=target,
        parameters=tuple(parameter for parameter in read if parameter is not None),
        files=files,
        words=(*own, *words),
        added=tuple(words),
        halving=halving,
        run_cap=run_cap,
        raw=raw,
        online_only=f"{path}: {problems[0]}; --online has wandb's server search" if problems else None,
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _metric(raw: Any) -> tuple[str | None, bool, float | None]:  # noqa: ANN401 - from YAML
    if raw is None:
        return None, True, None
    require(isinstance(raw, dict) and isinstance(raw.get("name"), str), "metric", "has no name")
    name, goal, target = raw["name"], raw.get("goal"), raw.get("target")
    known = f"trials report {PREFIX}kendall_tau and the like, the mean over the folds' validation parts"
    require(name.startswith(PREFIX), "metric.name", f"is {name}; {known}")
    require(goal in ("maximize", "minimize"), "metric.goal", f"is {goal}; write maximize (without it wandb minimizes)")
    require(target is None or _is_number(target), "metric.target", f"is {target}; a number is needed")
    return name.removeprefix(PREFIX), goal == "maximize", target


def _command(raw: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: ANN401 - from YAML
    """The configuration files and the ``key=value`` words of ``clipit train`` in a command."""
    wanted = "needs ${env}, clipit, train, NAME, ${args_no_hyphens}"
    require(isinstance(raw, list) and "train" in raw and "${args_no_hyphens}" in raw, "command", wanted)
    after = [str(word) for word in raw[raw.index("train") + 1 :] if word != "${args_no_hyphens}"]
    for word in after:
        why = "; write values out: what a placeholder stands for would be saved with each trial" if "${" in word else ""
        require(not (why or word.startswith("-")), "command", f"{word} is nothing that clipit train takes{why}")
    return tuple(word for word in after if "=" not in word), tuple(word for word in after if "=" in word)


def _specifications(raw: Any, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:  # noqa: ANN401 - from YAML
    """What the file says of each parameter, nested ones with dotted keys."""
    require(isinstance(raw, dict) and bool(raw), f"{prefix}parameters", "is missing or empty")
    specifications: list[tuple[str, dict[str, Any]]] = []
    for name, spec in raw.items():
        key = f"{prefix}{name}"
        require(isinstance(spec, dict), f"parameters.{key}", f"is {spec}; write value: or values: or min: and max:")
        specifications += _specifications(spec["parameters"], f"{key}.") if "parameters" in spec else [(key, spec)]
    keys = [key for key, _ in specifications]
    for key in keys:
        require(keys.count(key) == 1, f"parameters.{key}", "is there twice")
    return specifications


def _parameter(key: str, spec: Mapping[str, Any], method: str, problems: list[str]) -> Parameter | None:
    """Read a parameter; None, and a line in ``problems``, where only the server can draw it."""
    where = f"parameters.{key}"
    if "value" in spec:
        _check_names(where, spec, "value", "distribution")
        return Parameter(key, None, (spec["value"],))
    if "values" in spec:
        return _choice(key, spec, problems)
    kind = spec.get("distribution") or _inferred_kind(where, spec)
    if kind not in _KINDS:
        problems.append(f"{where}: distribution {kind}; here are {', '.join(_KINDS)}, value and values")
        return None
    if method == "grid":
        problems.append(f"{where}: {kind} has no grid here; write values, or method: random")
        return None
    _check_names(where, spec, "distribution", "min", "max", *(["q"] if kind == "q_uniform" else []))
    low, high, step = _number(where, spec, "min"), _number(where, spec, "max"), spec.get("q", 1)
    require(low < high, where, f"min {low} is not below max {high}")
    require(kind != "log_uniform_values" or low > 0, where, f"min is {low}; log_uniform_values needs it above 0")
    require(_is_number(step) and step > 0, where, f"q is {step}; a number above 0 is needed")
    whole = all(int(number) == number for number in (low, high, step))
    require(whole or kind != "int_uniform", where, f"min {low}, max {high}; int_uniform needs whole numbers")
    if kind == "int_uniform" or (kind == "q_uniform" and whole):
        return Parameter(key, IntDistribution(int(low), int(high), step=int(step)))
    quantized = step if kind == "q_uniform" else None
    return Parameter(key, FloatDistribution(low, high, log=kind == "log_uniform_values", step=quantized))


def _inferred_kind(where: str, spec: Mapping[str, Any]) -> str:
    """What wandb takes bounds without a distribution for."""
    whole = [isinstance(_number(where, spec, name), int) for name in ("min", "max")]
    require(whole[0] == whole[1], where, "min and max are a whole number and another; write distribution: uniform")
    return "int_uniform" if whole[0] else "uniform"


def _number(where: str, spec: Mapping[str, Any], name: str) -> float:
    value: Any = spec.get(name)
    require(value is not None, where, f"{name} is missing; write value, values, or min and max")
    hint = " (YAML reads 1e-4 as text; write 1.0e-4)" if isinstance(value, str) else ""
    require(_is_number(value), where, f"{name} is {value!r}; a number is needed{hint}")
    return float(value) if isinstance(value, float) else int(value)


def _check_names(where: str, spec: Mapping[str, Any], *names: str) -> None:
    for name in spec:
        require(name in names, where, f"{name} is unknown here; there are {', '.join(names)}")


def _choice(key: str, spec: Mapping[str, Any], problems: list[str]) -> Parameter:
    where, values = f"parameters.{key}", spec["values"]
    _check_names(where, spec, "values", "probabilities", "distribution")
    require(isinstance(values, list) and bool(values), where, "values is empty or not a list")
    labels = tuple(str(value) for value in values)
    require(len(set(labels)) == len(labels), where, "values names a value twice")
    if "probabilities" in spec:
        problems.append(f"{where}: probabilities; here all values are equally likely")
    return Parameter(key, CategoricalDistribution(labels), tuple(values))


def _halving(raw: Any, problems: list[str]) -> tuple[int, int]:  # noqa: ANN401 - from YAML
    require(isinstance(raw, dict) and raw.get("type") == "hyperband", "early_terminate.type", "hyperband is possible")
    known = ("type", "min_iter", "max_iter", "s", "eta", "strict")
    for key in raw:
        require(key in known, f"early_terminate.{key}", f"is unknown; there are {', '.join(known)}")
    first, eta = raw.get("min_iter", 1 if "max_iter" in raw else None), raw.get("eta", 3)
    require(_is_number(eta) and eta > 1, "early_terminate.eta", f"is {eta}; above 1 is possible")
    require(_is_whole(first) and first >= 1, "early_terminate", "needs min_iter, a whole number")
    if "max_iter" in raw or "s" in raw or "strict" in raw or not _is_whole(eta):
        problems.append("early_terminate: here are min_iter and a whole number eta")
    return first, int(eta)


def draw_values(sweep: Sweep, trial: optuna.Trial) -> dict[str, Any]:
    """The values of a trial by key, constants too."""
    return {parameter.key: parameter.draw(trial) for parameter in sweep.parameters}
