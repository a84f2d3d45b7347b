import shutil
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from clipit_lightning import QFVSDataModule, SumMeDataModule
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.shipped import CONFIGS, find_file
from clipit_lightning.data.annotated import AnnotatedDataModule, TVSumDataModule
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from tests.support.synthetic import write_field_file


@pytest.mark.parametrize("preload_mb", [0, 1000])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_the_folds_videos_whether_preloaded_or_read_by_workers(stores, preload_mb, workers):
    module = TVSumDataModule(stores, preload_mb=preload_mb, workers=workers, batch_size=3)
    module.setup()
    module.fold = 2
    fold = module.folds[2]
    for loader, expected in (
        (module.train_dataloader(), fold.train),
        (module.val_dataloader(), fold.validation),
        (module.test_dataloader(), fold.test),
    ):
        numbers = [number for batch in loader for stack in batch.stacks for number in stack.number.tolist()]
        assert sorted(module.ids[number] for number in numbers) == sorted(expected)


def test_an_epoch_has_its_order_and_windows_on_any_number_of_ranks_and_workers(stores):
    def epoch(number, size=1, workers=0):
        """Numbers of the items of every batch, and the first features of each item."""
        batches, windows = [set() for _ in range(2)], {}
        for rank in range(size):
            module = TVSumDataModule(stores, batch_size=4, crop=9, workers=workers, seed=3)
            module.setup()
            module.trainer = SimpleNamespace(global_rank=rank, world_size=size)
            loader = module.train_dataloader()
            loader.sampler.set_epoch(number)
            for members, batch in zip(batches, loader, strict=True):
                for stack in batch.stacks:
                    assert stack.features.shape[1] == 9
                    members.update(stack.number.tolist())
                    windows |= dict(zip(stack.number.tolist(), stack.features.numpy().tolist(), strict=True))
        return batches, windows

    first = epoch(0)
    assert first == epoch(0, size=2) == epoch(0, workers=1)
    other = epoch(1)
    assert first[0] != other[0]
    assert first[1].keys() == other[1].keys()
    assert any(first[1][number] != other[1][number] for number in other[1])


@pytest.mark.parametrize("name", ["summe", "tvsum"])
def test_augmented_takes_all_other_benchmarks(stores, name):
    module = AnnotatedDataModule(stores, target=name, setting="augmented")
    module.setup()
    assert len(module.sources) == 3
    assert len(module.folds[0].train) == 6 + 30
    assert {video.split("/")[0] for video in module.folds[0].test} == {name}


def test_missing_stores_are_listed_with_how_to_get_them(stores, tmp_path):
    for name in ("tvsum", "summe"):
        shutil.copy(stores / f"{name}.h5", tmp_path)
    with pytest.raises(UserError, match=r"ovp\.h5 .*youtube\.h5 .*data\.sources=\[summe\]"):
        TVSumDataModule(tmp_path, setting="transfer").setup()
    with pytest.raises(UserError, match=r"missing: .*tvsum\.h5"):
        TVSumDataModule(tmp_path / "nowhere").setup()


def test_an_unsound_store_stops_before_training(stores, tmp_path):
    shutil.copy(stores / "tvsum.h5", tmp_path)
    with h5py.File(tmp_path / "tvsum.h5", "a") as file:
        file["video_7/features"][2, 1] = float("nan")
    with pytest.raises(UserError, match=r"tvsum\.h5: video_7: features have NaN"):
        TVSumDataModule(tmp_path).setup()


def test_stores_of_different_features_do_not_mix(stores, tmp_path):
    shutil.copy(stores / "tvsum.h5", tmp_path)
    write_field_file(tmp_path / "src/eccv16_dataset_summe_clip.h5", features=5, data="synthetic")
    import_distributed([tmp_path / "src"], tmp_path)
    with pytest.raises(UserError, match="features differ in size"):
        TVSumDataModule(tmp_path, setting="augmented", sources=["summe"]).setup()


def test_a_store_has_text_where_any_video_has(stores, tmp_path):
    shutil.copy(stores / "summe.h5", tmp_path)
    with h5py.File(tmp_path / "summe.h5", "a") as file:
        del file["video_1/captions"], file["video_1/caption_features"]
    module = SumMeDataModule(tmp_path, captions=3)
    module.setup()
    assert module.has_text
    tokens = {video: module.text(module.item(number)) for number, video in enumerate(module.ids)}
    assert tokens.pop("summe/video_1") is None
    assert {text.shape for text in tokens.values()} == {(3, module.text_dim)}


def test_text_may_be_of_another_video_or_one_token(stores):
    """Ablations: each video gives its captions to exactly one other of its benchmark."""
    modules = {
        text: TVSumDataModule(stores, setting="augmented", sources=["summe"], captions=5, caption_source=text)
        for text in ("own", "another", "fused", "concat")
    }
    for module in modules.values():
        module.setup()
    count = len(modules["own"].ids)
    texts = ([module.text(module.item(number)) for number in range(count)] for module in modules.values())
    own, another, fused, concat = texts
    for number, tokens in enumerate(concat):
        assert tokens.shape == (1, modules["concat"].text_dim)
        assert {*map(tuple, tokens.reshape(5, -1))} == {*map(tuple, own[number])}
    for number, tokens in enumerate(fused):
        np.testing.assert_allclose(tokens, own[number].mean(axis=0, keepdims=True), rtol=1e-6)
    givers = [next(giver for giver in range(count) if np.array_equal(own[giver], tokens)) for tokens in another]
    assert sorted(givers) == list(range(count))
    assert all(giver != number for number, giver in enumerate(givers))
    dataset = [modules["own"].ids[number].split("/")[0] for number in range(count)]
    assert all(dataset[giver] == dataset[number] for number, giver in enumerate(givers))


