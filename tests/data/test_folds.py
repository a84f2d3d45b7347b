import itertools

import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.folds import make_folds

TARGET = [f"tvsum/video_{number}" for number in range(1, 51)]
SOURCES = [f"summe/video_{number}" for number in range(1, 26)]


def disjoint(fold):
    parts = [set(fold.train), set(fold.validation), set(fold.test)]
    return all(one.isdisjoint(other) for one, other in itertools.combinations(parts, 2))


@pytest.mark.parametrize("n_folds", [2, 5, 7])
def test_every_video_is_tested_once_and_parts_are_disjoint(n_folds):
    folds = make_folds(TARGET, [], "canonical", n_folds)
    assert sorted(video for fold in folds for video in fold.test) == sorted(TARGET)
    assert all(disjoint(fold) for fold in folds)
    assert len({fold.validation for fold in folds}) == n_folds
    assert all(len(fold.train) + len(fold.validation) + len(fold.test) == 50 for fold in folds)


def test_a_fifth_of_the_training_part_validates_and_at_least_two_videos():
    assert {len(fold.validation) for fold in make_folds(TARGET, [], "canonical")} == {8}
    assert {len(fold.validation) for fold in make_folds(TARGET[:6], [], "canonical")} == {2}


def test_augmented_tests_and_validates_like_canonical_and_trains_on_more():
    canonical, augmented = (make_folds(TARGET, SOURCES, setting) for setting in ("canonical", "augmented"))
    for one, more in zip(canonical, augmented, strict=True):
        assert (one.test, one.validation) == (more.test, more.validation)
        assert set(more.train) == set(one.train) | set(SOURCES)


def test_transfer_trains_on_sources_only_and_tests_the_whole_target():
    (fold,) = make_folds(TARGET, SOURCES, "transfer")
    assert sorted(fold.test) == sorted(TARGET)
    assert set(fold.train) | set(fold.validation) == set(SOURCES)
    assert len(fold.validation) == 5


def test_folds_follow_from_the_seed_and_not_from_the_order_of_the_file():
    assert make_folds(TARGET, [], "canonical") == make_folds(TARGET[::-1], [], "canonical")
    assert make_folds(TARGET, [], "canonical", seed=1) != make_folds(TARGET, [], "canonical")


def test_without_validation_all_others_train_and_two_videos_are_enough():
    folds = make_folds(TARGET[:2], [], "canonical", n_folds=2, validation=0)
    assert [(fold.train, fold.validation) for fold in folds] == [(folds[1].test, ()), (folds[0].test, ())]
    with pytest.raises(UserError, match=r"at least 4 videos.*data\.validation=0"):
        make_folds(TARGET[:2], [], "canonical", n_folds=2)


def test_too_few_videos_are_refused():
    with pytest.raises(UserError, match=r"data\.folds=5 needs at least 5 videos, the data set has 3"):
        make_folds(TARGET[:3], [], "canonical")
    with pytest.raises(UserError, match="too few"):
        make_folds(TARGET, SOURCES[:2], "transfer")
