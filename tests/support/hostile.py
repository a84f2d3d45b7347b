"""Hostile inputs for ``test_hostile.py``: each table maps a name to what makes the input."""

import os
import pickle
import random
from collections.abc import Callable
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Damage = Callable[[h5py.File], None]
Spoil = Callable[[Path], object]
Change = Callable[[Any], Any]


class WritesAFile:
    """Writes ``mark`` when somebody unpickles it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


GROUP = object()
"""Stands for a group in the place of an array."""


def replaced(key: str, name: str, form: Any) -> Damage:
    """Put another value in an array's place: what a function makes of it, it times and plus numbers, or a value."""

    def damage(file: h5py.File) -> None:
        value = form
        if callable(form):
            value = form(file[key][name][()])
        if isinstance(form, tuple):
            value = file[key][name][()] * form[0] + form[1]
        del file[key][name]
        if value is GROUP:
            file[key].create_group(name)["inside"] = 1
        elif value is not None:
            file[key][name] = value

    return damage


def _forms(key: str, arrays: dict[str, dict[str, Any]]) -> dict[str, Damage]:
    """Damages named after the array, and after the form that it gets."""
    return {
        f"{name}-{title}": replaced(key, name, form) for name, forms in arrays.items() for title, form in forms.items()
    }


def _first_is(number: float, value: Any) -> Any:
    changed = np.array(value, dtype=np.float64)
    changed.flat[0] = number
    return changed


SHAPES = {
    "empty": np.zeros(0, np.float32),
    "a-scalar": np.float32(0.5),
    "in-3-dimensions": np.zeros((2, 3, 4, 5), np.float32),
    "one-short": lambda value: value[:-1],
    "one-long": lambda value: np.concatenate([value, value[-1:]]),
}
FRAMES = {
    "one-short": lambda value: value[..., :-1],
    "one-long": lambda value: np.concatenate([value, value[..., -1:]], axis=-1),
}
"""Of arrays of annotators: one annotator more or fewer is no damage, one frame is."""
KINDS = {
    "of-bytes": lambda value: np.full(np.shape(value), b"text", dtype="S4"),
    "of-texts": lambda value: np.full(np.shape(value), "text", dtype=h5py.string_dtype()),
    "complex": lambda value: np.asarray(value).astype(np.complex64),
    "a-compound": lambda value: np.zeros(np.shape(value), dtype=[("one", "f4"), ("two", "i4")]),
    "opaque": lambda value: np.zeros(np.shape(value), dtype="V4"),
}
WIDER = partial(np.repeat, repeats=2, axis=-1)
NUMBERS = {"nan": partial(_first_is, np.nan), "inf": partial(_first_is, np.inf)}


def some(table: dict[str, Any], step: int, turn: int = 0) -> dict[str, Any]:
    """Every second, third, ... of a table's inputs, from another start each turn: all of them over the turns."""
    return dict(list(table.items())[turn % step :: step])


def _array_damages(key: str, required: str, optional: str, transposable: str) -> dict[str, Damage]:
    """Every array in some of the wrong forms."""
    arrays = {}
    for turn, name in enumerate([*required.split(), *optional.split()]):
        shapes = SHAPES | FRAMES if name.startswith("user_") else SHAPES
        forms = some(shapes, 2, turn) | some(KINDS, 3, turn) | some(NUMBERS, 2, turn) | {"a-group": GROUP}
        if name in required.split():
            forms["missing"] = None
        if name in transposable.split():
            forms["transposed"] = np.transpose
        arrays[name] = forms
    return _forms(key, arrays)


def _huge_video(file: h5py.File) -> None:
    """A length that is nobody's, with shots that agree: what counts frames must not be allocated."""
    group, frames = file["video_3"], 10**12
    for name in ("n_frames", "change_points", "user_summary"):
        del group[name]
    group["n_frames"], group["change_points"] = frames, np.array([[0, frames - 1]])


def _huge_array(file: h5py.File, key: str) -> None:
    """Terabytes that are declared and take no space in the file."""
    del file[key]["features"]
    file[key].create_dataset("features", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))


