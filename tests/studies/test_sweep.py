"""Searches on this machine: what one leaves, and that kills and several workers lose nothing of it."""

import json
import logging
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import yaml
from optuna.storages import RDBStorage
from optuna.trial import TrialState

import clipit_lightning.training
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.processes import Pool
from clipit_lightning.studies.sweep import check_same_search, run_sweep, wanted_trials
from clipit_lightning.studies.sweep_file import parse_sweep
from clipit_lightning.studies.sweep_report import (
    FINISHED,
    first_number,
    ranked,
    results_table,
    shown_trials,
    write_plots,
    write_results,
)
from clipit_lightning.studies.sweep_worker import Search, open_study, shown_url, storage_errors, work
from clipit_lightning.training.objective import RunningObjective
from clipit_lightning.training.run import Run
from tests.support.results import fold_result, metric, result

pytestmark = pytest.mark.slow
EPOCHS = 4
EARLY = {"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 2}}


def fake_run(config, watch=None, epoch_seconds=0.0):
    """Instead of training: a smooth function of the configuration, in folds and epochs that continue after a kill."""
    folder = Path(config.output)
    if Run(folder).result_file.exists():
        return Run(folder).result()
    folder.mkdir(parents=True, exist_ok=True)
    assert config.test is False
    assert config.logger.wandb == "off"
    if config.optim.weight_decay > 0.5:
        raise UserError("the loss is not finite at step 3; lower optim.lr")
    reached = [
        [-((config.optim.lr - 0.3) ** 2) + 0.01 * epoch + 0.1 * fold for epoch in range(EPOCHS)] for fold in (0, 1)
    ]
    for fold, values in enumerate(reached):
        path = folder / "folds" / str(fold)
        path.mkdir(parents=True, exist_ok=True)
        for epoch in range(len(list(path.glob("epoch-*"))), EPOCHS):
            time.sleep(epoch_seconds)
            watch(fold, epoch, {"kendall_tau": values[epoch], "f1": 0.5})
            (path / f"epoch-{epoch}").touch()
        Run(folder).write_fold(fold_result(fold=fold, validation={"kendall_tau": values[-1], "f1": 0.5}))
    over_folds = metric(reached[0][-1], reached[1][-1])
    trained = result(metrics={}, validation={"monitor": "kendall_tau", "kendall_tau": over_folds})
    Run(folder).write(trained, [])
    return trained


def fake_train(run):
    """A module to train with."""
    module = ModuleType("clipit_lightning.training.train")
    module.run = run
    return module


@pytest.fixture(autouse=True)
def train(monkeypatch):
    """The module that workers train with."""
    module = fake_train(fake_run)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(clipit_lightning.training, "train", module, raising=False)
    return module


def work_slowly(search, epoch_seconds):
    """Work with the fake in a process of its own."""
    module = fake_train(lambda *given, **named: fake_run(*given, **named, epoch_seconds=epoch_seconds))
    sys.modules[module.__name__] = clipit_lightning.training.train = module
    work(search)


def content(**changes):
    return {
        "method": "random",
        "metric": {"name": "validation/kendall_tau", "goal": "maximize"},
        "command": ["${env}", "clipit", "train", "logger.wandb=online", "${args_no_hyphens}"],
        "parameters": {
            "optim.lr": {"distribution": "uniform", "min": 0.01, "max": 1.0},
            "model.windows": {"values": [[5, 21], [3, 9]]},
            "optim.epochs": {"value": EPOCHS},
        },
    } | changes


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An SQLite file with Optuna's tables, whose making takes a second."""
    path = tmp_path_factory.mktemp("database") / "study.db"
    RDBStorage(f"sqlite:///{path}")
    return path


@pytest.fixture
def search(tmp_path, database):
    """A search of the fake function, as workers get it, in which a dead trial is noticed soon."""

    def make(name="search", wanted=6, seed=0, **changes):
        folder = tmp_path / name
        for part in ("logs", "trials"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        shutil.copy(database, folder / "study.db")
        return Search(
            sweep=parse_sweep(content(**changes), Path("mine.yaml")),
            config=load_config([], [f"seed={seed}"]),
            metric="kendall_tau",
            monitor="kendall_tau",
            folder=folder,
            name=name,
            url=f"sqlite:///{folder / 'study.db'}",
            wanted=wanted,
            beat=1,
            grace=1,
        )

    return make


def outcome(search):
    """The trials of a search, as what may not depend on who ran them."""
    trials = shown_trials(open_study(search))
    return [(trial.state, trial.user_attrs["values"], trial.value) for trial in trials]


def finished(search):
    """How often each trial's folder is that of a finished trial."""
    trials = [trial for trial in shown_trials(open_study(search)) if trial.state in FINISHED]
    return sorted(first_number(trial) for trial in trials)


def test_a_search_finishes_as_many_trials_as_wanted_and_the_objective_is_validation(search):
    asked = search()
    work(asked)
    trials = outcome(asked)
    assert len(trials) == 6
    for state, values, value in trials:
        assert state == TrialState.COMPLETE
        assert value == pytest.approx(-((values["optim.lr"] - 0.3) ** 2) + 0.08)
    work(asked)
    assert outcome(asked) == trials
    work(replace(asked, wanted=8))
    assert len(outcome(asked)) == 8
    lrs = [values["optim.lr"] for _, values, _ in outcome(asked)]
    assert len(set(lrs)) == 8


def test_a_search_follows_from_its_seed_also_in_several_commands(search):
    one, two, other = (search(name, 11, seed, method="bayes", **EARLY) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    work(one)
    for wanted in (5, 11):  # ten are random before TPE begins
        work(replace(two, wanted=wanted))
    assert outcome(one) == outcome(two)
    assert {state for state, _, _ in outcome(one)} == set(FINISHED)
    work(replace(other, wanted=1))
    assert outcome(other)[0] != outcome(one)[0]


@pytest.mark.parametrize(("name", "per_fold"), [("linear", 7), ("mlp", EPOCHS)])
def test_every_validation_of_every_fold_is_a_step_of_its_own(search, train, name, per_fold):
    """Of the closed form a fold has one with each strength, however many epochs others have."""

    def run(config, watch):
        for fold, epoch in [(fold, epoch) for fold in (0, 1) for epoch in range(per_fold)]:
            watch(fold, epoch, {"kendall_tau": epoch / 10 + fold, "f1": 0.5})
        return result(validation={"monitor": "kendall_tau", "kendall_tau": metric(1.0)})

    train.run = run
    alphas, model = list(range(1, 8)), {"model.name": {"value": name}}
    asked = search(wanted=1, parameters={**content()["parameters"], **model, "model.alphas": {"value": alphas}})
    work(asked)
    (trial,) = open_study(asked).trials
    best = [0.1 * epoch for epoch in range(per_fold)]
    both = [(best[-1] + epoch / 10 + 1) / 2 for epoch in range(per_fold)]
    assert trial.intermediate_values == pytest.approx(dict(enumerate([*best, *both], start=1)))


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit], ids=["interrupted", "killed"])
def test_a_trial_that_stops_continues_in_its_folder_with_its_values(search, train, death):
    """An interrupted worker queues its trial at once; one that is killed leaves it to the study's grace period."""
    asked, trained = search(wanted=3), []

    def stopped(config, watch):
        def watched(fold, epoch, validation):
            watch(fold, epoch, validation)
            trained.append((config.output, config.optim.lr, fold, epoch))
            if len(trained) in (2, 13):
                raise death

        return fake_run(config, watched)

    train.run = stopped
    for _ in range(2):
        with pytest.raises(death):
            work(asked)
    work(asked)
    assert {*map(str, finished(asked))} == {path.name for path in (asked.folder / "trials").iterdir()}
    assert len(finished(asked)) == 3
    assert len(set(trained)) == 3 * 2 * EPOCHS
    assert len(trained) == 3 * 2 * EPOCHS + 2, "the epoch that was not kept is trained again, and no other"
    assert results_table(open_study(asked), asked.sweep, "kendall_tau").endswith("\n3 complete")


def test_a_trial_that_kills_its_worker_again_and_again_fails(search, train):
    asked = search(wanted=1)

    def deadly(config, watch):
        if config.output.endswith("/0"):
            raise SystemExit
        return fake_run(config, watch)

    train.run = deadly
    for _ in range(4):
        with pytest.raises(SystemExit):
            work(asked)
    work(asked)
    assert [state for state, _, _ in outcome(asked)] == [TrialState.FAIL, TrialState.COMPLETE]


def test_a_trial_that_died_before_it_was_drawn_is_not_lost(search):
    asked, whole = search("a", wanted=2), search("b", wanted=2)
    open_study(asked).ask()  # nobody's, without values
    work(asked)
    work(whole)
    assert len(finished(asked)) == 2
    assert sorted(outcome(asked), key=str) == sorted(outcome(whole), key=str)


def test_an_interrupt_before_training_begins_loses_no_trial(search, monkeypatch):
    asked, whole = search("a", wanted=2), search("b", wanted=2)
    work(whole)

    def interrupted(*_):
        raise KeyboardInterrupt

    for name in ("trial_config", "draw_values"):
        with monkeypatch.context() as patch:
            patch.setattr(f"clipit_lightning.studies.sweep_worker.{name}", interrupted)
            with pytest.raises(KeyboardInterrupt):
                work(asked)
    work(asked)
    assert outcome(asked) == outcome(whole)


def test_a_trial_that_a_full_disk_stops_ends_the_search_and_runs_again(search, train):
    asked, whole = search("a", wanted=2), search("b", wanted=2)
    work(whole)

    def run(config, watch):
        train.run = fake_run
        raise UserError("cannot write x") from OSError("no space")

    train.run = run
    with pytest.raises(UserError, match="cannot write x"):
        work(asked)
    work(asked)
    assert len(finished(asked)) == 2
    assert outcome(asked) == outcome(whole)


def test_a_trial_that_another_worker_took_while_it_ended_does_not_end_this_worker(search, train):
    asked = search(wanted=2)

    def taken(config, watch):
        reached = fake_run(config, watch)
        if config.output.endswith("/0"):
            open_study(asked).tell(0, state=TrialState.FAIL)  # as another does after the grace period
        return reached

    train.run = taken
    work(asked)
    assert [state for state, _, _ in outcome(asked)] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


@pytest.mark.distributed
def test_workers_that_are_killed_count_no_trial_twice_and_lose_none(search):
    asked = replace(search(wanted=5), grace=10)  # of a busy machine, whose live trials report late
    with Pool(2, asked.folder / "logs") as pool:
        for name in "ab":
            pool.call(name, work_slowly, asked, 0.1)
        until = time.monotonic() + 60
        while len(list((asked.folder / "trials").glob("*/folds/0/epoch-1"))) < 2 and time.monotonic() < until:
            pool.wait(0.05)
    with Pool(3, asked.folder / "logs") as pool:
        for name in "abc":
            pool.call(name, work_slowly, asked, 0.0)
        ended = []
        while pool.running:
            ended += pool.wait()
    assert [worker.status for worker in ended] == [0, 0, 0], ended
    assert [state for state, _, _ in outcome(asked)] == [TrialState.COMPLETE] * 5
    assert {*map(str, finished(asked))} == {path.name for path in (asked.folder / "trials").iterdir()}


@pytest.mark.distributed
def test_a_grid_tries_every_combination_once(search):
    parameters = {"optim.lr": {"values": [0.1, 0.2, 0.3]}, "seed": {"values": [0, 1]}, "optim.ema": {"value": 0.5}}
    asked = search(wanted=100, method="grid", parameters=parameters)
    with Pool(2, asked.folder / "logs") as pool:
        for name in "ab":
            pool.call(name, work_slowly, asked, 0.0)
        while pool.running:
            pool.wait()
    tried = [(values["optim.lr"], values["seed"]) for _, values, _ in outcome(asked)]
    assert sorted(tried) == [(lr, seed) for lr in (0.1, 0.2, 0.3) for seed in (0, 1)]


def test_failed_trials_are_told_and_do_not_count(search):
    asked = search(wanted=2, method="grid", parameters={"optim.weight_decay": {"values": [0.9, 0.1, 0.8]}})
    work(asked)
    trials = shown_trials(open_study(asked))
    assert sorted(trial.state.name for trial in trials) == ["COMPLETE", "FAIL", "FAIL"]
    errors = {trial.user_attrs.get("error") for trial in trials}
    assert errors == {None, "the loss is not finite at step 3; lower optim.lr"}
    assert "2 failed" in results_table(open_study(asked), asked.sweep, "kendall_tau")


def test_a_search_in_which_everything_fails_ends_with_the_reason(search):
    asked = search(parameters={"optim.weight_decay": {"distribution": "uniform", "min": 0.6, "max": 1.0}})
    with pytest.raises(UserError, match=r"5 trials failed one after the other; the last: the loss is not finite"):
        work(asked)
    assert len(outcome(asked)) == 5
    assert "failed: UserError('the loss" in (asked.folder / "logs/trial-0.txt").read_text()


def test_the_target_ends_a_search(search):
    metric = {"name": "validation/kendall_tau", "goal": "maximize", "target": 0.0}
    asked = search(wanted=50, metric=metric)
    work(asked)
    values = [value for _, _, value in outcome(asked)]
    assert values[-1] >= 0.0
    assert all(value < 0.0 for value in values[:-1])


def test_results_are_a_configuration_that_trains_and_tests_a_table_and_plots(search):
    asked = search(wanted=6, command=["clipit", "train", "data.folds=3", "test=false", "${args_no_hyphens}"])
    work(asked)
    study = open_study(asked)
    write_results(study, asked.sweep, "kendall_tau", asked.folder)
    best = ranked(study)[0]
    assert best.value == max(value for _, _, value in outcome(asked))
    config = load_config([asked.folder / "best.yaml"])
    assert config.test is True
    assert config.data.folds == 3
    assert config.logger.wandb == "off"
    assert config.optim.lr == best.user_attrs["values"]["optim.lr"]
    assert config.model.windows == best.user_attrs["values"]["model.windows"]
    assert "seed" not in yaml.safe_load((asked.folder / "best.yaml").read_text())
    rows = pd.read_csv(asked.folder / "trials.csv")
    assert list(rows["trial"]) == list(range(6))
    assert rows["kendall_tau"].max() == pytest.approx(best.value)
    assert set(rows["state"]) == {"complete"}
    table = results_table(study, asked.sweep, "kendall_tau")
    assert f"{best.value:.4f}" in table
    assert table.endswith("6 complete")
    write_plots(study, "kendall_tau", asked.folder)
    for name in ("history.png", "importance.png"):
        assert (asked.folder / name).read_bytes().startswith(b"\x89PNG")


def test_a_search_that_another_version_continues_says_so_once(search, monkeypatch, caplog):
    one = search("one")
    for version in ("1.0", "2.0", "2.0"):
        monkeypatch.setattr("clipit_lightning.studies.sweep.__version__", version)
        check_same_search(open_study(one), one.folder, {"study": "one"}, {"method": "random"})
    assert caplog.messages == ["NOTE: trials so far are of version 1.0, those to come of 2.0"]
    assert open_study(one).user_attrs["versions"] == ["1.0", "2.0"]


def test_another_search_in_the_folder_or_the_study_is_refused(search):
    one, other = search("one"), search("other")
    names, same = {"study": "one", "storage": "study.db"}, {"method": "random", "optim.lr": 0.1, "data": "abc"}
    for _ in range(2):
        check_same_search(open_study(one), one.folder, names, same)
    refused = [
        (one, one, names, same | {"optim.lr": 0.2, "data": "abd"}, r"\(other data, optim\.lr\)"),
        (one, one, names | {"study": "two"}, same, r"\(other study\)"),
        (one, other, names | {"storage": "elsewhere"}, same | {"method": "bayes"}, r"\(other method\)"),
    ]
    for study, folder, named, changed, message in refused:
        with pytest.raises(UserError, match=rf"holds another search {message}; give --to FOLDER"):
            check_same_search(open_study(study), folder.folder, named, changed)


@pytest.mark.parametrize(
    ("changes", "trials", "wanted"),
    [
        ({}, None, 20),
        ({"run_cap": 5}, 7, 5),
        ({"method": "grid", "parameters": {"seed": {"values": [0, 1, 2, 3]}}}, None, 4),
    ],
)
def test_how_many_trials_are_wanted(changes, trials, wanted):
    assert wanted_trials(parse_sweep(content(**changes), Path("x")), trials) == wanted


NORMAL = {"optim.lr": {"distribution": "log_normal", "mu": 0.0, "sigma": 1.0}}
METRIC = {"name": "validation/bleu", "goal": "maximize"}


@pytest.mark.parametrize(
    ("changes", "root", "folder", "message"),
    [
        ({}, "nowhere", "search", r"missing: nowhere/tvsum\.h5"),
        ({"metric": METRIC}, "{stores}", "search", r"validation/bleu is unknown; there are .*validation/kendall_tau"),
        ({"parameters": NORMAL}, "{stores}", "search", r"optim\.lr: distribution log_normal.*--online"),
        ({}, "{stores}", "file", r"cannot write .*; give --to FOLDER"),
    ],
)
def test_what_cannot_be_searched_is_one_line_before_anything_is_made(tmp_path, stores, changes, root, folder, message):
    (tmp_path / "file").touch()
    sweep = parse_sweep(content(**changes), Path("mine.yaml"), (f"data.root={root.format(stores=stores)}",))
    with pytest.raises(UserError, match=message):
        run_sweep(sweep, folder=tmp_path / folder)
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+pg8000x://user:geheim@host/base", r"user:\*\*\*@host|not a database URL|cannot be used"),
        ("nonsense", r"the study in the database cannot be used"),
        ("sqlite:////proc/none/study.db", r"unable to open database file"),
    ],
)
def test_databases_that_cannot_be_used_are_one_line_without_password(search, url, message):
    with pytest.raises(UserError, match=message) as error, storage_errors(url):
        open_study(replace(search(), url=url))
    assert "\n" not in str(error.value)
    assert "geheim" not in str(error.value)


