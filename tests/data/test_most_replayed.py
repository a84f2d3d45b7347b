"""The distributed files of MR.HiSum and MoSu, to stores."""

import json

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.most_replayed import fitted_shots
from clipit_lightning.data.store import Store
from tests.support.synthetic_replayed import KEYS, SHOTS, STEPS, write_mr_hisum, write_triplesumm

BORDERS = [[0, 5], [6, 8], [9, 16], [17, 22]]
SPLIT = {
    **dict.fromkeys(("video_1", "video_3", "video_10"), "train"),
    **dict.fromkeys(("video_2", "video_7"), "validation"),
    **dict.fromkeys(("video_4", "video_5"), "test"),
}


def imported(folder, to, dataset, features=None):
    (row,) = (row for row in import_distributed([folder], to, features) if row.dataset == dataset)
    return row


@pytest.mark.parametrize("summary", ["gt_summary", "gtsummary"], ids=["as the loader reads", "as the README says"])
def test_mr_hisum_becomes_a_store(tmp_path, summary):
    row = imported(write_mr_hisum(tmp_path / "downloads", summary), tmp_path, "mrhisum")
    assert (row.videos, row.features) == ("7", "youtube-8m (8)")
    assert row.annotations == "importance and a summary; train 3, validation 2, test 2"
    assert "validation has 2 of 2000 videos" in row.result
    store = Store(tmp_path / "mrhisum.h5")
    assert store.check() == []
    assert store.splits() == SPLIT
    videos = {video.key: video for video in store.read()}
    with h5py.File(tmp_path / "downloads" / "mr_hisum.h5") as file:
        for key, video in videos.items():
            np.testing.assert_array_equal(video.features, file[f"{key}/features"])
            np.testing.assert_array_equal(video.gtscore, file[f"{key}/gtscore"][()].astype(np.float32))
            np.testing.assert_array_equal(video.user_summary, file[f"{key}/{summary}"][()][None])
            assert video.change_points.tolist() == BORDERS
            assert video.picks.tolist() == list(range(video.n_frames))
            assert video.name == f"yt-{key}"


def test_mosu_becomes_a_store_with_streams_and_masks(tmp_path):
    row = imported(write_triplesumm(tmp_path / "downloads"), tmp_path, "mosu")
    assert row.features == "clip+ast+roberta (18)"
    store = Store(tmp_path / "mosu.h5")
    assert store.check() == []
    assert store.streams == {"visual": 8, "audio": 6, "text": 4}
    (silent,) = store.read(["video_4"])
    assert not silent.features[:, 8:14].any()
    half = STEPS // 2
    assert silent.features[:half, 17].all()
    assert not silent.features[half:, 14:].any()
    (longer,) = store.read(["video_5"])
    assert longer.n_steps == STEPS
    assert longer.features[:, 13].all()
    with h5py.File(tmp_path / "downloads" / "mosu_feat_audio_ast.h5") as file:
        np.testing.assert_array_equal(longer.features[:, 8:13], file["video_5"][:STEPS].astype(np.float32))


def test_what_is_seen_can_be_had_alone(tmp_path):
    row = imported(write_triplesumm(tmp_path / "all"), tmp_path, "mosu", features="clip")
    assert row.features == "clip (8)"
    assert Store(tmp_path / "mosu.h5").streams == {}
    row = imported(write_triplesumm(tmp_path / "seen", streams=["visual_clip"]), tmp_path / "other", "mosu")
    assert row.features == "clip (8)"


def test_both_forms_of_mr_hisum_are_known_and_one_is_named(tmp_path):
    folder = write_triplesumm(write_mr_hisum(tmp_path / "downloads"), dataset="mrhisum")
    with pytest.raises(UserError, match=r"mrhisum: several sets of features: youtube-8m, clip\+ast\+roberta; name one"):
        import_distributed([folder], tmp_path)
    assert imported(folder, tmp_path, "mrhisum", "clip+ast+roberta").features == "clip+ast+roberta (18)"


def test_videos_that_lack_features_are_omitted_and_counted(tmp_path):
    folder = write_triplesumm(tmp_path / "downloads")
    with h5py.File(folder / "mosu_feat_text_roberta.h5", "a") as file:
        del file["video_1"]
        file["video_1"] = h5py.ExternalLink("elsewhere.h5", "video_1")
    row = imported(folder, tmp_path, "mosu")
    assert row.videos == "6"
    assert "1 listed videos lack features or annotations, or cannot be opened, and are omitted" in row.result


