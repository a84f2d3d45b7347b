import json
import re
import shutil
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest
import yaml
from scipy.stats import rankdata

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.config_model import LossConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.mini import make_query_videos
from clipit_lightning.data.store import Store
from clipit_lightning.data.store_file import write_store
from clipit_lightning.evaluation.matching import semantic_matching
from clipit_lightning.evaluation.rules import Rules, measure
from clipit_lightning.pipelines.annotated_report import BY_CHANCE, annotated_pages, worst_stretches
from clipit_lightning.pipelines.query_report import query_pages
from clipit_lightning.pipelines.report import LOSS_TITLES, report
from clipit_lightning.training.finished_run import read_finished_run
from clipit_lightning.training.run import Run
from clipit_lightning.training.train import run
from tests.support.browser import browser, needs_browser
from tests.support.synthetic import change_points
from tests.support.videos import write_video

pytestmark = pytest.mark.slow
QUICK = ["model.name=mlp", "optim.epochs=2", "trainer.accelerator=cpu", "data.fold=1"]


@pytest.fixture(scope="module")
def named(stores, tmp_path_factory):
    """A store whose videos have names."""
    root = tmp_path_factory.mktemp("named")
    store = Store(stores / "tvsum.h5")
    names = ("<b>bold</b>", "Base jumping", "c d", *"efghijk")
    videos = [  # with shots so short that several fit into a summary
        replace(video, name=name, change_points=change_points(video.n_frames, 20))
        for video, name in zip(store.read(), names, strict=True)
    ]
    write_store(root / "tvsum.h5", videos, store.attributes)
    return root


