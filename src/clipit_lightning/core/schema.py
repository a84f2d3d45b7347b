"""What a field of the configuration takes: written once, for checks, error messages and help."""

import ast
import inspect
import textwrap
from dataclasses import dataclass, field, fields
from itertools import pairwise
from math import inf
from types import NoneType
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints
from unicodedata import category

from clipit_lightning.core.errors import require

T = TypeVar("T")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


class Bounds(NamedTuple):
    """Limits of a number, or of each number of a list. No field takes a number that is not finite."""

    least: float = -inf
    above: float = -inf
    most: float = inf
    below: float = inf
    odd: bool = False

    def allow(self, number: float) -> bool:
        """Whether a number lies within the limits."""
        within = self.least <= number <= self.most and self.above < number < self.below  # neither nan nor inf is
        return within and (not self.odd or number % 2 == 1)

    def __str__(self) -> str:
        limits = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        texts = [f", {name} {limit}" for name, limit in limits.items() if abs(limit) < inf]
        return "".join([", odd", *texts] if self.odd else texts)


class Key(NamedTuple):
    """A key of the configuration as it is typed, such as ``optim.lr``, and what it takes: ``a number, above 0``."""

    name: str
    bounds: Bounds | None
    allowed: str


def limits(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - numbers, and whether they are odd
    """Metadata of a field of a section: the limits of `Bounds`."""
    return {"bounds": Bounds(**values)}


def bounded(default: T, **values: Any) -> T:  # noqa: ANN401
    """A field of a section, with a default and the limits of `Bounds`."""
    return field(default=default, metadata=limits(**values))


@dataclass(frozen=True)
class Section:
    """Base of the sections: fields with a type, perhaps limits, and a sentence under each."""

    def __post_init__(self) -> None:
        """Check the limits of numbers, and that texts are plain; a UserError names the key as it is typed."""
        for key in keys_of(type(self)):
            value = getattr(self, key.name.rpartition(".")[2])
            for item in value if isinstance(value, list) else [value]:
                plain = not isinstance(item, str) or not any(category(letter) in ("Cc", "Cs") for letter in item)
                require(plain, key.name, f"is {str(item)[:40]!r}, with characters that no name has; write plain text")
                allowed = key.bounds is None or item is None or key.bounds.allow(item)
                require(allowed, key.name, f"is {value}; it must be {key.allowed}")


def keys_of(section: type[Section]) -> list[Key]:
    """The keys of a section, without those of the sections in it."""
    prefix = section.__name__.removesuffix("Config").lower()
    hints = get_type_hints(section)
    return [
        Key(f"{prefix}.{one.name}".lstrip("."), bounds, _allowed(hints[one.name], bounds))
        for one in fields(section)
        for bounds in [one.metadata.get("bounds")]
        if not (inspect.isclass(hints[one.name]) and issubclass(hints[one.name], Section))
    ]


def _allowed(hint: Any, bounds: Bounds | None) -> str:  # noqa: ANN401 - a type
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(inner)}"
    if get_origin(hint) is list:
        return f"a list of {_KINDS[inner[0]].removeprefix('a ')}s{bounds or ''}"
    if NoneType in inner:
        return f"{_allowed(inner[0], bounds)}, or null"
    return f"{_KINDS[hint]}{bounds or ''}"


def sentences_of(section: type[Section]) -> dict[str, str]:
    """The sentence under each field of a section, by the field's name."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    lines = body.body if isinstance(body, ast.ClassDef) else []
    return {
        line.target.id: " ".join(str(after.value.value).split())
        for line, after in pairwise(lines)
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }
