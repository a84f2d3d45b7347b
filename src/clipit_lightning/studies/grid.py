"""The grid of a benchmark: data sets and settings x supervision x scorers x seeds, read from one YAML file."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import config_hash, load_config
from clipit_lightning.core.errors import UserError, require
from clipit_lightning.core.files import first_fault
from clipit_lightning.core.shipped import HOME
from clipit_lightning.core.yaml_files import read_yaml
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.presets import apply_preset
from clipit_lightning.evaluation.protocol import check_contradictions
from clipit_lightning.training.build import data_hash, datamodule, resolve_root
from clipit_lightning.training.run import Run
from clipit_lightning.training.scorers import check_scorer, supervision_of

_MOST = 10_000  # runs
_UNSUPERVISED = "unsupervised"
_EXAMPLE = HOME / "experiments/benchmark.yaml"
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

    def is_finished(self, folder: Path, root: str, content_hash: Callable[[Store], str] = Store.content_hash) -> bool:
        """Whether the folder holds this run with its result, on the stores of the folder ``root``.

        ``content_hash`` may be one that remembers. Stores that are not there any more are not compared.

        Raises:
            UserError: What lies there cannot be read, or was measured on other content of the stores.
        """
        run = Run(folder)
        if not run.result_file.exists() or not run.config_file.exists():
            return False
        result = run.result()  # a damaged one is none
        there = run.config()
        same = (there.seed, there.data.fold, there.data.root) == (self.config.seed, self.config.data.fold, root)
        if not same or config_hash(there) != self.hash:
            return False
        stores = datamodule(there).stores
        if all(store.path.exists() for store in stores.values()):
            before, now = result.protocol.data_hash, data_hash(stores, content_hash)
            problem = f"holds a result on another content of {', '.join(f'{name}.h5' for name in stores)}"
            require(before == now, str(folder), f"{problem} ({before}, now {now})")
        return True


@dataclass(frozen=True)
class Grid:
    """A grid file, read and expanded."""

    path: Path
    runs: tuple[GridRun, ...]
    candidate: str
    """The scorer that is compared with every other."""


def roots_of(runs: Sequence[GridRun], announce: bool = True) -> dict[str | None, str]:
    """Find the folder of the stores for each ``data.root`` of the runs; make the miniature, where it is due."""
    configs = {run.config.data.root: run.config for run in runs}
    return {root: resolve_root(config, announce) for root, config in configs.items()}


def _check_once(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("each value stands once")
    return values


def _check_set(values: dict[str, Any]) -> dict[str, Any]:
    for key, value in values.items():
        if key in _OWN_KEYS:
            raise ValueError(f"{key} is decided by the grid; omit it")
        if not all(
            isinstance(one, str | int | float | None) for one in (value if isinstance(value, list) else [value])
        ):
            raise ValueError(f"{key}: a plain value or a list of them is possible")
    return values


_Name = Annotated[str, Field(max_length=100, pattern=r"^[\w+][\w+.-]*$")]  # names become folders
_Set = Annotated[dict[str, Any], AfterValidator(_check_set)]
_Seeds = Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1), AfterValidator(_check_once)]
_Supervision = Annotated[list[Literal["supervised", "unsupervised"]], Field(min_length=1), AfterValidator(_check_once)]


class _Quick(BaseModel, strict=True, extra="forbid"):
    seeds: _Seeds | None = None
    set: _Set = {}


class _Entry(BaseModel, strict=True, extra="forbid"):
    files: list[str] = []
    set: _Set = {}
    supervision: _Supervision = ["supervised", "unsupervised"]
    name: _Name | None = None


class _Scorer(_Quick):
    files: list[str] = []
    runs: Annotated[list[str], AfterValidator(_check_once)] | None = None
    supervision: _Supervision = ["supervised", "unsupervised"]


class _File(BaseModel, strict=True, extra="forbid"):
    """The content of a grid file; the shipped benchmark.yaml says what each key means."""

    seeds: _Seeds = [0]
    runs: Annotated[list[_Entry], Field(min_length=1)]
    scorers: Annotated[dict[_Name, _Scorer], Field(min_length=1)]
    supervision: _Supervision = ["supervised"]
    candidate: str
    quick: _Quick = _Quick()


def read_grid(path: Path, quick: bool = False, words: Sequence[str] = ()) -> Grid:
    """Read a grid file, with ``quick`` the small one, and make the configuration of each run; ``words`` win over it.

    Raises:
        UserError: It is missing, damaged, or says what cannot be done; one line that names the key.
    """
    raw = read_yaml(path, f"no such grid; see {_EXAMPLE}")
    for word in words:
        require(word.partition("=")[0] not in _OWN_KEYS, word, "is decided by the grid; omit it")
    try:
        return _expand(_File.model_validate(raw), path, quick, words)
    except ValidationError as error:
        where, problem = first_fault(error)
        raise UserError(f"{path}: {where[:100] or 'grid'}: {problem}; see {_EXAMPLE}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _expand(file: _File, path: Path, quick: bool, words: Sequence[str]) -> Grid:
    candidate, short = file.candidate, file.quick if quick else _Quick()
    require(candidate in file.scorers, "candidate", f"{candidate} is none of {', '.join(file.scorers)}")
    runs: list[GridRun] = []
    cells: set[str] = set()
    for (number, entry), supervision, (scorer, spec) in product(
        enumerate(file.runs), file.supervision, file.scorers.items()
    ):
        if supervision in entry.supervision and supervision in spec.supervision:
            seeds = short.seeds or spec.seeds or file.seeds
            own = [*_words(entry.set), *_words(spec.set), *_words(short.set), *words, *_FIXED]
            try:
                made = _repetitions(entry, supervision, scorer, spec.files, own, seeds)
            except UserError as error:
                raise UserError(f"runs.{number}, {scorer}: {error}") from error
            cells |= {run.cell[0] for run in made}
            runs += [run for run in made if spec.runs is None or run.cell[0] in spec.runs]
    for scorer, spec in file.scorers.items():
        if unknown := sorted(set(spec.runs or ()) - cells):
            raise UserError(
                f"scorers.{scorer}.runs: there is no {unknown[0][:60]!r}; there are {', '.join(sorted(cells))}"
            )
    if not 0 < len(runs) <= _MOST:
        raise UserError(f"makes {len(runs)} runs; 1 to {_MOST} are possible")
    _check_names_differ(runs)
    return Grid(path, tuple(runs), candidate)


def _words(values: dict[str, Any]) -> list[str]:
    """``set`` as words of the command line; JSON is YAML that keeps the types."""
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def _repetitions(
    entry: _Entry, supervision: str, scorer: str, files: list[str], words: list[str], seeds: list[int]
) -> list[GridRun]:
    """The runs of a scorer in a cell, one a seed."""
    unsupervised = supervision == "unsupervised"
    files = [*entry.files, *([_UNSUPERVISED] if unsupervised else []), *files]
    config = load_config(files, words)
    check_contradictions(config)
    check_scorer(config)
    does = supervision_of(config)  # the tables say of a run what its cell says
    problem = f"the weights are of {does} training, in a cell of {supervision} training; give it supervision: [{does}]"
    require(does in (supervision, "none"), "loss", problem)
    cell = entry.name or f"{config.data.dataset}-{config.data.setting}"
    name = "-".join([scorer, cell, *(["unsupervised"] if unsupervised else [])])
    return [
        GridRun(
            name=f"{name}-seed{seed}",
            cell=(cell, supervision),
            scorer=scorer,
            files=tuple(files),
            words=(*words, f"seed={seed}"),
            config=replace(config, seed=seed),
        )
        for seed in seeds
    ]


def _check_names_differ(runs: Sequence[GridRun]) -> None:
    """Refuse runs that would share a folder, and scorers that are the same under two names."""
    for name, count in Counter(run.name for run in runs).items():
        require(count == 1, name, "two runs of this name; give entries of runs a name:")
    known: dict[tuple[tuple[str, str], str], str] = {}
    for run in runs:
        other = known.setdefault((run.cell, run.hash), run.scorer)
        where, same = f"scorers.{run.scorer}", f"is the same as {other} in {run.cell[0]}; set model.name"
        require(other == run.scorer, where, same)