@pytest.fixture(scope="module")
def tested(named, tmp_path_factory):
    """A finished run of one fold."""
    folder = tmp_path_factory.mktemp("runs") / "tested"
    run(load_config([], [*QUICK, f"data.root={named}", f"output={folder}"]))
    return folder


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A finished run of one fold of videos with queries."""
    root = tmp_path_factory.mktemp("queries")
    attributes = {"dataset": "qfvs", "features": "mini", "data": "mini"}
    write_store(root / "qfvs.h5", list(make_query_videos()), attributes)
    words = [*QUICK, "data.dataset=qfvs", "data.family=2/1/1", f"data.root={root}", f"output={root / 'run'}"]
    run(load_config([], words))
    return root / "run"


@pytest.fixture
def copy(tested, tmp_path):
    """A copy of the finished run, to be damaged."""
    return shutil.copytree(tested, tmp_path / "copy")


def test_the_worst_stretches_are_those_of_a_search_over_all():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        scores, mean = rng.integers(0, 8, 25) / 8, np.repeat(rng.random(5), 5)
        ours, theirs = ((rankdata(values) - 0.5) / 25 for values in (scores, mean))
        taken = np.zeros(25, dtype=bool)
        for stretch in worst_stretches(scores, mean):
            every = [
                ((sign * (ours - theirs) - BY_CHANCE)[first : last + 1].sum(), first, last)
                for sign in (1, -1)
                for first in range(25)
                for last in range(first, 25)
                if not taken[first : last + 1].any()
            ]
            part = slice(stretch.first, stretch.last + 1)
            gain = abs((ours - theirs)[part].sum()) - BY_CHANCE * (stretch.last + 1 - stretch.first)
            assert gain == pytest.approx(max(every)[0])
            assert (stretch.ours, stretch.theirs) == pytest.approx((ours[part].mean(), theirs[part].mean()))
            assert not taken[part].any()
            taken[part] = True


def test_a_model_that_ranks_as_the_annotators_has_no_worst_stretch():
    assert worst_stretches(np.arange(9) / 9, np.arange(9) ** 2) == []
    assert worst_stretches(np.ones(1), np.ones(1)) == []
    assert [stretch[:2] for stretch in worst_stretches(np.arange(9), -np.arange(9))] == [(0, 2), (6, 8)]


def test_videos_are_shown_with_the_protocols_own_summary_and_the_runs_own_numbers(tested, named, tmp_path):
    finished = read_finished_run(tested)
    pages = list(annotated_pages(finished, tmp_path / "page.html", None))
    assert len(pages) == len(finished.scores) == 2
    taus = [page.metrics[0].value for page in pages]
    assert taus == sorted(taus)
    videos = {video.name: video for video in Store(named / "tvsum.h5").read()}
    for page in pages:
        video = videos[page.title]
        scores = np.array(finished.scores[video.id])
        rules = Rules("mean", "per-annotator")
        starts = [shot.start for shot in page.shots if shot.chosen]
        summary = rules.summary(video, scores)
        assert starts == [first for first, _ in video.change_points if summary[first]]
        assert [[shot.start, shot.end - 1] for shot in page.shots] == video.change_points.tolist()
        measured = measure(scores, video, rules)
        shown = {metric.name: metric.value for metric in page.metrics}
        assert shown["Kendall tau"] == pytest.approx(measured["kendall_tau"], abs=1e-5)
        assert shown["F1 %"] == pytest.approx(measured["f1"], abs=1e-5)
        ratings = video.user_scores.astype(float)
        assert page.annotators.mean == pytest.approx(((ratings - 1) / 4).mean(axis=0))
        assert (np.asarray(page.annotators.low) <= page.annotators.mean).all()
        assert page.unit == "frames"
        assert page.curve.times.tolist() == video.picks.tolist()


def test_summaries_of_annotators_are_shown_as_the_share_that_chose(stores, tmp_path):
    words = [*QUICK, "data.dataset=summe", f"data.root={stores}", f"output={tmp_path / 'run'}"]
    run(load_config([], words))
    pages = list(annotated_pages(read_finished_run(tmp_path / "run"), tmp_path / "page.html", None))
    videos = {video.key: video for video in Store(stores / "summe.h5").read()}
    for page in pages:
        video = videos[page.title]
        share = video.user_summary[:, video.picks].mean(axis=0)
        assert page.annotators.mean == pytest.approx(share)
        width = np.asarray(page.annotators.high) - np.asarray(page.annotators.mean)
        assert width[share == 0.5] == pytest.approx(0.25)  # sqrt(0.5 * 0.5 / 4 annotators)


def test_queries_are_shown_with_oracle_and_tags(asked, tmp_path):
    finished = read_finished_run(asked)
    pages = list(query_pages(finished, tmp_path / "page.html", None))
    values = [page.metrics[0].value for page in pages]
    assert len(pages) == 12
    assert values == sorted(values)
    (video,) = [video for video in finished.store.read_queries() if pages[0].title.startswith(video.key)]
    by_query = {", ".join(name.split("_")): position for position, name in enumerate(video.names)}
    for page in pages:
        query = by_query[page.title.partition(": ")[2]]
        chosen = np.array([at for at, shot in enumerate(page.shots) if shot.chosen])
        oracle = np.flatnonzero(video.oracle[query])
        assert page.metrics[0].value == pytest.approx(semantic_matching(chosen, oracle, video.tags).f1, abs=1e-5)
        assert [span.start for span in page.tracks[0].spans] == (oracle * 5.0).tolist()
        for at in chosen:
            tags = {video.concepts[concept] for concept in np.flatnonzero(video.tags[at])} or {"no tag"}
            words = page.shots[at].text.removesuffix(" (in the oracle)")
            assert set(words.split(", ")) == tags
            assert page.shots[at].text.endswith("oracle)") == (at in oracle)
        assert page.query == video.sentences[query]


def test_the_command_writes_the_page_and_says_where(copy, capsys, tmp_path):
    assert main(["report", str(copy), "--to", str(tmp_path / "a" / "page.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "a" / "page.html")
    assert main(["report", str(copy)]) == 0
    text = (copy / "report.html").read_text()
    assert text == (tmp_path / "a" / "page.html").read_text()
    for title in ("Kendall tau in validation", "Loss, all terms", "Loss: key frames"):
        assert f"<figcaption>{title}</figcaption>" in text
    assert text.count('class="dot"') == text.count('<figure class="small">')


def test_a_report_names_synthetic_data(asked, tested):
    assert "MINI" in report(asked).read_text()
    assert "MINI" not in report(tested, asked.parent / "real.html").read_text()


def test_what_is_odd_of_a_runs_numbers_is_counted_in_its_result_on_the_terminal_and_in_the_report(
    named, tmp_path, capsys
):
    words = ["model.name=random", "data.fold=1", "protocol.budget=0.001", f"data.root={named}"]
    assert main(["train", *words, f"output={tmp_path / 'run'}"]) == 0
    result = Run(tmp_path / "run").result()
    assert result.odd == {"no_shot_fits": result.folds[0].videos}
    note = f"NOTE: {result.folds[0].videos} videos have no shot that fits the budget"
    assert note in capsys.readouterr().out
    assert note in report(tmp_path / "run").read_text()


def test_of_the_closed_form_the_selected_strength_is_shown(named, tmp_path):
    words = [*QUICK, "model.name=linear", "model.alphas=[2e5,0.25]", "selection=last"]
    run(load_config([], [*words, f"data.root={named}", f"output={tmp_path / 'run'}"]))
    text = report(tmp_path / "run").read_text()
    assert '<td class="number">0.25</td>' in text
    for shown in ("Linear on TVSum", "Selected alpha", "Selection of the alpha", "place in model.alphas"):
        assert shown in text
    assert "epoch" not in re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)


def test_every_loss_has_a_title():
    settings = {"length_target", "sharpness", "episodes", "balanced", "alike"}
    assert set(LOSS_TITLES) == {field.name for field in fields(LossConfig)} - settings | {"total"}


def change_scores(run, change):
    scores = json.loads((run / "scores.json").read_text())
    change(scores, next(iter(scores)))
    (run / "scores.json").write_text(json.dumps(scores))


DAMAGES = {
    "no run here": lambda run: (run / "config.yaml").unlink(),
    "not finished": lambda run: (run / "result.json").unlink(),
    "tested nothing": lambda run: (run / "scores.json").unlink(),
    r"cannot read .*result.json": lambda run: (run / "result.json").write_text("{"),
    r"per_video.csv: not the table of a run": lambda run: (run / "per_video.csv").write_text(""),
    r"per_video.csv: .*fold is missing": lambda run: (run / "per_video.csv").write_text("a,b\n1,2\n"),
    r"per_video.csv: has no column": lambda run: (run / "per_video.csv").write_text("video,fold,f1\na,0,0.5\n"),
    "1 scores, expected": lambda run: change_scores(run, lambda scores, key: scores.update({key: [0.5]})),
    "not the videos of": lambda run: change_scores(run, dict.pop),
    r"metrics.csv: cannot be read": lambda run: (run / "folds" / "1" / "metrics.csv").write_text('a\n"b,c\nd'),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_run_is_refused_in_one_line(copy, message):
    DAMAGES[message](copy)
    with pytest.raises(UserError, match=message) as error:
        report(copy)
    assert "\n" not in str(error.value)
    assert not (copy / "report.html").exists()


def test_a_store_that_is_missing_changed_or_elsewhere(copy, named, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(named, moved)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["data"]["root"] = str(tmp_path / "gone")
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=r"store is missing.*--root"):
        report(copy)
    assert report(copy, root=moved).exists()
    with h5py.File(moved / "tvsum.h5", "r+") as file:
        file["video_1/user_scores"][0, 0] += 1
    with pytest.raises(UserError, match="has other annotations than the run"):
        report(copy, root=moved)


def test_curves_that_are_gone_are_left_out(copy):
    (copy / "folds" / "1" / "metrics.csv").unlink()
    text = report(copy).read_text()
    assert "Loss, all terms" not in text
    assert "Each fold" in text


@needs_browser
def test_video_files_give_players_times_and_key_frames(copy, named, tmp_path):
    finished = read_finished_run(copy)
    videos = {video.id: video for video in Store(named / "tvsum.h5").read()}
    shown, other = (videos[id] for id in finished.scores)
    folder = tmp_path / "videos" / "deep"
    folder.mkdir(parents=True)
    write_video(folder / f"{shown.key.upper()}.mp4", n_frames=shown.n_frames, audio=None)
    write_video(folder / f"{other.key}.mp4", n_frames=other.n_frames + 50, audio=None)
    page = report(copy, tmp_path / "page.html", videos=tmp_path / "videos")
    pages = {video_page.title: video_page for video_page in annotated_pages(finished, page, tmp_path / "videos")}
    mine = pages[shown.name]
    assert mine.unit == "seconds"
    assert mine.duration == pytest.approx(shown.n_frames / 25)
    assert [shot.start for shot in mine.shots] == pytest.approx(shown.change_points[:, 0] / 25)
    assert "another video" in dict(pages[other.name].facts)["Video file"]
    with browser(tmp_path / "profile") as window:
        window.open(page)
        window.wait("document.querySelector('video').readyState >= 1")
        window.run("document.querySelector('.gallery button').click()")
        window.wait(f"Math.abs(document.querySelector('video').currentTime - {mine.key_frames[0].time:.3f}) < 1e-6")
        assert window.complaints() == []
        assert window.requests()[0].rpartition("/")[2] == f"{shown.key.upper()}.mp4"
    others = tmp_path / "others"
    others.mkdir()
    write_video(others / "x.mp4")
    with pytest.raises(UserError, match="none of the run's 2 videos"):
        report(copy, videos=others)
    with pytest.raises(UserError, match="no such folder"):
        report(copy, videos=tmp_path / "nowhere")
