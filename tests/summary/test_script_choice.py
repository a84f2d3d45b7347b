from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.summary.script_choice import choose_for_script, choose_freely, choose_in_order

FPS = 10


def drawn(seed):
    """Values, weights and rooms of up to three sentences and six shots, some of which may not fit."""
    random = np.random.default_rng(seed)
    sentences = int(random.integers(1, 4))
    shots = int(random.integers(sentences, 7))
    values = random.normal(size=(sentences, shots)).round(2)
    return values, random.integers(1, 5, (sentences, shots)), random.integers(2, 8, sentences)


def worth(chosen, values, weights, rooms, in_order):
    """What a choice is worth, and None where it is not allowed."""
    shown = [of for of in chosen if of >= 0]
    rows = [[shot for shot, of in enumerate(chosen) if of == sentence] for sentence in range(len(rooms))]
    heavy = any(sum(weights[of, shots]) > rooms[of] for of, shots in enumerate(rows))
    if heavy or not all(rows) or (in_order and shown != sorted(shown)):
        return None
    return sum(values[of, shots].sum() for of, shots in enumerate(rows))


def best_of_all(case, in_order):
    """The largest worth of all choices, one after another; None where none is allowed."""
    sentences, shots = case[0].shape
    all_of_them = (worth(chosen, *case, in_order) for chosen in product(range(-1, sentences), repeat=shots))
    return max((value for value in all_of_them if value is not None), default=None)


@pytest.mark.parametrize("seed", range(60))
def test_in_order_of_time_no_choice_is_better(seed):
    case = drawn(seed)
    best = best_of_all(case, in_order=True)
    if best is None:
        with pytest.raises(ValueError, match="fit"):
            choose_in_order(*case)
    else:
        assert worth(choose_in_order(*case), *case, in_order=True) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(60))
def test_in_any_order_one_shot_each_is_the_best_and_more_are_worth_more(seed):
    values, weights, rooms = drawn(seed)
    full = np.repeat(rooms[:, None], values.shape[1], axis=1)  # each shot fills the room
    one_each = worth(choose_freely(values, full, rooms), values, full, rooms, in_order=False)
    assert one_each == pytest.approx(best_of_all((values, full, rooms), in_order=False))
    best = best_of_all((values, weights, rooms), in_order=False)
    if best is None:
        with pytest.raises(ValueError, match="fit"):
            choose_freely(values, weights, rooms)
        return
    alone = best_of_all((values, np.where(weights <= rooms[:, None], full, 99), rooms), in_order=False)
    assert alone - 1e-9 <= worth(choose_freely(values, weights, rooms), values, weights, rooms, False) <= best + 1e-9


def test_the_choice_in_any_order_is_seldom_far_from_the_best():
    cases = [case for case in map(drawn, range(60)) if best_of_all(case, in_order=False) is not None]
    lost = [best_of_all(case, False) - worth(choose_freely(*case), *case, False) for case in cases]
    assert np.mean(np.array(lost) < 1e-9) > 0.6


# --- a video of three shots of 20 frames, in which sentence 0 is shown by the second one, sentence 1 by the first


def video(lengths=(20, 20, 20)):
    borders = np.cumsum([0, *lengths])
    return SimpleNamespace(
        picks=np.arange(0, borders[-1], 5),
        change_points=np.stack([borders[:-1], borders[1:] - 1], axis=1),
        frame_times=np.arange(borders[-1]) / FPS,
        duration=borders[-1] / FPS,
    )


SCORES = np.array([[0.2] * 4 + [0.9] * 4 + [0.6] * 4, [0.9] * 4 + [0.1] * 4 + [0.8] * 4])


def spans_of(cut):
    return {(int(of), *map(int, shot)) for shot, of in zip(cut.shots, cut.sentences, strict=True) if of >= 0}


def test_sentences_are_shown_in_order_of_time_or_in_their_own():
    whole = vars(video())
    cut = choose_for_script(SCORES, **whole, rooms=np.array([20, 20]))
    assert spans_of(cut) == {(0, 20, 39), (1, 40, 59)}
    assert not cut.within_shot
    cut = choose_for_script(SCORES, **whole, rooms=np.array([20, 20]), order="free")
    assert spans_of(cut) == {(0, 20, 39), (1, 0, 19)}
    assert cut.shots[cut.played].tolist() == [[20, 39], [0, 19]]


def test_a_sentence_has_several_shots_where_they_fit_and_show_it():
    cut = choose_for_script(SCORES[:1], **vars(video()), rooms=np.array([60]))
    assert spans_of(cut) == {(0, 20, 39), (0, 40, 59)}  # the first one shows it less than the video on average


@pytest.mark.parametrize("order", ["time", "free"])
def test_a_short_shot_that_shows_a_sentence_well_wins_over_a_long_one_that_half_does(order):
    scores = np.array([[0.75] * 8 + [0.9] * 4])
    cut = choose_for_script(scores, **vars(video((40, 20))), rooms=np.array([45]), order=order)
    assert spans_of(cut) == {(0, 40, 59)}


def test_of_a_long_shot_the_best_part_is_shown_and_the_shots_cover_the_video():
    scores = SCORES.copy()
    scores[0, 5] = 1.0
    cut = choose_for_script(scores, **vars(video()), rooms=np.array([8, 20]))
    (_, first, last), second = sorted(spans_of(cut))
    assert (last - first + 1, second) == (8, (1, 40, 59))
    assert 20 <= first <= 25 < 29 <= last  # the step of 1.0 is in it
    assert cut.within_shot
    assert cut.shots[0, 0] == 0
    assert cut.shots[-1, 1] == 59
    assert (cut.shots[1:, 0] == cut.shots[:-1, 1] + 1).all()


def test_a_shot_that_is_omitted_shows_nothing_and_too_few_are_one_line():
    omitted = np.array([False, True, False])
    cut = choose_for_script(SCORES, **vars(video()), rooms=np.array([20, 20]), order="free", omitted=omitted)
    assert spans_of(cut) == {(0, 40, 59), (1, 0, 19)}
    with pytest.raises(UserError, match=r"3 sentences, but the video fewer shots that do not repeat, 2.*--max-shot"):
        choose_for_script(np.vstack([SCORES, SCORES[:1]]), **vars(video()), rooms=np.full(3, 5), omitted=omitted)


@pytest.mark.parametrize("order", ["time", "free"])
def test_frames_of_any_rate_keep_the_room_of_each_sentence(order):
    random = np.random.default_rng(1)
    lasts = random.uniform(0.02, 0.2, 60)
    of = vars(video()) | {"frame_times": np.append(0, lasts.cumsum()[:-1]), "duration": float(lasts.sum())}
    frame, rooms = lasts.mean(), np.array([9, 14])
    cut = choose_for_script(SCORES, **of, rooms=rooms, order=order)
    for sentence, room in enumerate(rooms):
        spans = [(first, last) for number, first, last in spans_of(cut) if number == sentence]
        assert 0 < sum(lasts[first : last + 1].sum() for first, last in spans) <= room * frame + 1e-6
