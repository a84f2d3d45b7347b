from dataclasses import replace

import numpy as np
import pytest
import torch

from clipit_lightning.core.arrays import spread
from clipit_lightning.data.annotated import TVSumDataModule
from clipit_lightning.data.batches import Part, collate, random_window
from clipit_lightning.data.mini import ensure_mini
from clipit_lightning.data.queries import QFVSDataModule
from clipit_lightning.data.spans import spans_in_steps
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.models.timed_text import told_in
from tests.support.timed_store import FPS, write_timed


@pytest.fixture
def videos(stores, tmp_path):
    return write_timed(stores / "tvsum.h5", tmp_path / "tvsum.h5")


def naive(video):
    """Position of each caption's first frame and end: at a step, and so far towards the next one, or the end."""
    borders = [*video.picks, video.n_frames]

    def position(frame):
        if frame >= video.n_frames:
            return video.n_steps
        step = max(number for number, pick in enumerate(video.picks) if pick <= frame)
        return step + (frame - borders[step]) / (borders[step + 1] - borders[step])

    return np.array([[position(second * FPS) for second in span] for span in video.text_spans])


def test_a_step_is_the_time_to_the_next_one():
    picks = np.array([5, 15, 30])
    frames = np.array([[0, 5], [10, 15], [29, 31], [40, 60]])
    expected = [[0, 0], [0.5, 1], [1 + 14 / 15, 2.1], [3, 3]]
    np.testing.assert_allclose(spans_in_steps(frames, picks, 40), expected, rtol=1e-6)


def test_what_is_told_in_a_step():
    spans = torch.tensor([[0.0, 1.0], [0.5, 2.0], [2.0, 2.0], [1.9, 1.95], [-3.0, 9.0], [3.0, 3.0], [-2.0, -1.0]])
    expected = [[1, 1, 0, 0, 1, 0, 0], [0, 1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 0, 0]]
    assert told_in(spans, 3).int().tolist() == expected
    assert told_in(torch.stack([spans, spans]), 3).shape == (2, 3, 7)
    assert told_in(spans[:0], 3).shape == (3, 0)


@pytest.mark.parametrize("source", ["own", "another", "fused", "concat"])
def test_spans_are_of_the_captions_that_are_taken(videos, tmp_path, source):
    module = TVSumDataModule(tmp_path, captions=3, caption_source=source)
    module.setup()
    givers = set()
    for number, video in enumerate(videos):
        (stack,) = module.batch(Part([number])).stacks
        assert stack.spans.dtype == torch.float32
        assert stack.spans.shape == (*stack.text.shape[:2], 2)
        of_videos = {other.key: naive(other)[spread(len(other.captions), 3)] / other.n_steps for other in videos}
        if source in ("fused", "concat"):
            expected = np.array([[0, 1]])
        elif source == "own":
            expected = of_videos[video.key]
        else:  # those of the video whose captions stand there, at the same share of this one
            texts = {other.key: other.caption_features[spread(len(other.captions), 3)] for other in videos}
            (giver,) = [key for key, rows in texts.items() if np.array_equal(rows, stack.text[0])]
            givers.add(giver)
            assert giver != video.key
            expected = of_videos[giver]
        np.testing.assert_allclose(stack.spans[0], expected * video.n_steps, atol=1e-3)
    assert len(givers) == (len(videos) if source == "another" else 0)


def test_spans_of_shots_are_their_own_with_and_without_a_clock(tmp_path):
    mini = Store(ensure_mini(tmp_path / "mini") / "tvsum.h5")
    for fps in (None, 25.0):
        videos = [replace(video, fps=fps) for video in mini.read()]
        write_store(tmp_path / "tvsum.h5", videos, mini.attributes)
        module = TVSumDataModule(tmp_path, captions=10_000, caption_source="shots")
        module.setup()
        for number, video in enumerate(videos[:3]):
            (stack,) = module.batch(Part([number])).stacks
            shots = video.change_points[[bool(text) for text in video.shot_captions]]
            told = told_in(stack.spans[0], video.n_steps)
            for token, (first, last) in enumerate(shots):
                begin = video.picks <= last
                until = np.append(video.picks[1:], video.n_frames) > first
                np.testing.assert_array_equal(told[:, token], begin & until)


def test_a_window_moves_the_spans_and_items_of_other_spans_do_not_stand_together(videos, tmp_path):
    module = TVSumDataModule(tmp_path, captions=3, crop=13)
    module.setup()
    moved = 0
    for epoch in range(3):
        for stack in module.batch(Part([0, 1, 2, 3], epoch=epoch)).stacks:
            for row, number in enumerate(stack.number.tolist()):
                start = random_window(module.item(number), 13, module.seed, epoch).start or 0
                moved += start > 0
                whole = module.spans(module.item(number))
                np.testing.assert_allclose(stack.spans[row], whole - start, atol=1e-4)
    assert moved > 3
    one = module.batch(Part([0])).stacks[0]
    unknown = one._replace(number=torch.tensor([1]), spans=torch.zeros(1, 0, 2))
    assert [stack.spans.shape[0] for stack in collate([one, unknown, one]).stacks] == [2, 1]


def test_without_times_or_captions_and_for_queries_there_are_none(stores):
    modules = [TVSumDataModule(stores, captions=3), TVSumDataModule(stores, captions=0), QFVSDataModule(stores)]
    for module, items in zip(modules, (1, 1, 3), strict=True):
        module.setup()
        (stack,) = module.batch(Part(list(range(items)))).stacks
        assert stack.spans.shape == (items, 0, 2)


def test_what_is_written_is_read(videos, tmp_path):
    for ours, theirs in zip(Store(tmp_path / "tvsum.h5").read(), videos, strict=True):
        np.testing.assert_array_equal(ours.text_spans, theirs.text_spans)
        np.testing.assert_array_equal(ours.caption_spans, theirs.caption_spans)
        assert (ours.text_spans.dtype, ours.fps) == (np.float64, FPS)
