import numpy as np
import pytest
import torch

from clipit_lightning.core.arrays import spread
from clipit_lightning.data.annotated import TVSumDataModule
from clipit_lightning.data.batches import Part, caption_tokens, collate, episode_draws, random_window
from clipit_lightning.data.queries import QFVSDataModule


@pytest.fixture
def module(stores):
    made = TVSumDataModule(stores, captions=4, crop=13)
    made.setup()
    return made


def test_captions_are_spread_over_the_video_and_kept_apart():
    assert spread(3, 7) == [0, 1, 2]
    assert spread(12, 7) == [0, 2, 4, 6, 7, 9, 11]
    assert spread(5, 1) == [2]
    assert spread(5, 0) == []


def test_concatenated_captions_are_as_many_as_wanted_in_every_video():
    captions = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert caption_tokens(captions, 2, "concat").tolist() == [[0, 1, 4, 5]]
    assert caption_tokens(captions, 5, "concat").tolist() == [[0, 1, 0, 1, 2, 3, 4, 5, 4, 5]]
    assert caption_tokens(captions, 0, "concat").shape == (0, 2)


def test_items_of_one_size_are_stacked_and_others_are_not_copied(module):
    alone = [module.batch(Part([number])).stacks[0] for number in range(2)]
    assert alone[0].features.shape != alone[1].features.shape
    twin = alone[0]._replace(number=torch.tensor([7]), features=-alone[0].features)
    without_text = twin._replace(text=twin.text[:, :0])
    batch = collate([*alone, twin, without_text], share=0.5)
    together, other, last = batch.stacks
    assert (batch.n_items, float(batch.share)) == (4, 0.5)
    assert other is alone[1]
    assert last is without_text
    assert np.shares_memory(other.features.numpy(), module.item(1).features)
    for values, one, two in zip(together, alone[0], twin, strict=True):
        assert torch.equal(values, torch.cat([one, two]))


def test_windows_move_over_longer_videos_and_cut_all_that_is_of_a_step(module):
    for epoch in range(3):
        for stack in module.batch(Part([0, 1, 2, 3], epoch=epoch)).stacks:
            for row, number in enumerate(stack.number.tolist()):
                video = module.item(number)
                cut = random_window(video, 13, module.seed, epoch)
                assert stack.features.shape[1] == min(13, video.n_steps)
                np.testing.assert_array_equal(stack.features[row], video.features[cut])
                np.testing.assert_array_equal(stack.importance[row], video.gtscore[cut])
                np.testing.assert_array_equal(stack.keyframes[row], video.gtsummary[cut])
    longest = max((module.item(number) for number in range(4)), key=lambda item: item.n_steps)
    starts = {random_window(longest, 13, 0, epoch).start for epoch in range(300)}
    assert starts == set(range(longest.n_steps - 12))
    assert random_window(longest, 0, 0, 0) == random_window(longest, longest.n_steps, 0, 0) == slice(None)


def test_draws_follow_from_the_seed_the_epoch_and_the_item_whatever_stands_beside_it(stores):
    module = QFVSDataModule(stores)
    module.setup()
    (together,) = module.batch(Part([0, 1, 2])).stacks
    (alone,) = module.batch(Part([1])).stacks
    draws = episode_draws(together, 4, seed=1, epoch=2)  # (episodes, items, steps)
    assert draws.shape == (4, *together.importance.shape)
    assert torch.equal(episode_draws(alone, 4, seed=1, epoch=2), draws[:, 1:2])
    others = [draws[:, 2:], episode_draws(alone, 4, seed=2, epoch=2), episode_draws(alone, 4, seed=1, epoch=3)]
    assert not any(torch.equal(draws[:, 1:2], other) for other in others)


def test_queries_of_one_video_share_the_window_and_features_stand_once(stores):
    module = QFVSDataModule(stores, crop=5)
    module.setup()
    numbers = [number for number, name in enumerate(module.ids) if name.startswith("qfvs/P01/")]
    (stack,) = module.batch(Part(numbers, epoch=3)).stacks
    assert stack.features.shape == (1, 5, 12)
    item = module.item(numbers[0])
    np.testing.assert_array_equal(stack.keyframes, item.video.oracle[:, random_window(item, 5, 0, 3)])
