"""What `clipit data import` makes of files of the field: their variants are read, anything else is one line."""

import os
import shutil
import time
import tracemalloc
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store import Store
from tests.support import hostile, synthetic, synthetic_qfvs

FILE = "eccv16_dataset_summe_x.h5"
READ = (
    *("features-transposed", "change_points-transposed", "user_summary-transposed", "caption_features-transposed"),
    *("picks-missing", "change_points-missing", "gtscore-missing", "gtsummary-missing"),
    *("layout-of-queries", "says-another-benchmark", "says-no-benchmark", "says-many-benchmarks"),
)
"""Of the ways to damage a store, those that a file of the field may have."""


@pytest.fixture
def folder(tmp_path):
    """A folder with SumMe in the field's layout, and what hostile links point to."""
    synthetic.write_field_file(tmp_path / "in" / FILE, 3, data="synthetic", names=["One", "Two", "Three"])
    (tmp_path / "in/secret").write_text("secret " * 10_000)
    with h5py.File(tmp_path / "in/other.hdf5", "w") as file:
        file["features"] = np.zeros((20, 8), "f4")
    return tmp_path / "in"


def change(path, **arrays):
    """Put other arrays into the third video."""
    with h5py.File(path, "a") as file:
        for name, array in arrays.items():
            file["video_3"].pop(name, None)
            file["video_3"][name] = array


def refused(folder):
    """What the import says of a folder that it must refuse; it leaves no store."""
    with pytest.raises(UserError) as caught:
        import_distributed([folder], folder.parent / "to")
    assert "\n" not in str(caught.value)
    assert not list(folder.parent.glob("to/*"))
    return str(caught.value)


def test_damaged_files_are_one_line_before_anything_is_written(folder, tmp_path):
    sound = (folder / FILE).read_bytes()
    damages = {
        name: damage
        for name, damage in hostile.ANNOTATED.items()
        if name not in READ and not name.startswith("user_scores")  # which the file does not have
    }
    for damage in damages.values():
        (folder / FILE).write_bytes(sound)
        with h5py.File(folder / FILE, "a") as file:
            damage(file)
        refused(folder)
    for name in READ:
        (folder / FILE).write_bytes(sound)
        with h5py.File(folder / FILE, "a") as file:
            hostile.ANNOTATED[name](file)
        assert import_distributed([folder], tmp_path / "to")[1].result.endswith("valid") != ("transposed" in name)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("user_summary", 0.5, "video_3: user_summary has values other than 0 and 1: 0.5"),
        ("user_summary", -1, "video_3: user_summary has values other than 0 and 1: -1"),
        ("user_summary", np.nan, "video_3: user_summary has NaN"),
        ("features", 1e300, "video_3: features have NaN or infinite values, first in row 0"),
        ("picks", 2**60, "video_3: picks have values that are no whole numbers, or too large"),
    ],
)
def test_values_are_looked_at_before_any_cast(folder, name, value, said):
    with h5py.File(folder / FILE) as file:
        array = file["video_3"][name][()].astype(float)
    array.flat[0] = value
    change(folder / FILE, **{name: array})
    assert said in refused(folder)


def test_whole_numbers_that_a_small_float_rounds_are_not_taken(folder):
    frames = {"user_summary": np.zeros((4, 3000)), "change_points": [[0, 2999]]}
    change(folder / FILE, n_frames=np.float16(3000), **frames)
    assert "too large for float16" in refused(folder)


@pytest.mark.parametrize("bomb", ["zeros", "a chunk", "frames"])
def test_bombs_are_refused_at_once_and_in_little_memory(folder, bomb):
    with h5py.File(folder / FILE, "a") as file:
        group, steps = file["video_3"], len(file["video_3/picks"])
        if bomb == "frames":
            for name in ("n_frames", "user_summary", "change_points"):
                del group[name]
            group["n_frames"] = 10**9
        else:
            del group["features"]
            width, chunk = (10**7, (1, 10**7)) if bomb == "zeros" else (8, (steps, 4 * 10**6))
            packed = group.create_dataset(
                "features", (steps, width), "f4", chunks=chunk, maxshape=(steps, None), compression="gzip"
            )
            zeros = zlib.compress(bytes(4 * chunk[0] * chunk[1]))
            for row in range(0, steps, chunk[0]):
                packed.id.write_direct_chunk((row, 0), zeros)
    tracemalloc.start()
    started = time.process_time()
    assert "video_3: " in refused(folder)
    seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1
    assert peak < 2e8


