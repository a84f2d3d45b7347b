from functools import partial

import numpy as np
import pytest
import torch

from clipit_lightning.data.batches import BucketBatchSampler, caption_tokens, collate, crop, spread
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


def test_a_small_data_set_has_other_batches_each_epoch():
    sampler = BucketBatchSampler(list(range(100, 116)), 5, seed=0)
    epochs = set()
    for epoch in range(4):
        sampler.sampler.set_epoch(epoch)
        epochs.add(frozenset(frozenset(batch) for batch in sampler))
    assert len(epochs) == 4


def test_a_crop_is_a_window_of_each_longer_video(stores):
    videos = Store(stores / "tvsum.h5").read(["video_1", "video_2", "video_3"])
    steps = sorted(video.n_steps for video in videos)[0] + 2
    batch = collate(list(enumerate(videos)), partial(caption_tokens, captions=4), text_dim=8)
    starts = set()
    for seed in range(8):
        torch.manual_seed(seed)
        cut = crop(batch, steps)
        assert cut.features.shape == (3, steps, 8)
        assert cut.step_mask.sum(dim=1).tolist() == [min(steps, video.n_steps) for video in videos]
        assert torch.equal(cut.text, batch.text)
        for row, video in enumerate(videos):
            n = min(steps, video.n_steps)
            own = torch.from_numpy(video.features).unfold(0, n, 1).transpose(1, 2)  # (starts, n, features)
            (start,) = torch.nonzero((own == cut.features[row, :n]).flatten(1).all(dim=1)).flatten().tolist()
            np.testing.assert_array_equal(cut.importance[row, :n], video.gtscore[start : start + n])
            np.testing.assert_array_equal(cut.keyframes[row, :n], video.gtsummary[start : start + n])
            starts.add((row, start))
    assert len(starts) > 5
    assert crop(batch, batch.step_mask.shape[1]) is batch


def test_items_of_one_video_are_cropped_alike(stores):
    video = Store(stores / "tvsum.h5").read(["video_1"])[0]
    batch = collate([(0, video), (1, video)], partial(caption_tokens, captions=4), text_dim=8)
    cut = crop(batch, 5)
    assert cut.features.shape[:2] == (1, 5)
    assert torch.equal(cut.importance[0], cut.importance[1])
