"""Local sweeps: what a search leaves, and that kills, several workers and several commands change nothing of it."""

import json
import multiprocessing
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
import yaml
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from clipit_lightning.core import locks as run_lock_module
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.locks import run_lock
from clipit_lightning.studies import sweep_claims as claims
from clipit_lightning.studies import sweep_local as local
from clipit_lightning.studies.sweep_claims import choosing, next_trial
from clipit_lightning.studies.sweep_report import best_config, ranked, results_table, write_plots, write_results
from clipit_lightning.studies.sweep_search import FINISHED, shown, storage_errors, suggest
from clipit_lightning.studies.sweep_space import parse_sweep
from clipit_lightning.studies.sweep_worker import Search, place_of, work
from clipit_lightning.training.objective import RunningObjective
from clipit_lightning.training.run import Run
from tests.support.results import fold_result, metric, result

pytestmark = pytest.mark.slow

EPOCHS = 4


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
    reached = metric(reached[0][-1], reached[1][-1])
    trained = result(metrics={}, validation={"monitor": "kendall_tau", "kendall_tau": reached})
    Run(folder).write(trained, [])
    return trained


@pytest.fixture(autouse=True)
def train(monkeypatch):
    """The module that workers train with."""
    module = ModuleType("clipit_lightning.training.train")
    module.run = fake_run
    monkeypatch.setitem(sys.modules, "clipit_lightning.training.train", module)
    import clipit_lightning.training

    monkeypatch.setattr(clipit_lightning.training, "train", module, raising=False)
    return module


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
    """A search of the fake function, as workers get it."""

    def make(name="search", wanted=6, storage=None, **changes):
        folder = tmp_path / name
        for each in ("claims", "logs", "trials"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        shutil.copy(database, folder / "study.db")
        return Search(
            path=Path("mine.yaml"),
            raw=content(**changes),
            words=(),
            root="data",
            metric="kendall_tau",
            monitor="kendall_tau",
            seed=0,
            folder=folder,
            name=name,
            url=storage or f"sqlite:///{folder / 'study.db'}",
            shared=storage is not None,
            wanted=wanted,
        )

    return make


def outcome(search):
    """Trials that are finished, as what may not depend on who ran them."""
    trials = place_of(search).trials()
    return {each.number: (each.state, each.user_attrs["values"], each.value) for each in trials}


def in_process(search, seconds):
    """A worker in a process of its own, with a slow fake."""
    import clipit_lightning.training

    module = ModuleType("clipit_lightning.training.train")
    module.run = lambda *given, **named: fake_run(*given, **named, epoch_seconds=seconds)
    sys.modules["clipit_lightning.training.train"] = clipit_lightning.training.train = module
    work(search)


def start_workers(search, number, seconds=0.05):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=in_process, args=(search, seconds)) for _ in range(number)]
    for worker in workers:
        worker.start()
    return workers


