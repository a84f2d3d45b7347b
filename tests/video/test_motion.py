"""Motion of each step, compared with its description written out frame by frame."""

import numpy as np
import pytest
from av.video.reformatter import Interpolation

from clipit_lightning.video.encoders import make_encoder
from clipit_lightning.video.extract import extract_features
from clipit_lightning.video.motion import SIDE, Small, phase_shift
from clipit_lightning.video.reader import VideoReader
from tests.support.videos import turned, write_video


def texture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height // 4 + 1, width // 4 + 1)).repeat(4, 0).repeat(4, 1)


def moving(number, width, height):
    """Blocks of noise that move to the right and, half as fast, up, and get darker from frame 20 on."""
    shown = np.roll(texture(height, width)[:height, :width], (-number, 2 * number), (0, 1))
    return np.repeat((shown // (2 if number >= 20 else 1)).astype(np.uint8)[..., None], 3, axis=2)


def naive_shift(first, second):
    """Phase correlation by whole Fourier transforms, and parabolas through the peak."""
    hann = np.array([np.sin(np.pi * (place + 1) / (SIDE + 1)) ** 2 for place in range(SIDE)])
    one, two = (np.fft.fft2((picture - picture.mean()) * hann[:, None] * hann) for picture in (first, second))
    cross = two * one.conj()
    phase = np.zeros_like(cross)
    for place in np.ndindex(SIDE, SIDE):
        if abs(cross[place]) > 1e-6:
            phase[place] = cross[place] / abs(cross[place])
    if not phase.any():
        return 0, 0, 0
    correlation = np.fft.ifft2(phase).real
    peak = np.unravel_index(correlation.argmax(), correlation.shape)
    shift = []
    for axis in (1, 0):
        places = [list(peak), list(peak), list(peak)]
        places[0][axis], places[2][axis] = (peak[axis] - 1) % SIDE, (peak[axis] + 1) % SIDE
        before, at, after = (correlation[tuple(place)] for place in places)
        moved = peak[axis] + (before - after) / (2 * (before - 2 * at + after))
        shift.append(moved - SIDE if moved >= SIDE / 2 else moved)
    return *shift, correlation[peak]


def naive(path, picks):
    """The columns of each step, all pictures of the video at once."""
    grey = [
        frame.picture.reformat(
            SIDE, SIDE, "gray", interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND, dst_color_range="JPEG"
        ).to_ndarray()
        / 255
        for frame in VideoReader(path)
    ]
    steps = []
    for step, pick in enumerate(picks):
        end = picks[step + 1] if step + 1 < len(picks) else len(grey)
        pairs = [(grey[number - 1], grey[number]) for number in range(max(pick, 1), end)]
        if not pairs:
            steps.append(np.zeros(32))
            continue
        differences = [np.abs(two - one) for one, two in pairs]
        cells = [
            np.mean([difference[y : y + 16, x : x + 16].mean() for difference in differences])
            for y in range(0, SIDE, 16)
            for x in range(0, SIDE, 16)
        ]
        whole = [difference.mean() for difference in differences]
        changed = [(difference > 0.1).mean() for difference in differences]
        shifts = np.array([naive_shift(*pair) for pair in pairs])
        x, y, peak = shifts.T / [[SIDE], [SIDE], [1]]
        far = np.hypot(x, y)
        left = [
            np.abs(two - np.roll(one, (round(dy), round(dx)), (0, 1))).mean()
            for (one, two), (dx, dy, _) in zip(pairs, shifts, strict=True)
        ]
        brightness = np.mean([abs(two.mean() - one.mean()) for one, two in pairs])
        row = [*cells, np.mean(whole), np.std(whole), max(whole), np.mean(changed), max(changed), x.mean(), y.mean()]
        row += [far.mean(), far.std(), far.max(), peak.mean(), peak.min(), np.mean(left), max(left), brightness, 1]
        steps.append(row)
    return np.array(steps)


def motion(path, **sampling):
    made = extract_features(path, make_encoder("hsv"), streams=("motion",), **sampling)
    return made.streams["motion"], made.picks


@pytest.mark.parametrize(
    ("n_frames", "width", "height", "sampling"),
    [(40, 160, 120, {"rate": 5.0}), (7, 97, 75, {"stride": 3}), (1, 64, 48, {}), (9, 65, 48, {"stride": 1})],
)
def test_columns_are_those_of_the_description(tmp_path, n_frames, width, height, sampling):
    options = {"audio": None, "codec": "ffv1", "pix_fmt": "yuv444p", "draw": moving}
    path = write_video(tmp_path / "a.mkv", n_frames, width, height, **options)
    columns, picks = motion(path, **sampling)
    assert (columns.shape, columns.dtype) == ((len(picks), 32), np.float32)
    np.testing.assert_allclose(columns, naive(path, picks.tolist()), atol=2e-5)
    np.testing.assert_array_equal(motion(path, **sampling)[0], columns)


def test_the_first_step_of_a_single_frame_has_no_motion(tmp_path):
    path = write_video(tmp_path / "a.mp4", 5, audio=None)
    columns, _ = motion(path, stride=1)
    assert columns[:, -1].tolist() == [0, 1, 1, 1, 1]
    assert not columns[0].any()


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-20, 11)])
def test_a_shift_is_found_with_its_signs(shift):
    x, y = shift
    large = texture(3 * SIDE, 3 * SIDE).astype(np.uint8)
    first, second = (large[SIDE - b : 2 * SIDE - b, SIDE - a : 2 * SIDE - a] for a, b in ((0, 0), (x, y)))
    found_x, found_y, peak = phase_shift(Small(first), Small(second))
    assert abs(found_x - x) < 0.5
    assert abs(found_y - y) < 0.5
    assert 0 < peak <= 1


def test_plain_pictures_do_not_move():
    plain = [Small(np.full((SIDE, SIDE), level, np.uint8)) for level in (0, 200)]
    assert phase_shift(*plain) == (0, 0, 0)


def test_a_turned_video_moves_as_it_is_shown(tmp_path):
    upright, _ = motion(write_video(tmp_path / "upright.mp4", 50, audio=None), stride=10)
    other, _ = motion(turned(tmp_path / "turned.mp4", "half"), stride=10)
    np.testing.assert_allclose(other[:, :21], upright[:, :21], atol=0.02)
    assert np.abs(upright[:, :8]).max() > 0.05 > np.abs(upright[:, 8:16]).max()  # the numbers stand in the upper half
