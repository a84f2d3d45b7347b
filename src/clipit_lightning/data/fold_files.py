"""Files that list folds: the published families as this package keeps them, and users' own JSON, YAML or txt files.

``families/<family>_<dataset>_<setting>.json`` holds facts only: the video numbers of each part, one fold a line, and
the public file that they were taken from.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import check_is_file, named_once, write_text
from clipit_lightning.data import BENCHMARKS, benchmark_names
from clipit_lightning.data.folds import Fold, FoldFamily, Setting

_FAMILIES = Path(__file__).with_name("families")
_PARTS = {
    "train": ("train", "train_keys", "training"),
    "validation": ("validation", "validation_keys", "val", "val_keys", "valid"),
    "test": ("test", "test_keys", "testing"),
}
_PART_OF = {spelling: part for part, spellings in _PARTS.items() for spelling in spellings}
_LAYOUTS = "a list of folds with train_keys and test_keys, or lines train/test, in a .json, .yaml or .txt file"


def families(dataset: str, setting: str) -> tuple[str, ...]:
    """Names of the published families that come with the package, without ``kfold``, which is made and not listed."""
    ending = f"_{dataset}_{setting}.json"
    return tuple(sorted(file.name.removesuffix(ending) for file in _FAMILIES.glob(f"*{ending}")))


def load_family(name: str, dataset: str, setting: str) -> FoldFamily:
    """Load a published family that comes with the package, one of ``families``.

    ``msva`` are its random folds, the ones of its README and its weights; ``msva-ordered`` the others.

    Raises:
        UserError: There is no such family for this benchmark and setting.
    """
    published = families(dataset, setting)
    if name not in published:
        raise UserError(
            f"data.family={name}: no {setting} folds of {dataset} are published; there are "
            f"{', '.join(('kfold', *published))}"
        )
    return read_fold_file(_FAMILIES / f"{name}_{dataset}_{setting}.json", dataset, {}, name)


def read_fold_file(path: Path, dataset: str, names: Mapping[str, str], name: str | None = None) -> FoldFamily:
    """Read a file that lists folds. The setting is read off the lists: which benchmarks they train on.

    JSON and YAML: a list of folds, ``{"folds": [...]}``, one single fold, or folds by name (``{"split0": {...}}``).
    A fold has the parts ``train``, ``test`` and optionally ``validation`` (also ``train_keys``, ``test_keys``, ``val``,
    ``val_keys``), each a list, or lists by benchmark: ``{"tvsum": [1, 2], "ovp": [3]}``. A video is a key
    (``video_7``), a number, a name or YouTube id, or any of them behind a benchmark or an HDF5 file:
    ``ovp/video_7``, ``../datasets/eccv16_dataset_ovp_google_pool5.h5/video_7``.
    These are the layouts of PGL-SUM, VASNet, DSNet and MSVA, and our own.

    txt, one fold a line: ``train/test`` or ``train/validation/test``, videos parted by commas, and optionally the
    benchmark and a fold's name before (CSTA: ``TVSum/split0/video_1,.../video_7,...``). ``#`` starts a comment.

    Videos without a benchmark before them are of ``dataset``, the annotated one that is tested on; ``names`` has the
    key of each of its videos by name or YouTube id. The family's name is ``name``, else the file's own.

    Raises:
        UserError: The file cannot be read or has none of these layouts, or a fold is wrong: an unknown video, one
            twice in a part or in two parts, an empty or missing part, a tested video of another benchmark.
    """
    content = _read_content(path)
    head = content if isinstance(content, dict) else {}
    plain = {f"{dataset}/{_plain(video)}": key for video, key in names.items()}
    folds = []
    for index, (label, raw) in enumerate(_raw_folds(path, content)):
        if (of := raw.get("dataset", head.get("dataset", dataset))) != dataset:
            raise UserError(f"{path}: {label} is one of {_short(of)}, not of {dataset}; name the other benchmark")
        folds.append(_fold(f"{path}: {label}", index, raw, dataset, plain))
    settings = {_setting(fold, dataset) for fold in folds}
    if len(settings) > 1:
        raise UserError(f"{path}: folds of several settings ({', '.join(sorted(settings))}); split them into files")
    setting = settings.pop()
    if (claimed := head.get("setting", setting)) != setting:
        raise UserError(f"{path}: says setting {_short(claimed)}, but by the videos that train its folds are {setting}")
    texts = {key: value for key in ("family", "source") if isinstance(value := head.get(key), str)}
    name = name or texts.get("family") or re.sub(r"[^\w.-]+", "-", path.stem)
    if not re.fullmatch(r"[\w.-]+", name):
        raise UserError(f"{name!r}: a family's name has letters, digits, '-', '_' and '.' only; choose another")
    return FoldFamily(name, dataset, setting, texts.get("source") or path.name, tuple(folds))


def _read_content(path: Path) -> Any:  # noqa: ANN401 - whatever JSON and YAML can hold
    from clipit_lightning.core.yaml_files import read_yaml

    suffix = path.suffix.lower()
    if suffix not in (".json", ".yaml", ".yml", ".txt"):
        raise UserError(f"{path}: none of the known layouts: {_LAYOUTS}")
    if suffix in (".yaml", ".yml"):
        return read_yaml(path, "no such file; give the path of a file of folds")
    try:
        check_is_file(path)
        text = path.read_text(encoding="utf-8-sig")
        return _lines(text) if suffix == ".txt" else json.loads(text, object_pairs_hook=named_once)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; give the path of a file of folds") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid {path.suffix[1:]} ({' '.join(str(error).split())}); fix it") from error


def _lines(text: str) -> list[dict[str, Any]]:
    """The folds of a txt file, one a line: benchmark and fold's name (or neither), train, validation (or not), test."""
    folds = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = [field.strip() for field in line.partition("#")[0].split("/")]
        if fields == [""]:
            continue
        head, videos = (fields[:2], fields[2:]) if len(fields) > 3 else ([], fields)
        if not 2 <= len(videos) <= 3:
            raise ValueError(f"line {number} has {len(fields)} fields between '/', not train/test")
        train, *validation, test = ([video for video in words.split(",") if video.strip()] for words in videos)
        fold: dict[str, Any] = {"train": train, "validation": validation[0] if validation else [], "test": test}
        folds.append(fold | ({"dataset": head[0].lower()} if head else {}))
    return folds


