"""From files that list folds to checked folds; ``fold_files.read_fold_file`` describes the layouts."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import named_once, refuse_no_file
from clipit_lightning.data import BENCHMARKS, benchmark_names
from clipit_lightning.data.folds import Fold, Setting

_PARTS = {
    "train": ("train", "train_keys", "training"),
    "validation": ("validation", "validation_keys", "val", "val_keys", "valid"),
    "test": ("test", "test_keys", "testing"),
}
_LAYOUTS = "a list of folds with train_keys and test_keys, or lines train/test, in a .json, .yaml or .txt file"


def read_content(path: Path) -> Any:  # noqa: ANN401 - whatever JSON and YAML can hold
    """Read a JSON, YAML or txt file as lists and dictionaries, not yet checked.

    Raises:
        UserError: It cannot be read, is damaged, or its name ends in something else.
    """
    import yaml

    readers: dict[str, Callable[[str], Any]] = {
        ".json": lambda text: json.loads(text, object_pairs_hook=named_once),
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
        ".txt": _lines,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: none of the known layouts: {_LAYOUTS}")
    try:
        refuse_no_file(path)
        return reader(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; give the path of a file of folds") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
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
        names = ("train", "test") if len(videos) == 2 else ("train", "validation", "test")
        lists = [[video for video in words.split(",") if video.strip()] for words in videos]
        fold: dict[str, Any] = dict(zip(names, lists, strict=True))
        folds.append(fold | ({"dataset": head[0].lower()} if head else {}))
    return folds


def folds_of_content(
    where: str,
    content: Any,  # noqa: ANN401
    dataset: str,
    names: Mapping[str, str],
) -> tuple[Setting, tuple[Fold, ...]]:
    """The folds that a file's content lists, and their setting.

    Args:
        where: What errors call the file.
        content: What ``read_content`` gives.
        dataset: The benchmark that is tested on.
        names: Key of each of its videos by name or YouTube id.

    Raises:
        UserError: The layout is unknown, or a fold is wrong; the message names file, fold and video.
    """
    if dataset not in benchmark_names("annotated"):
        raise UserError(f"{dataset}: no such benchmark; there are {', '.join(benchmark_names('annotated'))}")
    head = content if isinstance(content, dict) else {}
    plain = {f"{dataset}/{_plain(name)}": key for name, key in names.items()}
    folds = []
    for index, (label, raw) in enumerate(_raw_folds(where, content)):
        if (of := raw.get("dataset", head.get("dataset", dataset))) != dataset:
            raise UserError(f"{where}: {label} is one of {_short(of)}, not of {dataset}; name the other benchmark")
        folds.append(_fold(f"{where}: {label}", index, raw, dataset, plain))
    settings = {_setting(fold, dataset) for fold in folds}
    if len(settings) > 1:
        raise UserError(f"{where}: folds of several settings ({', '.join(sorted(settings))}); split them into files")
    setting = settings.pop()
    if (claimed := head.get("setting", setting)) != setting:
        raise UserError(
            f"{where}: says setting {_short(claimed)}, but by the videos that train its folds are {setting}"
        )
    return setting, tuple(folds)


def _setting(fold: Fold, dataset: str) -> Setting:
    of_target = {video.startswith(f"{dataset}/") for video in fold.train}
    if of_target == {False}:
        return "transfer"
    return "canonical" if of_target == {True} else "augmented"


def _raw_folds(where: str, content: Any) -> list[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """The folds as they stand in the file, with what errors call them."""
    folds = content["folds"] if isinstance(content, dict) and "folds" in content else content
    if isinstance(folds, dict) and any(spelling in folds for part in _PARTS.values() for spelling in part):
        folds = [folds]
    listed = (
        list(folds.items()) if isinstance(folds, dict) else list(enumerate(folds if isinstance(folds, list) else []))
    )
    if not listed or not all(isinstance(fold, dict) for _, fold in listed):
        raise UserError(f"{where}: none of the known layouts: {_LAYOUTS}")
    return [(f"fold {_short(label)}", fold) for label, fold in listed]


def _fold(where: str, index: int, raw: dict[str, Any], dataset: str, names: Mapping[str, str]) -> Fold:
    known = {spelling: part for part, spellings in _PARTS.items() for spelling in spellings}
    videos: dict[str, tuple[str, ...]] = {}
    seen: dict[str, str] = {}
    for spelling, entries in raw.items():
        part = known.get(spelling)
        if part is None and not isinstance(entries, (list, dict)):
            continue  # a number or a name beside the lists
        if part is None or part in videos:
            raise UserError(
                f"{where}: {_short(spelling)} is no part, or one given twice; there are train, validation, test"
            )
        videos[part] = tuple(
            _id(f"{where}, {part}", *entry, names) for entry in _entries(where, part, entries, dataset)
        )
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
    train, held, test = (tuple(sorted(videos.get(part, ()))) for part in _PARTS)
    return Fold(index, train, held, test)


def _entries(where: str, part: str, entries: Any, dataset: str) -> list[tuple[Any, str]]:  # noqa: ANN401
    """The names of videos in a part, and the benchmark of each unless its name has another."""
    by_dataset = entries if isinstance(entries, dict) else {dataset: entries}
    known = benchmark_names("annotated")
    for name, videos in by_dataset.items():
        if name not in known or not isinstance(videos, list):
            raise UserError(
                f"{where}, {part}: {_short(name)} is not a list of videos, or no benchmark of {', '.join(known)}"
            )
    return [(video, name) for name, videos in by_dataset.items() for video in videos]


def _id(where: str, entry: Any, dataset: str, names: Mapping[str, str]) -> str:  # noqa: ANN401
    """The id of what a file calls a video."""
    if not isinstance(entry, (str, int)) or (isinstance(entry, int) and entry.bit_length() > 64):
        raise UserError(f"{where}: {_short(entry)} stands where a video's key, name or number is expected")
    folder, _, last = str(entry).strip().rpartition("/")
    if folder:
        known = benchmark_names("annotated")
        named = [word for word in re.split(r"[^a-z0-9]+", folder.lower()) if word in known]
        if not named:
            raise UserError(f"{where}: {_short(entry)} names no benchmark of {', '.join(known)} before the video")
        dataset = named[-1]  # the last: folders before the HDF5 file may have such names too
    key = names.get(f"{dataset}/{_plain(last)}", last)
    number = re.fullmatch(r"(?:video_)?([1-9][0-9]{0,3})", key, flags=re.ASCII)
    numbers = BENCHMARKS[dataset].numbers
    if number is None or int(number[1]) not in numbers:
        keys = f"video_{min(numbers)} to video_{max(numbers)}"
        raise UserError(f"{where}: {_short(entry)} is no video of {dataset}; there are {keys}, and names where known")
    return f"{dataset}/video_{number[1]}"


def _plain(name: str) -> str:
    """SumMe's names are written with spaces and with underscores."""
    return name.strip().replace(" ", "_")


def _short(entry: object) -> str:
    """A piece of the file for an error of one line. Lists are not written out: YAML's aliases can make them huge."""
    if not isinstance(entry, (str, int)):
        return f"a {type(entry).__name__}"
    if isinstance(entry, int) and entry.bit_length() > 64:  # python refuses to write numbers of thousands of digits
        return "a huge number"
    text = " ".join(str(entry).split()) or "nothing"
    return text if len(text) <= 80 else f"{text[:77]}..."
