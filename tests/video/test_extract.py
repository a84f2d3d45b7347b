import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.video.captioner import Captioner
from clipit_lightning.video.captions import Captions
from clipit_lightning.video.encoders import HsvEncoder
from clipit_lightning.video.extract import AHEAD, ahead, extract_features
from clipit_lightning.video.frames import sample_frames
from clipit_lightning.video.preprocess import Preprocessing
from clipit_lightning.video.reader import VideoReader
from tests.support.synthetic import SHARED, needs_shared
from tests.support.videos import ODD_VIDEOS, shown_number, square, write_video

pytestmark = pytest.mark.slow
SQUASH = square(64)


@dataclass
class ReadingEncoder:
    """Reads the number that a frame shows, and remembers what it was given."""

    preprocessing: Preprocessing = SQUASH
    name: str = "reading"
    feature_dim: int = 3
    fingerprint: str = "none"
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def encode_images(self, frames):
        self.shapes.append(frames.shape)
        return np.array([[shown_number(frame), 1, 0] for frame in frames], np.float32)

    def encode_texts(self, texts):
        return np.array([[len(text), 0, 1] for text in texts], np.float32)

    def provenance(self):
        return {"encoder": self.name, "weights_sha256": "none"}


def reading_captioner(frames_seen, texts=lambda number: f"frame {number}", batch_size=8):
    def generate(frames):
        frames_seen.extend(frames)
        return [texts(shown_number(frame)) for frame in frames]

    return Captioner("reading", "none", "", generate, batch_size)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "long.mp4", n_frames=250, width=96)


def test_each_feature_is_of_its_pick_at_its_time(video):
    encoder, seconds = ReadingEncoder(), []
    found = extract_features(video, encoder, rate=4.0, batch_size=3, progress=seconds.append)
    times = found.frame_times[found.picks]
    assert seconds == [*times[2::3], times[-1]]
    assert found.picks.tolist() == [round(step * 25 / 4 + 0.49) for step in range(40)]  # the first at or after i / 4 s
    np.testing.assert_array_equal(found.features[:, 0], found.picks)
    np.testing.assert_allclose(found.frame_times, np.arange(250) / 25)
    assert encoder.shapes == [(3, 64, 64, 3)] * 13 + [(1, 64, 64, 3)]
    assert found.info.n_frames == 250
    assert found.features.dtype == np.float32
    assert found.picks.dtype == found.change_points.dtype == np.int64


def test_shots_cover_the_video_and_are_one_a_hundred_and_fifty_frames(video):
    found, other = (extract_features(video, HsvEncoder(), batch_size=size) for size in (32, 7))
    np.testing.assert_array_equal(found.features, other.features)
    (first, cut), (after, last) = found.change_points
    assert (first, after, last) == (0, cut + 1, 249)


def test_a_model_with_a_transform_of_its_own_gets_whole_frames(tmp_path):
    encoder = ReadingEncoder(square(0, "native"))
    path = ODD_VIDEOS["resized.h264"](tmp_path / "resized.h264")  # 25 frames of 64 x 48, then 25 of 96 x 48
    found = extract_features(path, encoder, stride=2, batch_size=10)
    assert encoder.shapes == [(10, 48, 64, 3), (3, 48, 64, 3), (10, 48, 96, 3), (2, 48, 96, 3)]
    np.testing.assert_array_equal(found.features[:, 0], found.picks)


def test_the_encoder_cuts_what_its_model_crops_beyond_the_resize(video):
    encoder = ReadingEncoder(Preprocessing(48, "crop", (0.0,) * 3, (1.0,) * 3, resize_to=64))
    extract_features(video, encoder)
    assert set(encoder.shapes) == {(20, 64, 64, 3)}