def _setting(fold: Fold, dataset: str) -> Setting:
    of_target = [video.startswith(f"{dataset}/") for video in fold.train]
    mixed: Setting = "augmented" if any(of_target) else "transfer"
    return "canonical" if all(of_target) else mixed


def _raw_folds(path: Path, content: Any) -> list[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """The folds as they stand in the file, with what errors call them."""
    folds = content["folds"] if isinstance(content, dict) and "folds" in content else content
    if isinstance(folds, dict) and _PART_OF.keys() & folds.keys():
        folds = [folds]
    if isinstance(folds, list):
        folds = dict(enumerate(folds))
    if not folds or not isinstance(folds, dict) or not all(isinstance(fold, dict) for fold in folds.values()):
        raise UserError(f"{path}: none of the known layouts: {_LAYOUTS}")
    return [(f"fold {_short(label)}", fold) for label, fold in folds.items()]


def _fold(where: str, index: int, raw: dict[str, Any], dataset: str, names: Mapping[str, str]) -> Fold:
    videos: dict[str, tuple[str, ...]] = {}
    seen: dict[str, str] = {}
    for spelling, entries in raw.items():
        part = _PART_OF.get(spelling)
        if part is None and not isinstance(entries, (list, dict)):
            continue  # a number or a name beside the lists
        if part is None or part in videos:
            raise UserError(
                f"{where}: {_short(spelling)} is no part, or one given twice; there are train, validation, test"
            )
        videos[part] = _videos(f"{where}, {part}", entries, dataset, names)
        for video in videos[part]:
            if video in seen:
                twice = f"twice in {part}" if seen[video] == part else f"in both {seen[video]} and {part}"
                raise UserError(f"{where}: {video} is {twice}; a video is in one part, once")
            seen[video] = part
        if part == "test" and (others := [video for video in videos[part] if not video.startswith(f"{dataset}/")]):
            raise UserError(f"{where}: {others[0]} is tested, but these are folds of {dataset}")
    for part in ("train", "test"):
        if not videos.get(part):
            raise UserError(f"{where}: the {part} part is empty or missing; it has {_short(', '.join(map(str, raw)))}")
    return Fold(index, *(tuple(sorted(videos.get(part, ()))) for part in _PARTS))


def _videos(where: str, entries: Any, dataset: str, names: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ANN401
    """The ids of the videos in a part; they are of the benchmark under which they are listed, or that they name."""
    known = list(dict.fromkeys([*benchmark_names("annotated"), dataset]))
    ids = []
    for name, videos in (entries if isinstance(entries, dict) else {dataset: entries}).items():
        if name not in known or not isinstance(videos, list):
            raise UserError(f"{where}: {_short(name)} is not a list of videos, or no benchmark of {', '.join(known)}")
        ids += [_id(where, entry, name, names) for entry in videos]
    return tuple(ids)


def _id(where: str, entry: Any, dataset: str, names: Mapping[str, str]) -> str:  # noqa: ANN401
    """The id of what a file calls a video."""
    folder, _, last = _text(entry).rpartition("/")
    if folder and folder != dataset:
        known = benchmark_names("annotated")
        named = [word for word in re.split(r"[^a-z0-9]+", folder.lower()) if word in known]
        if not named:
            raise UserError(f"{where}: {_short(entry)} names no benchmark of {', '.join(known)} before the video")
        dataset = named[-1]  # the last: folders before the HDF5 file may have such names too
    key = names.get(f"{dataset}/{_plain(last)}", last)
    number = re.fullmatch(r"(?:video_)?([1-9][0-9]{0,3})", key, flags=re.ASCII)
    numbers = BENCHMARKS[dataset].numbers if dataset in BENCHMARKS else ()  # a store of one's own has any keys
    if numbers and (number is None or int(number[1]) not in numbers):
        keys = f"video_{min(numbers)} to video_{max(numbers)}"
        raise UserError(f"{where}: {_short(entry)} is no video of {dataset}; there are {keys}, and names where known")
    return f"{dataset}/{f'video_{number[1]}' if number else key}"


def _plain(name: str) -> str:
    """SumMe's names are written with spaces and with underscores."""
    return name.strip().replace(" ", "_")


def _text(entry: object) -> str:
    """A piece of the file on one line. Lists are not written out: YAML's aliases can make them huge."""
    if isinstance(entry, int) and entry.bit_length() > 64:  # python refuses to write numbers of thousands of digits
        return "a huge number"
    return " ".join(str(entry).split()) if isinstance(entry, (str, int)) else f"a {type(entry).__name__}"


def _short(entry: object) -> str:
    return _text(entry)[:80] or "nothing"


def convert_fold_file(
    path: Path,
    dataset: str,
    setting: str | None = None,
    name: str | None = None,
    names: Mapping[str, str] | None = None,
    to: Path | None = None,
) -> str:
    """Read and check a file that lists folds, write it in the package's own form, and list what it holds.

    ``setting`` is the one that the folds ought to have, by default any; ``to`` is the JSON file to write, by default
    none. The summary that comes back is ``summary_of_family``.

    Raises:
        UserError: The file cannot be read, a fold or the setting is wrong, or ``to`` is no other JSON file.
    """
    if to is not None and (to.suffix != ".json" or to.resolve() == path.resolve()):
        raise UserError(f"{to}: folds are written to another file, whose name ends in .json; choose such a name")
    family = read_fold_file(path, dataset, names or {}, name)
    if setting is not None and setting != family.setting:
        raise UserError(f"{path}: these are {family.setting} folds, by the videos that train; not {setting} ones")
    if to is not None:
        write_text(to, family_text(family))
    return summary_of_family(family) + (f"\nwritten to {to}" if to else "")


def family_text(family: FoldFamily) -> str:
    """The family as JSON in the package's own form: numbers only, one fold a line."""
    head = {"family": family.name, "dataset": family.dataset, "setting": family.setting, "source": family.source}
    lines = []
    for fold in family.folds:
        numbers: dict[str, Any] = {"train": _numbers(fold.train)}
        numbers |= {"validation": _numbers(fold.validation)} if fold.validation else {}
        numbers["test"] = _numbers(fold.test)[family.dataset]
        lines.append("  " + json.dumps(numbers, separators=(",", ":")))
    opening = "".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n" for key, value in head.items())
    return "{\n" + opening + ' "folds": [\n' + ",\n".join(lines) + "\n ]\n}\n"


def summary_of_family(family: FoldFamily) -> str:
    """Lines to print: size of each fold, videos that are never tested or more than once, overlapping test parts.

    Folds that are the same count once.
    """
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
    lines.append(f"tested more than once: {_listed({video for video in times if times[video] > 1}, len(videos))}")
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
    keys = (f"video_{number}" for part in _numbers(tuple(videos)).values() for number in part)
    return f"{len(videos)} of {of} ({', '.join(keys)})" if videos else "none"


def _numbers(videos: tuple[str, ...]) -> dict[str, list[int]]:
    """Numbers of videos by benchmark, both in order."""
    numbers: dict[str, list[int]] = {}
    for video in sorted(videos, key=lambda video: (video.split("/")[0], int(video.rpartition("_")[2]))):
        numbers.setdefault(video.split("/")[0], []).append(int(video.rpartition("_")[2]))
    return numbers