def test_what_the_field_writes_otherwise_is_read_and_transposing_is_said(folder, tmp_path):
    import_distributed([folder], tmp_path / "plain")
    with h5py.File(folder / FILE, "a") as file:
        for group in file.values():
            forms = {
                "n_frames": np.array([[group["n_frames"][()]]], np.float64),
                "picks": group["picks"][()][:, None].astype(np.float32),
                "gtscore": group["gtscore"][()][None],
                "user_summary": group["user_summary"][()].T.astype(bool),
                "features": group["features"][()].astype(np.float16),
                "score": group["gtscore"][()],
                "video_name": np.array([[ord(letter)] for letter in group["video_name"].asstr()[()]], "u2"),
            }
            for name, array in forms.items():
                group.pop(name, None)
                group[name] = array
    assert import_distributed([folder], tmp_path / "to")[1].result.endswith("valid; transposed: user_summary")
    plain, read = Store(tmp_path / "plain/summe.h5").read(), Store(tmp_path / "to/summe.h5").read()
    for one, other in zip(plain, read, strict=True):
        for name, value in vars(one).items():
            expected = value.astype(np.float16) if name == "features" else value
            np.testing.assert_array_equal(getattr(other, name), expected, err_msg=name)


def test_no_escape_is_printed(folder, tmp_path, capsys):
    escape, sound = "\x1b[2J\x1b]0;pwn\x07", (folder / FILE).read_bytes()
    ways = [
        lambda file: file.attrs.update(features=escape),
        lambda file: file.attrs.update(data=escape),
        lambda file: file.move("video_3", escape),
        lambda file: file["video_3"].update({escape: h5py.SoftLink("/nowhere")}),
        lambda file: (file["video_3"].pop("video_name"), file["video_3"].update(video_name=escape)),
    ]
    for spoil in ways:
        (folder / FILE).write_bytes(sound)
        with h5py.File(folder / FILE, "a") as file:
            spoil(file)
        assert main(["data", "import", str(folder), "--to", str(tmp_path / "to")]) == 2
    assert not (tmp_path / "to").exists()
    (folder / FILE).write_bytes(sound)
    import_distributed([folder], tmp_path / "to")
    with h5py.File(tmp_path / "to/summe.h5", "a") as file:  # a store that another program wrote
        file.attrs["features"] = escape
        del file["video_3/video_name"]
        file["video_3/video_name"] = escape
    for words in (["data", "check", "--root"], ["data", "import", str(folder), "--to"]):
        assert main([*words, str(tmp_path / "to")]) == 2
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "(\\x1b[2J\\x1b]0;pwn" in printed.err


def test_an_unsound_file_never_replaces_a_sound_store(folder, tmp_path, capsys):
    words = ["data", "import", str(folder), "--to", str(tmp_path / "to"), "--force"]
    assert main(words) == 0
    before = (tmp_path / "to/summe.h5").read_bytes()
    with h5py.File(folder / FILE, "a") as file:
        del file.attrs["data"]  # now it claims to be the real SumMe
    assert main(words) == 2
    assert "3 of its 3 videos are not SumMe's" in capsys.readouterr().err
    assert [path.read_bytes() for path in (tmp_path / "to").iterdir()] == [before]


