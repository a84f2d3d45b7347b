import shutil

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.official_shots import find_official
from clipit_lightning.data.store import Store
from clipit_lightning.summary.key_shots import select_shots
from tests.support import synthetic


def table(*arguments, **options):
    return {row.dataset: row for row in import_distributed(*arguments, **options)}


def test_joins_ratings_and_says_what_it_found(distributed_files, tmp_path):
    rows = table([distributed_files], tmp_path)
    assert rows["tvsum"].features == "google_pool5 (8)"
    assert rows["tvsum"].annotations == "summaries all, ratings all"
    assert rows["tvsum"].videos == "10 of 50"
    videos = Store(tmp_path / "tvsum.h5").read()
    ratings = synthetic.tvsum_ratings(distributed_files / "eccv16_dataset_tvsum_google_pool5.h5")
    for video in videos:
        np.testing.assert_array_equal(video.user_scores, ratings[video.key][:, video.picks])
        assert video.name == f"id-{video.key}"


def test_the_tsv_form_gives_the_same_ratings(distributed_files, tmp_path):
    features = distributed_files / "eccv16_dataset_tvsum_google_pool5.h5"
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(features, source)
    synthetic.write_tvsum_tsv(source / "ydata-tvsum50-anno.tsv", synthetic.tvsum_ratings(features))
    table([distributed_files], tmp_path / "mat")
    table([source], tmp_path / "tsv")
    assert Store(tmp_path / "mat/tvsum.h5").content_hash() == Store(tmp_path / "tsv/tvsum.h5").content_hash()


def test_summe_ground_truth_is_joined_by_name_though_the_field_writes_underscores(tmp_path):
    names = ["Zoo walk", "Air_Force"]  # not in the keys' order: the name decides
    path = synthetic.write_field_file(
        tmp_path / "eccv16_dataset_summe_google_pool5.h5",
        2,
        names=[name.replace(" ", "_") for name in names],
        data="synthetic",
    )
    rng = np.random.default_rng(1)
    with h5py.File(path) as file:
        frames = [int(file[f"video_{number}"]["n_frames"][()]) for number in (1, 2)]
    summaries = {name: rng.integers(0, 3, (5, count)) for name, count in zip(names, frames, strict=True)}
    synthetic.write_summe_ground_truth(tmp_path / "GT", summaries)
    table([tmp_path], tmp_path / "to")
    for video, name in zip(Store(tmp_path / "to/summe.h5").read(), names, strict=True):
        assert video.name == name
        np.testing.assert_array_equal(video.user_summary, summaries[name] > 0)


