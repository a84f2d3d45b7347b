"""From distributed files to batches: benchmarks, importers, the HDF5 store, folds, datamodules, the miniature."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning.core.errors import UserError, require
from clipit_lightning.core.lazy import lazy
from clipit_lightning.data.benchmark import FIELD_FEATURES, Benchmark, Kind, Source
from clipit_lightning.data.mosu import MOSU
from clipit_lightning.data.mrhisum import MRHISUM
from clipit_lightning.data.qfvs import QFVS
from clipit_lightning.data.s_videoxum import S_NEWSVSUM, S_VIDEOXUM
from clipit_lightning.data.summe import SUMME
from clipit_lightning.data.tvsum import TVSUM
from clipit_lightning.data.vsumm import OVP, YOUTUBE

if TYPE_CHECKING:
    from clipit_lightning.data.annotated import AnnotatedDataModule, SumMeDataModule, TVSumDataModule
    from clipit_lightning.data.batches import Batch, Stack
    from clipit_lightning.data.datamodule import SummarizationDataModule
    from clipit_lightning.data.queries import QFVSDataModule, QueryDataModule
    from clipit_lightning.data.scripts import ScriptDataModule

__all__ = [
    "BENCHMARKS",
    "AnnotatedDataModule",
    "Batch",
    "Benchmark",
    "QFVSDataModule",
    "QueryDataModule",
    "ScriptDataModule",
    "Stack",
    "SumMeDataModule",
    "SummarizationDataModule",
    "TVSumDataModule",
    "benchmark_names",
    "check_names",
    "field_names",
    "find_source",
    "has_queries",
    "has_ratings",
    "has_scripts",
    "official_families",
    "own_names",
    "sources",
]
__getattr__ = lazy(
    __name__,
    {
        "AnnotatedDataModule": "clipit_lightning.data.annotated",
        "Batch": "clipit_lightning.data.batches",
        "QFVSDataModule": "clipit_lightning.data.queries",
        "QueryDataModule": "clipit_lightning.data.queries",
        "ScriptDataModule": "clipit_lightning.data.scripts",
        "Stack": "clipit_lightning.data.batches",
        "SumMeDataModule": "clipit_lightning.data.annotated",
        "SummarizationDataModule": "clipit_lightning.data.datamodule",
        "TVSumDataModule": "clipit_lightning.data.annotated",
    },
)

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (TVSUM, SUMME, QFVS, S_VIDEOXUM, S_NEWSVSUM, MRHISUM, MOSU, OVP, YOUTUBE)
}
"""Every benchmark by name. A new one is a file beside these, and its name in this line."""
DEFAULT_ROOT = "data"
"""Folder of the stores where none is named."""


def __dir__() -> list[str]:
    return __all__


def benchmark_names(kind: Kind | None = None, targets: bool = False) -> list[str]:
    """Names of the benchmarks, in the order of the registry: of one kind or all, or of those that are tested on."""
    return [
        name
        for name, benchmark in BENCHMARKS.items()
        if kind in (None, benchmark.kind) and (benchmark.is_target or not targets)
    ]


def field_names() -> list[str]:
    """Names of the annotated benchmarks whose features lie in the field's HDF5 layout."""
    return [name for name in benchmark_names("annotated") if BENCHMARKS[name].read_files is None]


def has_queries(dataset: str) -> bool:
    """Whether a name is that of a benchmark whose videos are summarized once for every query."""
    return dataset in BENCHMARKS and BENCHMARKS[dataset].kind == "queries"


def has_scripts(dataset: str) -> bool:
    """Whether a name is that of a benchmark whose videos are summarized once for every script."""
    return dataset in BENCHMARKS and BENCHMARKS[dataset].kind == "scripts"


def official_families(dataset: str) -> tuple[str, ...]:
    """The only families of folds of annotated videos whose authors part them; empty where any folds may."""
    known = dataset in BENCHMARKS and BENCHMARKS[dataset].kind == "annotated"
    return BENCHMARKS[dataset].families if known else ()


def own_names(root: Path | str | None) -> list[str]:
    """Names of the stores of one's own in a folder, by default ``data``, in alphabetical order.

    They are called as their files; none is called as a benchmark in other letters, such as ``SumMe``.
    """
    names = sorted(path.stem for path in Path(root or DEFAULT_ROOT).glob("*.h5"))
    return [name for name in names if name.casefold() not in BENCHMARKS and name.isprintable()]


def has_ratings(dataset: str) -> bool:
    """Whether a name is that of a benchmark whose annotators rated videos throughout; else they cut summaries."""
    return dataset in BENCHMARKS and BENCHMARKS[dataset].has_ratings


def check_names(dataset: str, sources: Sequence[str] | None = None, root: Path | str | None = None) -> None:
    """Check the benchmarks that a configuration names: ``data.dataset``, and ``data.sources`` that train beside it.

    Stores of one's own that lie in the folder of the stores are benchmarks, too.

    Raises:
        UserError: There is no such benchmark.
    """
    own = own_names(root)
    there_are = [*benchmark_names(targets=True), *own]
    no_store = f"or the file of a store; there is no {Path(root or DEFAULT_ROOT) / dataset}.h5"
    no_store = "" if dataset in BENCHMARKS else f", {no_store}"
    require(dataset in there_are, "data.dataset", f"Invalid value {dataset!r}, expected one of {there_are}{no_store}")
    known = [*benchmark_names("annotated"), *own]
    for source in sources or ():
        require(source in known, "data.sources", f"{source} is unknown; there are {', '.join(known)}")


def sources() -> dict[str, Source]:
    """All sources of files by their names on the command line."""
    listed = [source for benchmark in BENCHMARKS.values() for source in benchmark.sources]
    return {source.name: source for source in (*listed, FIELD_FEATURES)}


def find_source(name: str) -> Source:
    """The source of a name.

    Raises:
        UserError: There is none; the message names those that there are.
    """
    known = sources()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        did_you_mean = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"no source is called {name!r}; {did_you_mean}There are {', '.join(known)}")
    return known[name]
