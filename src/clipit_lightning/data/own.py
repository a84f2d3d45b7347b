"""A store of one's own as a benchmark: annotated, called as its file, with conventions that the store declares.

- F1 is the mean over annotators, as TVSum's. The file's attribute ``f1`` says ``max`` for the best agreement, as
  SumMe's; the store of a benchmark's videos under another name (attribute ``dataset``) keeps the benchmark's.
- Rank correlation is with each annotator where every annotated video has ratings (``user_scores``), as TVSum's; else
  with the annotators' mean, as SumMe's, which every annotated store has.
- A summary takes at most 15 % of a video's frames.
"""

from pathlib import Path
from typing import cast, get_args

from clipit_lightning.core.errors import UserError, require
from clipit_lightning.core.files import STORE, split_store
from clipit_lightning.data import BENCHMARKS, DEFAULT_ROOT, check_names
from clipit_lightning.data.benchmark import Benchmark, F1Convention
from clipit_lightning.data.store import Store


def locate(dataset: str, root: Path | str) -> tuple[str, Path]:
    """Name and folder of a store that is called by its name in a folder, or by the path of its file, ``FILE.h5``."""
    return split_store(dataset) if dataset.endswith(STORE) else (dataset, Path(root))


def find_benchmark(name: str, root: Path | str | None = None) -> Benchmark:
    """The benchmark of a name: of the registry, or the store of one's own of that name in a folder.

    Raises:
        UserError: There is no such store, it cannot be read or has queries or scripts, or its attribute ``f1`` is no
            convention.
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    check_names(name, root=root)
    store = Store(Path(root or DEFAULT_ROOT) / f"{name}.h5")
    attributes = store.attributes
    if (layout := attributes.get("layout")) in ("queries", "scripts"):
        raise UserError(f"{store.path}: its videos have {layout}; stores of your own have annotators (user_summary)")
    copied = BENCHMARKS.get(attributes.get("dataset", ""))
    f1 = attributes.get("f1", "mean" if copied is None else copied.f1_convention)
    known = get_args(F1Convention)
    require(f1 in known, f"{store.path}", f"its attribute f1 is {f1[:40]!r}; it must be one of {', '.join(known)}")
    return Benchmark(
        name=name,
        title=name,
        kind="annotated",
        n_videos=len(store.video_keys()),
        f1_convention=cast(F1Convention, f1),
        correlation="per-annotator" if store.all_have("user_scores") else "mean-annotator",
        how_to_get="make it with `clipit prepare VIDEO... --labels labels.csv`",
    )