def _outside(file: h5py.File, key: str) -> None:
    """An array whose bytes are those of any other file of the reader's machine."""
    shape = file[key]["features"].shape
    del file[key]["features"]
    other = Path(file.filename).with_name("secret")
    file[key].create_dataset("features", shape, "f4", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def _virtual(file: h5py.File, key: str) -> None:
    shape = file[key]["features"].shape
    del file[key]["features"]
    layout = h5py.VirtualLayout(shape=shape, dtype="f4")
    layout[:] = h5py.VirtualSource(str(Path(file.filename).with_name("other.hdf5")), "features", shape=shape)
    file[key].create_virtual_dataset("features", layout)


def _elsewhere(key: str) -> dict[str, Damage]:
    """Features that are not in their place."""
    links = {
        "soft-link-to-nowhere": h5py.SoftLink("/nowhere"),
        "soft-link-in-a-circle": h5py.SoftLink(f"/{key}/features"),
        "soft-link-to-the-video": h5py.SoftLink(f"/{key}"),
        "external-link-to-nowhere": h5py.ExternalLink("nowhere.h5", "/features"),
        "external-link-to-a-text": h5py.ExternalLink("secret", "/features"),
        "external-link-to-a-store": h5py.ExternalLink("other.hdf5", "/features"),
    }
    return {
        **{title: replaced(key, "features", link) for title, link in links.items()},
        "bytes-of-another-file": partial(_outside, key=key),
        "virtual-array": partial(_virtual, key=key),
        "terabytes": partial(_huge_array, key=key),
    }


def _anywhere(key: str) -> dict[str, Damage]:
    """What is wrong with a store in any layout."""
    return {
        **_elsewhere(key),
        "video-is-an-array": replaced("/", key, np.zeros(3)),
        "video-is-a-type": lambda file: file.update(type=np.dtype("f4")),
        "video-linked-to-nowhere": lambda file: file.update(linked=h5py.SoftLink("/nowhere")),
        "video-linked-outside": lambda file: file.update(linked=h5py.ExternalLink("other.hdf5", "/")),
        "video-with-a-slash": lambda file: file.create_group("video/4"),
        "video-of-a-superscript": lambda file: file.create_group("²"),
        "video-of-escapes": lambda file: file.create_group("\x1b[2J\nclipit: fine"),
        "no-video": lambda file: file.clear(),
    }


LINKS = _elsewhere("video_3")
"""Ways to lead a reader of ``video_3/features`` astray."""
ANNOTATED: dict[str, Damage] = {
    **_array_damages(
        "video_3",
        required="features picks change_points gtscore gtsummary",
        optional="user_summary user_scores caption_features",
        transposable="features change_points user_summary user_scores caption_features",
    ),
    **_forms(
        "video_3",
        {
            "n_frames": {"missing": None, "a-group": GROUP, "a-text": "many", "nan": np.nan, "complex": 3j}
            | {"an-array": np.array([300, 300]), "negative": -5, "0": 0, "one-more": (1, 1), "huge": 10**12},
            "picks": {"negative": (1, -1), "beyond-the-video": (2, 0), "between-frames": (1, 0.5)}
            | {"decreasing": np.flip, "repeated": lambda value: value // 60 * 60, "beyond-integers": (1e300, 0)},
            "gtscore": {"above-1": (1, 1), "below-0": (1, -1)},
            "gtsummary": {"a-half": (0, 0.5)},
            "user_summary": {"of-2": (0, 2), "of-257": (0, np.int64(257))},
            "captions": {"fewer": ["one"], "a-scalar": "one", "of-numbers": np.zeros((2, 2)), "a-group": GROUP},
            "video_name": {"a-group": GROUP},
            "features": {"of-another-size": WIDER},
            "caption_features": {"of-another-size": WIDER},
        },
    ),
    "video-of-a-trillion-frames": _huge_video,
    "shots-overlap": replaced("video_3", "change_points", (1, np.array([0, 1]))),
    "shots-with-gaps": replaced("video_3", "change_points", (1, np.array([0, -1]))),
    "shots-decreasing": replaced("video_3", "change_points", np.flipud),
    "shots-from-end-to-start": replaced("video_3", "change_points", np.fliplr),
    "shots-negative": replaced("video_3", "change_points", (-1, 0)),
    "layout-of-queries": lambda file: file.attrs.update(layout="queries"),
    "says-another-benchmark": lambda file: file.attrs.update(dataset="summe"),
    "says-no-benchmark": lambda file: file.attrs.update(dataset=5),
    "says-many-benchmarks": lambda file: file.attrs.update(dataset=np.arange(3)),
    "nested-group": lambda file: file["video_3"].create_group("more").__setitem__("array", 1),
    **_anywhere("video_3"),
}
"""Ways to damage ``tvsum.h5``."""

QUERIES: dict[str, Damage] = {
    **_array_damages(
        "P02", "features tags queries query_features oracle", "", transposable="features tags query_features oracle"
    ),
    **_forms(
        "P02",
        {
            "concepts": {
                "missing": None,
                "a-group": GROUP,
                "a-scalar": "Car",
                "fewer": lambda value: value[:-1],
                "of-numbers": lambda value: np.arange(len(value)),
                "twice-the-same": lambda value: np.full(len(value), b"Car"),
                "of-escapes": lambda value: [f"\x1b[2J\n{number}" for number in range(len(value))],
                "with-slashes": lambda value: [f"a/{number}" for number in range(len(value))],
            },
            "shot_seconds": {"missing": None, "a-group": GROUP, "0": 0.0, "negative": -5.0, "nan": np.nan}
            | {"a-text": "five", "an-array": np.ones(2)},
            "sentences": {"fewer": lambda value: value[:-1], "of-numbers": np.arange(9.0)},
            "tags": {"of-2": (0, 2)},
            "oracle": {"of-257": (0, np.int64(257)), "empty-summaries": (0, 0)},
            "queries": {"negative": (1, -100), "beyond": (1, 48), "twice-the-same": (0, 0)}
            | {"one-in-both-orders": lambda value: np.array([*value[:-1], value[0][::-1]])},
            "features": {"of-another-size": WIDER},
            "query_features": {"of-another-size": WIDER},
        },
    ),
    "sentence_features-fewer": lambda file: file["P02"].__setitem__("sentence_features", np.zeros((1, 12), "f4")),
    "layout-unknown": lambda file: file.attrs.update(layout="other"),
    "says-another-benchmark": lambda file: file.attrs.update(dataset="tvsum"),
    **_anywhere("P02"),
}
"""Ways to damage ``qfvs.h5``."""


def cut_at(share: float) -> Spoil:
    """Keep a share of a file's bytes, from its start."""
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def _instead(make: Spoil) -> Spoil:
    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def flip(path: Path, seed: int, count: int = 8) -> None:
    """Change some bytes, by chance; three quarters of them in the first part, where HDF5 and zip keep their tables."""
    chance, content = random.Random(seed), bytearray(path.read_bytes())
    for number in range(count):
        reach = len(content) if number % 4 == 0 else min(len(content), 4096)
        content[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


FILES: dict[str, Spoil] = {
    **{f"cut-at-{100 * share:g}-percent": cut_at(share) for share in (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999)},
    "empty": lambda path: path.write_bytes(b""),
    "a-text": lambda path: path.write_text("clipit\n"),
    "not-text": lambda path: path.write_bytes(bytes(range(256)) * 4),
    "a-pickle": lambda path: path.write_bytes(pickle.dumps(WritesAFile(path.with_name("executed")))),
    "a-folder": _instead(lambda path: path.mkdir()),
    "linked-in-a-circle": _instead(lambda path: path.symlink_to(path.name)),
    "linked-to-nowhere": _instead(lambda path: path.symlink_to("nowhere")),
    "linked-to-an-endless-file": _instead(lambda path: path.symlink_to("/dev/zero")),
    "a-pipe": _instead(os.mkfifo),
}
"""What may lie in the place of any file that is read."""
SPOILED = some(FILES, 2)
"""Some of it, where others try the rest on the same reader."""


def _laughs(levels: int = 30) -> str:
    """Aliases of aliases: ten to the power of ``levels`` texts."""
    lines = ["a0: &a0 [lol]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join([*lines, f"data: {{sources: *a{levels - 1}}}"])


CONFIGS: dict[str, bytes] = {
    "tag-of-a-command": b"output: !!python/object/apply:os.system ['touch executed']",
    "tag-of-a-class": b"output: !!python/object:subprocess.Popen {}",
    "tag-of-a-name": b"output: !!python/name:os.system",
    "tag-of-bytes": b"output: !!binary aGVsbG8=",
    "tag-of-a-set": b"data: !!set {root, folds}",
    "tag-of-ones-own": b"seed: !mine 5",
    "laughs": _laughs().encode(),
    "circle-of-a-map": b"data: &one {root: *one}",
    "circle-of-a-list": b"data: {sources: &one [*one]}",
    "merge-keys": b"one: &one {folds: 3}\ndata: {<<: *one}",
    "key-twice": b"seed: 1\nseed: 2",
    "section-twice": b"data: {folds: 3}\ndata: {folds: 4}",
    "a-list": b"- seed",
    "a-word": b"seed",
    "a-number": b"5",
    "deep-lists": b"data: " + b"[" * 100_000,
    "deep-maps": b"{a: " * 100_000,
    "deep-blocks": b"\n".join(b" " * level + b"a:" for level in range(500)),
    "many-keys": b"\n".join(b"key%d: 1" % number for number in range(2000)),
    "long-file": b"# " + b"a" * 1_100_000,
    "unknown-key-near": b"optim: {lrr: 1}",
    "unknown-key-far": b"data: {class_path: os.system}",
    "unknown-section": b"callbacks: [1]",
    "key-of-a-number": b"1: 2",
    "key-of-nothing": b"~: 2",
    "key-of-a-truth": b"true: 2",
    "key-of-a-list": b"[1, 2]: 3",
    "key-with-dots": b"data.folds: 3",
    "key-of-escapes": b'"\\e[2J\\nclipit: fine": 1',
    "two-documents": b"seed: 1\n---\nseed: 2",
    "environment": b"data: {root: '${oc.env:HOME}'}",
    "environment-in-a-name": b"logger: {project: 'x-${oc.env:HOME}'}",
    "environment-in-a-list": b"data: {setting: transfer, sources: ['${oc.env:HOME}']}",
    "decoded-environment": b"output: '${oc.decode:${oc.env:HOME}}'",
    "another-key": b"output: ${data.family}",
    "no-such-key": b"output: ${nope}",
    "itself": b"output: ${output}",
    "half-an-interpolation": b"output: '${'",
    "lacking-value": b"output: ???",
    "lacking-section": b"data: ???",
    "not-unicode": b"data: {root: caf\xe9}",
    "utf-16": "seed: 1".encode("utf-16"),
    "with-a-tab": b"data:\n\tfolds: 3",
    "with-a-null": b"output: a\0b",
    "path-with-a-null": b'output: "a\\0b"',
    "path-with-escapes": b'output: "a\\e[2Jb"',
    "path-with-a-new-line": b'output: "a\\nb"',
    "project-with-a-null": b'logger: {project: "a\\0b"}',
    "open-bracket": b"data: {folds: [1",
    "open-quote": b"output: 'run",
    "percent": b"%YAML 9.9",
    "section-is-a-number": b"data: 5",
    "section-is-a-list": b"data: [1, 2]",
    "section-is-nothing": b"data: ~",
    "section-is-another": b"data: {name: clip-it, width: 8}",
    "value-is-a-section": b"seed: {value: 1}",
    "value-is-a-list": b"seed: [1]",
    "value-is-a-date": b"seed: 2001-01-01",
    "a-huge-number": b"seed: " + b"9" * 5000,
    "a-huge-hexadecimal": b"seed: 0x" + b"f" * 5000,
}
"""Contents of ``hostile.yaml``; a sound key stands in none of them alone."""

VALUES: dict[str, list[str]] = {
    "": ["", "1", "="],
    "data": ["5", "", "[1,2]", "null", "{nope: 1}"],
    "data.folds": ["[1", "{", "'", "three", "3.5", "", "true", "1", "-1", ".nan", ".inf", "1e400"],
    "data.fold": ["-1", "99"],
    "data.root": ["", "nowhere", "/dev/null", "/proc/self/environ", "données/𝄞", "\udcff", "x" * 5000, "x/" * 3000],
    "output": ["\udcff", "", "/dev/null", "/proc/nowhere", "/proc/self/environ/run", "a\0b", "x" * 5000],
    "data.family": ["", "nope", "../../etc/passwd", "/etc/passwd", "nowhere.json", "/dev/zero.json"],
    "data.sources": ["tvsum", "[nope]", "[[summe]]", "[{summe: 1}]"],
    "data.setting": ["nope"],
    "data.validation": ["nan", "0", "-0.1", "1"],
    "model.name": ["../clip-it"],
    "model.heads": ["3", "-2"],
    "model.dropout": ["1", ".nan"],
    "model.windows": ["[2]", "[-1]", "[a]", "5"],
    "model.feature_gain": [".inf"],
    "loss.keyframe": [".nan", "-1"],
    "optim.lr": [".nan", ".inf", "0", "fast", "!!python/name:os.system", "&a 1", "*a"],
    "optim.epochs": ["0", "1.5"],
    "optim.clip": [".nan"],
    "optim.ema": ["1"],
    "protocol.budget": [".nan", "0", "15"],
    "protocol.solver": ["sell"],
    "trainer.accelerator": ["abacus"],
    "trainer.devices": ["0", "all"],
    "logger.wandb": ["always"],
    "logger.project": ["${oc.env:HOME}"],
    "seed": ["-1", "4294967296", "zero", "9" * 5000, "0x" + "f" * 5000],
    "selection": ["best"],
    "test": ["perhaps"],
    "overwrite": ["maybe"],
}
WORDS = ["a", "a=", "a.b.c=1", ".=1", "..=1", ".seed=1", "seed.=1", "data..folds=3", "data.folds.x=3", "train.yaml=5"]
WORDS += ["data[folds]=3.5", "[=1", "hostile.yaml", "nowhere/hostile.yml"]
WORDS += [f"{key}=-1" for key in ("data.captions", "data.workers", "data.fold_seed", "model.input_dropout")]
WORDS += [f"{key}=0" for key in ("data.batch_size", "model.width", "model.score_window", "loss.length_target")]
WORDS += [f"{key}={value}" for key, values in VALUES.items() for value in values]
"""Words after ``clipit train``."""
SIZES = ["data.batch_size", "data.captions", "data.workers", "data.preload_mb", "data.fold_seed", "model.width"]
SIZES += ["model.encoder_layers", "model.decoder_layers", "model.windows", "optim.epochs"]
SIZES += ["trainer.devices", "trainer.num_nodes", "data.folds"]
"""Keys of whole numbers that cost memory, processes or time."""


LITERALS: dict[str, str] = {
    "texts": '["0.5"]',
    "a-text": '"0.5"',
    "a-number": "0.5",
    "nothing": "null",
    "nothings": "[null, null]",
    "truths": "[true, false]",
    "objects": "[{}]",
    "ragged": "[[1, 2], [3]]",
    "deep": "[" * 100_000 + "]" * 100_000,
    "empty": "[]",
    "nan": "[NaN]",
    "infinite": "[-Infinity, Infinity]",
    "overflowing": "[1e999]",
    "a-huge-number": "[" + "9" * 4000 + "]",
    "an-unwritable-number": "[" + "9" * 5000 + "]",
    "shots-of-texts": '{"shots": ["1"]}',
    "shots-of-nothing": '{"shots": null}',
    "shots-from-0": '{"shots": [0]}',
    "shots-between": '{"shots": [1.5]}',
    "shots-beyond": '{"shots": [100000]}',
    "shots-twice": '{"shots": [1, 1]}',
    "shots-of-shots": '{"shots": {"shots": [1]}}',
    "shots-of-truths": '{"shots": [true]}',
}
"""JSON that stands where the scores of a video, or of a query, are expected."""
JSONS: dict[str, bytes] = {
    "a-list": b"[1, 2]",
    "a-number": b"5",
    "nothing": b"null",
    "no-video": b"{}",
    "half": b'{"video_1": [0.1, 0.2',
    "more-after-the-end": b"{} {}",
    "a-comment": b"// scores\n{}",
    "deep-lists": b"[" * 100_000,
    "deep-objects": b'{"a":' * 100_000,
    "with-a-mark": b"\xef\xbb\xbf{",
    "not-unicode": b'{"caf\xe9": [1]}',
    "utf-16": '{"video_1": [1]}'.encode("utf-16"),
    "name-of-escapes": b'{"\\u001b[2J\\nclipit: fine": [0.5]}',
    "name-of-surrogates": b'{"\\ud800": [0.5]}',
    "a-long-name": b'{"' + b"x" * 100_000 + b'": [0.5]}',
    "python": b"{'video_1': __import__('os').system('touch executed')}",
}
"""Contents of a score file in JSON, or of any other JSON file."""
NAMES: dict[str, Change] = {
    "one-missing": lambda scores: dict(list(scores.items())[1:]),
    "all-missing-but-one": lambda scores: dict(list(scores.items())[:1]),
    "one-unknown": lambda scores: scores | {"video_99": [0.5]},
    "one-by-two-names": lambda scores: scores | {f"{name}.mp4": row for name, row in list(scores.items())[:1]},
    "one-short": lambda scores: {name: row[:-1] for name, row in scores.items()},
    "one-long": lambda scores: {name: [*row, 0.5] for name, row in scores.items()},
    "in-a-column-of-two": lambda scores: {name: [[score, score] for score in row] for name, row in scores.items()},
    "below-another-name": lambda scores: {"scores": scores},
    "of-texts": lambda scores: {name: [str(score) for score in row] for name, row in scores.items()},
}
"""What is wrong with the videos or rows of otherwise sound scores."""
ARRAYS: dict[str, Change] = {
    "complex": lambda row: row * 1j,
    "texts": lambda row: row.astype("S8"),
    "truths": lambda row: row > 0.5,
    "nan": lambda row: row * np.nan,
    "one-short": lambda row: row[1:],
    "a-scalar": lambda row: row[0],
    "empty": lambda row: row[:0],
    "a-square": lambda row: row[:, None] * row,
    "opaque": lambda row: np.zeros(len(row), "V4"),
    "a-compound": lambda row: np.zeros(len(row), [("one", "f4")]),
}
"""What stands in the place of a video's scores in NPZ and HDF5."""


FOLDS: dict[str, tuple[str, bytes]] = {
    "a-list-of-numbers": (".json", b"[1, 2]"),
    "no-folds": (".json", b"[]"),
    "no-parts": (".json", b"[{}]"),
    "a-text": (".json", b'"folds"'),
    "half": (".json", b'[{"train": ["video_1"'),
    "deep": (".json", b"[" * 100_000),
    "deep-parts": (".json", b'[{"train": ' + b"[" * 50_000 + b"]" * 50_000 + b', "test": [2]}]'),
    "no-test": (".json", b'[{"train": [1, 2, 3]}]'),
    "empty-test": (".json", b'[{"train": [1, 2, 3], "test": []}]'),
    "in-two-parts": (".json", b'[{"train": [1, 2, 3], "test": [3]}]'),
    "twice-in-a-part": (".json", b'[{"train": [1, 2, 2, 3], "test": [4]}]'),
    "part-by-two-names": (".json", b'[{"train": [1], "train_keys": [2], "test": [4]}]'),
    "key-twice": (".json", b'[{"train": [1], "train": [2], "test": [4]}]'),
    "unknown-video": (".json", b'[{"train": [1, 2, 3], "test": ["video_99"]}]'),
    "a-half-video": (".json", b'[{"train": [1, 2, 3], "test": [4.5]}]'),
    "a-true-video": (".json", b'[{"train": [2, 3], "test": [true]}]'),
    "nothing-as-a-video": (".json", b'[{"train": [1, 2, 3], "test": [null]}]'),
    "nan-as-a-video": (".json", b'[{"train": [1, 2, 3], "test": [NaN]}]'),
    "a-huge-video": (".json", b'[{"train": [1, 2, 3], "test": [' + b"9" * 4000 + b"]}]"),
    "an-unwritable-video": (".yaml", b"[{train: [1, 2, 3], test: [0x" + b"f" * 5000 + b"]}]"),
    "a-video-of-escapes": (".json", b'[{"train": [1, 2, 3], "test": ["\\u001b[2J\\nclipit: fine"]}]'),
    "a-part-of-escapes": (".json", b'[{"\\u001b[2J\\nfine": [1, 2, 3], "test": [4]}]'),
    "a-path-as-a-video": (".json", b'[{"train": [1, 2, 3], "test": ["../../../etc/passwd"]}]'),
    "a-video-of-digits-elsewhere": (".json", '[{"train": [1, 2, 3], "test": ["video_٤"]}]'.encode()),
    "another-benchmark": (".json", b'{"dataset": "summe", "folds": [{"train": [1], "test": [2]}]}'),
    "benchmark-of-a-list": (".json", b'{"dataset": ["tvsum"], "folds": [{"train": [1], "test": [2]}]}'),
    "another-setting": (".json", b'{"setting": "transfer", "folds": [{"train": [1], "test": [2]}]}'),
    "name-as-a-path": (".json", b'{"family": "../../x", "folds": [{"train": [1, 2, 3, 4], "test": [5]}]}'),
    "tag-of-a-command": (".yaml", b"!!python/object/apply:os.system ['touch executed']"),
    "tag-of-a-class": (".yaml", b"[{train: !!python/object:subprocess.Popen {}, test: [1]}]"),
    "laughs": (".yaml", _laughs().encode()),
    "laughs-in-a-part": (
        ".yaml",
        _laughs().replace("data: {sources: ", "folds: [{test: [1], train: ").encode()[:-1] + b"}]",
    ),
    "circle": (".yaml", b"&one [*one]"),
    "circle-in-a-part": (".yaml", b"[{train: &one [*one], test: [1]}]"),
    "circle-of-parts": (".yaml", b"folds: &one {train: *one, test: [1]}"),
    "deep-blocks": (".yaml", b"- " * 2000 + b"a"),
    "dates": (".yaml", b"[{train: [2001-01-01], test: [1]}]"),
    "keys-of-lists": (".yaml", b"[1, 2]: [3]"),
    "keys-of-nothing": (".yaml", b"[{~: [1], test: [2]}]"),
    "not-unicode": (".yaml", b"- caf\xe9"),
    "with-a-null": (".yaml", b"- a\0b"),
    "one-field": (".txt", b"video_1, video_2"),
    "many-fields": (".txt", b"a/b/c/d/e/f/g/h"),
    "bytes": (".txt", bytes(range(256))),
    "only-a-remark": (".txt", b"# folds"),
    "empty-json": (".json", b""),
    "empty-yaml": (".yml", b""),
    "empty-txt": (".txt", b""),
    "no-such-suffix": (".csv", b"video_1,video_2"),
}
"""Files of folds: suffix and content."""


def without(*keys: str | int) -> Change:
    """Omit a value, however deep."""
    return partial(_change, keys, lambda inner, key: inner.pop(key))


def becomes(value: Any, *keys: str | int) -> Change:
    """Put another value in a place, however deep."""
    return partial(_change, keys, lambda inner, key: inner.__setitem__(key, value))


def _change(keys: tuple[str | int, ...], change: Callable[[Any, Any], object], content: Any) -> Any:
    change(reduce(getitem, keys[:-1], content), keys[-1])
    return content


JUNK = {"a-list": ["a"], "numbers": [1, 2], "a-number": 5, "a-text": "much", "texts": {"f1": "high"}}
JUNK |= {"nothing": None, "nan": float("nan"), "infinity": float("inf")}


def _of(names: str, **where: tuple[str | int, ...]) -> dict[str, Change]:
    """Changes by their names: ``mean-of-nan`` puts nan in the place of the mean."""
    pairs = [name.split("-of-") for name in names.split()]
    return {f"{key}-of-{title}": becomes(JUNK[title], *where.get(key, (key,))) for key, title in pairs}


def _without(names: str) -> dict[str, Change]:
    return {f"no-{key}": without(key) for key in names.split()}


RESULTS: dict[str, Change] = {
    **_without("run method protocol metrics folds seed data"),
    **_of("run-of-a-list run-of-a-number method-of-nothing protocol-of-a-text metrics-of-a-list folds-of-numbers"),
    **_of("folds-of-a-number seed-of-a-text seed-of-a-list seconds-of-a-text", seconds=("wall_seconds",)),
    **_of("mean-of-nan mean-of-infinity mean-of-a-text mean-of-nothing", mean=("metrics", "f1", "mean")),
    **_of("deviation-of-a-text budget-of-a-text", deviation=("metrics", "f1", "std"), budget=("protocol", "budget")),
    "no-rule": without("protocol", "correlation"),
    "metrics-of-numbers": becomes({"f1": 0.5}, "metrics"),
    "folds-of-a-mean-of-texts": becomes(["0.5"], "metrics", "f1", "folds"),
    "folds-of-a-mean-of-nothing": becomes(None, "metrics", "f1", "folds"),
    "no-folds-in-it": becomes([], "folds"),
}
"""What is wrong with a ``result.json``."""
PUBLISHED: dict[str, bytes] = {
    "empty": b"",
    "no-columns": b"\n\n",
    "other-columns": b"a,b\n1,2\n",
    "ragged": b"a,b\n1,2,3\n1\n1,2,3,4\n",
    "open-quote": b'method,year\n"a,2\n',
    "bytes": bytes(range(256)),
    "not-unicode": b"m\xe9thod\n1\n",
    "a-text-as-f1": b"PL-GAN,2020,f,tvsum,canonical,high,0.1,0.2,val,,s,n\n",
    "infinity-as-f1": b"PL-GAN,2020,f,tvsum,canonical,inf,0.1,0.2,val,,s,n\n",
    "complex-tau": b"PL-GAN,2020,f,tvsum,canonical,50,1j,0.2,val,,s,n\n",
}
"""Contents of ``published.csv``; a row stands below the right header."""
HEADER = (
    b"method,year,features,dataset,setting,f1,kendall_tau,spearman_rho,selection,correlation_protocol,source,note\n"
)
TABLES: dict[str, bytes] = {
    "empty": b"",
    "no-video": b"fold,f1\n0,0.5\n",
    "no-metric": b"video,fold\ntvsum/video_1,0\n",
    "a-text-as-f1": b"video,fold,f1\ntvsum/video_1,0,high\n",
    "nothing-as-f1": b"video,fold,f1\ntvsum/video_1,0,\n",
    "infinity-as-f1": b"video,fold,f1\ntvsum/video_1,0,inf\n",
    "no-name": b"video,fold,f1\n,0,0.5\n",
    "ragged": b"video,fold,f1\na,0,0.5,7\na,b\nc\n",
    "bytes": bytes(range(256)),
}
"""Contents of ``per_video.csv``."""
ROW = ("rules", "per-annotator", 0)
FLOORS: dict[str, Change] = {
    **_without("dataset annotations_hash draws rules"),
    **_of("f1-of-a-text f1-of-nan dataset-of-a-list", f1=(*ROW, "f1")),
    "a-list": lambda content: [content],
    "rules-of-nothing": becomes({}, "rules"),
    "rules-of-numbers": becomes({"per-annotator": 5}, "rules"),
    "rows-of-numbers": becomes([1], "rules", "per-annotator"),
    "row-without-a-name": without(*ROW, "name"),
    "f1-of-infinity": becomes(1e308, *ROW, "f1"),
}
"""What is wrong with the floors that ``clipit baselines --keep`` writes."""


def _weights(change: Change) -> Change:
    """Change the first weight."""
    return lambda checkpoint: _change(
        ("state_dict", next(iter(checkpoint["state_dict"]))),
        lambda weights, name: weights.__setitem__(name, change(weights[name])),
        checkpoint,
    )


CHECKPOINTS: dict[str, Change] = {
    "a-number": lambda checkpoint: 5,
    "a-list": lambda checkpoint: [checkpoint],
    "no-tensors": lambda checkpoint: {},
    "weights-alone": lambda checkpoint: checkpoint["state_dict"],
    "no-weights": without("state_dict"),
    **_without("epoch validation"),
    "weights-of-nothing": becomes(None, "state_dict"),
    "weights-of-none": becomes({}, "state_dict"),
    "weights-of-texts": becomes({"scorer.head.weight": "large"}, "state_dict"),
    "one-weight-less": lambda checkpoint: (checkpoint["state_dict"].popitem(), checkpoint)[1],
    "one-weight-more": lambda checkpoint: (checkpoint["state_dict"].update(x=checkpoint["epoch"]), checkpoint)[1],
    "a-weight-of-another-shape": _weights(lambda weight: weight.new_zeros(3, 7)),
    "a-weight-of-nan": _weights(lambda weight: weight * float("nan")),
    "a-weight-of-texts": _weights(lambda weight: "large"),
    "epoch-below-0": becomes(-1, "epoch"),
    **_of("epoch-of-nothing epoch-of-a-text epoch-of-nan validation-of-a-text validation-of-texts"),
}
"""What is wrong with ``last.ckpt`` or ``best.ckpt``."""
STATES: dict[str, Change] = {
    **_of("optimizers-of-a-text loops-of-a-text callbacks-of-a-list", optimizers=("optimizer_states",)),
    **_of(
        "schedules-of-numbers version-of-a-list", schedules=("lr_schedulers",), version=("pytorch-lightning_version",)
    ),
    "no-optimizer": without("optimizer_states"),
    "no-schedule": without("lr_schedulers"),
    "optimizers-of-nothing": becomes([{}], "optimizer_states"),
    "loops-of-none": becomes({}, "loops"),
    "callbacks-of-texts": lambda checkpoint: checkpoint | {"callbacks": dict.fromkeys(checkpoint["callbacks"], "x")},
}
"""What is wrong with what else ``last.ckpt`` holds, which Lightning reads."""
FOLD_RESULTS: dict[str, Change] = {
    **_without("fold epoch validation metrics per_video scores"),
    **_of("epoch-of-a-text fold-of-a-text metrics-of-a-list metrics-of-nothing validation-of-texts scores-of-a-list"),
    **_of("f1-of-a-text f1-of-nan rows-of-numbers rows-of-a-text", f1=("metrics", "f1"), rows=("per_video",)),
    "row-without-a-video": without("per_video", 0, "video"),
    "row-with-a-list": becomes([0.5], "per_video", 0, "f1"),
    "scores-of-texts": becomes({"tvsum/video_1": ["high"]}, "scores"),
    "scores-of-nothing": becomes({"tvsum/video_1": None}, "scores"),
}
"""What is wrong with a fold's ``result.json``."""
