import numpy as np
import pytest

from clipit_lightning.data import mini
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.rank_correlation import rank_correlation
from clipit_lightning.evaluation.rules import references

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return mini.ensure_mini(tmp_path_factory.mktemp("mini"))


def test_all_four_benchmarks_are_sound_and_labelled(root):
    for dataset, size in mini.SIZES.items():
        store = Store(root / f"{dataset}.h5")
        assert store.check() == []
        assert store.attributes["data"] == "mini"
        assert len(store.video_keys()) == size


def test_it_is_the_same_everywhere_and_made_once(root, tmp_path):
    assert Store(mini.ensure_mini(tmp_path) / "ovp.h5").content_hash() == Store(root / "ovp.h5").content_hash()
    before = (tmp_path / "ovp.h5").stat().st_mtime_ns
    (tmp_path / "tvsum.h5").write_bytes(b"damaged")
    mini.ensure_mini(tmp_path)
    assert (tmp_path / "ovp.h5").stat().st_mtime_ns == before
    assert Store(tmp_path / "tvsum.h5").check() == []


def test_captions_tell_what_features_alone_do_not(root):
    """The step's likeness to the captions agrees with the annotators, and the annotators with each other."""
    likeness, agreement = [], []
    for video in Store(root / "tvsum.h5").read():
        raters = references(video, "per-annotator")
        told = (video.features @ video.caption_features.T).max(axis=1)
        likeness.append(rank_correlation(told, raters).kendall_tau)
        agreement.append(rank_correlation(raters[0], raters[1:]).kendall_tau)
    assert np.mean(likeness) > 0.15
    assert 0.1 < np.mean(agreement) < 0.6
