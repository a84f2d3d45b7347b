from functools import partial

import numpy as np
import pytest

from clipit_lightning.data.batch import BucketBatchSampler, caption_tokens, collate, spread
from clipit_lightning.data.store import Store


def test_captions_are_spread_over_the_video_and_kept_apart():
    assert spread(3, 7) == [0, 1, 2]
    assert spread(12, 7) == [0, 2, 4, 6, 7, 9, 11]
    assert spread(5, 1) == [2]
    assert spread(5, 0) == []


def test_padding_is_at_the_end_and_masked(stores):
    videos = Store(stores / "tvsum.h5").read(["video_1", "video_2", "video_3"])
    batch = collate(list(enumerate(videos)), partial(caption_tokens, captions=4), text_dim=8)
    longest = max(video.n_steps for video in videos)
    assert batch.features.shape == (3, longest, 8)
    assert batch.step_mask.sum(dim=1).tolist() == [video.n_steps for video in videos]
    assert batch.text_mask.sum(dim=1).tolist() == [min(4, len(video.captions)) for video in videos]
    for row, video in enumerate(videos):
        np.testing.assert_array_equal(batch.features[row, : video.n_steps], video.features)
        assert not batch.features[row, video.n_steps :].any()
        np.testing.assert_array_equal(batch.importance[row, : video.n_steps], video.gtscore)


def test_no_captions_at_all_make_an_empty_token_axis(stores):
    videos = Store(stores / "tvsum.h5").read(["video_1"])
    batch = collate([(0, videos[0])], partial(caption_tokens, captions=0), text_dim=8)
    assert batch.text.shape == (1, 0, 8)
    assert batch.text_mask.shape == (1, 0)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 50])
def test_every_video_comes_once_an_epoch_in_an_order_of_seed_and_epoch(batch_size):
    lengths = np.random.default_rng(0).integers(10, 900, 41).tolist()
    sampler = BucketBatchSampler(lengths, batch_size, seed=3)
    first = list(sampler)
    assert sorted(position for batch in first for position in batch) == list(range(41))
    assert len(first) == len(sampler)
    assert first == list(BucketBatchSampler(lengths, batch_size, seed=3))
    sampler.sampler.set_epoch(1)
    assert list(sampler) != first


def test_neighbours_in_a_batch_are_of_similar_length():
    lengths = np.random.default_rng(0).integers(10, 900, 64).tolist()
    padded = sum(
        max(lengths[position] for position in batch) * len(batch) for batch in BucketBatchSampler(lengths, 8, seed=0)
    )
    unsorted = sum(max(lengths[start : start + 8]) * 8 for start in range(0, 64, 8))
    assert padded < 0.8 * unsorted
