"""YAML files that a user writes. Grids and sweeps are read here; configurations by `config_files`, with OmegaConf."""

from pathlib import Path
from typing import Any

import yaml

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import refuse_no_file

_LONGEST = 1_000_000  # bytes, far more than anybody writes


def read_yaml(path: Path, missing: str) -> Any:  # noqa: ANN401 - whatever stood in the file
    """The content of a file.

    Args:
        path: The file.
        missing: What is said after its name when it does not exist.

    Raises:
        UserError: It is missing or no YAML, or a key stands twice in one place.
    """
    try:
        return _Loader(yaml_text(path)).get_single_data()
    except FileNotFoundError as error:
        raise UserError(f"{path}: {missing}") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"{path}: not a YAML file that can be read ({reason})") from error


def yaml_text(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: It is missing or cannot be read.
        ValueError: It is no file, too long, or no text.
    """
    refuse_no_file(path)
    if path.stat().st_size > _LONGEST:
        raise ValueError(f"it has {path.stat().st_size} bytes")
    return path.read_text(encoding="utf-8-sig")


class _Loader(yaml.SafeLoader):
    """As of ``yaml.safe_load``; refuses a key that stands twice, whose first value would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As of the base class."""
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise ValueError(f"a key stands twice near line {node.start_mark.line + 1}")
        return found
