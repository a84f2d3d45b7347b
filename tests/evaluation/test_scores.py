import json

import h5py
import numpy as np
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.folds import make_folds
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.baselines import best_f1
from clipit_lightning.evaluation.evaluate import evaluate_scores, format_evaluation
from clipit_lightning.evaluation.rank_correlation import rank_correlation
from clipit_lightning.evaluation.rules import Rules
from clipit_lightning.evaluation.scores import match_scores, read_scores


@pytest.fixture
def videos(stores):
    return Store(stores / "tvsum.h5").read()


@pytest.fixture
def scores(videos):
    rng = np.random.default_rng(0)
    return {video.key: rng.random(video.n_steps).round(3) for video in videos}


def save_json(path, scores):
    path.write_text(json.dumps({name: np.asarray(row).tolist() for name, row in scores.items()}))
    return path


def test_json_npz_and_hdf5_give_the_same_scores(scores, tmp_path):
    save_json(tmp_path / "s.json", scores)
    np.savez(tmp_path / "s.npz", **scores)
    with h5py.File(tmp_path / "s.h5", "w") as file:
        for name, row in scores.items():
            file[name] = row
    for form, array in (("g", "scores"), ("dsn", "score")):  # the latter as DR-DSN's code writes it
        with h5py.File(tmp_path / f"{form}.h5", "w") as file:
            for name, row in scores.items():
                file[f"{name}/{array}"] = row
    for name in ("s.json", "s.npz", "s.h5", "g.h5", "dsn.h5"):
        read = read_scores(tmp_path / name)
        assert set(read) == set(scores)
        np.testing.assert_array_equal(read["video_1"], scores["video_1"])


def test_videos_are_known_by_key_id_and_name(videos, scores):
    called = {video.key: name for video, name in zip(videos, ("video_1", "tvsum/video_2", "id-video_3"), strict=False)}
    mixed = {called.get(key, key): row for key, row in scores.items()}
    matched = match_scores(mixed, videos, [video.id for video in videos])
    assert [video.key for video, *_ in matched] == list(scores)


def test_numbers_are_means_over_videos_then_folds(videos, scores, stores, tmp_path):
    path = save_json(tmp_path / "mine.json", scores)
    evaluation = evaluate_scores(path, "tvsum", stores, folds="kfold", draws=2)
    taus = {video.id: rank_correlation(scores[video.key], video.user_scores).kendall_tau for video in videos}
    folds = make_folds(list(taus), [], "canonical")
    expected = np.mean([np.mean([taus[video] for video in fold.test]) for fold in folds])
    assert evaluation["rows"][0]["kendall_tau"] == pytest.approx(expected, abs=1e-12)
    assert evaluation["rows"][0]["name"] == "mine"
    names = {"random", "uniform", "human-pairwise", "human-leave-one-out", "mean-annotator", "best-possible"}
    assert {row["name"] for row in evaluation["rows"][1:]} == names
    low, high = evaluation["rows"][0]["kendall_tau_interval"]
    assert low < expected < high


def test_floors_and_ceilings_weigh_a_video_as_often_as_folds_test_it(videos, scores, stores, tmp_path):
    tests = [["video_1", "video_2"], ["video_2", "video_3"]]
    folds = tmp_path / "folds.json"
    folds.write_text(json.dumps([{"train": ["video_9"], "test": test} for test in tests]))
    evaluation = evaluate_scores(save_json(tmp_path / "s.json", scores), "tvsum", stores, folds=str(folds), draws=2)
    best = {video.key: best_f1(video, Rules("mean", "per-annotator"))["f1"] for video in videos}
    row = evaluation["rows"][-1]
    assert row["name"] == "best-possible"
    assert row["f1"] == pytest.approx(np.mean([best[key] for test in tests for key in test]))
    assert "kendall_tau" not in row


def test_frame_scores_that_repeat_step_scores_give_the_same_numbers(videos, scores, stores, tmp_path):
    frames = {}
    for video in videos:
        holder = np.searchsorted(video.picks, np.arange(video.n_frames), side="right") - 1
        frames[video.key] = scores[video.key][holder]
    for protocol in ("default", "msva"):
        one, other = (
            evaluate_scores(save_json(tmp_path / "s.json", given), "tvsum", stores, protocol, "all", 2)["rows"][0]
            for given in (scores, frames)
        )
        assert one == other


