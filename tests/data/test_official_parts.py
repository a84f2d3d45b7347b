"""Annotated videos whose authors part them: one fold, in every setting, and no source unless named."""

from dataclasses import replace

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import AnnotatedDataModule, TVSumDataModule
from clipit_lightning.data.mini_replayed import SPLIT_SIZES, STREAMS, make_replayed_videos
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.data.streams import parse_streams


@pytest.fixture(scope="module")
def videos():
    return {dataset: list(make_replayed_videos(dataset)) for dataset in STREAMS}


@pytest.fixture(scope="module")
def root(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    own = [replace(video, dataset="mine", split="") for video in videos["mrhisum"][::9]]
    write_store(folder / "mrhisum.h5", videos["mrhisum"], {"dataset": "mrhisum", "features": "mini", "data": "mini"})
    write_store(folder / "mine.h5", own, {"dataset": "mine", "features": "mini", "data": "mini"})
    return folder


def test_the_miniatures_are_sound_and_always_the_same(videos, root, tmp_path):
    for dataset, streams in STREAMS.items():
        attributes = {"dataset": dataset, "features": "mini", "data": "mini"} | (
            {"streams": streams} if streams else {}
        )
        write_store(tmp_path / f"{dataset}.h5", make_replayed_videos(dataset), attributes)
        store = Store(tmp_path / f"{dataset}.h5")
        assert store.check() == []
        assert sum(parse_streams(streams).values()) in (0, videos[dataset][0].features.shape[1])
    assert Store(tmp_path / "mrhisum.h5").content_hash() == Store(root / "mrhisum.h5").content_hash()


def test_the_only_fold_are_the_official_parts(root):
    data = AnnotatedDataModule(root, target="mrhisum")
    data.setup()
    (fold,) = data.folds
    assert [len(fold.train), len(fold.validation), len(fold.test)] == list(SPLIT_SIZES.values())
    splits = Store(root / "mrhisum.h5").splits()
    assert {splits[id.removeprefix("mrhisum/")] for id in fold.validation} == {"validation"}
    assert data.family == "official"


@pytest.mark.parametrize("setting", ["augmented", "transfer"])
def test_sources_train_beside_it_and_its_test_part_stays(root, setting):
    data = AnnotatedDataModule(root, target="mrhisum", setting=setting, sources=["mine"])
    data.setup()
    (fold,) = data.folds
    of_source = [id for id in (*fold.train, *fold.validation) if id.startswith("mine/")]
    assert len(of_source) == 8
    assert len(fold.test) == SPLIT_SIZES["test"]
    assert any(id.startswith("mrhisum/") for id in fold.train) == (setting == "augmented")
    assert all(id.startswith("mine/") for id in fold.validation) == (setting == "transfer")


def test_it_trains_another_target_where_it_is_named(root):
    data = AnnotatedDataModule(root, target="mine", setting="transfer", sources=["mrhisum"])
    data.setup()
    (fold,) = data.folds
    assert len(fold.train) + len(fold.validation) == sum(SPLIT_SIZES.values())


def test_sources_are_by_default_what_they_were():
    assert list(TVSumDataModule("data", setting="augmented").stores) == ["tvsum", "summe", "ovp", "youtube"]
    module = AnnotatedDataModule("data", target="mosu", setting="augmented")
    assert list(module.stores) == ["mosu", "tvsum", "summe", "ovp", "youtube"]


def test_other_families_are_refused():
    with pytest.raises(ValueError, match="family is 'kfold'; there are 'official'"):
        AnnotatedDataModule("data", target="mrhisum", family="kfold")


def test_a_store_without_a_part_says_so(videos, tmp_path):
    write_store(tmp_path / "mrhisum.h5", videos["mrhisum"][:45], {"dataset": "mrhisum", "data": "mini"})
    with pytest.raises(UserError, match=r"mrhisum\.h5: has no videos of a part .*\(train 40, validation 5, test 0\)"):
        AnnotatedDataModule(tmp_path, target="mrhisum").setup()
