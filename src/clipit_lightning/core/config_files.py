"""Reading, merging, saving and comparing configurations: YAML files hold differences, ``key=value`` words win."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from clipit_lightning.core.config import SECTIONS, Config, LoggerConfig, TrainerConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import STORE, write_text
from clipit_lightning.core.schema import Key, keys_of, sentences_of
from clipit_lightning.core.shipped import CONFIGS, find_file
from clipit_lightning.core.yaml_files import check_plain, read_yaml, reason_of


def load_config(paths: Sequence[str | Path] = (), overrides: Sequence[str] = ()) -> Config:
    """Merge the defaults, YAML files in order, and ``key=value`` words; check everything.

    Files are paths, or stems of shipped ones, such as ``tvsum``; a store of one's own, ``mine.h5``, stands for
    ``data.dataset``.

    Raises:
        UserError: A file is missing or is not YAML, a key is unknown, or a value is wrong; one line.

    Example:
        >>> config = load_config(["tvsum", "unsupervised"], ["optim.epochs=3"])
        >>> config.data.crop, config.selection, config.optim.epochs
        (256, 'last', 3)
    """
    merged = OmegaConf.structured(Config)
    for node in (merged, *(section for section in merged.values() if isinstance(section, DictConfig))):
        OmegaConf.set_readonly(node, False)  # the dataclasses are frozen; this copy of them is for merging
    for path in paths:
        if str(path).endswith(STORE):
            _update(merged, {"data.dataset": str(path), "data.root": None})
        else:
            _update(merged, file_values(find_file(str(path), CONFIGS)), f"{path}: ")
    for word in overrides:
        _update(merged, _flat(_parse_word(word)))
    return cast(Config, OmegaConf.to_object(merged))


def file_values(path: Path) -> dict[str, Any]:
    """The values of a configuration file by dotted key, as they stand there.

    Raises:
        UserError: The file is missing or is not YAML that holds keys and values; one line.
    """
    missing = "no such configuration file; `clipit train --help` lists those that are shipped"
    loaded = read_yaml(path, missing, _parse)
    if not isinstance(loaded, DictConfig):
        raise UserError(f"{path}: holds a list or a value, expected keys and values such as `seed: 1`")
    return _flat(loaded)


def _flat(node: DictConfig) -> dict[str, Any]:
    return flatten(cast(dict[str, Any], OmegaConf.to_container(node)))


def _parse(text: str) -> Any:  # noqa: ANN401 - whatever stands in the file
    check_plain(text)
    return OmegaConf.load(StringIO(text))


def _parse_word(word: str) -> DictConfig:
    key, sign, value = word.partition("=")
    value = value.strip()
    if not sign or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise UserError(f"{word}: neither a YAML file nor key=value, such as optim.lr=3e-4")
    if not value:
        raise UserError(f"{key}: has no value; say {key}=null where none is meant")
    if value in ("off", "on"):  # truth values in YAML 1.1; words here, as in logger.wandb=off
        word = f"{key}='{value}'"
    try:
        check_plain(value)
        return OmegaConf.from_dotlist([word])
    except (ValueError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{word}: the value cannot be read ({reason_of(error)}); quote it") from error


def _update(merged: DictConfig, difference: Mapping[str, Any], where: str = "") -> None:
    keys = config_keys()
    for name, value in difference.items():
        if name not in keys:
            inside = [key for key in keys if key.startswith(f"{name}.")]
            similar = inside or [key for key in keys if key.endswith(f".{name}")] or get_close_matches(name, keys, 1)
            hint = f"did you mean {similar[0]}?" if similar else "`clipit train --help` lists the keys"
            raise UserError(f"{where}{name}: no such key; {hint}")
        try:
            OmegaConf.update(merged, name, value, merge=False)
        except OmegaConfBaseException as error:
            raise UserError(f"{where}{name}: is {json.dumps(value)}; it must be {keys[name].allowed}") from error


def save_config(config: Config, path: Path) -> None:
    """Write the whole configuration as YAML, atomically; a valid argument for the next run."""
    write_text(path, OmegaConf.to_yaml(OmegaConf.structured(config)))


_LATER = (
    *(("data", name) for name in ("shot_captions", "judge", "query_captions", "oracle_captions", "memorability")),
    *(("model", name) for name in ("exact", "feedforward", "activation", "language_heads", "cnn_layers")),
    *(("model", name) for name in ("shot_norm", "nms_threshold")),
    *(("loss", name) for name in ("balanced", "policy", "episodes", "segments", "contrast", "alike", "saliency")),
    *(("optim", name) for name in ("name", "schedule")),
    ("protocol", "highlights"),
)
"""Keys that came later: no part of the hash at their default, or kept results had other hashes."""


def config_hash(config: Config) -> str:
    """Eight hexadecimal digits of what a result depends on: not the output folder, the logger or the progress bar.

    Where the stores lie is omitted too: the protocol has a hash of what is in them. So are the seed and the choice of
    a fold: runs that differ only in them are repetitions.
    """
    data = replace(config.data, root=None, fold=None, workers=0, preload_mb=0)
    trainer = TrainerConfig(precision=config.trainer.precision, devices=1)  # 1, or kept results had other hashes
    same = replace(config, data=data, trainer=trainer, logger=LoggerConfig(), seed=0, output=None, overwrite=False)
    content, defaults = asdict(same), asdict(Config())
    for section, name in _LATER:
        if content[section][name] == defaults[section][name]:
            del content[section][name]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def differences(one: Config, other: Config) -> list[str]:
    """Keys in which two configurations differ, with both values: ``optim.lr: 0.001, now 0.0003``."""
    left, right = flatten(asdict(one)), flatten(asdict(other))
    return [f"{key}: {left[key]}, now {right[key]}" for key in left if left[key] != right[key]]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted keys; a key that has a dot itself is quoted."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}'{key}'" if "." in str(key) else f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def config_keys() -> dict[str, Key]:
    """Every key of the configuration, by its name."""
    return {key.name: key for section in SECTIONS for key in keys_of(section)}


def describe_keys() -> list[tuple[str, str, str, str]]:
    """Every key with its default, what it takes, and its sentence, for ``--help``."""
    defaults = flatten(asdict(Config()))
    sentences = [sentence for section in SECTIONS for sentence in sentences_of(section).values()]
    return [
        (key.name, value if isinstance(value, str) else json.dumps(value), key.allowed, sentence)
        for key, sentence in zip(config_keys().values(), sentences, strict=True)
        for value in [defaults[key.name]]
    ]
