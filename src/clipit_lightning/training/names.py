"""What a run is called: scorer, data set, and in words what differs from the configurations shipped for both."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import config_hash, file_values, flatten
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.shipped import CONFIGS, shipped_files
from clipit_lightning.evaluation.presets import PRESETS
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training.run import RUNS, Run, what_stays

_MOST_KEYS, _LONGEST = 4, 80  # keys with their values, and letters of all words
_NAMED_ELSEWHERE = {"data.dataset", "data.setting", "data.root", "data.fold", "model.name", "seed"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")
_Flat = Mapping[str, Any]


def variant(config: Config) -> list[str]:
    """What differs from the configurations shipped for the data set and the scorer, in words.

    Overlays are named, such as ``no-captions``; whose settings are used, where those of another data set
    (``summe-settings``) or of none (``defaults``) fit better; and then the keys that still differ, ``lr-0.001``.
    Where these are many, eight hexadecimal digits stand for them. The same configuration has the same words.
    """
    files = _shipped_values()
    dataset, scorer = config.data.dataset, config.model.name
    settings = [name for name, values in files.items() if "data.dataset" in values]
    overlays = {
        name: values
        for name, values in files.items()
        if name not in (*settings, scorer) and values.get("model.name", scorer) == scorer
    }
    chosen, defaults = (flatten(asdict(what_stays(one))) for one in (config, Config()))
    preset = PRESETS[config.protocol.preset]
    defaults |= {"data.family": preset.family, "selection": preset.selection}
    defaults |= {"protocol.correlation": preset.correlation.get(dataset, defaults["protocol.correlation"])}
    described = []
    for name in (dataset, *(name for name in settings if name != dataset), ""):
        base = files[name] if name in settings else {}
        named, keys = _describe(chosen, {**defaults, **base, **files.get(scorer, {})}, overlays)
        if name != dataset:
            named.insert(0, f"{name}-settings" if name else "defaults")
        described.append((named, keys))
    named, keys = min(described, key=lambda words: (len(words[0]) + len(words[1]), len(words[1])))
    known = Counter(key.rpartition(".")[2] for key in defaults)
    words = [_key_word(key, chosen[key], known) for key in keys]
    too_many = len(words) > _MOST_KEYS or len("-".join([*named, *words])) > _LONGEST
    return [*named, config_hash(config)] if too_many else [*named, *words]


@cache
def _shipped_values() -> dict[str, dict[str, Any]]:
    """The values of each shipped configuration by its stem, with dotted keys."""
    values = {}
    for stem, path in shipped_files(CONFIGS).items():
        with suppress(UserError):  # a file that somebody put there, of which the run may know nothing
            values[stem] = file_values(path)
    return values


def _describe(chosen: _Flat, base: _Flat, overlays: Mapping[str, _Flat]) -> tuple[list[str], list[str]]:
    """Overlays, in order, that bring the base nearest to the chosen values, and the keys that differ then."""

    def left(names: Sequence[str]) -> list[str]:
        values = {**base, **dict(item for name in names for item in overlays[name].items())}
        return [key for key, value in chosen.items() if key not in _NAMED_ELSEWHERE and value != values[key]]

    named: list[str] = []
    while differing := left(named):
        places = reversed(range(len(named) + 1))  # some stand before others that win over them
        more = [[*named[:place], name, *named[place:]] for place in places for name in overlays]
        nearest = min(more, key=lambda names: len(left(names)), default=named)
        if len(left(nearest)) >= len(differing):
            break
        named = nearest
    return named, differing


def _key_word(key: str, value: object, known: Mapping[str, int]) -> str:
    leaf = key.rpartition(".")[2]
    name = leaf if known[leaf] == 1 else key
    values = value if isinstance(value, list) else [value]
    return f"{name}-{'+'.join(_value_word(one) for one in values)}"


def _value_word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _UNSAFE.sub("_", Path(text).stem if text.endswith((".json", ".yaml", ".yml", ".txt")) else text)


def run_names(config: Config, protocol: Protocol) -> tuple[str, str]:
    """The name of a run's folder, and the one it has where another run has that: with a hash of all, and of the data.

    Both are names of files on every system, and follow from configuration and data alone.
    """
    words = [_UNSAFE.sub("_", name)[:60] for name in (config.model.name.rpartition(":")[2], protocol.dataset)]
    words += [*([] if protocol.setting == "canonical" else [protocol.setting]), *variant(config)]
    words += ["mini"] if protocol.data == "mini" else []
    digest = hashlib.sha256(f"{config_hash(config)}{protocol.data_hash}".encode()).hexdigest()[:8]
    end = [f"seed{config.seed}", *([] if config.data.fold is None else [f"fold{config.data.fold}"])]
    return "-".join([*words, *end]), "-".join([*words, digest, *end])


def run_folder(config: Config, protocol: Protocol) -> Run:
    """The folder of a run that names none, where the same command always meets its own."""
    plain, hashed = (Run(RUNS / name) for name in run_names(config, protocol))
    if hashed.config_file.exists() and not _holds_another(hashed, config, protocol):
        return hashed
    return hashed if _holds_another(plain, config, protocol) else plain


def _holds_another(run: Run, config: Config, protocol: Protocol) -> bool:
    """Whether a folder holds another run; one on the same data in another place is none."""
    if not run.config_file.exists():
        return False
    there = run.config()
    moved = replace(config, data=replace(config.data, root=there.data.root))
    return bool(run.differences(moved, protocol))