def test_copies_of_macos_and_stores_of_ours_are_passed_over(folder, monkeypatch):
    names = ["One", "Two", "Three"]
    with h5py.File(folder / FILE) as file:
        summaries = {name: group["user_summary"][()] for name, group in zip(names, file.values(), strict=True)}
    synthetic.write_summe_ground_truth(folder / "GT", summaries)
    for name in ("__MACOSX/GT/One.mat", "__MACOSX/GT/._One.mat", "GT/._One.mat", f".trash/{FILE}", f"._{FILE}"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x00\x05\x16\x07 AppleDouble")
    os.mkfifo(folder / "eccv16_dataset_tvsum_pipe.h5")  # would be read for ever
    monkeypatch.chdir(folder)
    for to in ("data", "data", ".", "."):
        import_distributed([Path()], Path(to))
        assert Store(Path(to) / "summe.h5").attributes["features"] == "x"


def test_annotations_under_other_names_are_joined(distributed_files, tmp_path):
    features = Path(shutil.copy(distributed_files / "eccv16_dataset_tvsum_google_pool5.h5", tmp_path))
    ratings = synthetic.tvsum_ratings(features)
    for name, write in (
        ("renamed (1).mat", synthetic.write_tvsum_mat),
        ("labels.tsv", synthetic.write_tvsum_tsv),
    ):
        (tmp_path / "info.tsv").write_text("category\tid\ttitle\n")
        write(tmp_path / name, ratings)
        assert import_distributed([tmp_path], tmp_path / name[:3])[0].annotations == "summaries all, ratings all"
        (tmp_path / name).unlink()
    synthetic.write_field_file(tmp_path / "summe" / FILE, 2, data="synthetic", names=["One", "Two"])
    with h5py.File(tmp_path / "summe" / FILE) as file:
        summaries = {
            name: 1 - group["user_summary"][()] for name, group in zip(["One", "Two"], file.values(), strict=True)
        }
    synthetic.write_summe_ground_truth(tmp_path / "summe/ground truth", summaries)
    synthetic_qfvs.write_tags_mat(tmp_path / "summe/ground truth/Tags.mat", {"P01": np.ones((2, 48))})
    import_distributed([tmp_path / "summe"], tmp_path / "to")
    for video in Store(tmp_path / "to/summe.h5").read():
        np.testing.assert_array_equal(video.user_summary, summaries[video.name])


def test_hostile_annotations_are_one_line(folder):
    ratings = synthetic.tvsum_ratings(folder / FILE)
    shutil.move(folder / FILE, folder / "tvsum_x.h5")
    mat = folder / "ydata-tvsum50.mat"
    for name in hostile.LINKS:
        synthetic.write_tvsum_mat(mat, ratings)
        with h5py.File(mat, "a") as file:
            file.move("tvsum50/user_anno", "video_3/features")
            hostile.LINKS[name](file)
            file.move("video_3/features", "tvsum50/user_anno")
        assert "not TVSum's annotations" in refused(folder)
    for value in (np.nan, 0, 6):
        synthetic.write_tvsum_mat(mat, ratings | {"video_2": np.full_like(ratings["video_2"], value)})
        refused(folder)
    mat.unlink()
    (folder / "ydata-tvsum50-anno.tsv").write_bytes(b"\xff\xfe\x00id")
    refused(folder)


def test_hostile_links_in_features_of_qfvs_are_one_line(tmp_path):
    synthetic_qfvs.write_qfvs(tmp_path / "in")
    (tmp_path / "in/secret").write_text("secret " * 10_000)
    path, sound = tmp_path / "in/qfvs_fake.h5", (tmp_path / "in/qfvs_fake.h5").read_bytes()
    for damage in hostile.LINKS.values():
        path.write_bytes(sound)
        with h5py.File(path, "a") as file:
            file.move("P02", "video_3")
            damage(file)
            file.move("video_3", "P02")
        refused(tmp_path / "in")
    path.write_bytes(sound)
    (tmp_path / "in/Oracle_summaries/P01/Car_Food_oracle.txt").write_bytes(b"\xff\xfe1\n")
    assert "Car_Food_oracle.txt: line 1" in refused(tmp_path / "in")
