"""`clipit judge` against a server on this machine: slow, busy, broken, and one that repeats the key."""

import json
import signal
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.shot_scores import with_shot_scores
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.pipelines.chat import AGAIN, SYSTEM, prompt_hash, read_score
from clipit_lightning.pipelines.judge import MOST_SHOTS, judge, prompt
from tests.support.chat import Reply, asked_for, chat_server, shot_number
from tests.support.commands import clipit, start
from tests.support.tiny_models import blip_model
from tests.support.videos import write_video

pytestmark = pytest.mark.slow
SECRET = "sk-Secret+0/123=456"
JUDGE = f"tiny@{prompt_hash()}"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/never")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(stores, tmp_path):
    """Two videos with captions, the first shot of one without; and one without any."""
    one, two, three = Store(stores / "summe.h5").read(["video_1", "video_2", "video_3"])
    told = [
        replace(video, shot_captions=tuple(f"{video.key} shows {n + 1}" for n in range(len(video.change_points))))
        for video in (one, two)
    ]
    told[1] = replace(told[1], shot_captions=("", *told[1].shot_captions[1:]))
    path = tmp_path / "mine.h5"
    write_store(path, [*told, three], {"dataset": "mine", "features": "random", "data": "real"})
    return Store(path)


def number(body, before=0):
    return Reply(str(shot_number(body)))


def shots_of(store):
    return sum(bool(text) for video in store.read() for text in video.shot_captions)


def ask(store, server, **options):
    return judge(store.path, "tiny", server.url, **{"pause": 0.01, **options})


def line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_captioned_shot_is_asked_for_once_and_scored_in_the_store(store):
    before = store.read()
    with chat_server(number) as server:
        made = ask(store, server)
        again = ask(store, server)
        assert len(server.requests) == shots_of(store) == made.scored == made.asked
    assert (made.judge, made.paths, made.without) == (JUDGE, (store.path,), {})
    assert (made.prompt_tokens, made.completion_tokens) == (100 * made.asked, 2 * made.asked)
    assert (again.scored, again.asked, again.prompt_tokens) == (made.scored, 0, 0)
    assert store.check() == []
    one, two, three = store.read()
    assert one.judges == two.judges == (JUDGE,)
    np.testing.assert_array_equal(one.shot_scores[0], 1 + np.arange(len(one.change_points)))
    assert two.shot_scores[0, :3].tolist() == [-1, 2, 3]
    assert (three.judges, three.shot_scores) == ((), None)
    for old, new in zip(before, (one, two, three), strict=True):
        np.testing.assert_array_equal(old.features, new.features)
        assert old.shot_captions == new.shot_captions
    assert store.attributes == {"dataset": "mine", "features": "random", "data": "real"}


def test_requests_are_deterministic_and_hold_the_video_and_the_shot(store):
    with chat_server(number) as server:
        ask(store, server)
    for body in server.requests:
        assert (body["model"], body["temperature"], body["seed"]) == ("tiny", 0, 0)
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert body["messages"][0]["content"] == SYSTEM
    captions = store.read(["video_1"])[0].shot_captions
    assert {body["messages"][1]["content"] for body in server.requests} >= {prompt(captions, 0), prompt(captions, 4)}
    assert server.keys == {f"Bearer {SECRET}"}


def test_a_request_tells_of_a_long_video_in_part():
    captions = ["", *(f"a  dog\n{shot}" for shot in range(1, 200))]
    *lines, empty, question = prompt(captions, 7).splitlines()
    assert lines[0] == "Some shots of the video:"
    assert (lines[1], lines[-1], len(lines)) == ("2. a dog 1", "200. a dog 199", MOST_SHOTS + 1)
    assert (empty, question) == ("", "Which number has shot 8: a dog 7")
    assert prompt(["a", "b"], 1) == "The video has 2 shots:\n1. a\n2. b\n\nWhich number has shot 2: b"


