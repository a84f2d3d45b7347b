"""Files that list folds: the published families as this package keeps them, and users' own JSON, YAML or txt files.

``families/<family>_<dataset>_<setting>.json`` holds facts only: the video numbers of each part, one fold a line, and
the public file that they were taken from.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_text
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.fold_layouts import folds_of_content, read_content
from clipit_lightning.data.folds import Fold, FoldFamily


def families(dataset: str, setting: str) -> tuple[str, ...]:
    """Names of the published families that come with the package, without ``kfold``, which is made and not listed."""
    ending = f"_{dataset}_{setting}.json"
    names = [file.name for file in resources.files(__package__).joinpath("families").iterdir()]
    return tuple(sorted(name.removesuffix(ending) for name in names if name.endswith(ending)))


def load_family(name: str, dataset: str, setting: str) -> FoldFamily:
    """Load a published family that comes with the package.

    Args:
        name: One of ``families``: ``pglsum``, ``vasnet``, ``dsnet``, ``csta``, ``msva`` (its random folds, the ones of
            its README and its weights) or ``msva-ordered``.
        dataset: The benchmark that is tested on.
        setting: Which videos train. VASNet published augmented folds too, DSNet augmented and transfer ones.

    Raises:
        UserError: There is no such family for this benchmark and setting.
    """
    published = families(dataset, setting)
    if name not in published:
        raise UserError(
            f"data.family={name}: no {setting} folds of {dataset} are published; there are "
            f"{', '.join(('kfold', *published))}"
        )
    file = resources.files(__package__).joinpath("families", f"{name}_{dataset}_{setting}.json")
    content = json.loads(file.read_text(encoding="utf-8"))
    setting_read, folds = folds_of_content(file.name, content, dataset, {})
    return FoldFamily(name, dataset, setting_read, content["source"], folds)


def read_fold_file(
    path: Path, dataset: str, names: Mapping[str, str], name: str | None = None, source: str | None = None
) -> FoldFamily:
    """Read a file that lists folds. The setting is read off the lists: which benchmarks they train on.

    JSON and YAML: a list of folds, ``{"folds": [...]}``, one single fold, or folds by name (``{"split0": {...}}``).
    A fold has the parts ``train``, ``test`` and optionally ``validation`` (also ``train_keys``, ``test_keys``, ``val``,
    ``val_keys``), each a list, or lists by benchmark: ``{"tvsum": [1, 2], "ovp": [3]}``. A video is a key
    (``video_7``), a number, a name or YouTube id, or any of them behind a benchmark or an HDF5 file:
    ``ovp/video_7``, ``../datasets/eccv16_dataset_ovp_google_pool5.h5/video_7``.
    These are the layouts of PGL-SUM, VASNet, DSNet and MSVA, and our own.

    txt, one fold a line: ``train/test`` or ``train/validation/test``, videos parted by commas, and optionally the
    benchmark and a fold's name before (CSTA: ``TVSum/split0/video_1,.../video_7,...``). ``#`` starts a comment.

    Args:
        path: The file.
        dataset: The benchmark that is tested on; videos without a benchmark before them are its.
        names: Key of each of its videos by name or YouTube id; may be empty where the file has keys.
        name: Name of the family; by default the file's own, or the file's name.
        source: Where the lists come from; by default the file's own, or the file's name.

    Raises:
        UserError: The file cannot be read or has none of these layouts, or a fold is wrong: an unknown video, one
            twice in a part or in two parts, an empty or missing part, a tested video of another benchmark.
    """
    content = read_content(path)
    setting, folds = folds_of_content(str(path), content, dataset, names)
    head = content if isinstance(content, dict) else {}
    texts = {key: value for key in ("family", "source") if isinstance(value := head.get(key), str)}
    name = name or texts.get("family") or re.sub(r"[^\w.-]+", "-", path.stem)
    if not re.fullmatch(r"[\w.-]+", name):
        raise UserError(f"{name!r}: a family's name has letters, digits, '-', '_' and '.' only; choose another")
    return FoldFamily(name, dataset, setting, source or texts.get("source") or path.name, folds)


def convert_fold_file(
    path: Path,
    dataset: str,
    setting: str | None = None,
    name: str | None = None,
    names: Mapping[str, str] | None = None,
    to: Path | None = None,
    source: str | None = None,
) -> str:
    """Read and check a file that lists folds, write it in the package's own form, and list what it holds.

    Args:
        path: The file; ``read_fold_file`` lists the layouts.
        dataset: The benchmark that is tested on.
        setting: The setting that the folds ought to have; by default any.
        name: Name of the family.
        names: Key of each video by name or YouTube id.
        to: The JSON file to write; by default none.
        source: Where the lists come from.

    Returns:
        A summary to print: size of each fold, videos never tested, tested more than once, overlapping test parts.

    Raises:
        UserError: The file cannot be read, a fold is wrong, its setting is another one, or ``to`` is no
            other JSON file.
    """
    if to is not None and (to.suffix != ".json" or to.resolve() == path.resolve()):
        raise UserError(f"{to}: folds are written to another file, whose name ends in .json; choose such a name")
    family = read_fold_file(path, dataset, names or {}, name, source)
    if setting is not None and setting != family.setting:
        raise UserError(f"{path}: these are {family.setting} folds, by the videos that train; not {setting} ones")
    if to is None:
        return summary_of_family(family)
    write_text(to, family_text(family))
    return f"{summary_of_family(family)}\nwritten to {to}"


def family_text(family: FoldFamily) -> str:
    """The family as JSON in the package's own form: numbers only, one fold a line."""
    head = {"family": family.name, "dataset": family.dataset, "setting": family.setting, "source": family.source}
    lines = []
    for fold in family.folds:
        numbers: dict[str, Any] = {"train": _numbers(fold.train)}
        if fold.validation:
            numbers["validation"] = _numbers(fold.validation)
        numbers["test"] = _numbers(fold.test)[family.dataset]
        lines.append("  " + json.dumps(numbers, separators=(",", ":")))
    opening = "".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n" for key, value in head.items())
    return "{\n" + opening + ' "folds": [\n' + ",\n".join(lines) + "\n ]\n}\n"


