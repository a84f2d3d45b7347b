"""Importance weighed by memorability: in training alone, and only where the store has it."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from clipit_lightning import TVSumDataModule
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.memorability import weighed_targets
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.summary.key_shots import select_shots
from clipit_lightning.training import build


@pytest.fixture
def store(stores, tmp_path):
    """TVSum's videos with memorability; the last one is not annotated and has none."""
    rng, videos = np.random.default_rng(0), Store(stores / "tvsum.h5").read()
    with_it = [replace(video, memorability=rng.random(video.n_steps).astype(np.float32)) for video in videos]
    nothing = np.full(videos[-1].n_steps, np.nan, np.float32)
    with_it[-1] = replace(videos[-1], gtscore=nothing, gtsummary=nothing, user_summary=None, user_scores=None)
    write_store(tmp_path / "tvsum.h5", with_it, Store(stores / "tvsum.h5").attributes)
    return Store(tmp_path / "tvsum.h5")


def training_targets(store, **options):
    """Importance and key frames by video, as an epoch trains from them, and the datamodule."""
    data = TVSumDataModule(store.path.parent, crop=0, **options)
    data.setup()
    stacks = [stack for batch in data.train_dataloader() for stack in batch.stacks]
    return {
        data.ids[number]: (importance.numpy(), keyframes.numpy())
        for stack in stacks
        for number, importance, keyframes in zip(stack.number, stack.importance, stack.keyframes, strict=True)
    }, data


def test_a_store_keeps_it_and_says_what_it_cannot_be(store):
    assert store.check() == []
    assert [video.memorability is None for video in store.read()] == [False] * 9 + [True]
    with h5py.File(store.path, "a") as file:
        file["video_2/memorability"][1] = 1.5
    assert store.check()[0].startswith("video_2: memorability runs from 0.")
    assert store.check()[0].endswith(" to 1.5, expected values from 0 to 1")
    with h5py.File(store.path, "a") as file:
        del file["video_2/memorability"]
        file["video_2/memorability"] = np.zeros(3)
    assert store.check()[0].startswith("video_2: memorability has shape (3,), expected")


def test_weight_0_and_what_is_known_of_nobody_change_nothing(store):
    video, *_, unknown = store.read()
    importance, keyframes = weighed_targets(video, 0.0)
    np.testing.assert_array_equal(importance, video.gtscore)
    summary = select_shots(video.gtscore, video.change_points, video.n_frames, video.picks)
    np.testing.assert_array_equal(keyframes, summary[video.picks])
    for given, kept in zip(weighed_targets(unknown, 1.0), (unknown.gtscore, unknown.gtsummary), strict=True):
        np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize("preload_mb", [0, 8000])
def test_training_reads_importance_by_memorability_and_what_is_measured_stays(store, preload_mb):
    plain, _ = training_targets(store, preload_mb=preload_mb)
    weighed, data = training_targets(store, memorability=0.6, preload_mb=preload_mb)
    assert plain.keys() == weighed.keys()
    videos = {video.id: video for video in store.read() if video.is_annotated}
    moved = 0
    for name in plain.keys() & videos.keys():
        video = videos[name]
        expected = [score * (0.4 + 0.6 * kept) for score, kept in zip(video.gtscore, video.memorability, strict=True)]
        np.testing.assert_allclose(weighed[name][0], expected, rtol=1e-5)
        summary = select_shots(expected, video.change_points, video.n_frames, video.picks)
        np.testing.assert_array_equal(weighed[name][1], summary[video.picks])
        np.testing.assert_array_equal(plain[name][0], video.gtscore)
        moved += not np.array_equal(weighed[name][1], plain[name][1])
    assert moved
    for batch in data.test_dataloader():
        for stack in batch.stacks:
            np.testing.assert_array_equal(stack.importance[0], videos[data.ids[int(stack.number)]].gtscore)


def test_a_store_without_it_and_a_benchmark_without_importance_are_one_line(stores, tmp_path):
    with pytest.raises(
        UserError, match=r"^data\.memorability: not every video of .*tvsum\.h5 has some; store the array"
    ):
        TVSumDataModule(stores, memorability=0.5).setup()
    with pytest.raises(ValueError, match=r"^memorability is 2; it must be from 0 to 1"):
        TVSumDataModule(stores, memorability=2)
    for name in ("qfvs", "s-videoxum"):
        config = load_config([], [f"data.dataset={name}", "data.memorability=1", f"data.root={tmp_path}"])
        with pytest.raises(UserError, match=rf"^data\.memorability: {name} has no importance to weigh; keep it 0$"):
            build.datamodule(config)


def test_import_keeps_it(distributed_files, tmp_path):
    for path in distributed_files.glob("*tvsum*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with h5py.File(next(tmp_path.glob("*.h5")), "a") as file:
        for group in file.values():
            group["memorability"] = np.linspace(0, 1, len(group["picks"]))
    import_distributed([tmp_path], tmp_path / "data")
    for video in Store(tmp_path / "data/tvsum.h5").read():
        np.testing.assert_allclose(video.memorability, np.linspace(0, 1, video.n_steps), atol=1e-6)
