import json
from dataclasses import replace

import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import Ratings, Summaries
from clipit_lightning.pipelines.labels import annotation_of, read_labels

HEADER = "video,annotator,start,end,score\n"
TIMES = np.arange(100) / 10  # ten seconds at 10 fps


def labels(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_labels(path)


def meant(tmp_path, text, times=TIMES, duration=10.0):
    """What the lines of the only video mean."""
    found = labels(tmp_path, HEADER + text)
    ((video, segments),) = found.videos.items()
    return annotation_of(segments, video, times, duration)


def test_parts_of_score_one_are_summaries(tmp_path):
    found = meant(tmp_path, "a,zoe,1,2.5,1\na,ann,0,0.3,1\na,zoe,9,3600,1\na,eve,0,10,0\n")
    assert isinstance(found, Summaries)
    assert found.name == "a"
    by_hand = np.zeros((3, 100), np.uint8)  # annotators in alphabetical order; eve keeps nothing
    by_hand[0, :3] = 1
    by_hand[2, 10:25] = by_hand[2, 90:] = 1
    np.testing.assert_array_equal(found.user_summary, by_hand)


def test_the_score_may_be_left_out_as_a_column_and_in_a_line(tmp_path):
    whole = meant(tmp_path, "a,ann,1,2,1\n")
    empty = meant(tmp_path, "a,ann,1,2,\n")
    ((_, segments),) = labels(tmp_path, "annotator,end,start,video\nann,2,1,a\n").videos.items()
    for found in (empty, annotation_of(segments, "a", TIMES, 10.0)):
        np.testing.assert_array_equal(found.user_summary, whole.user_summary)


def test_scores_between_are_ratings_on_the_scale_of_tvsum_and_the_highest_holds(tmp_path):
    found = meant(tmp_path, "a,ann,0,5,0.25\na,ann,4,6,0.5\na,ann,4.5,5,0.1\na,ben,0,10,1\n")
    assert isinstance(found, Ratings)
    by_hand = np.ones((2, 100))
    by_hand[0, :40], by_hand[0, 40:60], by_hand[1] = 2, 3, 5
    np.testing.assert_allclose(found.ratings, by_hand)


def test_frames_are_those_shown_within_the_part_also_at_a_variable_rate(tmp_path):
    times = np.array([0.0, 1.0, 1.02, 1.04, 5.0, 9.0])
    found = meant(tmp_path, "a,ann,1,1.04,1\na,ben,1.001,5,1\na,eve,1.0004,1.01,1\n", times)
    # A millisecond after a frame is after it; less than half a one counts as at, as containers round.
    assert found.user_summary.tolist() == [[0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0]]


def test_json_means_the_same_as_csv(tmp_path):
    rows = [("a", "ann", 1, 2.5, 0.5), ("b", "ann", 0, 1, 1), ("a", "ben", 0, 3, 1)]
    text = HEADER + "".join(",".join(map(str, row)) + "\n" for row in rows)
    names = HEADER.strip().split(",")
    entries = [dict(zip(names, row, strict=True)) for row in rows]
    csv = labels(tmp_path, text)
    for content in (entries, {"labels": entries}):
        found = labels(tmp_path, json.dumps(content), "labels.json")
        assert list(found.videos) == list(csv.videos) == ["a", "b"]
        for video, segments in found.videos.items():
            assert [replace(segment, where="") for segment in segments] == [
                replace(segment, where="") for segment in csv.videos[video]
            ]


def test_spreadsheets_are_read(tmp_path):
    """A byte order mark, line ends of Windows, spaces, quotes, upper case, a column of one's own."""
    path = tmp_path / "labels.csv"
    text = 'Video, Annotator ,START,end,note\r\n"my, film","Zoë", 1 , 2 ,"nice"\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    ((video, (segment,)),) = read_labels(path).videos.items()
    assert (video, segment.annotator, segment.start, segment.end, segment.score) == ("my, film", "Zoë", 1.0, 2.0, 1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no column video"]),
        (HEADER, ["holds no label"]),
        ("video,annotator,start\n", ["line 1", "no column end"]),
        (HEADER + "a,ann,0,1,1\na,ann,2,1,1\n", ["line 3", "from 2 to 1"]),
        (HEADER + "a,ann,-1,1,1\n", ["line 2", "from -1"]),
        (HEADER + "a,ann,0,1,3\n", ["line 2", "score 3"]),
        (HEADER + "a,ann,0,1,nan\n", ["line 2", "score is 'nan'"]),
        (HEADER + "a,ann,0:30,1:00,1\n", ["line 2", "start is '0:30'"]),
        (HEADER + "a,ann,0,1,1,9\n", ["line 2", "5 values"]),
        (HEADER + ",ann,0,1,1\n", ["line 2", "no video"]),
        (HEADER + 'a,"ann,0,1,1\n', ["line 2", "not CSV"]),
        ('[{"video": "a", "annotator": "b", "start": 0, "end": 1}, 7]', ["label 2", "no object"]),
        ('[{"video": "a", "annotator": "b", "start": 0, "end": true}]', ["label 1", "end is True"]),
        ('[{"video": "a", "annotator": null, "start": 0, "end": 1}]', ["label 1", "no annotator"]),
    ],
)
def test_a_damaged_file_is_one_line_with_its_place(tmp_path, text, words):
    name = "labels.json" if text[:1] in ("[", "{") else "labels.csv"
    with pytest.raises(UserError) as error:
        labels(tmp_path, text, name)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in [name, *words]), error.value


@pytest.mark.parametrize(
    ("line", "what"), [("a,ann,10,11,1", "ends at 10.00 s"), ("a,ann,1.01,1.05,1", "no frame of a is shown")]
)
def test_a_part_without_a_frame_is_named_with_its_line(tmp_path, line, what):
    with pytest.raises(UserError, match=rf"labels.csv: line 3: .*{what}"):
        meant(tmp_path, f"a,ann,0,1,1\n{line}\n")