def summary_of_family(family: FoldFamily) -> str:
    """What a family holds, in lines to print; folds that are the same count once."""
    videos = {f"{family.dataset}/video_{number}" for number in BENCHMARKS[family.dataset].numbers}
    lines = [
        f"{family.name}: {len(family.folds)} {family.setting} folds of {family.dataset}, hash {family.content_hash}",
        f"source: {family.source}",
    ]
    distinct: dict[tuple[tuple[str, ...], ...], Fold] = {}
    for fold in family.folds:
        first = distinct.setdefault((fold.train, fold.validation, fold.test), fold)
        lines.append(f"fold {fold.index}: " + (_sizes(fold, videos) if first is fold else f"as fold {first.index}"))
    times = Counter(video for fold in distinct.values() for video in fold.test)
    lines.append(f"never tested: {_listed(videos.difference(times), len(videos))}")
    often = {video for video, count in times.items() if count > 1}
    lines.append(f"tested more than once: {_listed(often, len(videos))}")
    shared = [
        f"{first.index} and {second.index} share {len(common)}"
        for first, second in combinations(distinct.values(), 2)
        if (common := set(first.test).intersection(second.test))
    ]
    lines.append("overlapping test parts: " + (f"folds {', '.join(shared)}" if shared else "none"))
    return "\n".join(lines)


def _sizes(fold: Fold, videos: set[str]) -> str:
    train = ", ".join(f"{len(numbers)} {dataset}" for dataset, numbers in _numbers(fold.train).items())
    held = f"{len(fold.validation)} validate" if fold.validation else "no validation part"
    unused = len(videos.difference(fold.train, fold.validation, fold.test))
    left = f", {unused} in no part" if unused and videos.intersection(fold.train) else ""
    return f"{len(fold.test)} test, {len(fold.train)} train ({train}), {held}{left}"


def _listed(videos: set[str], of: int) -> str:
    if not videos:
        return "none"
    keys = (f"video_{number}" for part in _numbers(tuple(videos)).values() for number in part)
    return f"{len(videos)} of {of} ({', '.join(keys)})"


def _numbers(videos: tuple[str, ...]) -> dict[str, list[int]]:
    """Numbers of videos by benchmark, both in order."""
    numbers: dict[str, list[int]] = {}
    for video in sorted(videos):
        dataset, key = video.split("/")
        numbers.setdefault(dataset, []).append(int(key.removeprefix("video_")))
    return {dataset: sorted(of_dataset) for dataset, of_dataset in numbers.items()}
