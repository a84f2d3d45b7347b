import pytest

from clipit_lightning.core.errors import ArgumentError, UserError
from clipit_lightning.summary.budget import Budget
from clipit_lightning.summary.script import parse_script


def sentences(text):
    return [(sentence.text, sentence.seconds) for sentence in parse_script(text).sentences]


def test_a_line_is_its_sentences_or_one_with_its_length():
    text = "\n A dog   runs. It sleeps!  \r\n\n[2.5 s] Rain. And sun.\r[ 3s ]A car, e.g. a red one\nNo stop here\nlast"
    expected = [("A dog runs.", None), ("It sleeps!", None), ("Rain. And sun.", 2.5), ("A car, e.g. a red one", 3.0)]
    assert sentences(text) == [*expected, ("No stop here", None), ("last", None)]
    assert sentences('He says "Go." She goes. a.m. and p.m. stay. 狗跑。猫睡。') == [
        (part, None) for part in ('He says "Go."', "She goes. a.m. and p.m. stay.", "狗跑。", "猫睡。")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" \n\t\n", "story.txt: it holds no sentence"),
        ("A dog.\n[5] A cat.", "story.txt: line 2: .* begins with no length; write it as .5 s."),
        ("[-1 s] A cat.", "line 1: .* begins with no length"),
        ("[5 s]", "line 1: write a length above 0 and a sentence"),
        ("[0 s] A cat.", "line 1: write a length above 0"),
        ("A dog.\n" + 300 * "word ", "line 2: a sentence of more than 1000 letters"),
    ],
)
def test_what_is_no_script_is_one_line(text, message):
    with pytest.raises(UserError, match=message) as error:
        parse_script(text, "story.txt")
    assert "\n" not in str(error.value)


def test_an_order_that_there_is_not_is_an_error():
    with pytest.raises(ArgumentError, match="order: 'backwards' is none; choose time or free"):
        parse_script("A dog.", order="backwards")


def test_written_lengths_are_taken_out_of_the_budget_and_the_rest_is_shared():
    script = parse_script("A.\n[2 s] B.\nC.")
    assert script.rooms(100, 0.1) == [40, 20, 40]
    with pytest.raises(UserError, match="lengths add up to 2 s, more than the 1 s of the summary; raise --budget"):
        script.rooms(10, 0.1)
    with pytest.raises(UserError, match="room for less than a frame; raise --budget"):
        script.rooms(21, 0.1)


def test_without_a_budget_written_lengths_count_beside_shares_of_the_default():
    share = Budget(share=0.15)
    assert parse_script("A. B. C.").budget_of(share, 100.0) == share
    assert parse_script("[4 s] A.\n[6.5 s] B.").budget_of(share, 100.0) == Budget(seconds=10.5)
    assert parse_script("[4 s] A.\nB. C.").budget_of(share, 100.0).seconds == pytest.approx(4 + 10)
    assert parse_script("[4 s] A.\nB.").budget_of(Budget(seconds=2.0), 9.0) == Budget(seconds=5.0)
