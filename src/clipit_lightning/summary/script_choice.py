"""Which shots show the sentences of a script: exactly in order of time, or in any order.

REGen (Xu et al., NeurIPS 2025, arXiv 2505.18880, read as text without its formulas) fills each place for a quote in a
script with the clip whose embedding has the largest cosine with that of the text. Here every sentence is such a place,
and has a length; no shot is used twice. Both ways to choose are ours.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from clipit_lightning.core.errors import UserError
from clipit_lightning.summary.choice import Cut, frames_that_fit
from clipit_lightning.summary.key_shots import frame_scores, shot_lengths
from clipit_lightning.summary.script import Order

Floats = NDArray[np.floating]
Whole = NDArray[np.int64]


def choose_in_order(values: Floats, weights: NDArray[np.integer], rooms: NDArray[np.integer]) -> Whole:
    """Divide a video among sentences in their order: the shots of the largest total value, at least one for each.

    Dynamic programming: with f(i, s, c) the largest value of sentences up to i, of shots up to s, of which those of
    sentence i weigh c, a shot is omitted, f(i, s - 1, c); taken, f(i, s - 1, c - w) + v; or sentence i begins after
    it, f(i, s, 0) = max over c > 0 of f(i - 1, s, c). Rows are vectorised over c, decisions are kept as bits.

    Args:
        values: Value of each shot for each sentence, (sentences, shots).
        weights: Weight of each shot for each sentence, at least 1, (sentences, shots).
        rooms: Largest total weight of the shots of each sentence, at least 1, (sentences,).

    Returns:
        The sentence that each shot shows, -1 for none, (shots,).

    Raises:
        ValueError: There are not enough shots that fit.

    Example:
        >>> values = np.array([[1.0, 9.0, 3.0], [8.0, 2.0, 3.0]])
        >>> choose_in_order(values, np.ones((2, 3), int), np.array([2, 1])).tolist()
        [0, 0, 1]
    """
    n_sentences, n_shots = values.shape
    best = [np.full(int(room) + 1, -np.inf) for room in rooms]
    best[0][0] = 0.0
    taken = [dict[int, NDArray[np.uint8]]() for _ in range(n_shots)]  # by sentence, bit c - weight
    begun = np.full((n_shots, n_sentences), -1)  # what the sentence before weighs where one begins after a shot
    for shot in range(n_shots):
        for sentence in reversed(range(min(n_sentences, shot + 1))):
            row, weight = best[sentence], min(int(weights[sentence, shot]), len(best[sentence]))
            candidate = row[: len(row) - weight] + values[sentence, shot]
            better = candidate > row[weight:]
            row[weight:] = np.where(better, candidate, row[weight:])
            taken[shot][sentence] = np.packbits(better)
            at = 1 + int(row[1:].argmax())
            if sentence + 1 < n_sentences and row[at] > best[sentence + 1][0]:
                best[sentence + 1][0], begun[shot, sentence + 1] = row[at], at
    sentence, at = n_sentences - 1, 1 + int(best[-1][1:].argmax())
    if not np.isfinite(best[-1][at]):
        raise ValueError(f"{n_sentences} sentences, but not so many of the {n_shots} shots fit")
    chosen = np.full(n_shots, -1)
    for shot in reversed(range(n_shots)):
        if at == 0 and begun[shot, sentence] >= 0:
            at, sentence = int(begun[shot, sentence]), sentence - 1
        bit = at - int(weights[sentence, shot])
        if bit >= 0 and sentence in taken[shot] and (int(taken[shot][sentence][bit >> 3]) >> (7 - (bit & 7))) & 1:
            chosen[shot], at = sentence, bit
    return chosen


def choose_freely(values: Floats, weights: NDArray[np.integer], rooms: NDArray[np.integer]) -> Whole:
    """Give shots to sentences from anywhere in the video, none to two, at least one to each.

    First one shot to each sentence, of the largest total value (exact: an assignment); then greedily, by value per
    weight, whatever still fits and is worth more than 0. Arguments, result and errors are those of `choose_in_order`.
    """
    fits = weights <= rooms[:, None]  # (sentences, shots)
    if values.shape[0] <= values.shape[1]:
        least = float(values.min()) - 2 * len(values) * (float(np.ptp(values)) + 1)  # less than any choice that fits
        sentences, shots = linear_sum_assignment(np.where(fits, values, least), maximize=True)
    if values.shape[0] > values.shape[1] or not fits[sentences, shots].all():
        raise ValueError(f"{values.shape[0]} sentences, but not so many of the {values.shape[1]} shots fit")
    chosen = np.full(values.shape[1], -1)
    chosen[shots] = sentences
    left = rooms - weights[sentences, shots]  # (sentences,)
    for pair in np.argsort(-values / weights, axis=None, kind="stable"):
        sentence, shot = divmod(int(pair), values.shape[1])
        if chosen[shot] < 0 and values[sentence, shot] > 0 and weights[sentence, shot] <= left[sentence]:
            chosen[shot] = sentence
            left[sentence] -= weights[sentence, shot]
    return chosen


def choose_for_script(
    scores: Floats,
    picks: NDArray[np.integer],
    change_points: Whole,
    frame_times: NDArray[np.float64],
    duration: float,
    rooms: NDArray[np.integer],
    order: Order = "time",
    omitted: NDArray[np.bool_] | None = None,
) -> Cut:
    """Choose the shots that show each sentence of a script, none for two.

    A frame is worth the square of its score above 0.5, and as much less than nothing below, a shot the sum of these:
    a short one that shows a sentence well is worth more than a long one that half does, and one that shows it no
    better than the video on average only takes part where the sentence would have none. Of a shot that is
    longer than the room of a sentence its best part counts. A shot weighs its seconds in mean frame durations,
    rounded up, and at least its frames.

    Args:
        scores: Of the steps for each sentence, 0 to 1, (sentences, steps).
        picks: Frame number of each step, (steps,).
        change_points: First and last frame of each shot, inclusive, (shots, 2).
        frame_times: When each frame is shown, in seconds, (frames,).
        duration: When the last frame ends, in seconds.
        rooms: Frames that each sentence may take, (sentences,).
        order: Whether the shots of the sentences follow each other in the video, too.
        omitted: Shots that take no part, (shots,).

    Raises:
        UserError: There are fewer shots than sentences.
    """
    begins, ends = frame_times, np.append(frame_times[1:], duration)  # (frames,)
    frame = float(ends[-1] - begins[0]) / len(begins)
    shots = change_points if omitted is None else change_points[~omitted]
    if len(shots) < len(scores):
        reason = f"the script has {len(scores)} sentences, but the video fewer shots that do not repeat, {len(shots)}"
        raise UserError(f"{reason}; divide them (--max-shot SECONDS) or shorten the script")
    spans = np.repeat(shots[None], len(scores), axis=0)  # (sentences, shots, 2)
    values = np.zeros(spans.shape[:2])  # (sentences, shots)
    for sentence, room in enumerate(rooms):
        above = frame_scores(scores[sentence], picks, len(begins)) - 0.5
        sums = np.append(0.0, (above * np.abs(above)).cumsum())  # (frames + 1,)
        fits = frames_that_fit(begins, ends, int(room), frame, int(room))
        for number in np.flatnonzero(fits[shots[:, 0]] < shots[:, 1]):
            first, last = shots[number]
            stops = np.minimum(fits[first : last + 1], last)
            best = int((sums[stops + 1] - sums[first : last + 1]).argmax())
            spans[sentence, number] = first + best, max(int(stops[best]), first + best)
        values[sentence] = sums[spans[sentence, :, 1] + 1] - sums[spans[sentence, :, 0]]
    weights = np.ceil((ends[spans[..., 1]] - begins[spans[..., 0]]) / frame - 1e-6)  # (sentences, shots)
    weights = np.maximum(weights, spans[..., 1] - spans[..., 0] + 1).astype(np.int64)
    pick = choose_in_order if order == "time" else choose_freely
    try:
        return _cut(change_points, shots, spans, pick(values, weights, np.asarray(rooms)))
    except ValueError as error:  # frames of a variable rate, each longer than the room
        raise UserError("a sentence has room for less than a frame; raise --budget") from error


def _cut(change_points: Whole, shots: Whole, spans: Whole, chosen: Whole) -> Cut:
    """All shots, divided where a part of one is chosen, with the sentence that each shows."""
    shown = {
        int(spans[of, number, 0]): (int(of), int(spans[of, number, 1])) for number, of in enumerate(chosen) if of >= 0
    }
    n_frames = int(change_points[-1, 1]) + 1
    firsts = {*change_points[:, 0].tolist(), *shown, *(last + 1 for _, last in shown.values())} - {n_frames}
    starts = np.array(sorted(firsts), dtype=np.int64)
    sentences = np.array([shown[first][0] if first in shown else -1 for first in starts.tolist()])
    within = int((shot_lengths(shots[chosen >= 0])).sum()) > sum(last - first + 1 for first, (_, last) in shown.items())
    return Cut(np.stack([starts, np.append(starts[1:], n_frames) - 1], axis=1), sentences >= 0, within, sentences)