def test_several_are_asked_for_at_once_and_slow_answers_asked_for_again(store):
    def slow(body, before):
        return replace(number(body), delay=1.5 if shot_number(body) == 2 and not before else 0.1)

    with chat_server(slow) as server:
        made = ask(store, server, workers=3, timeout=0.7)
    assert 1 < server.peak <= 5  # two that were given up may be there still
    assert made.scored == shots_of(store)
    assert len(server.requests) == made.scored + 2  # the second shot of each video


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again_and_when_it_says(status, store):
    def busy(body, before):
        wait = Reply(status=status, body=b"busy", headers={"Retry-After": "0.3"})
        return number(body) if before or shot_number(body) != 3 else wait

    with chat_server(busy) as server:
        begun = time.monotonic()
        made = ask(store, server, workers=1)
    assert time.monotonic() - begun >= 0.6
    assert made.scored == shots_of(store) == len(server.requests) - 2


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(status=500, body=b"<html>broken"), "status 500"),
        (Reply(body=b"garbage"), "not those of OpenAI's chat interface"),
        (Reply(body=b"<html>", headers={"Content-Type": "text/html"}), "not those of OpenAI's chat interface"),
        (Reply(body=b'{"choices": []}'), "not those of OpenAI's chat interface"),
        (Reply(body=b"[1, 2]"), "not those of OpenAI's chat interface"),
    ],
)
def test_a_broken_server_is_one_line_and_what_was_answered_is_kept(reply, problem, store):
    content = store.path.read_bytes()
    with chat_server(lambda body, before: reply if shot_number(body) == 5 else number(body)) as server:
        with pytest.raises(UserError, match=problem) as caught:
            ask(store, server, workers=1, retries=2)
        assert "(asked 3 times); what was answered is kept" in line(caught)
        assert len(server.requests) == 7
    assert store.path.read_bytes() == content
    with chat_server(number) as server:
        made = ask(store, server)
        assert (made.asked, made.scored) == (shots_of(store) - 4, shots_of(store))


def test_what_is_no_number_is_asked_once_more_then_listed_and_later_asked_again(store, capsys):
    def unsure(body, before):
        shot = shot_number(body)
        if shot == 2 and not before:
            return Reply("Well, it depends.")
        return Reply("no\a idea" if before else None) if shot == 4 else number(body)

    words = ["judge", str(store.path), "--model", "tiny"]
    with chat_server(unsure) as server:
        assert main([*words, "--base-url", server.url]) == 1
        seconds = [body for body in server.requests if len(body["messages"]) == 4]
        assert len(server.requests) == shots_of(store) + 4
        assert {(body["messages"][2]["content"], body["messages"][3]["content"]) for body in seconds} == {
            ("Well, it depends.", AGAIN),
            ("", AGAIN),
        }
    printed = capsys.readouterr()
    lines = ["2 shots have no score: both answers are no number from 0 to 100"]
    lines += [f"  {key} shot 3: 'no\\x07 idea'" for key in ("video_1", "video_2")]
    assert printed.err.splitlines() == lines
    tokens = f"({100 * len(server.requests)} tokens sent, {2 * len(server.requests)} received)"
    assert f"{shots_of(store)} shots asked for now {tokens}" in printed.out
    assert [video.shot_scores[0, 3] for video in store.read(["video_1", "video_2"])] == [-1, -1]
    with chat_server(number) as server:
        assert main([*words, "--base-url", server.url]) == 0
        assert [shot_number(body) for body in server.requests] == [4, 4]
    assert [video.shot_scores[0, 3] for video in store.read(["video_1", "video_2"])] == [4, 4]


def test_a_killed_run_continues_where_it_stopped(store, tmp_path):
    whole = tmp_path / "whole.h5"
    whole.write_bytes(store.path.read_bytes())
    content, words = store.path.read_bytes(), ["--model", "tiny", "--workers", "2"]
    with chat_server(lambda body, before: replace(number(body), delay=0.2)) as server:
        running = start("judge", store.path, *words, "--base-url", server.url)
        while len(server.requests) < 8:
            assert running.poll() is None, running.communicate()
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert store.path.read_bytes() == content
        before = len(server.requests)
        done = clipit("judge", store.path, *words, "--base-url", server.url)
        assert done.returncode == 0, done.stderr
        assert before + len(server.requests[before:]) <= shots_of(store) + 2
        assert len(server.requests[before:]) < shots_of(store)
        assert clipit("judge", whole, *words, "--base-url", server.url).returncode == 0
    assert whole.read_bytes() == store.path.read_bytes()