def test_missing_shots_summaries_and_importance_are_made(tmp_path, distributed_files):
    features = tmp_path / "tvsum_clip.h5"
    shutil.copy(distributed_files / "eccv16_dataset_tvsum_google_pool5.h5", features)
    shutil.copy(distributed_files / "ydata-tvsum50.mat", tmp_path)
    with h5py.File(features, "a") as file:
        for group in file.values():
            for name in ("change_points", "gtscore", "gtsummary", "user_summary"):
                del group[name]
    rows = table([tmp_path], tmp_path / "to")
    row = rows["tvsum"]
    assert "valid" in row.result
    assert rows["summe"].result.startswith("missing: SumMe.zip (its GT folder) from https://")
    assert row.features == "clip (8)"
    video = Store(tmp_path / "to/tvsum.h5").read(["video_1"])[0]
    assert len(video.change_points) == -(-video.n_frames // 150)
    np.testing.assert_allclose(video.gtscore, (video.user_scores.mean(axis=0) - 1) / 4, atol=1e-6)
    assert video.user_summary.shape == (synthetic.ANNOTATORS, video.n_frames)


FEATURES, RATINGS = "eccv16_dataset_tvsum_google_pool5.h5", "ydata-tvsum50.mat"
FRAMES, NAME = 3327, "XzYM3PfTM4w"  # of TVSum's video_5
OTHER_SHOTS = synthetic.change_points(FRAMES)
RANDOM = np.random.default_rng(0).integers(1, 6, (3, FRAMES))


@pytest.fixture
def tvsum_video(tmp_path):
    """Imports features of one of TVSum's videos, with ratings by chance beside them, or without."""

    def imported(group=NAME, ratings=True, stride=15, **arrays):
        if ratings:
            others = {f"video_{number}": np.ones((3, 9)) for number in range(1, 5)}
            names = [*others, NAME]
            synthetic.write_tvsum_mat(tmp_path / RATINGS, {**others, "video_5": RANDOM}, names)
        synthetic.write_features(tmp_path / "tvsum_mine.h5", {group: FRAMES}, stride, **arrays)
        row = table([tmp_path / "tvsum_mine.h5", *tmp_path.glob("*.mat")], tmp_path / "to")["tvsum"]
        store = Store(tmp_path / "to/tvsum.h5")
        assert store.check() == []
        return row, store.notes(), *store.read()

    return imported


@pytest.mark.parametrize("group", ["video_5", NAME, NAME.lower()])
def test_features_alone_get_the_official_shots_and_what_follows_from_the_ratings(tvsum_video, group):
    row, notes, video = tvsum_video(group)
    assert (row.shots, notes, video.key, video.name) == ("23, official", [], "video_5", NAME)
    np.testing.assert_array_equal(video.picks, np.arange(0, FRAMES, 15))
    np.testing.assert_array_equal(video.change_points, find_official("tvsum", FRAMES, NAME).change_points)
    np.testing.assert_array_equal(video.user_scores, RANDOM[:, ::15])
    expected = [select_shots(ratings, video.change_points, FRAMES) for ratings in RANDOM]
    np.testing.assert_array_equal(video.user_summary, expected)


def test_official_shots_take_the_place_of_others_whatever_the_sampling(tvsum_video):
    (_, _, official), made = tvsum_video(), np.zeros((3, FRAMES))
    picks = np.arange(0, FRAMES, 10)
    brought = {"change_points": OTHER_SHOTS, "user_summary": made, "shot_captions": ["a dog"] * len(OTHER_SHOTS)}
    row, notes, video = tvsum_video(stride=10, picks=picks, **brought)
    assert (row.shots, notes) == (f"23, official in place of {len(OTHER_SHOTS)} others", [])
    np.testing.assert_array_equal(video.change_points, official.change_points)
    np.testing.assert_array_equal(video.user_summary, official.user_summary)
    assert video.shot_captions == ()
    expected = select_shots(video.gtscore, video.change_points, FRAMES, picks)[picks]
    np.testing.assert_array_equal(video.gtsummary, expected)


def test_summaries_that_were_made_of_official_shots_stay(tvsum_video):
    made = np.zeros((3, FRAMES))
    _, _, video = tvsum_video(change_points=find_official("tvsum", FRAMES, NAME).change_points, user_summary=made)
    assert not video.user_summary.any()


def test_without_ratings_a_file_keeps_its_shots_and_says_what_is_needed(tvsum_video):
    given = {"n_frames": FRAMES, "change_points": OTHER_SHOTS, "user_summary": RANDOM > 4}
    given["gtscore"] = (RANDOM[:, ::15].mean(axis=0) - 1) / 4
    row, notes, video = tvsum_video(ratings=False, **given)
    assert row.shots == f"{len(OTHER_SHOTS)}, not official"
    assert notes[0].startswith("1 of 1 videos have other shots than the official ones")
    assert notes[0].endswith(f"import it again with {RATINGS} beside it")
    assert row.result.endswith(notes[0])
    np.testing.assert_array_equal(video.change_points, OTHER_SHOTS)
    row, notes, video = tvsum_video(**given)
    assert (row.annotations, notes) == ("summaries all, ratings all", [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stride": 10}, "333 features of 3327 frames, where every 15th would be 222; add `picks`"),
        ({"ratings": False}, f"has no n_frames, and there is no annotation to take it from; put {RATINGS} or"),
        ({"ratings": False, "n_frames": FRAMES}, "has no gtscore, and there is no annotation to take it from"),
        ({"n_frames": FRAMES - 1}, "frames, but its annotation"),
        ({"picks": np.arange(222) * 20}, "picks run from 0 to 4420, out of the video's 3327 frames"),
        ({"group": "someone"}, "someone: the annotations have 5 videos, none of this key or name"),
    ],
)
def test_features_that_do_not_fit_are_one_line(tvsum_video, options, said):
    with pytest.raises(UserError, match=said):
        tvsum_video(**options)


def test_one_video_under_two_names_is_said(tvsum_video, tmp_path):
    tvsum_video()
    with h5py.File(tmp_path / "tvsum_mine.h5", "a") as file:
        file.copy(NAME, "video_5")
    with pytest.raises(UserError, match=f"video_5: is video_5 \\({NAME}\\), which the file holds already"):
        table([tmp_path / "tvsum_mine.h5", tmp_path / RATINGS], tmp_path / "to")


def test_summe_keeps_its_summaries_and_keys_where_ground_truth_is_partial(tmp_path):
    n_frames = {"COOKING": 1286, "fire_domino": 1612}
    summaries = {key: np.random.default_rng(0).integers(0, 2, (5, count)) for key, count in n_frames.items()}
    names = {"Cooking": summaries["COOKING"], "Fire Domino": summaries["fire_domino"]}
    synthetic.write_summe_ground_truth(tmp_path / "GT", names)
    shots = {key: synthetic.change_points(count) for key, count in n_frames.items()}
    synthetic.write_features(tmp_path / "summe_mine.h5", n_frames, change_points=shots)
    assert table([tmp_path], tmp_path / "to")["summe"].shots == "20, official in place of 49 others"
    videos = {video.key: video for video in Store(tmp_path / "to/summe.h5").read()}
    assert {key: video.name for key, video in videos.items()} == {"video_8": "Cooking", "video_11": "Fire Domino"}
    for video in videos.values():
        np.testing.assert_array_equal(video.user_summary, names[video.name])


def test_several_feature_files_need_a_choice(distributed_files, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(distributed_files / "eccv16_dataset_summe_google_pool5.h5", source)
    synthetic.write_field_file(source / "eccv16_dataset_summe_clip.h5", features=5, data="synthetic")
    with pytest.raises(UserError, match=r"summe: several feature files: .*--features NAME"):
        table([source], tmp_path / "to")
    assert table([source], tmp_path / "to", features="clip")["summe"].features == "clip (5)"
    with pytest.raises(UserError, match="no features called resnet; found clip"):
        table([source], tmp_path / "to", features="resnet")
    with pytest.raises(UserError, match=r"holds other features \(clip, not google_pool5\)"):
        table([source], tmp_path / "to", features="google_pool5")
    assert table([source], tmp_path / "to", features="google_pool5", force=True)


def rate_otherwise(folder):
    synthetic.set_gtscore(folder / FEATURES, synthetic.tvsum_ratings(folder / FEATURES, seed=9))


def rate_longer_videos(folder):
    ratings = synthetic.tvsum_ratings(folder / FEATURES)
    synthetic.write_tvsum_mat(
        folder / RATINGS, {key: np.pad(rows, ((0, 0), (0, 3)), "edge") for key, rows in ratings.items()}
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / RATINGS).write_bytes(b"cut short"), "not TVSum's annotations or damaged"),
        (lambda folder: (folder / FEATURES).write_bytes(b"cut short"), "not a readable HDF5"),
        (rate_otherwise, "not the mean of"),
        (rate_longer_videos, "frames, but its annotation"),
    ],
)
def test_damaged_and_contradicting_files_are_one_line_and_nothing_is_written(damage, said, distributed_files, tmp_path):
    for name in (FEATURES, RATINGS):
        shutil.copy(distributed_files / name, tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=said) as caught:
        table([tmp_path], tmp_path / "to")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "to").exists()


def test_a_folder_without_features_or_no_folder_is_said(tmp_path):
    with pytest.raises(UserError, match="no features found"):
        table([tmp_path], tmp_path / "to")
    with pytest.raises(UserError, match="no such file or folder"):
        table([tmp_path / "nowhere"], tmp_path / "to")
