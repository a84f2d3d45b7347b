"""The grid of a benchmark: data sets and settings x supervision x scorers x seeds, read from one YAML file."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import config_hash, load_config
from clipit_lightning.core.errors import UserError, require
from clipit_lightning.core.yaml_files import read_yaml
from clipit_lightning.evaluation.presets import apply_preset
from clipit_lightning.evaluation.protocol import check_contradictions
from clipit_lightning.training.build import resolve_root
from clipit_lightning.training.run import Run
from clipit_lightning.training.scorers import check_scorer, supervision_of

_MOST = 10_000  # runs
_KEYS = ("seeds", "runs", "scorers", "supervision", "candidate", "quick")
_UNSUPERVISED = "configs/unsupervised.yaml"
_SUPERVISION = ("supervised", "unsupervised")
_OWN_KEYS = ("seed", "output", "overwrite", "test")
"""Keys that the grid itself decides."""
_FIXED = ("test=true", "overwrite=false")
"""Whatever the files say: a run without a test has no row, and one that is overwritten never continues."""


@dataclass(frozen=True)
class GridRun:
    """One run of a grid."""

    name: str
    """Of its folder."""
    cell: tuple[str, str]
    """Name of what is trained and tested, and the supervision: scorers of one cell are compared."""
    scorer: str
    files: tuple[str, ...]
    """Configuration files, as `clipit train` takes them."""
    words: tuple[str, ...]
    """``key=value`` after them."""
    config: Config
    """What both make."""

    @cached_property
    def hash(self) -> str:
        """Of what the result depends on, but for the seed, as ``config_hash`` of the saved configuration."""
        return config_hash(apply_preset(self.config))

    def is_finished(self, folder: Path, root: str) -> bool:
        """Whether the folder holds this run with its result.

        Args:
            folder: Of the run.
            root: Folder of the stores that the run reads.

        Raises:
            UserError: What lies there cannot be read.
        """
        run = Run(folder)
        if not run.result_file.exists() or not run.config_file.exists():
            return False
        run.result()  # a damaged one is none
        there = run.config()
        same = (there.seed, there.data.fold, there.data.root) == (self.config.seed, self.config.data.fold, root)
        return same and config_hash(there) == self.hash


@dataclass(frozen=True)
class Grid:
    """A grid file, read and expanded."""

    path: Path
    runs: tuple[GridRun, ...]
    candidate: str
    """The scorer that is compared with every other."""


def roots_of(runs: Sequence[GridRun], announce: bool = True) -> dict[str | None, str]:
    """Find the folder of the stores for each ``data.root`` of the runs, and make the miniature once, where it is due.

    Args:
        runs: Of a grid.
        announce: Log that the miniature is read.
    """
    configs = {run.config.data.root: run.config for run in runs}
    return {root: resolve_root(config, announce) for root, config in configs.items()}


def read_grid(path: Path, quick: bool = False, words: Sequence[str] = ()) -> Grid:
    """Read a grid and make the configuration of each of its runs.

    Args:
        path: The YAML file; experiments/benchmark.yaml says what stands in it.
        quick: Take the seeds and keys below ``quick``.
        words: More ``key=value`` for every run, which win.

    Raises:
        UserError: It is missing, damaged, or says what cannot be done; one line that names the key.
    """
    raw = read_yaml(path, "no such grid; see experiments/benchmark.yaml")
    for word in words:
        require(word.partition("=")[0] not in _OWN_KEYS, word, "is decided by the grid; omit it")
    try:
        return _parse(raw, path, quick, words)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _parse(raw: Any, path: Path, quick: bool, words: Sequence[str]) -> Grid:  # noqa: ANN401 - from YAML
    _require_keys(raw, _KEYS, "grid")
    for key in ("runs", "scorers", "candidate"):
        require(bool(raw.get(key)), key, "is missing or empty")
    require(isinstance(raw["runs"], list), "runs", "is no list")
    _require_keys(raw["scorers"], None, "scorers")
    supervisions = _list(raw.get("supervision", ["supervised"]), _SUPERVISION, "supervision")
    short = raw.get("quick", {}) if quick else {}
    _require_keys(short, ("seeds", "set"), "quick")
    candidate = raw["candidate"]
    require(candidate in list(raw["scorers"]), "candidate", f"{candidate} is none of {', '.join(raw['scorers'])}")
    expansion = _Expansion(_seeds(raw.get("seeds", [0]), "seeds"), short, tuple(words))
    runs = [
        run
        for number, entry in enumerate(raw["runs"])
        for supervision in supervisions
        for scorer, spec in raw["scorers"].items()
        for run in expansion.runs(f"runs[{number}]", entry, supervision, scorer, spec)
    ]
    if not 0 < len(runs) <= _MOST:
        raise UserError(f"makes {len(runs)} runs; 1 to {_MOST} are possible")
    _check_names_differ(runs)
    return Grid(path, tuple(runs), candidate)


@dataclass(frozen=True)
class _Expansion:
    """What all runs of a grid share."""

    seeds: list[int]
    quick: dict[str, Any]
    words: tuple[str, ...]

    def runs(self, key: str, entry: Any, supervision: str, scorer: str, spec: Any) -> list[GridRun]:  # noqa: ANN401
        """The runs of a scorer in a cell, one a seed."""
        where = f"scorers.{scorer}"
        _require_name(scorer, where)
        _require_keys(entry, ("name", "files", "set", "supervision"), key)
        _require_keys(spec, ("files", "set", "seeds", "supervision"), where)
        for name, section in ((key, entry), (where, spec)):
            if supervision not in _list(section.get("supervision", _SUPERVISION), _SUPERVISION, f"{name}.supervision"):
                return []
        seeds = _seeds(spec.get("seeds", self.seeds), f"{where}.seeds")
        if "seeds" in self.quick:
            seeds = _seeds(self.quick["seeds"], "quick.seeds")
        files = _files(entry, key) + ([_UNSUPERVISED] if supervision == "unsupervised" else []) + _files(spec, where)
        words = [*_words(entry, key), *_words(spec, where), *_words(self.quick, "quick"), *self.words, *_FIXED]
        try:
            config = load_config(files, words)
            check_contradictions(config)
            check_scorer(config)
            _check_supervision(config, supervision)
        except UserError as error:
            raise UserError(f"{key}, {scorer}: {error}") from error
        cell = entry.get("name", f"{config.data.dataset}-{config.data.setting}")
        _require_name(cell, f"{key}.name")
        names = [scorer, cell] + (["unsupervised"] if supervision == "unsupervised" else [])
        return [
            GridRun(
                name="-".join([*names, f"seed{seed}"]),
                cell=(cell, supervision),
                scorer=scorer,
                files=tuple(files),
                words=(*words, f"seed={seed}"),
                config=replace(config, seed=seed),
            )
            for seed in seeds
        ]


def _check_supervision(config: Config, supervision: str) -> None:
    """The tables say of a run what its cell says."""
    does = supervision_of(config)
    problem = f"the weights are of {does} training, in a cell of {supervision} training; give it supervision: [{does}]"
    require(does in (supervision, "none"), "loss", problem)


def _check_names_differ(runs: Sequence[GridRun]) -> None:
    """Refuse runs that would share a folder, and scorers that are the same under two names."""
    for name, count in Counter(run.name for run in runs).items():
        require(count == 1, name, "two runs of this name; give entries of runs a name:")
    known: dict[tuple[tuple[str, str], str], str] = {}
    for run in runs:
        other = known.setdefault((run.cell, run.hash), run.scorer)
        where, same = f"scorers.{run.scorer}", f"is the same as {other} in {run.cell[0]}; set model.name"
        require(other == run.scorer, where, same)


def _require_keys(raw: Any, known: Sequence[str] | None, where: str) -> None:  # noqa: ANN401 - from YAML
    require(isinstance(raw, dict), where, f"is {str(raw)[:40]!r}, expected keys and values")
    for key in raw:
        require(isinstance(key, str), where, f"{key} is no name; quote it")
        require(known is None or key in known, where, f"{key[:40]} is no key; there are {', '.join(known or ())}")


def _require_name(name: Any, where: str) -> None:  # noqa: ANN401 - from YAML
    """Names become folders."""
    sound = (
        isinstance(name, str) and 0 < len(name) <= 100 and all(letter.isalnum() or letter in "+-_." for letter in name)
    )
    require(sound and name[:1] not in ".-", where, f"is {str(name)[:40]!r}; letters, digits, + - _ . are possible")


def _list(raw: Any, known: Sequence[str], where: str) -> list[str]:  # noqa: ANN401 - from YAML
    require(isinstance(raw, list | tuple) and bool(raw), where, "is no list, or empty")
    for name in raw:
        require(name in known and list(raw).count(name) == 1, where, f"{name}; each of {', '.join(known)} once")
    return list(raw)


def _seeds(raw: Any, where: str) -> list[int]:  # noqa: ANN401 - from YAML
    sound = isinstance(raw, list) and bool(raw) and all(type(seed) is int and 0 <= seed < 2**32 for seed in raw)
    require(sound and len(set(raw)) == len(raw), where, "a list of whole numbers is needed, each once")
    return list(raw)


def _files(raw: Mapping[str, Any], where: str) -> list[str]:
    files = raw.get("files", [])
    sound = isinstance(files, list) and all(isinstance(path, str) for path in files)
    require(sound, f"{where}.files", "is no list")
    return list(files)


def _words(raw: Mapping[str, Any], where: str) -> list[str]:
    """``set`` as words of the command line; JSON is YAML that keeps the types."""
    values = raw.get("set", {})
    _require_keys(values, None, f"{where}.set")
    for key, value in values.items():
        require(key not in _OWN_KEYS, f"{where}.set", f"{key} is decided by the grid; omit it")
        sound = all(
            isinstance(one, str | int | float | None) for one in (value if isinstance(value, list) else [value])
        )
        require(sound, f"{where}.set.{key}", "a plain value or a list of them is possible")
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