def test_an_interrupted_run_ends_at_once_with_a_line(store):
    with chat_server(lambda body, before: Reply(delay=60)) as server:
        running = start("judge", store.path, "--model", "tiny", "--base-url", server.url)
        while not server.requests:
            assert running.poll() is None, running.communicate()
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        _, error = running.communicate(timeout=30)
    assert (running.returncode, error) == (130, "clipit: interrupted; the same command continues where it stopped\n")


def test_a_damaged_answer_on_disk_is_asked_for_again(store):
    with chat_server(number) as server:
        ask(store, server)
        for entry, damage in zip(sorted(store.path.parent.rglob("*.judge/*/*.json")), ("", "[]", "{}"), strict=False):
            entry.write_text(damage)
        assert ask(store, server).asked == 3


def test_another_model_is_another_judge_and_has_answers_of_its_own(store):
    with chat_server(number) as server:
        ask(store, server)
        made = judge(store.path, "big/model", server.url)
    assert made.asked == shots_of(store)
    assert store.read(["video_1"])[0].judges == (JUDGE, f"big/model@{prompt_hash()}")


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_one_line_at_once(status, store, capsys):
    refusal = Reply(status=status, body=json.dumps({"error": {"message": f"no {SECRET} here"}}).encode())
    with chat_server(lambda body, before: refusal) as server:
        words = ["--model", "tiny", "--base-url", server.url, "--workers", "1"]
        assert main(["judge", str(store.path), *words]) == 2
        assert len(server.requests) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"clipit: {server.url}/: status {status}: ")
    assert "no *** here" in error
    assert error.endswith("; check --base-url, --model and OPENAI_API_KEY\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/: cannot be reached ("),
        ("http://no-such-host.invalid/v1", "http://no-such-host.invalid/v1/: cannot be reached ("),
        ("localhost:8000", "--base-url: give an address such as http://localhost:8000/v1"),
        ("http://[", "--base-url: give an address such as http://localhost:8000/v1"),
        ("http://host:99999/v1", "--base-url: give an address such as http://localhost:8000/v1"),
        ("http://me:sk-mine@localhost/v1", "--base-url: give the address alone; a key is read from"),
        (f"http://localhost/v1?key={SECRET}", "--base-url: give the address alone; a key is read from"),
    ],
)
def test_a_wrong_address_is_one_line_at_once(url, message, store, capsys):
    begun = time.monotonic()
    assert main(["judge", str(store.path), "--model", "tiny", "--base-url", url]) == 2
    assert time.monotonic() - begun < 20
    error = capsys.readouterr().err
    assert error.startswith(f"clipit: {message}")
    assert error.count("\n") == 1
    assert SECRET not in error
    assert "sk-mine" not in error


def test_a_path_that_is_not_there_is_a_refusal(store):
    with chat_server(number) as server, pytest.raises(UserError, match="status 404") as caught:
        judge(store.path, "tiny", server.url.removesuffix("/v1"))
    assert "check --base-url" in line(caught)


def test_the_key_is_written_nowhere(store, tmp_path, capsys, caplog):
    """Also where a server repeats it: in an answer, in a refusal, and in what is no number."""

    def repeats(body, before):
        shot = shot_number(body)
        return Reply(f"{SECRET}" if shot == 3 else f"{shot} {SECRET.replace('0', 'x')} {SECRET}" if shot == 4 else "7")

    words = ["judge", str(store.path), "--model", "tiny"]
    with chat_server(repeats) as server:
        assert main([*words, "--base-url", server.url]) in (0, 1)
    refusal = Reply(status=401, body=json.dumps({"error": {"message": f"wrong key {SECRET}"}}).encode())
    with chat_server(lambda body, before: refusal) as server:
        assert main([*words, "--base-url", server.url]) == 2
        assert server.keys == {f"Bearer {SECRET}"}
    printed = capsys.readouterr()
    assert "***" in printed.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > shots_of(store) / 2
    texts = [printed.out, printed.err, caplog.text, *(path.read_bytes().decode("latin-1") for path in files)]
    assert not any(SECRET in text for text in texts)