def test_scores_of_shots_hold_for_their_frames_and_the_others_get_the_lowest(videos, scores, stores, tmp_path):
    video = videos[0]
    shots = np.arange(len(video.change_points)) % 3 + 5.0
    given = {str(number): score for number, score in enumerate(shots) if number != 1}
    (matched,) = match_scores(read_scores({video.key: given}), videos, {video.id})
    shots[1] = 5.0
    for (first, last), score in zip(video.change_points, shots, strict=True):
        assert set(matched.scores[first : last + 1]) == {score}
    path = save_json(tmp_path / "steps.json", scores)
    path.write_text(json.dumps(json.loads(path.read_text()) | {video.key: given}))
    evaluation = evaluate_scores(path, "tvsum", stores, draws=2)
    assert evaluation["shots_without_score"] == 1
    assert "those without one get the lowest of their video (1 shots)" in format_evaluation(evaluation)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda scores: scores | {"video_3": scores["video_3"][:-1]},
            r"video_3: \d+ scores, expected \d+ \(steps\) or",
        ),
        (lambda scores: scores | {"video_99": [1.0]}, "video_99: no such video; names are such as video_1"),
        (lambda scores: scores | {"video_2": [float("nan")] * 5}, r"video_2: score 0 is NaN or infinite"),
        (lambda scores: scores | {"video_2": [[1.0, 2.0], [3.0, 4.0]]}, r"video_2: scores have shape \(2, 2\)"),
        (lambda scores: scores | {"video_2": ["a"]}, "video_2: scores must be a list of numbers"),
        (lambda scores: scores | {"tvsum/video_2": scores["video_2"]}, "tvsum/video_2 is given twice"),
        (lambda scores: {"video_2": scores["video_2"]}, "scores are missing for 9 videos: tvsum/video_1, "),
        (lambda scores: {}, "holds no video"),
        (lambda scores: scores | {"video_2": {"0": 1.0, "99": 2.0}}, "video_2: there is no shot 99; the video has "),
        (lambda scores: scores | {"video_2": {"a": 1.0}}, "video_2: 'a' is no number of a shot, counted from 0"),
        (lambda scores: scores | {"video_2": {"1": 1.0, "01": 2.0}}, "video_2: a shot stands twice"),
        (lambda scores: scores | {"video_2": {"1": "high"}}, "video_2: scores must be a list of numbers"),
        (lambda scores: scores | {"video_2": {}}, "video_2: no shot has a score"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_video(spoil, message, scores, stores, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(spoil({name: row.tolist() for name, row in scores.items()})))
    with pytest.raises(UserError, match=message) as caught:
        evaluate_scores(path, "tvsum", stores, draws=2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x.json", "x.npz", "x.h5", "x.csv"])
def test_damaged_missing_and_foreign_files_are_one_line(name, tmp_path):
    with pytest.raises(UserError):
        read_scores(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x80\x04not a file of scores")
    with pytest.raises(UserError):
        read_scores(tmp_path / name)


def test_pickles_in_npz_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", video_1=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="cannot be read"):
        read_scores(tmp_path / "x.npz")


def test_the_command_prints_tables_and_json(scores, stores, tmp_path, capsys):
    path = str(save_json(tmp_path / "mine.json", scores))
    words = ["evaluate", path, "--dataset", "tvsum", "--root", str(stores), "--draws", "2", "--folds", "all"]
    assert main([*words, "--protocol", "default", "msva", "--per-video"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("mean-annotator") == 2
    assert "tvsum/video_7" in printed
    assert "correlation binary-summary" in printed
    assert printed.count("uniform takes long shots") == 2
    assert main([*words, "--json"]) == 0
    (evaluation,) = json.loads(capsys.readouterr().out)
    assert evaluation["videos"] == 10
    assert main([*words, "--protocol", "nonsense"]) == 2
    assert "--protocol: nonsense is unknown" in capsys.readouterr().err


def test_baselines_stand_under_every_rule_and_can_be_kept(stores, tmp_path, capsys):
    assert (
        main(["baselines", "--dataset", "summe", "--root", str(stores), "--draws", "2", "--keep", str(tmp_path)]) == 0
    )
    printed = capsys.readouterr().out
    rules = ("per-annotator", "mean-annotator", "all-frames", "mean-annotator-all-frames", "binary-summary")
    assert all(f"correlation {rule}\n" in printed for rule in rules)
    assert "uniform takes long shots" not in printed
    assert main(["baselines", "--dataset", "summe", "--root", str(stores), "--draws", "2", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(rules)
    (kept,) = tmp_path.glob("summe-*.json")
    assert set(json.loads(kept.read_text())["rules"]) == set(rules)
