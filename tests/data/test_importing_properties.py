"""Drawn files in the field's layout: what is valid is read as it is, what is mutated is read or refused, never changed.

``HOSTILE=all`` draws 300 mutations.
"""

import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.layouts import LAYOUTS
from clipit_lightning.data.store import Store
from tests.support import synthetic

FILE, LAYOUT = "eccv16_dataset_summe_x.h5", LAYOUTS["annotated"]
SLOW = list(HealthCheck)
MUTATIONS = 300 if os.environ.get("HOSTILE") == "all" else 60

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
floats = st.sampled_from(["f2", "f4", "f8", ">f8"])
whole = st.sampled_from(["u2", "i4", "i8", "f4", "f8", ">i4"])
binary = st.sampled_from(["?", "u1", "i4", "f2", "f4", "f8"])


@st.composite
def groups(draw):
    """Arrays of a valid video, as a file may hold them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_frames, annotators, size = draw(st.integers(2, 300)), draw(st.integers(1, 5)), draw(st.integers(1, 6))
    picks = np.sort(rng.choice(n_frames, draw(st.integers(1, n_frames)), replace=False))
    first = np.append(0, np.sort(rng.choice(np.arange(1, n_frames), draw(st.integers(0, 3)) % n_frames, replace=False)))
    arrays = {
        "features": rng.normal(size=(len(picks), size)).astype(draw(floats)),
        "picks": picks.astype(draw(whole)),
        "n_frames": np.array(n_frames, draw(whole)),
        "change_points": np.stack([first, np.append(first[1:], n_frames) - 1], axis=1).astype(draw(whole)),
        "gtscore": rng.random(len(picks)).astype(draw(floats)),
        "gtsummary": rng.integers(0, 2, len(picks)).astype(draw(binary)),
        "user_summary": rng.integers(0, 2, (annotators, n_frames)).astype(draw(binary)),
        "user_scores": rng.integers(1, 6, (annotators, len(picks))).astype(draw(floats)),
        "video_name": draw(words),
    }
    if captions := draw(st.lists(words, max_size=3)):
        arrays |= {"captions": captions, "caption_features": rng.normal(size=(len(captions), size))}
    for name in draw(st.sets(st.sampled_from(["gtsummary", "user_scores", "video_name", "user_summary"]))):
        del arrays[name]
    return arrays


def write(path, videos):
    with h5py.File(path, "w") as file:
        file.attrs["data"] = "synthetic"
        for key, arrays in videos.items():
            for name, array in arrays.items():
                file[f"{key}/{name}"] = array


def as_stored(name, array):
    """An array of a file, (as it was written,), as a store has it."""
    if LAYOUT[name].dtype is str:
        return np.asarray(array, dtype=object)
    return np.asarray(array).astype(LAYOUT[name].dtype)


def read(path, key, name):
    """An array of a store; texts as texts."""
    with h5py.File(path) as file:
        dataset = file[key][name]
        return np.asarray(dataset.asstr()[()] if LAYOUT[name].dtype is str else dataset)


@settings(max_examples=40, suppress_health_check=SLOW)
@given(st.dictionaries(words.filter(lambda word: not {"/", "."} & set(word)), groups(), min_size=1, max_size=2))
def test_a_valid_group_is_read_as_it_is(videos):
    with tempfile.TemporaryDirectory() as folder:
        sizes = {arrays["features"].shape[1] for arrays in videos.values()}
        texts = {arrays["caption_features"].shape[1] for arrays in videos.values() if "captions" in arrays}
        write(Path(folder, FILE), videos)
        if len(sizes) > 1 or len(texts) > 1:
            with pytest.raises(UserError, match="differ in size"):
                import_distributed([Path(folder)], Path(folder, "to"))
            return
        import_distributed([Path(folder)], Path(folder, "to"))
        for key, arrays in videos.items():
            for name, array in arrays.items():
                np.testing.assert_array_equal(read(Path(folder, "to/summe.h5"), key, name), as_stored(name, array))


@settings(max_examples=15, suppress_health_check=SLOW)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 80), min_size=1, max_size=3), st.sampled_from(["u1", "f4", "f8"]))
def test_valid_annotations_are_read_as_they_are(seed, frames, dtype):
    rng = np.random.default_rng(seed)
    ratings = {f"video_{number}": rng.integers(1, 6, (3, count)) for number, count in enumerate(frames, start=1)}
    with tempfile.TemporaryDirectory() as folder:
        counts = {key: rows.shape[1] for key, rows in ratings.items()}
        synthetic.write_features(
            Path(folder, "tvsum_x.h5"), counts, 1, picks={k: np.arange(n) for k, n in counts.items()}
        )
        synthetic.write_features(
            Path(folder, "summe_x.h5"), counts, 1, picks={k: np.arange(n) for k, n in counts.items()}
        )
        synthetic.write_tvsum_mat(
            Path(folder, "ydata-tvsum50.mat"), {k: rows.astype(dtype) for k, rows in ratings.items()}
        )
        synthetic.write_summe_ground_truth(Path(folder, "GT"), {key: rows // 3 for key, rows in ratings.items()})
        for name in ("tvsum", "summe"):
            with h5py.File(Path(folder, f"{name}_x.h5"), "a") as file:
                file.attrs["data"] = "synthetic"
        import_distributed([Path(folder)], Path(folder, "mat"))
        Path(folder, "ydata-tvsum50.mat").unlink()
        synthetic.write_tvsum_tsv(Path(folder, "ydata-tvsum50-anno.tsv"), ratings)
        rows = [line.replace("id-", "") for line in Path(folder, "ydata-tvsum50-anno.tsv").read_text().splitlines()]
        Path(folder, "ydata-tvsum50-anno.tsv").write_text("\n".join(rows))
        import_distributed([Path(folder)], Path(folder, "tsv"))
        for key, expected in ratings.items():
            for form in ("mat", "tsv"):
                np.testing.assert_array_equal(read(Path(folder, form, "tvsum.h5"), key, "user_scores"), expected)
            np.testing.assert_array_equal(read(Path(folder, "mat/summe.h5"), key, "user_summary"), expected // 3 > 0)


numbers = st.sampled_from([np.nan, np.inf, -1.0, 0.5, 2.0, 257.0, 1e300, 2.0**40, -0.0, 1.0, 0.0, 5.0])
types = st.sampled_from(["?", "u1", "i1", "u2", "i2", "i4", "u8", "f2", "f4", "f8", "c8", "S3", "V2"])
SHAPES = {
    "transposed": np.transpose,
    "reversed": np.flip,
    "a column": lambda array: array.reshape(-1, 1),
    "a row": lambda array: array.reshape(1, -1),
    "flat": np.ravel,
    "deeper": lambda array: array[None],
    "shorter": lambda array: array[:-1] if array.ndim else array,
    "narrower": lambda array: array[..., :-1] if array.ndim else array,
    "longer": lambda array: np.concatenate([array, array[-1:]]) if array.ndim else np.append(array, array),
    "of one": lambda array: np.ravel(array)[:1],
    "empty": lambda array: np.ravel(array)[:0],
}


@st.composite
def mutations(draw):
    """What happens to an array: a function of the file's group and the array's name."""
    kind = draw(
        st.sampled_from(["value", "value", "type", "type", "shape", "shape", "missing", "place", "text", "packed"])
    )
    if kind == "value":
        position, number = draw(st.integers(0, 10**4)), draw(numbers | st.floats())
        return kind, lambda array: with_number(array, position, number)
    if kind == "type":
        name = draw(types)
        return kind, lambda array: np.zeros(array.shape, name) if name == "V2" else array.astype(name)
    if kind == "shape":
        return kind, SHAPES[draw(st.sampled_from(sorted(SHAPES)))]
    if kind == "missing":
        return kind, lambda array: None
    if kind == "text":
        text = draw(st.text(max_size=5) | st.binary(max_size=5))
        clean = text.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(text, str) else np.bytes_(text)
        return kind, lambda array: clean
    if kind == "place":
        return kind, draw(
            st.sampled_from([h5py.SoftLink("/video_2/features"), h5py.ExternalLink("other", "/x"), "a group"])
        )
    return kind, draw(st.sampled_from(["gzip", "lzf"]))


def with_number(array, position, number):
    changed = array.astype(np.float64) if array.dtype.kind in "biuf" else array
    if changed.dtype.kind == "f" and changed.size:
        changed.flat[position % changed.size] = number
    return changed


def mutate(group, name, mutation):
    kind, how = mutation
    array = np.zeros(2)
    if name in set(group):
        array = np.asarray(group[name]) if isinstance(group.get(name, getlink=True), h5py.HardLink) else array
        del group[name]
    if kind == "place":
        group[name] = how if how != "a group" else h5py.SoftLink("/video_2")
    elif kind == "packed":
        chunks = True if array.ndim and array.size else None
        group.create_dataset(name, data=array, chunks=chunks, compression=how if chunks else None)
    else:
        with np.errstate(all="ignore"):
            changed = how(array) if array.dtype.kind in "biufc" or kind in ("missing", "text", "shape") else array
        if changed is not None:
            group[name] = changed


def plain(name, array):
    """An array of the mutated file as a store has it, where it is what the table asks for."""
    dimensions = len(LAYOUT[name].shape)
    if name == "video_name" and array.dtype.kind == "u":
        return np.asarray("".join(map(chr, array.ravel())), dtype=object)
    if dimensions < 2:
        array = array.reshape(-1) if dimensions else array.reshape(())
    return as_stored(name, array)


names = st.sampled_from([*LAYOUT, "features", "picks", "user_summary", "n_frames", "change_points", "n_steps", "score"])


def attempt(folder):
    """What the import says in the row of SumMe, or the error of a user."""
    try:
        return import_distributed([Path(folder)], Path(folder, "to"))[1].result
    except UserError as error:
        return error


@pytest.mark.filterwarnings("ignore:Casting complex")
@settings(max_examples=MUTATIONS, suppress_health_check=SLOW)
@given(st.lists(st.tuples(names, mutations()), min_size=1, max_size=2), st.booleans())
def test_a_mutated_group_is_read_or_refused_and_never_changed(changes, second):
    with tempfile.TemporaryDirectory() as folder:
        path, key = Path(folder, FILE), "video_2" if second else "video_1"
        synthetic.write_field_file(path, 2, data="synthetic", names=["One", "Two"])
        with h5py.File(path, "a") as file:
            for name, mutation in changes:
                mutate(file[key], name, mutation)
        said = attempt(folder)
        event("refused" if isinstance(said, UserError) else "read")
        if not list(Path(folder).glob("to/*")):
            assert isinstance(said, UserError)
            assert "\n" not in str(said)
            return
        assert "valid" in said
        store = Path(folder, "to/summe.h5")
        assert Store(store).check() == []
        with h5py.File(path) as file:
            for video, group in file.items():
                for name in LAYOUT.keys() & group.keys():
                    raw = group[name].asstr(errors="replace")[()] if group[name].dtype.kind in "OS" else group[name][()]
                    expected, got = plain(name, np.asarray(raw)), read(store, video, name)
                    if got.shape != expected.shape and f" {name}" in said:
                        expected = expected.T
                    np.testing.assert_array_equal(got, expected, err_msg=f"{video}/{name}")
