"""Names that a package offers and imports only when they are asked for (PEP 562), so that its import stays cheap."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `typing` would cost 5 ms whenever Python starts, see `torchvision_repair`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package that offers names; ``modules`` has the module of each."""

    def get(name: str) -> Any:  # noqa: ANN401 - a class or a function
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return get