def test_a_missing_driver_is_one_line_without_password():
    message = r"driver for postgresql://user:\*\*\*@host/base is missing.*psycopg"
    with pytest.raises(UserError, match=message) as error, storage_errors("postgresql://user:geheim@host/base"):
        raise ImportError("No module named 'psycopg'")
    assert "geheim" not in shown_url("postgresql://user:geheim@host/base") + str(error.value)


def test_the_objective_of_a_run_that_continues_is_that_of_an_undisturbed_one(tmp_path):
    epochs = [{"kendall_tau": tau, "f1": f1} for tau, f1 in ((0.1, 0.5), (0.3, 0.2), (0.2, 0.9))]
    for selection, expected in (("val", {"kendall_tau": 0.3, "f1": 0.2}), ("last", {"kendall_tau": 0.2, "f1": 0.9})):
        whole = RunningObjective(selection, "kendall_tau")
        for epoch in epochs:
            whole.update(0, epoch)
        assert whole.means() == pytest.approx(expected)
        Run(tmp_path / selection).write_fold(fold_result(validation=expected))
        continued = RunningObjective(selection, "kendall_tau", tmp_path / selection)
        for objective in (whole, continued):
            objective.update(1, epochs[0])
        assert continued.means() == whole.means()
        assert whole.means()["f1"] == pytest.approx((expected["f1"] + 0.5) / 2)


