from functools import partial

import numpy as np
import pytest
import torch

from clipit_lightning.data.batches import bucket_batches, caption_tokens, collate, crop, shared_batches, spread
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


@pytest.mark.parametrize("batch_size", [1, 3, 8, 50])
def test_every_video_comes_once_an_epoch_in_an_order_of_seed_and_epoch(batch_size):
    lengths = np.random.default_rng(0).integers(10, 900, 41).tolist()
    first, again, other = (bucket_batches(lengths, batch_size, 3, epoch) for epoch in (0, 0, 1))
    assert sorted(position for batch in first for position in batch) == list(range(41))
    assert first == again != other
    assert batch_size in (1, 50) or {frozenset(batch) for batch in first} != {frozenset(batch) for batch in other}


def test_neighbours_in_a_batch_are_of_similar_length():
    lengths = np.random.default_rng(0).integers(10, 900, 64).tolist()
    padded = sum(
        max(lengths[position] for position in batch) * len(batch) for batch in bucket_batches(lengths, 8, 0, 0)
    )
    unsorted = sum(max(lengths[start : start + 8]) * 8 for start in range(0, 64, 8))
    assert padded < 0.8 * unsorted


def test_batches_of_items_share_a_video_and_differ_between_epochs():
    of_items = [video for video, count in (("a", 7), ("b", 5)) for _ in range(count)]
    first, again, other = (shared_batches(of_items, 3, 1, epoch) for epoch in (0, 0, 1))
    assert sorted(position for batch in first for position in batch) == list(range(12))
    assert all(len({of_items[position] for position in batch}) == 1 for batch in first)
    assert len(first) == 5
    assert first == again
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in other}


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