@pytest.mark.parametrize("wrong", ["sk-a b", "sk-\nb", "sk-é", "sk-'a", "sk-\\a"])
def test_a_key_that_cannot_be_one_is_not_shown(wrong, store, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    with pytest.raises(UserError, match="OPENAI_API_KEY: holds letters that no key has") as caught:
        judge(store.path, "tiny", "http://localhost:9/v1")
    assert wrong not in line(caught)


def test_without_a_key_and_without_the_package(store, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with chat_server(number) as server:
        assert ask(store, server).scored == shots_of(store)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match=r"pip install 'clipit_lightning\[judge\]'"):
        judge(store.path, "tiny", "http://localhost:9/v1")


@pytest.mark.parametrize(
    ("source", "options", "problem"),
    [
        ("mine.h5", {"to": "a"}, "to: is for a raw video"),
        ("mine.h5", {"captioner": "a"}, "captioner: is for a raw video"),
        ("video.mp4", {}, "captioner: name a caption model"),
        ("none.h5", {}, "no such store"),
        ("bare.h5", {}, "has no captions of shots; import it again with bare_shot_captions.json"),
        ("qfvs.h5", {}, "its videos have queries"),
    ],
)
def test_a_source_that_cannot_be_judged_is_one_line(source, options, problem, store, stores, tmp_path):
    write_store(tmp_path / "bare.h5", store.read(["video_3"]), store.attributes)
    (tmp_path / "qfvs.h5").write_bytes((stores / "qfvs.h5").read_bytes())
    with pytest.raises(UserError, match=problem) as caught:
        judge(tmp_path / source, "tiny", "http://localhost:9/v1", **options)
    line(caught)


def test_a_raw_video_gives_files_that_an_import_reads(stores, tmp_path):
    write_video(tmp_path / "holiday.mp4", n_frames=400)
    blip_model(tmp_path / "blip")
    with chat_server(number) as server:
        words = ["--captioner", str(tmp_path / "blip"), "--to", str(tmp_path / "to"), "--device", "cpu"]
        words += ["--model", "a/b c", "--base-url", server.url]
        assert main(["judge", str(tmp_path / "holiday.mp4"), *words]) == 0
        asked = len(server.requests)
        assert main(["judge", str(tmp_path / "holiday.mp4"), *words]) == 0
        assert len(server.requests) == asked
    captions = json.loads((tmp_path / "to/holiday_shot_captions.json").read_text())["holiday"]
    path = tmp_path / f"to/holiday_shot_scores_a-b-c@{prompt_hash()}.json"
    scores = json.loads(path.read_text())["holiday"]
    assert [one["first"] for one in captions] == [0, *(one["last"] + 1 for one in captions[:-1])]
    assert captions[-1]["last"] == 399
    assert scores == {str(shot): shot + 1 for shot, one in enumerate(captions) if one["caption"]}
    assert asked == len(scores) > 1
    assert asked_for(server.requests[0]).split(": ", 1)[1] in [one["caption"] for one in captions]
    shots = np.array([(one["first"], one["last"]) for one in captions])
    video = replace(Store(stores / "summe.h5").read(["video_1"])[0], dataset="holiday", name="holiday")
    joined = with_shot_scores([replace(video, change_points=shots)], [path])[0]
    assert joined.judges == (f"a-b-c@{prompt_hash()}",)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("85", 85),
        (" 85.5\n", 85.5),
        ("Score: 70.", 70),
        ("**85/100**", 85),
        ("85 out of 100", 85),
        ("0", 0),
        ("<think>10 or 20?</think>\n30", 30),
        ("100", 100),
        ("101", None),
        ("-5", None),
        ("1e9", None),
        ("between 60 and 70", None),
        ("high", None),
        ("", None),
    ],
)
def test_a_score_is_the_only_number_of_an_answer(text, score):
    assert read_score(text) == score
