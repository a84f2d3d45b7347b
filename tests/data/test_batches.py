from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from clipit_lightning.data.batches import caption_tokens, collate, random_window, spread
from clipit_lightning.data.store import Store

CAPTIONS = partial(caption_tokens, captions=4)


@pytest.fixture
def videos(stores):
    return Store(stores / "tvsum.h5").read(["video_1", "video_2", "video_3"])


def test_captions_are_spread_over_the_video_and_kept_apart():
    assert spread(3, 7) == [0, 1, 2]
    assert spread(12, 7) == [0, 2, 4, 6, 7, 9, 11]
    assert spread(5, 1) == [2]
    assert spread(5, 0) == []


def test_items_of_one_size_are_stacked_and_others_are_not_copied(videos):
    first, other = next((one, two) for one in videos for two in videos if one.n_steps != two.n_steps)
    twin = replace(first, key="twin", features=-first.features)
    batch = collate([(5, first), (2, other), (7, twin)], CAPTIONS, text_dim=8, share=0.5)
    together, alone = batch.stacks
    assert batch.n_items == 3
    assert (together.number.tolist(), alone.number.tolist(), float(batch.share)) == ([5, 7], [2], 0.5)
    assert np.shares_memory(alone.features.numpy(), other.features)
    for stack, members in ((together, [first, twin]), (alone, [other])):
        np.testing.assert_array_equal(stack.features, [video.features for video in members])
        np.testing.assert_array_equal(stack.text, [CAPTIONS(video) for video in members])
        np.testing.assert_array_equal(stack.importance, [video.gtscore for video in members])
        np.testing.assert_array_equal(stack.keyframes, [video.gtsummary for video in members])


def test_items_without_text_have_no_tokens_and_stand_apart(videos):
    batch = collate([(0, videos[0]), (1, replace(videos[0], caption_features=None))], CAPTIONS, text_dim=8)
    assert [stack.text.shape[1] for stack in batch.stacks] == [4, 0]


def test_windows_move_over_longer_videos_and_cut_all_that_is_of_a_step(videos):
    steps = min(video.n_steps for video in videos) + 1
    for epoch in range(3):
        window = partial(random_window, steps=steps, seed=0, epoch=epoch)
        for stack in collate(list(enumerate(videos)), CAPTIONS, text_dim=8, window=window).stacks:
            for row, number in enumerate(stack.number.tolist()):
                video, cut = videos[number], window(videos[number])
                assert stack.features.shape[1] == min(steps, video.n_steps)
                np.testing.assert_array_equal(stack.features[row], video.features[cut])
                np.testing.assert_array_equal(stack.importance[row], video.gtscore[cut])
                np.testing.assert_array_equal(stack.keyframes[row], video.gtsummary[cut])
    longest = max(videos, key=lambda video: video.n_steps)
    starts = {random_window(longest, steps, 0, epoch).start for epoch in range(300)}
    assert starts == set(range(longest.n_steps - steps + 1))
    assert random_window(longest, 0, 0, 0) == slice(None)


def test_items_of_one_video_share_the_window_and_stand_in_the_stack_once(stores):
    video = Store(stores / "qfvs.h5").read_queries()[0]
    window = partial(random_window, steps=5, seed=0, epoch=3)
    items = list(enumerate(video.items()))
    (stack,) = collate(items, lambda item: item.text(), text_dim=12, window=window).stacks
    assert stack.features.shape == (1, 5, 12)
    np.testing.assert_array_equal(stack.keyframes, video.oracle[:, window(items[0][1])])
