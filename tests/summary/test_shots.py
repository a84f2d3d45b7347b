import numpy as np
import pytest
import ruptures

from clipit_lightning.summary import shots


def cost(unit, borders):
    return sum(((segment - segment.mean(axis=0)) ** 2).sum() for segment in np.split(unit, borders))


def of_ruptures(features, n_segments):
    """First steps of the optimal segments by Truong et al.'s library."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    ends = ruptures.KernelCPD(kernel="linear", min_size=1).fit(unit).predict(n_bkps=n_segments - 1)
    return [0, *ends[:-1]]


def test_the_exact_cut_is_that_of_ruptures():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(int(rng.integers(2, 150)), 3))
        features = features.cumsum(axis=0) if seed % 2 else features + 1  # drifts as a video does, or noise
        segments = int(rng.integers(2, len(features) + 1))
        assert shots.segment(features, segments).tolist() == of_ruptures(features, segments), seed


@pytest.mark.parametrize("seed", range(4))
def test_shots_of_a_video_are_those_of_ruptures(seed):
    features = np.random.default_rng(seed).normal(size=(70, 16)).cumsum(axis=0)
    picks = 7 + 15 * np.arange(70)
    expected = picks[of_ruptures(features, 8)[1:]]  # ceil(1060 / 150) segments
    cut = shots.change_points(features, picks, 1060)
    assert cut[:, 0].tolist() == [0, *expected]
    assert cut[:, 1].tolist() == [*(expected - 1), 1059]


def planted(rng, lengths, noise=0.2, features=24):
    """Scenes of the given lengths, noise around a direction each; and where they start."""
    scenes = rng.normal(size=(len(lengths), features))
    steps = np.repeat(scenes, lengths, axis=0)
    return steps + noise * rng.normal(size=steps.shape), np.append(0, np.cumsum(lengths)[:-1])


@pytest.mark.parametrize("seed", range(8))
def test_the_long_cut_is_the_exact_one_where_scenes_are_clear(seed):
    rng = np.random.default_rng(seed)
    features, first = planted(rng, rng.integers(2, 30, size=40))
    assert shots.segment_exact(features, 40).tolist() == first.tolist()
    assert shots.segment_long(features, 40).tolist() == first.tolist()


@pytest.mark.parametrize("segments", [30, 47, 90])
def test_the_long_cut_of_noise_is_as_good_as_the_exact_one(segments):
    unit = np.random.default_rng(segments).normal(size=(700, 6))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    exact, long = shots.segment_exact(unit, segments), shots.segment_long(unit, segments)
    assert len(long) == segments
    assert cost(unit, long[1:]) <= cost(unit, exact[1:]) * 1.001


def test_few_long_scenes_are_found_to_the_step_through_cells():
    features, first = planted(np.random.default_rng(3), [1003, 777, 1508, 612])
    assert shots.segment_long(features, 4).tolist() == first.tolist()  # cells of 60 steps


@pytest.mark.parametrize("segments", [1, 2, 9, 100, 599, 600, 1000])
def test_the_long_cut_has_the_number_asked_for_also_in_a_still_picture(segments):
    first = shots.segment_long(np.ones((600, 4)), segments)
    assert len(first) == min(segments, 600)
    assert first[0] == 0
    assert (np.diff(first) > 0).all()


def test_equal_repeated_scenes_give_the_number_between_two_penalties():
    # Every scene change gains the same, so that one penalty takes all of them or none.
    features = np.tile(np.repeat(np.eye(2), 7, axis=0), (20, 1))
    first = shots.segment_long(features, 25)
    assert len(first) == 25
    assert set(first.tolist()) <= set(range(0, 280, 7))


def test_parts_of_the_cut_with_more_segments_are_taken_over():
    # The same noise twenty times: each repeat can be cut into more pieces at the same penalty.
    unit = np.tile(np.random.default_rng(2).normal(size=(20, 3)), (20, 1))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    exact, long = shots.segment_exact(unit, 111), shots.segment_long(unit, 111)
    assert cost(unit, long[1:]) == pytest.approx(cost(unit, exact[1:]), rel=1e-9)


def test_segments_of_the_long_cut_are_at_most_the_stated_length():
    features, _ = planted(np.random.default_rng(5), [900, *[3] * 60])
    first = shots.segment_long(features, 70)
    assert np.diff(first, append=len(features)).max() <= shots.LONGEST_SEGMENT
    assert set(range(900, 1080, 3)) <= set(first.tolist())


def test_a_video_above_the_exact_length_is_cut_by_the_long_variant(monkeypatch):
    features, first = planted(np.random.default_rng(6), [400, 20, 20, 20])
    monkeypatch.setattr(shots, "CELLS_PER_SEGMENT", 1000)  # cells of one step: the long scene cannot stay whole
    assert shots.segment(features, 4).tolist() == first.tolist()
    monkeypatch.setattr(shots, "EXACT_STEPS", len(features) - 1)
    assert np.diff(shots.segment(features, 4), append=460).max() <= shots.LONGEST_SEGMENT
