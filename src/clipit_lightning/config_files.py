"""Reading, merging, saving and comparing configurations: YAML files hold differences, ``key=value`` words win."""

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from clipit_lightning.config import Config, LoggerConfig, TrainerConfig
from clipit_lightning.errors import UserError
from clipit_lightning.files import write_text


def load_config(paths: Sequence[str | Path] = (), overrides: Sequence[str] = ()) -> Config:
    """Merge the defaults, YAML files in order, and ``key=value`` words; check everything.

    Raises:
        UserError: A file is missing or is not YAML, a key is unknown, or a value is wrong; one line.
    """
    merged = OmegaConf.structured(Config)
    for path in paths:
        merged = _merge(merged, _read(Path(path)), f"{path}: ")
    for word in overrides:
        if "=" not in word or word.startswith("="):
            raise UserError(f"{word}: neither a YAML file nor key=value, such as optim.lr=3e-4")
        try:
            difference = OmegaConf.from_dotlist([word])
        except (YAMLError, OmegaConfBaseException) as error:
            raise UserError(f"{word}: the value cannot be read ({_first_line(error)}); quote it") from error
        merged = _merge(merged, difference, "", typed=word)
    try:
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise UserError(f"{getattr(error, 'full_key', '') or 'configuration'}: {_first_line(error)}") from error
    assert isinstance(config, Config)
    return config


def _read(path: Path) -> DictConfig:
    try:
        loaded = OmegaConf.load(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such configuration file; see configs/") from error
    except (OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: not a YAML file that can be read ({_first_line(error)})") from error
    if not isinstance(loaded, DictConfig):
        raise UserError(f"{path}: holds a list, expected keys and values such as `seed: 1`")
    return loaded


def _merge(base: Any, difference: DictConfig, where: str, typed: str = "") -> Any:  # noqa: ANN401 - OmegaConf nodes
    try:
        return OmegaConf.merge(base, difference)
    except ConfigKeyError as error:
        hint = "." if "Did you mean" in str(error) else "; `clipit train --help` lists the keys."
        close = _first_line(error).partition(". ")[2]
        message = f"{where}{error.full_key}: no such key{hint} {close}".strip()
        raise UserError(message) from error
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or typed.partition("=")[0] or "configuration"
        raise UserError(f"{where}{key}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def save_config(config: Config, path: Path) -> None:
    """Write the whole configuration as YAML, atomically; the file is a valid argument for the next run."""
    write_text(path, OmegaConf.to_yaml(OmegaConf.structured(config)))


def config_hash(config: Config) -> str:
    """Eight hexadecimal digits of what a result depends on: not the output folder, the logger or the progress bar.

    Where the stores lie is left out too: the protocol has a hash of what is in them. The seed and the choice of a fold
    are left out as well: runs that differ only in them are repetitions.
    """
    same = replace(
        config,
        data=replace(config.data, root=None, fold=None, workers=0, preload_mb=0),
        trainer=TrainerConfig(precision=config.trainer.precision),
        logger=LoggerConfig(),
        seed=0,
        output=None,
        overwrite=False,
    )
    return hashlib.sha256(json.dumps(asdict(same), sort_keys=True).encode()).hexdigest()[:8]


def differences(one: Config, other: Config) -> list[str]:
    """Keys in which two configurations differ, with both values: ``optim.lr: 0.001, now 0.0003``."""
    left, right = flatten(asdict(one)), flatten(asdict(other))
    return [f"{key}: {left[key]}, now {right[key]}" for key in left if left[key] != right[key]]


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def describe_keys() -> list[tuple[str, str, str]]:
    """Every key with its default and its sentence, for ``--help``."""
    return _describe(Config(), "")


def _describe(section: Any, prefix: str) -> list[tuple[str, str, str]]:  # noqa: ANN401 - any of the dataclasses
    body = ast.parse(textwrap.dedent(inspect.getsource(type(section)))).body[0]
    assert isinstance(body, ast.ClassDef)
    sentences = {
        line.target.id: after.value.value
        for line, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }
    rows: list[tuple[str, str, str]] = []
    for each in fields(section):
        value = getattr(section, each.name)
        if is_dataclass(value):
            rows += _describe(value, f"{prefix}{each.name}.")
        else:
            shown = "" if value is None else str(value)
            rows.append((f"{prefix}{each.name}", shown, str(sentences[each.name])))
    return rows
