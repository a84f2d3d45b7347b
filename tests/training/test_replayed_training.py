"""MR.HiSum and MoSu end to end on the miniature: a run's metrics, measured again, resumed, its page and its floors."""

import json
import shutil

import pandas as pd
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini_replayed import STREAMS, make_replayed_videos
from clipit_lightning.data.store_file import write_store
from clipit_lightning.pipelines.annotated_report import annotated_pages
from clipit_lightning.training.finished_run import read_finished_run
from clipit_lightning.training.train import run
from tests.support.videos import write_video

pytestmark = pytest.mark.slow
SMALL = ["optim.epochs=2", "model.width=8", "model.heads=2", "trainer.accelerator=cpu"]
METRICS = ["f1", "f1_mean", "f1_max", "kendall_tau", "spearman_rho", "map50", "map15"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    for dataset, streams in STREAMS.items():
        videos = [video for number, video in enumerate(make_replayed_videos(dataset)) if number % 8 == 0]
        attributes = {"dataset": dataset, "features": "mini", "data": "mini"}
        write_store(folder / f"{dataset}.h5", videos, attributes | ({"streams": streams} if streams else {}))
    return folder


@pytest.fixture(scope="module", params=list(STREAMS))
def finished(request, root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / request.param
    config = load_config([request.param], [*SMALL, f"data.root={root}", f"output={folder}"])
    return run(config).content(), folder, request.param


def test_a_run_has_one_fold_of_the_test_part_with_every_metric(finished):
    result, folder, dataset = finished
    rows = pd.read_csv(folder / "per_video.csv")
    assert list(rows.columns) == ["video", "fold", *METRICS]
    assert rows["video"].tolist() == [f"{dataset}/video_57"]
    assert set(result["metrics"]) == set(METRICS)
    assert result["metrics"]["map15"]["mean"] == pytest.approx(rows["map15"].mean(), abs=1e-6)
    assert set(METRICS) < set(result["validation"])
    protocol = result["protocol"]
    assert protocol["identifier"].startswith(f"{dataset}-canonical-official1-val-importance-")
    assert protocol["highlights"] == {"mrhisum": "floor", "mosu": "ceil"}[dataset]


def test_scores_that_were_written_measure_the_same_when_read_again(finished, root, capsys):
    result, folder, dataset = finished
    assert main(["evaluate", str(folder / "scores.json"), "--dataset", dataset, "--root", str(root), "--json"]) == 0
    (evaluation,) = json.loads(capsys.readouterr().out)
    assert evaluation["videos"] == 1
    for name in METRICS:
        assert evaluation["rows"][0][name] == pytest.approx(result["metrics"][name]["mean"], abs=1e-9)
    assert [row["name"] for row in evaluation["rows"][1:]] == ["random", "uniform", "mean-annotator", "best-possible"]
    assert evaluation["rows"][3]["map50"] == 1


def test_the_page_names_highlights(finished, root, tmp_path):
    _, folder, dataset = finished
    assert main(["report", str(folder), "--to", str(tmp_path / "page.html"), "--root", str(root)]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "mAP@50 %" in page
    assert f"mini {dataset} video_57" in page


def test_a_page_plays_a_file_of_more_frames_a_second_than_the_store_has(finished, tmp_path):
    _, folder, dataset = finished
    (video,) = [video for video in make_replayed_videos(dataset) if video.key == "video_57"]
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / f"{video.name}.mp4", n_frames=25 * video.n_frames, audio=None)
    for files in (None, tmp_path / "videos"):
        (page,) = annotated_pages(read_finished_run(folder), tmp_path / "page.html", files)
        assert page.unit == "seconds"
        assert page.duration == pytest.approx(video.n_frames)
        assert [shot.start for shot in page.shots] == video.change_points[:, 0].tolist()
        assert (page.video is not None) == (files is not None)
    times = [frame.time for frame in page.key_frames]
    assert times == sorted(times)
    assert all(any(shot.start <= time < shot.end for shot in page.shots if shot.chosen) for time in times)


def test_floors_are_of_the_test_part_under_the_only_rule(root, capsys):
    assert main(["baselines", "--dataset", "mosu", "--root", str(root), "--draws", "2", "--json"]) == 0
    (rows,) = json.loads(capsys.readouterr().out).values()
    assert {"map50", "map15", "map50_std"} < set(rows[0])


def test_a_run_that_stopped_before_its_test_resumes_to_the_same_result(finished, root, tmp_path):
    whole, folder, dataset = finished
    shutil.copytree(folder, tmp_path / "run")
    for path in ("result.json", "folds/0/result.json"):
        (tmp_path / "run" / path).unlink()
    again = run(load_config([dataset], [*SMALL, f"data.root={root}", f"output={tmp_path / 'run'}"])).content()
    assert again["metrics"] == whole["metrics"]


@pytest.mark.parametrize(
    ("dataset", "words", "problem"),
    [
        ("mrhisum", ["data.family=kfold"], r"data\.family: kfold has no folds of mrhisum; say data\.family=official"),
        ("mrhisum", ["data.family=dsnet"], r"data\.family: dsnet has no folds of mrhisum; say data\.family=official"),
        ("tvsum", ["data.family=official"], r"data\.family=official: is for .*mrhisum, mosu, not for tvsum"),
        ("mosu", ["data.setting=augmented", "data.sources=[mrhisum]"], "stores differ in streams"),
        ("qfvs", ["protocol.highlights=floor"], r"protocol\.highlights: is for benchmarks with annotators"),
    ],
)
def test_what_there_is_not_is_refused_in_one_line(dataset, words, problem, root):
    with pytest.raises(UserError, match=problem) as error:
        run(load_config([dataset], [*words, f"data.root={root}"]))
    assert "\n" not in str(error.value)
