"""What is tested: the store, its videos, and the folds that test them."""

from collections.abc import Sequence
from pathlib import Path

from clipit_lightning.core.errors import UserError, require
from clipit_lightning.data import official_families
from clipit_lightning.data.fold_files import load_family, read_fold_file
from clipit_lightning.data.folds import Fold, make_folds
from clipit_lightning.data.own import find_benchmark
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video


def open_store(dataset: str, root: Path) -> Store:
    """The store of a data set, checked; a UserError where it is missing or invalid."""
    store = Store(root / f"{dataset}.h5")
    if not store.path.exists():
        how = find_benchmark(dataset, root).how_to_get
        raise UserError(f"missing: {store.path} ({how}); then `clipit data import FOLDER`")
    if problems := store.check():
        raise UserError(f"{store.path}: {problems[0]}; run `clipit data check --root {root}`")
    return store


def tested_videos(store: Store, dataset: str) -> list[Video]:
    """The annotations of the videos that are tested: the official test part, or all, with their features."""
    if not official_families(dataset):
        return store.read()
    tested = [key for key, part in store.splits().items() if part == "test"]
    if not tested:
        raise UserError(f"{store.path}: has no videos of the official test part; import the whole data set")
    return store.read(tested, features=False)


def tested_folds(videos: Sequence[Video], folds: str) -> list[Fold]:
    """The canonical folds of a family by name or file; ``all``, or ``official``, is one fold that tests every video."""
    dataset, ids = videos[0].dataset, [video.id for video in videos]
    if only := official_families(dataset):
        require(folds in ("all", *only), f"folds {folds}", f"{dataset} has its official parts alone; omit it")
    if folds == "all" or folds in only:
        return [Fold(0, (), (), tuple(ids))]
    if folds == "kfold":
        return make_folds(ids, (), "canonical")
    if Path(folds).suffix:
        family = read_fold_file(Path(folds), dataset, {video.name: video.key for video in videos if video.name})
    else:
        family = load_family(folds, dataset, "canonical")
    if unknown := sorted({video for fold in family.folds for video in fold.test} - set(ids)):
        raise UserError(f"folds {folds}: the store lacks {', '.join(unknown[:5])}; import the whole data set")
    return list(family.folds)
