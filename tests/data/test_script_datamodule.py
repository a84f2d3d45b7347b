"""Videos with scripts, to batches and folds."""

import numpy as np
import pytest
import torch

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import ScriptDataModule
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.mini_scripts import SPLIT_SIZES, make_script_videos
from clipit_lightning.data.store_file import write_store
from tests.support.synthetic_scripts import PARTS, write_s_newsvsum, write_s_videoxum


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    write_s_newsvsum(write_s_videoxum(folder / "downloads"))
    import_distributed([folder / "downloads"], folder)
    return folder


def made(folder, **options):
    data = ScriptDataModule(folder, **options)
    data.setup()
    return data


def test_the_official_parts_train_validate_and_test(folder):
    data = made(folder)
    (fold,) = data.folds
    for part, names in zip((fold.train, fold.validation, fold.test), PARTS.values(), strict=True):
        assert list(dict.fromkeys(id.split("/")[1] for id in part)) == names
    assert len(fold.train) == 30
    assert len(fold.test) == 19  # one script has no sentence
    assert (data.feature_dim, data.text_dim, data.has_text) == (6, 6, True)


def test_s_newsvsum_has_five_folds_of_which_some_videos_validate(folder):
    data = made(folder, target="s-newsvsum")
    assert [(len(fold.train), len(fold.validation), len(fold.test)) for fold in data.folds] == [(29, 7, 9)] * 5
    assert len({id for fold in data.folds for id in fold.test}) == 45


def test_a_training_batch_has_all_scripts_of_its_videos(folder):
    data = made(folder, batch_size=2)
    batches = list(data.train_dataloader())
    assert sorted(batch.n_items for batch in batches) == [10, 20]
    numbers = sorted(number for batch in batches for stack in batch.stacks for number in stack.number.tolist())
    assert numbers == sorted(data.numbers(data.folds[0].train))
    for stack in (stack for batch in batches for stack in batch.stacks):
        for row, number in enumerate(stack.number.tolist()):
            item = data.item(number)
            assert torch.equal(stack.text[row], torch.from_numpy(item.text()))
            assert torch.equal(stack.keyframes[row], torch.from_numpy(item.gtsummary))


@pytest.mark.parametrize("preload_mb", [0, 8000])
def test_items_are_the_same_held_in_memory_and_read_when_needed(folder, preload_mb):
    data = made(folder, preload_mb=preload_mb)
    for number in (0, 35, 12, 68):
        assert data.item(number).id == data.ids[number]


def test_ablations_read_another_videos_script_one_token_or_none(folder):
    own, another, fused, none = (
        made(folder, **options)
        for options in ({}, {"caption_source": "another"}, {"caption_source": "fused"}, {"language": False})
    )
    for number in range(0, 69, 7):
        item = own.item(number)
        given = another.text(item)
        sources = [
            id
            for id, there in zip(own.ids, map(own.item, range(69)), strict=True)
            if np.array_equal(there.text(), given)
        ]
        assert len(sources) == 1
        assert sources[0].split("/")[1] != item.video.key
        np.testing.assert_allclose(fused.text(item), item.text().mean(0, keepdims=True), rtol=1e-6)
        assert none.text(item) is None
    assert not none.has_text


def test_a_store_without_a_part_is_refused(tmp_path):
    videos = [video for video in make_script_videos() if video.split == "train"]
    write_store(tmp_path / "s-videoxum.h5", videos, {"dataset": "s-videoxum", "data": "mini"})
    with pytest.raises(UserError, match=r"train 40, validation 0, test 0\); import the whole data set"):
        made(tmp_path)


def test_the_miniature_tells_what_belongs_to_a_summary():
    """Every step of a summary shows what a sentence tells, by the nearest of them; scripts of other videos do not."""
    videos = list(make_script_videos())
    assert len(videos) == sum(SPLIT_SIZES.values())
    for video in videos[:10]:
        shares = video.summaries.mean(1)
        assert shares.min() >= 0.125
        assert shares.max() < 0.35
        for item in video.items():
            match = (item.features @ item.text().T).max(1)  # (steps,)
            inside = item.summary > 0
            assert (match[inside][:, None] > match[~inside][None]).mean() > 0.97
