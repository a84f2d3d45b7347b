from functools import partial

import numpy as np
import pytest

from clipit_lightning.summary.budget import Budget
from clipit_lightning.summary.choice import Cut, choose
from clipit_lightning.video import borders
from clipit_lightning.video.borders import choose_on_cuts, cut_frame
from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.extract import VideoFeatures, extract_features
from clipit_lightning.video.reader import VideoReader
from tests.support.videos import cut, write_video

CUTS = [17, 58, 101]
COLOURS = [(200, 40, 40), (40, 160, 60), (50, 60, 200), (220, 220, 60), (120, 30, 160), (230, 230, 230)]
STEP = 12


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ([2, 1, 60, 3, 2], 2),
        ([2, 70, 65, 3, 2], 1),  # a flash, or two cuts: the larger
        ([20, 24, 30, 26, 22], None),  # fast motion
        ([0, 25, 0, 30, 0, 28, 0], None),  # slow frames shown twice
        ([1, 1, 9, 1, 1], None),  # a key frame of the codec
        ([60], 0),
    ],
)
def test_a_cut_is_one_large_change(changes, at):
    assert cut_frame(np.array(changes, dtype=float)) == at


def scenes(number, width, height, cuts=CUTS):
    """Scenes of one colour each, with a bar that moves."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = COLOURS[np.searchsorted(cuts, number, side="right") % len(COLOURS)]
    image[:, number % width] = 0
    return image


UNEVEN = [number / 25 + (number % 3) / 90 for number in range(150)]
LATE = [90 + number / 25 for number in range(150)]
REPEATED = [number // 2 * 2 / 25 for number in range(150)]
write_scenes = partial(write_video, n_frames=150, draw=scenes, codec_options={"g": "25", "bf": "0"})
KINDS = {  # what writes the file, and whether its frames can be sought
    "usual.mp4": (write_scenes, True),
    "usual.mkv": (write_scenes, True),
    "between.mp4": (partial(write_scenes, codec_options={"g": "25", "bf": "3"}), True),
    "uneven.mp4": (partial(write_scenes, times=UNEVEN), True),
    "offset.mkv": (partial(write_scenes, times=LATE), True),
    "one_key_frame.mp4": (partial(write_scenes, codec_options={"x264-params": "scenecut=0"}), False),
    "repeated.mkv": (partial(write_scenes, times=REPEATED), False),
    "no_times.h264": (partial(write_scenes, audio=None), False),
    "cut_off.mkv": (partial(cut, share=0.8, n_frames=150, draw=scenes), False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_borders_that_are_used_move_to_the_cut_in_every_kind_of_file(tmp_path, monkeypatch, name):
    write, sought = KINDS[name]
    write(tmp_path / name)
    given = []

    class Counted(VideoReader):
        def __iter__(self):
            return (given.append(frame.number) or frame for frame in super().__iter__())

    reader = VideoReader(tmp_path / name)
    info = reader.info()
    assert (info.n_frames < 150) == (name == "cut_off.mkv")
    picks = np.arange(0, info.n_frames, STEP)
    starts = np.array([0, 24, 60, 108])
    shots = np.stack([starts, [*(starts[1:] - 1), info.n_frames - 1]], axis=1)
    video = VideoFeatures(info, reader.times, picks, np.empty(0), shots, (), np.empty(0), None, {}, np.empty(0))
    monkeypatch.setattr(borders, "VideoReader", Counted)
    result = choose_on_cuts(
        video, video.change_points, lambda shots: Cut(shots, np.array([False, False, True, False]), within_shot=False)
    )
    first = 17 if not sought else 24  # one pass over the file moves all borders, seeking those that are used
    assert result.shots[:, 0].tolist() == [0, first, *CUTS[1:]]
    assert result.shots[:, 1].tolist() == [*(result.shots[1:, 0] - 1), info.n_frames - 1]
    assert (len(given) == 1) == sought


@pytest.mark.slow
def test_the_budget_is_kept_and_chosen_shots_begin_and_end_with_their_scenes(tmp_path):
    cuts = [82, 255, 385, 641, 783]
    path = write_video(tmp_path / "a.mp4", 900, audio=None, draw=partial(scenes, cuts=cuts))
    video = extract_features(path, make_encoder("hsv"))
    assert not set(video.change_points[1:, 0]) & set(cuts)
    generator, moved = np.random.default_rng(0), 0
    for share in (0.05, 0.15, 0.3, 0.4, 0.5, 0.7):
        scores = generator.uniform(size=len(video.picks))

        def chosen(shots, scores=scores, share=share):
            return choose(scores, video.picks, shots, video.frame_times, video.info.duration, Budget(share=share))

        result = choose_on_cuts(video, video.change_points, chosen)
        assert 0 < (result.shots[result.chosen] @ [-1, 1] + 1).sum() <= share * 900
        edges = result.shots[1:, 0][result.chosen[1:] | result.chosen[:-1]]
        if not result.within_shot:
            assert set(edges) <= set(cuts)
            moved += len(edges)
    assert moved > 5
