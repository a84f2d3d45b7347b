"""wandb's distributions of a parameter, each as a simple variable that any search can draw, and what it becomes.

A distribution without an own variable is the inverse of its cumulative distribution function at a uniform one; this is
how wandb's engine draws, too (``sweeps/params.py``), and it is exact for a random search and a sound prior for others.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from clipit_lightning.core.errors import UserError

_EDGE = 1e-9  # an inverse distribution function is infinite at 0 and 1
_MOST_CHOICES = 100_000


@dataclass(frozen=True)
class Choice:
    """One of several labels."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class Span:
    """A number between two, both possible; ``log``: its logarithm is what is uniform."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True)
class Parameter:
    """A key of the configuration and where its value comes from."""

    key: str
    base: Choice | Span | None
    """What a search draws; None for a constant."""
    value: Callable[[Any], Any]
    """Makes the value of the base variable."""

    def probes(self) -> list[Any]:
        """Values at the ends of a span, or the first choices, to try whether the configuration takes them."""
        if self.base is None:
            return [self.value(None)]
        ends = self.base.labels[:20] if isinstance(self.base, Choice) else (self.base.low, self.base.high)
        return [self.value(each) for each in ends]


def parameter(key: str, spec: Mapping[str, Any], grid: bool) -> Parameter:
    """A parameter of a sweep file.

    Args:
        key: Its dotted key.
        spec: What the file says about it.
        grid: All values are wanted, as choices.

    Raises:
        UserError: The distribution is unknown or incomplete, or has no grid; one line that names the key.
    """
    try:
        return _parameter(key, spec, grid)
    except UserError as error:
        raise UserError(f"parameters.{key}: {error}") from error


def _parameter(key: str, spec: Mapping[str, Any], grid: bool) -> Parameter:
    if "value" in spec:
        _only(spec, "value", "distribution")
        return Parameter(key, None, lambda _: spec["value"])
    if "values" in spec:
        _only(spec, "values", "probabilities", "distribution")
        return _choice(key, spec, grid)
    kind = spec.get("distribution") or _inferred(spec)
    if kind not in _NUMBERS:
        raise UserError(f"distribution {kind} is not supported; there are {', '.join(_NUMBERS)}, and value and values")
    names = _NUMBERS[kind]
    _only(spec, "distribution", *names)
    given = {name: _read_number(spec, name) for name in names}
    if "min" in given and not given["min"] < given["max"]:
        raise UserError(f"min {given['min']} is not below max {given['max']}")
    if grid:
        return _grid(key, kind, given)
    base, value = _variable(kind, given)
    return Parameter(key, base, _quantized(value, given["q"]) if "q" in given else value)


_DEFAULTS = {"q": 1.0, "mu": 0.0, "sigma": 1.0, "a": 1.0, "b": 1.0}
_BOUNDS, _NORMAL, _BETA = ("min", "max"), ("mu", "sigma"), ("a", "b")
_NUMBERS: dict[str, tuple[str, ...]] = {
    "int_uniform": _BOUNDS,
    "uniform": _BOUNDS,
    "log_uniform": _BOUNDS,
    "log_uniform_values": _BOUNDS,
    "inv_log_uniform": _BOUNDS,
    "inv_log_uniform_values": _BOUNDS,
    "normal": _NORMAL,
    "log_normal": _NORMAL,
    "beta": _BETA,
    "q_uniform": (*_BOUNDS, "q"),
    "q_log_uniform": (*_BOUNDS, "q"),
    "q_log_uniform_values": (*_BOUNDS, "q"),
    "q_normal": (*_NORMAL, "q"),
    "q_log_normal": (*_NORMAL, "q"),
    "q_beta": (*_BETA, "q"),
}


def _only(spec: Mapping[str, Any], *names: str) -> None:
    for name in spec:
        if name not in names:
            raise UserError(f"{name} is unknown here; there are {', '.join(names)}")


def _inferred(spec: Mapping[str, Any]) -> str:
    """What wandb takes bounds without a distribution for."""
    low, high = (_read_number(spec, name) for name in _BOUNDS)
    if isinstance(low, int) != isinstance(high, int):
        raise UserError(f"min {low} and max {high} are a whole number and another; say distribution: uniform")
    return "int_uniform" if isinstance(low, int) else "uniform"


def _read_number(spec: Mapping[str, Any], name: str) -> float:
    value = spec.get(name, _DEFAULTS.get(name))
    if value is None:
        raise UserError(f"{name} is missing; say value, values, or min and max")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        hint = " (YAML reads 1e-4 as text; write 1.0e-4)" if isinstance(value, str) else ""
        raise UserError(f"{name} is {value!r}; a number is needed{hint}")
    if name in ("q", "sigma", "a", "b") and value <= 0:
        raise UserError(f"{name} is {value}; it must be above 0")
    if spec.get("distribution", "int_uniform") == "int_uniform" and "distribution" in spec and int(value) != value:
        raise UserError(f"{name} is {value}; int_uniform needs whole numbers")
    return value


def _choice(key: str, spec: Mapping[str, Any], grid: bool) -> Parameter:
    values, probabilities = spec["values"], spec.get("probabilities")
    if not isinstance(values, list) or not values:
        raise UserError("values is empty or not a list")
    labels = tuple(str(value) for value in values)
    if len(set(labels)) < len(labels):
        raise UserError("values names a value twice")
    if probabilities is None:
        return Parameter(key, Choice(labels), dict(zip(labels, values, strict=True)).__getitem__)
    if grid:
        raise UserError("probabilities have no meaning in a grid; leave them away")
    if len(probabilities) != len(values) or min(probabilities) < 0 or not math.isclose(sum(probabilities), 1):
        raise UserError("probabilities are not one for each value, with sum 1")
    edges = list(accumulate(probabilities))  # of the shares of 0 to 1 that the values have
    return Parameter(key, Span(0.0, 1.0), lambda share: values[min(bisect_right(edges, share), len(values) - 1)])


def _grid(key: str, kind: str, given: Mapping[str, float]) -> Parameter:
    """As wandb: ``int_uniform`` has both ends, ``q_uniform`` is ``arange(min, max, q)``."""
    if kind not in ("int_uniform", "q_uniform"):
        raise UserError(f"{kind} has no grid; use values, int_uniform or q_uniform, or method: random")
    low, step = given["min"], given.get("q", 1)
    count = math.ceil((given["max"] - low) / step) + (kind == "int_uniform")
    if count > _MOST_CHOICES:
        raise UserError(f"has {count} values; a grid is tried whole")
    return _choice(key, {"values": [_clean(low + number * step) for number in range(count)]}, grid=True)


def _variable(kind: str, given: Mapping[str, float]) -> tuple[Span, Callable[[Any], Any]]:
    """The base variable of a distribution, and what it becomes before it is quantized."""
    plain = kind.removeprefix("q_")
    if "min" in given:
        low, high = given["min"], given["max"]
        if plain.endswith("log_uniform"):  # the bounds are exponents of e; of exp(-x) where it is inverted
            low, high = (
                (math.exp(-high), math.exp(-low)) if plain.startswith("inv") else (math.exp(low), math.exp(high))
            )
        if "log" in plain and low <= 0:
            raise UserError(f"min is {low}; {kind} needs it above 0")
        return Span(low, high, log="log" in plain, integer=plain == "int_uniform"), lambda drawn: drawn
    return Span(0.0, 1.0), lambda share: _inverse(plain, given, min(max(share, _EDGE), 1 - _EDGE))


def _inverse(kind: str, given: Mapping[str, float], share: float) -> float:
    """Value below which ``share`` of a normal, log-normal or beta distribution lies."""
    from scipy import stats

    if kind == "beta":
        return float(stats.beta.ppf(share, given["a"], given["b"]))
    drawn = float(stats.norm.ppf(share, given["mu"], given["sigma"]))
    return math.exp(drawn) if kind == "log_normal" else drawn


def _quantized(value: Callable[[Any], Any], step: float) -> Callable[[Any], Any]:
    """Rounded to multiples of ``step``, halves to even; whole numbers where ``step`` is one."""
    return lambda drawn: type(step)(_clean(round(value(drawn) / step) * step))


def _clean(value: float) -> float:
    """Without the noise of floats: 0.3, not 0.30000000000000004."""
    return value if isinstance(value, int) else float(f"{value:.12g}")
