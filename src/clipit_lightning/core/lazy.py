"""Names that a package offers and imports only when they are asked for (PEP 562), so that its import stays cheap."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `typing` would cost 5 ms whenever Python starts, see `torchvision_repair`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


def lazy(package: str, offered: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package; ``offered`` are the names that each of its modules has, by module."""
    modules = {name: f"{package}.{module}" for module, names in offered.items() for name in names}

    def get(name: str) -> Any:  # noqa: ANN401 - a class or a function
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return get