@pytest.mark.parametrize(("name", "missing"), [("mr_hisum_split.json", "mr_hisum_split.json"), ("mr_hisum.h5", "all")])
def test_what_is_missing_is_named(tmp_path, name, missing):
    folder = write_mr_hisum(write_triplesumm(tmp_path / "downloads"))  # of which MoSu is imported
    (folder / name).unlink()
    assert imported(folder, tmp_path, "mrhisum").result.startswith(f"missing ({missing})")


def test_a_file_without_features_says_so(tmp_path):
    folder = write_mr_hisum(write_triplesumm(tmp_path / "downloads"))
    with h5py.File(folder / "mr_hisum.h5", "a") as file:
        for key in file:
            del file[key]["features"]
    assert imported(folder, tmp_path, "mrhisum").result.startswith("missing (features of the listed videos)")


def replace(name, value):
    def damage(group):
        del group[name]
        group[name] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (replace("gtscore", np.zeros(STEPS + 6)), r"shapes do not fit: scores \(29,\), summary \(23,\), visual"),
        (replace("gtscore", np.zeros((2, STEPS))), r"shapes do not fit: scores \(2, 23\)"),
        (replace("gt_summary", np.full(STEPS, 0.5)), "the summary has values other than 0 and 1"),
        (replace("features", np.zeros(STEPS)), r"shapes do not fit: .*visual \(23,\)"),
        (replace("features", np.zeros((0, 8))), r"shapes do not fit: .*visual \(0, 8\)"),
        (replace("features", np.array("text", dtype="S4")), "features has type"),
        (replace("change_points", np.zeros((0, 2))), r"change_points have shape \(0, 2\)"),
        (replace("change_points", [[0, 5], [7, 22]]), "change_points are no shots that meet"),
        (replace("change_points", [[0, 5], [6, 40]]), "change_points run from 0 to 40, the video has 23 steps"),
        (replace("change_points", h5py.SoftLink("/elsewhere")), "change_points is a link"),
        (lambda group: group.pop("gtscore"), "has no gtscore"),
        (lambda group: group.pop("change_points"), "has no change_points"),
    ],
)
def test_a_damaged_video_is_one_line_and_nothing_is_written(tmp_path, damage, problem):
    folder = write_mr_hisum(tmp_path / "downloads")
    with h5py.File(folder / "mr_hisum.h5", "a") as file:
        damage(file["video_10"])
    with pytest.raises(UserError, match=rf"mr_hisum\.h5: video_10 cannot be read \({problem}") as error:
        import_distributed([folder], tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "mrhisum.h5").exists()


@pytest.mark.parametrize("key", ["../video_1", "a/b", ".", "", "new\nline"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, key):
    folder = write_mr_hisum(tmp_path / "downloads")
    (folder / "mr_hisum_split.json").write_text(json.dumps({"train_keys": [*KEYS, key]}))
    with pytest.raises(UserError, match=r"mr_hisum_split\.json: not lists of videos") as error:
        import_distributed([folder], tmp_path)
    assert "\n" not in str(error.value)


def test_a_table_that_is_no_metadata_names_nothing(tmp_path):
    folder = write_mr_hisum(tmp_path / "downloads")
    (folder / "metadata.csv").write_bytes(b"a,b\n\xff,2\n")
    imported(folder, tmp_path, "mrhisum")
    assert {video.name for video in Store(tmp_path / "mrhisum.h5").read()} == {""}


@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize("inclusive", [0, 1])
def test_shots_are_the_same_whether_ends_are_inclusive_or_not(short, inclusive):
    shots = np.stack([SHOTS[:-1], np.array(SHOTS[1:]) - inclusive], axis=1)
    shots[-1, 1] -= short
    assert fitted_shots(shots, STEPS).tolist() == BORDERS


def test_shots_end_where_the_video_does():
    assert fitted_shots(np.array([[0, 6], [6, 9], [9, 10]]), 8).tolist() == [[0, 5], [6, 7]]
    assert fitted_shots(np.array([[0, 9]]), 12).tolist() == [[0, 11]]
