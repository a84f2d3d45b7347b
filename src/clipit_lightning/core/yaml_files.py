"""YAML files that a user writes: configurations, grids, sweeps, folds; plain keys and values, and no more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yaml import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import check_is_file

# Bytes, levels, and characters of a value: far more than a configuration has.
_LONGEST, _DEEPEST, _WIDEST = 200_000, 10, 1000


class _Loader(yaml.SafeLoader):
    """A safe loader that raises for a key that stands twice, whose first value would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise ValueError(f"a key stands twice near line {node.start_mark.line + 1}")
        return mapping


def _parse(text: str) -> Any:  # noqa: ANN401 - whatever stands in the file
    check_plain(text, placeholders=True)  # those of a sweep's command; nothing fills them in
    return _Loader(text).get_single_data()


def read_yaml(path: Path, missing: str, parse: Callable[[str], Any] = _parse) -> Any:  # noqa: ANN401
    """The content of a file; ``missing`` is said after its name when it does not exist.

    Raises:
        UserError: It is missing, not YAML or more than plain YAML, or a key stands twice in one mapping; names the line
            where one is known.
    """
    try:
        check_is_file(path)
        if path.stat().st_size > _LONGEST:
            raise ValueError(f"it has {path.stat().st_size} bytes")
        return parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: {missing}") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not a YAML file that can be read ({reason_of(error)})") from error


def reason_of(error: Exception) -> str:
    """What is wrong with a text, in one line that begins with the line of the text where it is known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())[:150] or type(error).__name__


def check_plain(text: str, placeholders: bool = False) -> None:
    """Check that a text is no more than keys and values, before anything is made of it; a ValueError names the line.

    A tag may ask for any class, aliases of aliases may ask for any memory, and OmegaConf's placeholders may copy the
    environment, with its passwords, into the saved configuration; ``placeholders`` allows them for other readers.
    """
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        value = event.value if isinstance(event, ScalarEvent) else ""
        has_alias = isinstance(event, AliasEvent) or getattr(event, "anchor", None)
        problems = {
            f"more than {_DEEPEST} levels": depth > _DEEPEST,
            "anchors and aliases are not read; write the value out": has_alias,
            "tags are not read; write the plain value": getattr(event, "tag", None),
            "${...} and ??? are not read; write the value out": not placeholders and ("${" in value or value == "???"),
            f"a value of {len(value)} characters": len(value) > _WIDEST,
        }
        for problem in filter(problems.get, problems):
            raise ValueError(f"line {event.start_mark.line + 1 if event.start_mark else 1}: {problem}")
