"""The benchmark's grid: what it expands to, that it goes on after a kill, and that its tables are those of its runs."""

import json
import logging
import os
import re
import shutil
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from clipit_lightning import __version__
from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.locks import run_lock
from clipit_lightning.core.processes import Ended
from clipit_lightning.evaluation.protocol import check_contradictions
from clipit_lightning.studies.compare import compare_runs
from clipit_lightning.studies.grid import read_grid
from clipit_lightning.studies.grid_report import (
    benchmark_table,
    finished_runs,
    paired_table,
    shown_pairs,
    write_report,
)
from clipit_lightning.studies.grid_runs import default_workers, run_grid
from clipit_lightning.studies.kept import keep_runs
from clipit_lightning.studies.leaderboard import find_runs
from clipit_lightning.training.train import run

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
CONFIGS = sorted((REPOSITORY / "configs").rglob("*.yaml"))
GRIDS = sorted((REPOSITORY / "experiments").glob("*.yaml"))
TINY = {"optim.epochs": 1, "trainer.accelerator": "cpu", "data.folds": 2}
SCORERS = {
    "linear": {"set": {"model.name": "linear"}, "seeds": [0]},
    "random": {"set": {"model.name": "random"}},
    "late": {"set": {"model.name": "random", "optim.epochs": 2}},
}


@pytest.fixture
def grid_file(stores, tmp_path):
    def write(**changes):
        raw = {
            "seeds": [0, 1],
            "runs": [{"set": {**TINY, "data.root": str(stores)}}],
            "scorers": SCORERS,
            "candidate": "random",
        }
        path = tmp_path / "grid.yaml"
        path.write_text(yaml.safe_dump(raw | changes, sort_keys=False))
        return path

    return write


@pytest.fixture(autouse=True)
def every_line(caplog):
    """Lines of progress are kept."""
    caplog.set_level(logging.INFO)


@pytest.fixture
def fake_pool(monkeypatch):
    """Instead of processes: what is started ends at once, after a function was called with its result's path."""

    class FakePool:
        started, effect = {}, staticmethod(lambda result: None)

        def __init__(self, size, logs):
            self.folder, self.names = logs.parent, []

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *error: None  # noqa: E731
        running = property(lambda self: len(self.names))

        def start(self, name, command, all_gpus):
            self.started[name] = all_gpus
            self.names.append(name)

        def wait(self):
            name = self.names.pop(0)
            self.effect(self.folder / name / "result.json")
            return [Ended(name, 0, "")]

    monkeypatch.setattr("clipit_lightning.studies.grid_runs.Pool", FakePool)
    return FakePool


@pytest.fixture
def train_here(tmp_path):
    """Train the runs of a grid in this process, which saves the start of others."""

    def call(grid, names=None, to="to"):
        folder = tmp_path / to
        for each in grid.runs:
            if names is None or each.name in names:
                words = [*each.words, f"output={folder / each.name}", "trainer.progress=false"]
                run(load_config(each.files, words))
        return folder

    return call


@pytest.fixture
def trained(grid_file, train_here, stores, tmp_path):
    """Train the grid of the random scorer; returns it, its folder, and the result of each run."""

    def call(seeds):
        shutil.copytree(stores, tmp_path / "data")
        runs = [{"set": {**TINY, "data.root": str(tmp_path / "data")}}]
        grid = read_grid(grid_file(runs=runs, scorers={"random": SCORERS["random"]}, seeds=seeds))
        folder = train_here(grid)
        return grid, folder, [folder / each.name / "result.json" for each in grid.runs]

    return call