def test_an_interrupted_fold_is_read_from_its_checkpoint(tmp_path):
    import torch

    fold = tmp_path / "folds/0"
    fold.mkdir(parents=True)
    (fold / "last.ckpt").write_bytes(b"damaged")
    assert RunningObjective("val", "kendall_tau", tmp_path).means() == {}
    torch.save(
        {"validation": {"kendall_tau": 0.4}, "epoch": 1, "state_dict": {"w": torch.zeros(1)}, "hyper_parameters": {}},
        fold / "best.ckpt",
    )
    continued = RunningObjective("val", "kendall_tau", tmp_path)
    assert continued.update(0, {"kendall_tau": 0.3}) == {"kendall_tau": 0.4}


def test_real_training_runs_in_processes_of_its_own_and_continues(stores, tmp_path, monkeypatch, caplog):
    words = (f"data.root={stores}", "data.fold=0", "model.width=8", "model.heads=2", "trainer.accelerator=cpu")
    parameters = {"optim.lr": {"values": [0.001, 0.01]}, "optim.epochs": {"value": 1}, "model.dropout": {"value": 0.1}}
    sweep = parse_sweep(content(method="grid", parameters=parameters), Path("mine.yaml"), words)
    caplog.set_level(logging.INFO)
    study = run_sweep(sweep, trials=1, folder=tmp_path / "search")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]
    assert any(line.startswith("[1/1] trial 0: kendall_tau") for line in caplog.messages)
    trained = json.loads((tmp_path / "search/trials/0/result.json").read_text())
    assert trained["metrics"] == {}
    assert trained["validation"]["kendall_tau"]["mean"] == study.trials[0].value
    assert not (tmp_path / "search/trials/0/scores.json").exists()
    assert load_config([tmp_path / "search/best.yaml"]).optim.lr in (0.001, 0.01)
    assert "run " in (tmp_path / "search/logs/trial-0.txt").read_text()