def test_a_search_finishes_as_many_trials_as_wanted_and_the_objective_is_validation(search):
    asked = search()
    work(asked)
    trials = outcome(asked)
    assert len(trials) == 6
    for state, values, value in trials.values():
        assert state == TrialState.COMPLETE
        assert value == pytest.approx(-((values["optim.lr"] - 0.3) ** 2) + 0.08)
    work(asked)
    assert outcome(asked) == trials
    work(replace(asked, wanted=8))
    assert len(outcome(asked)) == 8


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_trial_follows_from_seed_and_number(search, method):
    early = {"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 2}}
    found = []
    for name in ("one", "two"):
        asked = search(name, wanted=12 if method == "bayes" else 8, method=method, **early)
        work(asked)
        found.append(outcome(asked))
    assert found[0] == found[1]
    assert {state for state, _, _ in found[0].values()} == set(FINISHED)
    other = replace(search("three", wanted=1, method=method, **early), seed=1)
    work(other)
    assert outcome(other)[0] != found[0][0]


@pytest.mark.parametrize(("name", "per_fold"), [("linear", 7), ("mlp", EPOCHS)])
def test_every_validation_of_every_fold_is_a_step_of_its_own(search, train, name, per_fold):
    """Of the closed form a fold has one with each strength, however many epochs others have."""

    def run(config, watch):
        for fold, epoch in [(fold, epoch) for fold in (0, 1) for epoch in range(per_fold)]:
            watch(fold, epoch, {"kendall_tau": epoch / 10 + fold, "f1": 0.5})
        return {"validation": {"kendall_tau": {"mean": 1.0}}}

    train.run = run
    alphas, model = list(range(1, 8)), {"model.name": {"value": name}}
    asked = search(wanted=1, parameters={**content()["parameters"], **model, "model.alphas": {"value": alphas}})
    work(asked)
    (trial,) = place_of(asked).trials()
    best = [0.1 * epoch for epoch in range(per_fold)]
    both = [(best[-1] + epoch / 10 + 1) / 2 for epoch in range(per_fold)]
    assert trial.intermediate_values == pytest.approx(dict(enumerate([*best, *both], start=1)))


def test_a_killed_search_ends_as_an_undisturbed_one(search, train):
    early = {"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 2}, "method": "bayes"}
    undisturbed = search("undisturbed", wanted=11, **early)  # ten are random before TPE begins
    work(undisturbed)
    disturbed, epochs = search("disturbed", wanted=11, **early), [0]

    def killed_now_and_then(config, watch):
        def counted(fold, epoch, validation):
            epochs[0] += 1
            if epochs[0] % 13 == 0:
                raise KeyboardInterrupt
            watch(fold, epoch, validation)
            if epochs[0] % 17 == 0:
                raise KeyboardInterrupt

        return fake_run(config, counted)

    train.run = killed_now_and_then
    kills = 0
    while True:
        try:
            work(disturbed)
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills > 3
    assert outcome(disturbed) == outcome(undisturbed)


def test_a_trial_that_was_killed_between_being_made_and_drawn_is_not_lost(search):
    asked = search(wanted=2)
    place_of(asked).study.ask()  # nobody's, without values
    work(asked)
    undisturbed = search("undisturbed", wanted=2)
    work(undisturbed)
    assert outcome(asked) == outcome(undisturbed)


def test_a_grid_tries_every_combination_once(search):
    parameters = {"optim.lr": {"values": [0.1, 0.2, 0.3]}, "seed": {"min": 0, "max": 2}, "optim.ema": {"value": 0.5}}
    asked = search(wanted=100, method="grid", parameters=parameters)
    workers = start_workers(asked, 2, seconds=0.0)
    for worker in workers:
        worker.join()
    tried = [(values["optim.lr"], values["seed"]) for _, values, _ in outcome(asked).values()]
    assert sorted(tried) == [(lr, seed) for lr in (0.1, 0.2, 0.3) for seed in (0, 1, 2)]


def test_workers_that_are_killed_count_no_trial_twice_and_lose_none(search):
    asked = search(wanted=10)
    for pause in (0.4, 0.7, 0.5, 0.6):  # until a kill has hit a trial, and not the moment between two
        workers = start_workers(asked, 2)
        until = time.monotonic() + 60
        while not list((asked.folder / "trials").glob("*/folds/*/epoch-*")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(pause)
        for worker in workers:
            worker.kill()
            worker.join()
        if any(each.state == TrialState.RUNNING for each in place_of(asked).trials()):
            break
    work(asked)
    undisturbed = search("undisturbed", wanted=10)
    work(undisturbed)
    assert outcome(asked) == outcome(undisturbed)
    assert sorted(int(path.name) for path in (asked.folder / "trials").iterdir()) == list(range(10))


def test_a_worker_that_dies_between_two_keys_changes_no_value(search, monkeypatch):
    asked, undisturbed = search(wanted=6), search("undisturbed", wanted=6)
    deaths = {1, 3, 4, 5}

    def deadly(trial, each):
        if each.key == "model.windows" and trial.number in deaths:
            deaths.remove(trial.number)
            raise KeyboardInterrupt
        return suggest(trial, each)

    monkeypatch.setattr(claims, "suggest", deadly)
    while deaths:
        with pytest.raises(KeyboardInterrupt):
            work(asked)
    work(asked)
    work(undisturbed)
    assert outcome(asked) == outcome(undisturbed)


def test_a_trial_that_kills_its_worker_again_and_again_fails(search, train):
    asked = search(wanted=2)

    def deadly(config, watch):
        if config.output.endswith("/0"):
            raise KeyboardInterrupt
        return fake_run(config, watch)

    train.run = deadly
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            work(asked)
    work(asked)
    states = [each.state for each in place_of(asked).trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_a_trial_of_a_lost_machine_is_run_once_more(search, tmp_path, monkeypatch):
    from clipit_lightning.studies import sweep_search as module

    monkeypatch.setattr(module, "BEAT", 1)
    monkeypatch.setattr(module, "GRACE", 1)
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    asked = search("elsewhere", wanted=2, storage=url)
    place = place_of(asked)
    monkeypatch.setattr(claims.socket, "gethostname", lambda: "lost")
    with next_trial(place) as trial:
        lost = trial.user_attrs["values"]
    monkeypatch.undo()
    monkeypatch.setattr(module, "BEAT", 1)
    monkeypatch.setattr(module, "GRACE", 1)
    time.sleep(2.1)
    here = replace(search("here", wanted=2, storage=url), name="elsewhere")
    import clipit_lightning.training

    stub = ModuleType("clipit_lightning.training.train")
    stub.run = fake_run
    monkeypatch.setitem(sys.modules, "clipit_lightning.training.train", stub)
    monkeypatch.setattr(clipit_lightning.training, "train", stub, raising=False)
    work(here)
    trials = place_of(here).trials()
    assert [each.state for each in trials if each.state in FINISHED] == [TrialState.COMPLETE] * 2
    assert trials[0].state == TrialState.FAIL
    assert trials[1].user_attrs["values"] == lost


@pytest.fixture
def no_waiting(monkeypatch):
    """A wait fails the test, which would else go on for ever, or for minutes."""

    def sleep(seconds):
        raise AssertionError("waits")

    for module in (claims, run_lock_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic), raising=False)


@pytest.mark.parametrize("change", ["folder", "machine"])
def test_a_search_goes_on_where_its_folder_or_its_machine_has_another_name(
    search, train, tmp_path, monkeypatch, no_waiting, change
):
    asked, undisturbed, epochs = search(wanted=1), search("undisturbed", wanted=1), []

    def killed(config, watch):
        def watched(fold, epoch, validation):
            epochs.append((fold, epoch))
            if len(epochs) == 3:
                raise KeyboardInterrupt
            watch(fold, epoch, validation)

        return fake_run(config, watched)

    train.run = killed
    local._refuse_another_search(place_of(asked), asked.name, asked.url, {})
    with pytest.raises(KeyboardInterrupt):
        work(asked)
    if change == "folder":
        moved = shutil.move(asked.folder, tmp_path / "moved")
        asked = replace(asked, folder=moved, url=f"sqlite:///{moved / 'study.db'}")
    else:
        monkeypatch.setattr(claims.socket, "gethostname", lambda: "another")
    local._refuse_another_search(place_of(asked), asked.name, asked.url, {})
    work(asked)
    assert epochs == [(0, 0), (0, 1), (0, 2), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]
    work(undisturbed)
    assert outcome(asked) == outcome(undisturbed)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_trial_that_ends_while_it_is_adopted_is_left_alone(search, tmp_path, monkeypatch, elsewhere):
    """Here its worker ends it before we lock it; of a shared study another machine may give it up even after that."""
    asked = search(wanted=2, storage=f"sqlite:///{tmp_path / 'shared.db'}" if elsewhere else None)
    place = place_of(asked)
    with next_trial(place):
        pass  # a worker that died

    def end_once():
        if place.trials()[0].state == TrialState.RUNNING:
            place.study.tell(0, state=TrialState.FAIL)

    def locked_late(folder, *given, **named):
        if folder == place.lock(place.trials()[0]) and not elsewhere:
            end_once()
        return run_lock(folder, *given, **named)

    def noted_late(*given, real=claims._fruitless):
        end_once()
        return real(*given)

    monkeypatch.setattr(claims, "run_lock", locked_late)
    if elsewhere:
        monkeypatch.setattr(claims, "_fruitless", noted_late)
    work(asked)
    states = [each.state for each in place.trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert "adopted" not in place.trials()[0].user_attrs


@pytest.mark.parametrize("broken", ["claims", "claims/.0.lock"])
def test_locks_that_cannot_be_written_are_one_line_at_once(search, no_waiting, broken):
    asked = search(wanted=1)
    place = place_of(asked)
    place.study.ask()
    (asked.folder / "claims").rmdir()
    if broken == "claims":
        (asked.folder / broken).touch()
    else:
        (asked.folder / broken).mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write .*\.lock: .*; free space or choose another folder"):
        work(asked)


def test_the_right_to_choose_is_waited_for(search, monkeypatch):
    place = place_of(search())
    other = choosing(place)
    other.__enter__()
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 50:
            other.__exit__(None, None, None)

    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: float(len(waits)))
    monkeypatch.setattr(run_lock_module, "time", clock)
    with choosing(place):
        assert len(waits) == 50


def test_failed_trials_are_told_and_do_not_count(search):
    values = [0.9, 0.1, 0.8]
    asked = search(wanted=2, method="grid", parameters={"optim.weight_decay": {"values": values}})
    work(asked)
    place = place_of(asked)
    assert [each.state.name for each in place.trials()] == ["FAIL", "COMPLETE", "FAIL"]
    assert place.trials()[0].user_attrs["error"] == "the loss is not finite at step 3; lower optim.lr"
    assert "2 failed" in results_table(place.study, place.sweep, "kendall_tau")


def test_a_search_in_which_everything_fails_ends_with_the_reason(search):
    asked = search(parameters={"optim.weight_decay": {"distribution": "uniform", "min": 0.6, "max": 1.0}})
    with pytest.raises(UserError, match=r"5 trials failed one after the other; the last: the loss is not finite"):
        work(asked)
    assert len(outcome(asked)) == 5


def test_the_target_ends_a_search(search):
    metric = {"name": "validation/kendall_tau", "goal": "maximize", "target": 0.0}
    asked = search(wanted=50, metric=metric)
    work(asked)
    values = [value for _, _, value in outcome(asked).values()]
    assert values[-1] >= 0.0
    assert all(value < 0.0 for value in values[:-1])


def test_results_are_a_configuration_that_trains_and_tests_a_table_and_plots(search):
    asked = search(wanted=6, command=["clipit", "train", "data.folds=3", "test=false", "${args_no_hyphens}"])
    work(asked)
    place = place_of(asked)
    write_results(place.study, place.sweep, "kendall_tau", asked.folder)
    best = ranked(place.study)[0]
    assert best.value == max(value for _, _, value in outcome(asked).values())
    config = load_config([asked.folder / "best.yaml"])
    assert config == best_config(best, place.sweep)
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
    table = results_table(place.study, place.sweep, "kendall_tau")
    assert f"{best.value:.4f}" in table
    assert table.endswith("6 complete")
    pytest.importorskip("matplotlib")
    write_plots(place.study, "kendall_tau", asked.folder, print)
    for name in ("history.png", "importance.png"):
        assert (asked.folder / name).read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_one_line_says_so(search, monkeypatch):
    asked, said = search(wanted=1), []
    work(asked)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_plots(place_of(asked).study, "kendall_tau", asked.folder, said.append)
    assert len(said) == 1
    assert "matplotlib" in said[0]


def test_another_search_in_the_folder_or_the_study_is_refused(search):
    one, other = search("one"), search("other")
    definition = {"method": "random", "optim.lr": 0.1, "data": "abc"}
    local._refuse_another_search(place_of(one), "one", one.url, definition)
    local._refuse_another_search(place_of(one), "one", one.url, definition)
    refused = [
        (one, "one", one.url, {**definition, "optim.lr": 0.2, "data": "abd"}, r"\(other data, optim\.lr\)"),
        (one, "two", one.url, definition, r"\(other study\)"),
        (replace(one, shared=True), "one", other.url, definition, r"\(other storage\)"),
        (replace(one, folder=other.folder), "one", one.url, {**definition, "method": "bayes"}, r"\(other method\)"),
    ]
    for asked, name, url, changed, message in refused:
        with pytest.raises(UserError, match=rf"holds another search {message}; give --to FOLDER"):
            local._refuse_another_search(place_of(asked), name, url, changed)


@pytest.mark.parametrize(
    ("changes", "trials", "wanted"),
    [
        ({}, None, 20),
        ({}, 7, 7),
        ({"run_cap": 5}, None, 5),
        ({"run_cap": 5}, 7, 5),
        ({"method": "grid", "parameters": {"seed": {"min": 0, "max": 3}}}, None, 4),
        ({"method": "grid", "parameters": {"seed": {"min": 0, "max": 3}}}, 3, 3),
    ],
)
def test_how_many_trials_are_wanted(changes, trials, wanted):
    assert local.wanted_trials(parse_sweep(content(**changes), Path("x")), trials) == wanted


def test_data_that_are_missing_and_metrics_that_are_unknown_are_said_before_anything_is_made(tmp_path, stores):
    for words, changes, message in (
        (("data.root=nowhere",), {}, r"missing: nowhere/tvsum\.h5"),
        (
            (f"data.root={stores}",),
            {"metric": {"name": "validation/bleu", "goal": "maximize"}},
            r"validation/kendall_tau",
        ),
    ):
        sweep = parse_sweep(content(**changes), Path("mine.yaml"), words)
        with pytest.raises(UserError, match=message):
            local.run_sweep(sweep, folder=tmp_path / "search", say=print)
    assert not (tmp_path / "search").exists()


def test_a_folder_that_is_a_file_is_one_line(tmp_path, stores):
    (tmp_path / "file").touch()
    sweep = parse_sweep(content(), Path("mine.yaml"), (f"data.root={stores}",))
    with pytest.raises(UserError, match=r"cannot write .*; give --to FOLDER"):
        local.run_sweep(sweep, folder=tmp_path / "file", say=print)


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
        place_of(search(storage=url))
    assert "\n" not in str(error.value)
    assert "geheim" not in str(error.value)


def test_a_missing_driver_is_one_line_without_password():
    message = r"driver for postgresql://user:\*\*\*@host/base is missing.*psycopg"
    with pytest.raises(UserError, match=message) as error, storage_errors("postgresql://user:geheim@host/base"):
        raise ImportError("No module named 'psycopg'")
    assert "geheim" not in shown("postgresql://user:geheim@host/base") + str(error.value)


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
        {"validation": {"kendall_tau": 0.4}, "epoch": 1, "state_dict": {"w": torch.zeros(1)}, "scorer": {}},
        fold / "best.ckpt",
    )
    continued = RunningObjective("val", "kendall_tau", tmp_path)
    assert continued.update(0, {"kendall_tau": 0.3}) == {"kendall_tau": 0.4}


def test_real_training_runs_in_processes_of_its_own_and_continues(stores, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "clipit_lightning.training.train")
    words = (f"data.root={stores}", "data.fold=0", "model.width=8", "model.heads=2", "trainer.accelerator=cpu")
    parameters = {"optim.lr": {"values": [0.001, 0.01]}, "optim.epochs": {"value": 1}, "model.dropout": {"value": 0.1}}
    sweep = parse_sweep(content(method="grid", parameters=parameters), Path("mine.yaml"), words)
    said: list[str] = []
    study = local.run_sweep(sweep, trials=1, folder=tmp_path / "search", say=said.append)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]
    assert any(line.startswith("[1/1] trial 0: kendall_tau") for line in said)
    result = json.loads((tmp_path / "search/trials/0/result.json").read_text())
    assert result["metrics"] == {}
    assert result["validation"]["kendall_tau"]["mean"] == study.trials[0].value
    assert not (tmp_path / "search/trials/0/scores.json").exists()
    assert load_config([tmp_path / "search/best.yaml"]).optim.lr == 0.001
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