def test_a_grid_is_the_product_of_its_lists(grid_file, stores):
    entry = {"set": {"data.root": str(stores)}}
    more = {"set": {"data.root": str(stores), "data.setting": "transfer", "data.sources": ["summe"]}, "name": "from"}
    one = {"set": {"data.root": str(stores)}, "name": "one", "supervision": ["unsupervised"]}
    scorers = {
        "linear": {"set": {"model.name": "linear"}, "seeds": [3], "supervision": ["supervised"]},
        "random": {"set": {"model.name": "random"}},
    }
    path = grid_file(
        runs=[entry, more, one], scorers=scorers, supervision=["supervised", "unsupervised"], quick={"seeds": [7]}
    )
    assert [each.name for each in read_grid(path).runs] == [
        *("linear-tvsum-canonical-seed3", "random-tvsum-canonical-seed0", "random-tvsum-canonical-seed1"),
        *("random-tvsum-canonical-unsupervised-seed0", "random-tvsum-canonical-unsupervised-seed1"),
        *("linear-from-seed3", "random-from-seed0", "random-from-seed1"),
        *("random-from-unsupervised-seed0", "random-from-unsupervised-seed1"),
        *("random-one-unsupervised-seed0", "random-one-unsupervised-seed1"),
    ]
    quick = read_grid(path, quick=True, words=["optim.lr=0.5"]).runs
    assert {each.config.seed for each in quick} == {7}
    assert {each.config.optim.lr for each in quick} == {0.5}
    assert [each.config.loss.supervision for each in quick] == [
        *("supervised", "supervised", "unsupervised"),
        *("supervised", "supervised", "unsupervised", "unsupervised"),
    ]
    for each in quick:
        assert load_config(each.files, each.words) == each.config
    assert quick[-2].config.data.sources == ["summe"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_shipped_configuration_is_without_contradictions(path):
    check_contradictions(load_config([path]))


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_shipped_grid_can_be_run_and_compared(path):
    grid = read_grid(path, quick=True)  # reads what the whole one reads, and `quick`
    for cell in {each.cell for each in grid.runs}:
        runs = [each for each in grid.runs if each.cell == cell]
        assert grid.candidate in {each.scorer for each in runs}
        assert len({(each.config.selection, each.config.protocol, each.config.data.family) for each in runs}) == 1


def test_the_grid_of_the_paper_has_the_papers_losses_and_windows():
    runs = [each.config for each in read_grid(REPOSITORY / "experiments/paper.yaml").runs if each.scorer == "clip-it"]
    terms = ("keyframe", "correlation", "diversity", "reconstruction", "length", "rarity", "language", "spread")
    found = {(each.loss.supervision, *(name for name in terms if getattr(each.loss, name))) for each in runs}
    assert found == {
        ("supervised", "keyframe", "diversity", "reconstruction"),
        ("unsupervised", "diversity", "reconstruction"),
    }
    assert {each.data.crop for each in runs} == {256}


def test_a_scorer_may_have_some_of_the_runs(grid_file):
    scorers = {
        "linear": {"set": {"model.name": "linear"}, "runs": ["other"]},
        "random": {"set": {"model.name": "random"}},
    }
    grid = read_grid(grid_file(runs=[{}, {"name": "other"}], scorers=scorers, seeds=[0]))
    assert [each.name for each in grid.runs] == [
        *("random-tvsum-canonical-seed0", "linear-other-seed0", "random-other-seed0"),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("[1]", "grid: "),
        ("a: 1\na: 2", "a key stands twice"),
        ({"seed": [0]}, "seed: is no key"),
        ({"seeds": [0, 0]}, "seeds: each value stands once"),
        ({"runs": [{"files": ["no.yaml"]}]}, "runs.0, linear: no.yaml: no such configuration file"),
        ({"runs": [{"set": {"seed": 1}}]}, "runs.0.set: seed is decided by the grid"),
        ({"runs": [{"set": {"data": {"root": "x"}}}]}, "runs.0.set: data: a plain value"),
        ({"runs": [{}, {}]}, "two runs of this name"),
        ({"runs": [{"name": "../up"}]}, "runs.0.name: letters, digits"),
        ({"scorers": {"a": {}, "b": {}}, "candidate": "a"}, "scorers.b: is the same as a"),
        (
            {"scorers": {"a": {"runs": ["tv"]}}, "candidate": "a"},
            "scorers.a.runs: there is no 'tv'; there are tvsum-can",
        ),
        ({"scorers": {"a": {"runs": ["tv", "tv"]}}, "candidate": "a"}, "scorers.a.runs: each value stands once"),
        ({"candidate": "best"}, "candidate: best is none of linear, random, late"),
        ({"runs": [{"supervision": ["weakly"]}]}, "runs.0.supervision.0: the value should be 'supervised' or"),
        ({"runs": [{"set": {"data.family": "2/1/1"}}]}, "runs.0, linear: data.family=2/1/1: is for qfvs, not for"),
        (
            {
                "scorers": {"a": {"set": {"loss.keyframe": 0, "loss.correlation": 0, "selection": "last"}}},
                "candidate": "a",
            },
            r"runs.0, a: loss: the weights are of unsupervised training, in a cell of supervised training; give it "
            r"supervision: \[unsupervised\]",
        ),
    ],
)
def test_what_a_grid_cannot_mean_is_one_line(grid_file, changes, said, capsys):
    path = grid_file(**({} if isinstance(changes, str) else changes))
    if isinstance(changes, str):
        path.write_text(changes)
    with pytest.raises(UserError, match=said):
        read_grid(path)
    assert main(["benchmark", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def children(pid):
    """Processes that a process started."""
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@pytest.mark.distributed
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the processes in /proc")
def test_an_interrupted_grid_goes_on_and_one_failure_stops_no_other(
    grid_file, train_here, tmp_path, capsys, monkeypatch
):
    """With what is finished before, what cannot be, and what is interrupted; and it ends as if nothing had been."""
    monkeypatch.chdir(tmp_path)
    slow = {"set": {"model.name": "clip-it", "model.width": 8, "model.heads": 2, "optim.epochs": 12}}
    path = grid_file(scorers={"linear": SCORERS["linear"], "random": SCORERS["random"], "slow": slow}, seeds=[0])
    grid = read_grid(path)
    linear, random, slow = (f"{name}-tvsum-canonical-seed0" for name in ("linear", "random", "slow"))
    undisturbed = json.loads((train_here(grid, [slow], "undisturbed") / slow / "result.json").read_text())
    folder = train_here(grid, [linear])
    (folder / random).mkdir()
    (folder / random / "mine.txt").write_text("not a run")
    before, pause, interrupted = (folder / linear / "result.json").stat().st_mtime_ns, time.sleep, []

    def interrupt(seconds):
        pause(seconds)
        if (folder / slow / "folds/0").exists() and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    there = children(os.getpid())
    monkeypatch.setattr("clipit_lightning.core.processes.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_grid([each for each in grid.runs if each.name == slow], folder, 2)
    assert children(os.getpid()) == there
    assert not (folder / slow / "result.json").exists()
    assert main(["benchmark", str(path), "--to", str(folder), "--workers", "2", "--leaderboard", "board.csv"]) == 2
    out, err = capsys.readouterr()
    assert "3 runs, 1 of them finished, 2 at a time" in out
    assert f"FAILED {random}: output: " in out
    assert re.search(r"\n\d+\.\d min in all, \d+\.\d min of CPU time\n", out)
    assert "holds files but no run" in out
    assert err.startswith("clipit: 1 of 3 runs failed")
    assert (folder / linear / "result.json").stat().st_mtime_ns == before
    assert json.loads((folder / slow / "result.json").read_text())["metrics"] == undisturbed["metrics"]
    assert sorted(each.name for each in (folder / "logs").iterdir()) == [f"{random}.txt", f"{slow}.txt"]
    assert sorted(pd.read_csv(folder / "benchmark.csv")["scorer"]) == ["linear", "slow"]
    assert {"linear", "clip-it"} <= set(pd.read_csv("board.csv")["method"])


def test_what_another_command_runs_is_waited_for(grid_file, train_here, monkeypatch, caplog):
    grid = read_grid(grid_file(scorers={"random": SCORERS["random"]}, seeds=[0]))
    folder = train_here(grid)
    (folder / grid.runs[0].name / "result.json").rename(folder / "kept")
    held, waiting = run_lock(folder / grid.runs[0].name), f"{grid.runs[0].name}: runs elsewhere, waiting for it"
    held.__enter__()

    def finish_elsewhere(seconds):
        if caplog.messages[-1:] == [waiting] and (folder / "kept").exists():
            (folder / "kept").rename(folder / grid.runs[0].name / "result.json")
            (folder / grid.runs[0].name / "result.json").touch()
            held.__exit__(None, None, None)

    monkeypatch.setattr("clipit_lightning.core.processes.time.sleep", finish_elsewhere)
    assert run_grid(grid.runs, folder, 1) == {}
    assert caplog.messages[-1].endswith("(by another command)")
    assert not list((folder / "logs").iterdir())


def test_what_is_finished_is_known_by_the_content_of_stores_not_by_times(trained, fake_pool, tmp_path, caplog):
    grid, folder, _ = trained([0])
    store = tmp_path / "data/tvsum.h5"
    time = store.stat().st_mtime_ns
    os.utime(store)
    run_grid(grid.runs, folder, 1)
    assert not fake_pool.started
    with h5py.File(store, "a") as file:
        file["video_1/features"][0, 0] += 1
    os.utime(store, ns=(time, time))
    run_grid(grid.runs, folder, 1)
    assert list(fake_pool.started) == [grid.runs[0].name]
    assert finished_runs(grid, folder) == []
    assert f"{grid.runs[0].name} is omitted: {folder / grid.runs[0].name}: holds a result on another" in caplog.text
    store.write_bytes(store.read_bytes()[:-5000])
    assert finished_runs(grid, folder) == []
    store.unlink()
    assert len(finished_runs(grid, folder)) == 1, "tables need no stores"


def test_another_version_that_finished_runs_is_logged(trained, caplog):
    grid, folder, results = trained([0])
    results[0].write_text(results[0].read_text().replace(f'"{__version__}"', '"0.0.1"'))
    run_grid(grid.runs, folder, 1)
    assert caplog.messages[-1] == "NOTE: of another version (0.0.1) are some that were finished before"


@pytest.mark.parametrize("problem", ["damaged", "missing"])
def test_a_result_that_cannot_be_read_is_the_failure_of_its_run_alone(trained, fake_pool, caplog, problem):
    grid, folder, results = trained([0, 1, 2])
    contents = {path: path.read_text() for path in results}
    contents[results[0]] = "{}"
    for path in results:
        path.unlink()
    fake_pool.effect = staticmethod(
        lambda path: (path != results[0] or problem == "damaged") and path.write_text(contents[path])
    )
    caplog.clear()
    failed = run_grid(grid.runs, folder, 1)
    assert list(failed) == [grid.runs[0].name]
    assert str(results[0].parent) in failed[grid.runs[0].name]
    assert caplog.messages[1] == f"[1/3] {grid.runs[0].name} FAILED: {failed[grid.runs[0].name]}"
    assert caplog.messages[2].startswith(f"[2/3] {grid.runs[1].name}: tau ")
    assert [line.endswith("left") for line in caplog.messages[2:]] == [True, False]


def test_a_run_that_shares_itself_between_gpus_sees_all(grid_file, fake_pool):
    entry = yaml.safe_load(grid_file().read_text())["runs"][0]["set"]
    for devices in (1, 2):
        fake_pool.started.clear()
        path = grid_file(runs=[{"set": entry | {"trainer.devices": devices}}], seeds=[0])
        assert len(run_grid(read_grid(path).runs, path.parent / "to", 2)) == 3, "none of them wrote a result"
        assert set(fake_pool.started.values()) == {devices > 1}


def test_runs_of_a_judge_who_scored_nothing_are_omitted_and_named(grid_file, fake_pool, caplog):
    judged = {"files": ["prompts-to-summaries"], "set": {"data.judge": "gpt5"}, "seeds": [0]}
    path = grid_file(scorers={"random": SCORERS["random"], "judged": judged})
    runs = read_grid(path).runs
    run_grid(runs, path.parent / "to", 1)
    assert set(fake_pool.started) == {one.name for one in runs if one.scorer == "random"}
    (note,) = [line for line in caplog.messages if line.startswith("NOTE: judged-")]
    assert re.search(r"is omitted: .*tvsum\.h5: has no scores of shots; add them with `clipit judge", note)
    with pytest.raises(UserError, match=r"^judged-.* is omitted: .*has no scores of shots"):
        run_grid([one for one in runs if one.scorer == "judged"], path.parent / "to", 1)


def test_by_default_there_is_a_worker_for_each_gpu_or_else_core(grid_file, monkeypatch):
    def workers(**keys):
        return default_workers(read_grid(grid_file(runs=[{"set": keys}])).runs)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cores + 3)
    assert workers() == cores + 3
    assert workers(**{"trainer.devices": cores + 3}) == 1
    assert workers(**{"trainer.accelerator": "cpu"}) == cores
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert workers() == cores


@pytest.mark.parametrize(("words", "name"), [([], "grid"), (["--quick"], "grid-quick")])
def test_a_grid_has_a_folder_of_its_own(grid_file, tmp_path, monkeypatch, capsys, words, name):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", str(grid_file()), "--report", *words]) == 2
    assert capsys.readouterr().err.startswith(f"clipit: runs/{name}: no finished run of")


def test_the_board_has_what_the_grid_just_found_and_so_has_that_of_the_leaderboard(
    grid_file, train_here, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    path = grid_file(scorers={"random": SCORERS["random"]}, seeds=[0])
    name = read_grid(path).runs[0].name
    folder = train_here(read_grid(path), to="runs/grid")
    fresh = json.loads((folder / name / "result.json").read_text())

    def keep(place, f1, **changes):
        result = fresh | changes
        metrics = fresh["metrics"] | {"f1": {"mean": f1, "std": 0.0, "folds": [f1, f1]}}
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(result | {"metrics": metrics}))
        os.utime(place, (1, 1))

    keep(Path(f"runs/earlier/{name}/result.json"), 0.02)
    keep(Path("runs/earlier/other/result.json"), 0.03, run="other", config_hash="other")
    keep(Path(f"runs/short-quick/{name}/result.json"), 0.04, config_hash="short")
    assert main(["benchmark", str(path), "--report"]) == 0
    board = pd.read_csv("runs/leaderboard.csv")
    found = sorted(board.loc[board["kind"] == "ours", "f1"])
    assert found == pytest.approx([3, 100 * fresh["metrics"]["f1"]["mean"]], abs=1e-3)
    assert main(["leaderboard"]) == 0
    assert pd.read_csv("runs/leaderboard.csv").equals(board)
    assert not Path("experiments").exists()


def test_a_board_that_cannot_be_made_hides_no_failure(grid_file, train_here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = grid_file(scorers={"random": SCORERS["random"]})
    train_here(read_grid(path), to="runs/grid")
    Path("runs/grid/foreign").mkdir()
    Path("runs/grid/foreign/result.json").write_text("{}")
    monkeypatch.setattr("clipit_lightning.studies.grid_runs.run_grid", lambda runs, *_: {runs[0].name: "out of memory"})
    assert main(["benchmark", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("clipit: runs/grid/foreign/result.json: not a result of clipit train")
    assert f"FAILED {read_grid(path).runs[0].name}: out of memory\n" in printed.out


def test_the_tables_are_those_of_the_runs(grid_file, train_here, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = grid_file()
    grid = read_grid(path)
    folder = train_here(grid)
    runs = finished_runs(grid, folder)
    assert len(runs) == 5
    table = benchmark_table(runs, folder).set_index("scorer")
    results = [json.loads((folder / f"random-tvsum-canonical-seed{seed}/result.json").read_text()) for seed in (0, 1)]
    folds = pd.DataFrame([result["metrics"]["f1"]["folds"] for result in results])
    assert table.loc["random", "f1"] == pytest.approx(100 * folds.mean(axis=1).mean())
    assert table.loc["random", "f1_std"] == pytest.approx(100 * folds.mean(axis=1).std())
    assert table.loc["random", "f1_folds_std"] == pytest.approx(100 * folds.to_numpy().std(ddof=1))
    assert np.isnan(table.loc["linear", "kendall_tau_std"])
    assert table["seeds"].to_dict() == {"linear": 1, "random": 2, "late": 2}
    assert main(["benchmark", str(path), "--to", str(folder), "--report", "--leaderboard", "board.csv"]) == 0
    assert "5 of 5 runs of" in capsys.readouterr().out
    paired = pd.read_csv(folder / "paired.csv", keep_default_na=False)
    one, other = ([folder / f"{name}-tvsum-canonical-seed{seed}" for seed in (0, 1)] for name in ("random", "late"))
    expected = compare_runs(one, other).set_index("metric").loc["kendall_tau"]
    row = paired.query("other == 'late' and metric == 'kendall_tau'").iloc[0]
    for name in ("difference", "low", "high", "p", "pairs"):
        assert row[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-9)
    best = table.drop("random")["kendall_tau"].idxmax()
    assert set(paired[paired["best"] == "*"]["other"]) == {best}
    assert f"| tvsum-canonical | supervised | {best} \\*" in (folder / "benchmark.md").read_text().replace(" *", " \\*")
    assert paired_table(runs[:1], folder, "random", table.reset_index()).empty


def test_the_tables_of_kept_runs_are_those_of_their_folders(grid_file, train_here, tmp_path):
    grid = read_grid(grid_file())
    folder, kept = train_here(grid), tmp_path / "kept"
    keep_runs([run for run, _ in find_runs([folder])], kept)
    for place in (folder, kept):
        write_report(grid, place)
    for name in ("benchmark.csv", "paired.csv", "benchmark.md"):
        assert (kept / name).read_text() == (folder / name).read_text()
    changed = read_grid(grid_file(), words=["optim.lr=0.1"])
    with pytest.raises(UserError, match="no finished run"):
        write_report(changed, kept)


def test_what_a_pair_was_not_measured_by_is_a_dash():
    row = {"supervision": "supervised", "candidate": "a", "best": "", "low": 0.0, "high": 0.2, "p": 0.5, "pairs": 3}
    row |= {"difference": 0.1, "what": "videos"}
    cells = [("queries", "f1"), ("videos", "kendall_tau"), ("videos", "f1")]
    pairs = pd.DataFrame([row | {"cell": cell, "other": "b", "metric": metric} for cell, metric in cells])
    shown = shown_pairs(pairs).set_index("cell")
    assert shown.loc["queries", ["tau", "p(tau)"]].tolist() == ["-", "-"]
    assert shown.loc["videos", ["tau", "F1"]].tolist() == ["+0.100 [+0.000, +0.200]", "+0.1 [+0.0, +0.2]"]


def test_a_result_of_another_configuration_or_root_does_not_count(grid_file, train_here, tmp_path):
    path = grid_file(scorers={"random": SCORERS["random"]}, seeds=[0])
    folder = train_here(read_grid(path))
    assert len(finished_runs(read_grid(path), folder)) == 1
    assert not finished_runs(read_grid(path, words=["optim.epochs=3"]), folder)
    assert not finished_runs(read_grid(path, words=[f"data.root={tmp_path}"]), folder)


def test_a_damaged_run_and_one_on_other_data_do_not_cost_the_tables(grid_file, train_here, caplog):
    grid = read_grid(grid_file(seeds=[0]))
    folder = train_here(grid)
    late, linear, random = (folder / f"{name}-tvsum-canonical-seed0" for name in ("late", "linear", "random"))
    result = json.loads((linear / "result.json").read_text())
    result["protocol"]["annotations_hash"] = "other"
    (linear / "result.json").write_text(json.dumps(result))
    write_report(grid, folder)
    assert any(
        line.startswith("NOTE: random and linear in tvsum-canonical are not compared: ") for line in caplog.messages
    )
    assert set(pd.read_csv(folder / "paired.csv")["other"]) == {"late"}
    assert set(pd.read_csv(folder / "benchmark.csv")["scorer"]) == {"late", "linear", "random"}
    (late / "result.json").write_text("{}")
    caplog.clear()
    write_report(grid, folder, failed=[linear.name])
    assert caplog.messages[0].startswith(
        f"NOTE: {late.name} is omitted: {late}/result.json: not a result of clipit train"
    )
    assert set(pd.read_csv(folder / "benchmark.csv")["scorer"]) == {"random"}
    (random / "config.yaml").unlink()
    with pytest.raises(UserError, match="no finished run"):
        write_report(grid, folder, failed=[linear.name])


@pytest.mark.parametrize("value", ["Füße 😀 'a' \"b\"", "1e3", "yes", "null", "a: b #c"])
def test_texts_stay_texts(grid_file, value):
    assert {each.config.data.root for each in read_grid(grid_file(runs=[{"set": {"data.root": value}}])).runs} == {
        value
    }


def test_files_cannot_leave_the_test_out(grid_file, tmp_path, stores):
    (tmp_path / "fast.yaml").write_text("test: false\noverwrite: true\n")
    for each in read_grid(grid_file(runs=[{"files": [str(tmp_path / "fast.yaml")]}])).runs:
        assert each.config.test
        assert not each.config.overwrite


def test_only_what_is_named_is_trained(grid_file, capsys):
    assert main(["benchmark", str(grid_file()), "--only", "vasnet"]) == 2
    assert "--only: no run's name holds vasnet" in capsys.readouterr().err