@pytest.fixture
def captioned(stores, tmp_path):
    """A store whose first video has captions of its shots, but for the second shot."""
    one, *others = Store(stores / "summe.h5").read()
    features = np.eye(len(one.change_points), 8, dtype=np.float32)
    features[1] = 0
    one = replace(one, shot_captions=("text",) * len(features), shot_caption_features=features)
    write_store(tmp_path / "summe.h5", [one, *others], {"dataset": "summe", "data": "synthetic"})
    return tmp_path


def test_captions_of_shots_may_be_the_text(captioned):
    module = SumMeDataModule(captioned, captions=2, caption_source="shots")
    module.setup()
    video = module.item(0)
    np.testing.assert_array_equal(module.text(video), video.shot_caption_features[[0, -1]])
    assert (module.text_dim, module.has_text, module.text(module.item(1))) == (8, True, None)


def test_captions_of_shots_may_stand_beside_the_features_of_their_steps(captioned):
    module = SumMeDataModule(captioned, shot_captions=True)
    module.setup()
    (plain,), video = Store(captioned / "summe.h5").read(["video_1"]), module.item(0)
    assert (module.feature_dim, module.text_dim) == (16, 16)
    for features, own, pick in zip(video.features, plain.features, plain.picks, strict=True):
        (shot,) = np.flatnonzero((plain.change_points[:, 0] <= pick) & (pick <= plain.change_points[:, 1]))
        caption = plain.shot_caption_features[shot] * np.linalg.norm(own)
        np.testing.assert_allclose(features, [*own, *caption], rtol=1e-6)
        own_and_caption = plain.caption_features @ (own + caption)
        np.testing.assert_allclose(video.caption_features @ features, own_and_caption, rtol=1e-4, atol=1e-5)
    assert not module.item(1).features[:, 8:].any()


@pytest.mark.parametrize("options", [{"caption_source": "shots"}, {"shot_captions": True}])
def test_a_store_without_captions_of_shots_is_said(stores, options):
    with pytest.raises(UserError, match=r"summe\.h5: has no embedded captions of shots, .* summe_shot_captions\.json"):
        SumMeDataModule(stores, **options).setup()


@pytest.mark.parametrize("made", [TVSumDataModule, SumMeDataModule, QFVSDataModule])
def test_defaults_are_those_of_the_data_sets_configuration(made):
    module = made()
    data = load_config([find_file(made.benchmark, CONFIGS)], []).data
    assert str(module.root) == "data"
    for name in ("batch_size", "crop", "family", "workers"):
        assert getattr(module, name) == getattr(data, name), name


def test_before_setup_an_error_says_what_to_call(stores):
    module = SumMeDataModule(stores, fold=1)
    for reads in ("feature_dim", "text_dim", "has_text", "ids", "folds", "training_numbers"):
        with pytest.raises(AttributeError, match=rf"^SumMeDataModule has no {reads} yet: .*; call setup\(\) first$"):
            getattr(module, reads)
    module.setup()
    assert (module.feature_dim, module.text_dim, module.has_text) == (8, 8, True)
    assert sorted(module.ids[number] for number in module.training_numbers) == sorted(module.folds[1].train)
    with pytest.raises(AttributeError, match=r"has no feature_dimm$"):
        module.feature_dimm  # noqa: B018


@pytest.mark.parametrize(
    ("made", "wrong", "problem"),
    [
        (TVSumDataModule, {"setting": "all"}, "setting is 'all'; there are 'canonical', 'augmented', 'transfer'"),
        (
            TVSumDataModule,
            {"sources": ["tvsum"]},
            "sources is 'tvsum'; there are 'summe', 'mrhisum', 'mosu', 'ovp', 'youtube'",
        ),
        (QFVSDataModule, {"family": "kfold"}, "family is 'kfold'; there are '2/1/1', '3/1'"),
        (AnnotatedDataModule, {}, "target is None; there are 'tvsum', 'summe', 'mrhisum', 'mosu', 'ovp', 'youtube'"),
        (SumMeDataModule, {"fold": 5}, "fold is 5; there are 0, 1, 2, 3, 4"),
        (TVSumDataModule, {"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        (QFVSDataModule, {"crop": -1}, "crop is -1; it must be at least 0"),
        (TVSumDataModule, {"captions": -1}, "captions is -1; it must be at least 0"),
        (SumMeDataModule, {"folds": 1}, "folds is 1; it must be at least 2"),
    ],
)
def test_a_wrong_argument_is_one_line_with_the_allowed_ones(stores, made, wrong, problem):
    with pytest.raises(ValueError, match=r"there are|at least") as error:
        made(stores, **wrong).setup()
    assert str(error.value) == problem


def test_a_fold_that_is_set_later_is_checked_too(stores):
    module = SumMeDataModule(stores)
    module.setup()
    for fold in (-1, 5):
        module.fold = fold
        for loader in (module.train_dataloader, module.val_dataloader, module.test_dataloader):
            with pytest.raises(ValueError, match=f"fold is {fold}; there are 0, 1, 2, 3, 4"):
                loader()


def test_one_source_may_be_named_alone(stores):
    assert TVSumDataModule(stores, setting="augmented", sources="summe").sources == ("summe",)