@pytest.mark.parametrize("name", ["turned_quarter.mp4", "anamorphic.mp4", "very_wide.mp4"])
def test_whole_frames_are_upright_with_square_pixels_and_of_bounded_shape(tmp_path, name):
    path = ODD_VIDEOS[name](tmp_path / name)
    image = next(iter(sample_frames(VideoReader(path), square(0, "native"), stride=5))).image
    expected = {"turned_quarter.mp4": (48, 64), "anamorphic.mp4": (48, 128), "very_wide.mp4": (64, 2048)}[name]
    assert image.shape == (*expected, 3)
    assert image.flags.c_contiguous


# --- captions


def test_captions_of_the_user_are_kept_with_their_times_and_embedded(video):
    texts = Captions(("a", "bcd", "after the end"), (0.5, 3.0, 60.0), (1.0, 4.0, 61.0))
    found = extract_features(video, ReadingEncoder(), texts=texts)
    assert found.captions == ("a", "bcd")
    assert found.caption_times.tolist() == [0.5, 3.0]
    np.testing.assert_array_equal(found.caption_features, [[1, 0, 1], [3, 0, 1]])
    assert found.provenance["captions"] == "file"
    without_language = extract_features(video, HsvEncoder(), texts=texts)
    assert without_language.captions == ("a", "bcd")
    assert without_language.caption_features is None


def test_captions_of_another_video_are_named(video):
    with pytest.raises(UserError, match=r"long.mp4: its captions start at 60.0 s, after its end at 10.0 s"):
        extract_features(video, ReadingEncoder(), texts=Captions(("a",), (60.0,), (61.0,)))


def test_a_captioner_sees_whole_frames_spread_over_the_shots(video):
    seen = []
    found = extract_features(video, ReadingEncoder(), captioner=reading_captioner(seen, batch_size=2), n_captions=5)
    assert {frame.shape for frame in seen} == {(48, 96, 3)}
    numbers = [shown_number(frame) for frame in seen]
    assert found.captions == tuple(f"frame {number}" for number in numbers)
    np.testing.assert_allclose(found.caption_times, np.array(numbers) / 25)
    assert set(numbers) <= set(found.picks.tolist())
    assert all(((first <= numbers) & (numbers <= last)).any() for first, last in found.change_points)
    assert found.provenance["captions"] == "5 frames by model"
    assert found.provenance["caption_model"] == "reading"


def test_a_frame_without_a_caption_is_left_out(video):
    captioner = reading_captioner([], lambda number: "late" if number > 100 else "")
    found = extract_features(video, ReadingEncoder(), captioner=captioner)
    assert set(found.captions) == {"late"}
    assert 0 < len(found.captions) < 7
    assert len(found.caption_features) == len(found.caption_times) == len(found.captions)


# --- the thread that decodes


def decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_an_error_of_the_encoder_ends_the_decoder(video):
    class Broken(ReadingEncoder):
        def encode_images(self, frames):
            raise UserError("out of colours")

    with pytest.raises(UserError, match="out of colours"):
        extract_features(video, Broken(), batch_size=1)
    assert not decoders()


def test_the_decoder_runs_ahead_by_a_few_batches_and_no_more():
    made, lead = 0, []

    def batches():
        nonlocal made
        for _ in range(20):
            made += 1
            yield made

    for taken in ahead(batches()):
        time.sleep(0.005)  # time in which a decoder without bounds would make them all
        lead.append(made - taken)
    assert len(lead) == 20
    assert 1 <= max(lead) <= AHEAD


@needs_shared
@pytest.mark.parametrize(("name", "frames", "shots"), [("playing_ball", 3120, 21), ("paluma_jump", 2574, 18)])
def test_real_videos_have_the_frames_of_their_ground_truth(name, frames, shots):
    path = SHARED / "videos" / f"{name}.mp4"
    found = extract_features(path, HsvEncoder())
    assert found.info.n_frames == frames
    assert len(found.change_points) == shots
    assert len(found.picks) == int(found.info.duration * 2) + (found.info.duration % 0.5 > 0.001)
