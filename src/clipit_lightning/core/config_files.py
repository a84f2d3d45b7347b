"""Reading, merging, saving and comparing configurations: YAML files hold differences, ``key=value`` words win."""

import ast
import hashlib
import inspect
import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any
from unicodedata import category

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException
from yaml import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent, YAMLError

from clipit_lightning.core.config import Config, LoggerConfig, TrainerConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_text
from clipit_lightning.core.yaml_files import yaml_text

_DEEPEST, _WIDEST = 10, 1000
"""Levels of a YAML file, and characters of a value: far more than a configuration has."""
_MOST = {
    "data.folds": 10_000,
    "data.fold_seed": 2**32 - 1,
    "data.captions": 10_000,
    "data.batch_size": 1_000_000,
    "data.workers": 1024,
    "data.preload_mb": 10**9,
    "model.width": 65_536,
    "model.encoder_layers": 1000,
    "model.decoder_layers": 1000,
    "model.windows": 1_000_000,
    "model.alike_window": 1_000_000,
    "model.score_window": 1_000_000,
    "model.peak_window": 1_000_000,
    "optim.epochs": 10_000_000,
    "trainer.devices": 1024,
    "trainer.num_nodes": 10_000,
}
"""Beyond these a slip of the finger starts a million processes or asks for terabytes."""


def load_config(paths: Sequence[str | Path] = (), overrides: Sequence[str] = ()) -> Config:
    """Merge the defaults, YAML files in order, and ``key=value`` words; check everything.

    Raises:
        UserError: A file is missing or is not YAML, a key is unknown, or a value is wrong; one line.
    """
    merged = OmegaConf.structured(Config)
    for path in paths:
        merged = _merge(merged, _read(Path(path)), f"{path}: ")
    for word in overrides:
        key, sign, value = word.partition("=")
        if not sign or not re.fullmatch(r"\w+(\.\w+)*", key):
            raise UserError(f"{word}: neither a YAML file nor key=value, such as optim.lr=3e-4")
        if not value.strip():
            raise UserError(f"{key}: has no value; say {key}=null where none is meant")
        try:
            _refuse_artful(value)
            # YAML 1.1 takes off and on for truth values; here they are words, as in logger.wandb=off.
            plain = f"{key}='{value.strip()}'" if value.strip() in ("off", "on") else word
            difference = OmegaConf.from_dotlist([plain])
        except (ValueError, YAMLError, OmegaConfBaseException) as error:
            raise UserError(f"{word}: the value cannot be read ({_first_line(error)}); quote it") from error
        merged = _merge(merged, difference, "", typed=word)
    try:
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise UserError(f"{getattr(error, 'full_key', '') or 'configuration'}: {_first_line(error)}") from error
    assert isinstance(config, Config)
    values = flatten(asdict(config))
    for key, value in values.items():
        if isinstance(value, str) and any(category(letter) in ("Cc", "Cs") for letter in value):
            raise UserError(f"{key}: is {value[:40]!r}, with characters that no name has; write it in plain text")
    for key, most in _MOST.items():
        if max(values[key] if isinstance(values[key], list) else [values[key]], default=0) > most:
            raise UserError(f"{key}: is above {most}, more than any machine or data set needs; lower it")
    return config


def _read(path: Path) -> DictConfig:
    try:
        text = yaml_text(path)
        _refuse_artful(text)
        loaded = OmegaConf.load(StringIO(text))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such configuration file; see configs/") from error
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: not a YAML file that can be read ({_first_line(error)})") from error
    if not isinstance(loaded, DictConfig):
        raise UserError(f"{path}: holds a list or a value, expected keys and values such as `seed: 1`")
    return loaded


def _refuse_artful(text: str) -> None:
    """Refuse YAML that is more than keys and values, before anything is made of it.

    A tag may ask for any class, aliases of aliases may ask for any memory, and an interpolation may copy the
    environment, with its passwords, into the saved configuration.

    Raises:
        ValueError: It has such a thing.
    """
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels")
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise ValueError("anchors and aliases are not read; write the value out")
        if getattr(event, "tag", None):
            raise ValueError("tags are not read; write the plain value")
        if isinstance(event, ScalarEvent):
            if "${" in event.value or event.value == "???":
                raise ValueError("${...} and ??? are not read; write the value out")
            if len(event.value) > _WIDEST:
                raise ValueError(f"a value of {len(event.value)} characters")


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
