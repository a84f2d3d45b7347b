import shutil

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store import Store
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
        tmp_path / "eccv16_dataset_summe_google_pool5.h5", 2, names=[name.replace(" ", "_") for name in names]
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
    assert "sound" in row.result
    assert rows["summe"].result.startswith("missing: SumMe.zip (its GT folder) from https://")
    assert row.features == "clip (8)"
    video = Store(tmp_path / "to/tvsum.h5").read(["video_1"])[0]
    assert len(video.change_points) == -(-video.n_frames // 150)
    np.testing.assert_allclose(video.gtscore, (video.user_scores.mean(axis=0) - 1) / 4, atol=1e-6)
    assert video.user_summary.shape == (synthetic.ANNOTATORS, video.n_frames)


def test_several_feature_files_need_a_choice(distributed_files, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(distributed_files / "eccv16_dataset_summe_google_pool5.h5", source)
    synthetic.write_field_file(source / "eccv16_dataset_summe_clip.h5", features=5)
    with pytest.raises(UserError, match=r"summe: several feature files: .*--features NAME"):
        table([source], tmp_path / "to")
    assert table([source], tmp_path / "to", features="clip")["summe"].features == "clip (5)"
    with pytest.raises(UserError, match="no features called resnet; found clip"):
        table([source], tmp_path / "to", features="resnet")
    with pytest.raises(UserError, match=r"holds other features \(clip, not google_pool5\)"):
        table([source], tmp_path / "to", features="google_pool5")
    assert table([source], tmp_path / "to", features="google_pool5", force=True)


FEATURES, RATINGS = "eccv16_dataset_tvsum_google_pool5.h5", "ydata-tvsum50.mat"


def rate_otherwise(folder):
    synthetic.set_gtscore(folder / FEATURES, synthetic.tvsum_ratings(folder / FEATURES, seed=9))


def rate_longer_videos(folder):
    ratings = synthetic.tvsum_ratings(folder / FEATURES)
    synthetic.write_tvsum_mat(folder / RATINGS, {key: np.pad(rows, ((0, 0), (0, 3))) for key, rows in ratings.items()})


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
