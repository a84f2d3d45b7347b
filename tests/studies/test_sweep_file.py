"""Sweep files: what wandb accepts and means by them, and what a search here makes of them."""

import math
import os
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml
from scipy import stats
from wandb.apis.public.sweeps import _validate_config_and_fill_distribution
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.studies.sweep_check import check
from clipit_lightning.studies.sweep_search import BandPruner, NumberedSampler, combinations, suggest
from clipit_lightning.studies.sweep_space import Stopping, parse_sweep, read_sweep, trial_words, values_of
from clipit_lightning.studies.sweep_values import Choice, parameter

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))
optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def engine():
    """wandb's own sweep engine, with its schema."""
    return pytest.importorskip(
        "sweeps", reason="wandb's engine: pip install --no-deps sweeps==0.3.0 (its metadata refuses numpy 2)"
    )


def content(**changes):
    """A small sweep, as the content of a file."""
    base = {
        "method": "random",
        "command": ["${env}", "clipit", "train", "test=false", "${args_no_hyphens}"],
        "parameters": {"optim.lr": {"min": 0.001, "max": 0.1}},
    }
    return {key: value for key, value in (base | changes).items() if value is not None}


def sweep(*words, **changes):
    return parse_sweep(content(**changes), Path("mine.yaml"), words)


def quantile(each, share):
    """The base variable below which a share of its distribution lies."""
    if isinstance(each.base, Choice):
        return each.base.labels[min(int(share * len(each.base.labels)), len(each.base.labels) - 1)]
    if each.base.log:
        return each.base.low * (each.base.high / each.base.low) ** share
    if each.base.integer:
        return int(stats.randint.ppf(share, each.base.low, each.base.high + 1))
    return each.base.low + share * (each.base.high - each.base.low)


def test_there_is_a_sweep_for_every_data_set():
    assert [path.stem for path in SHIPPED] == ["qfvs", "summe", "tvsum"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_have_no_violation_of_wandbs_schema(path, engine):
    from sweeps.config import SweepConfig, schema_violations_from_proposed_config

    raw = load_sweep_config(str(path))
    assert schema_violations_from_proposed_config(raw) == []
    SweepConfig(raw)
    assert schema_violations_from_proposed_config(raw | {"methods": "bayes"}) != []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_wandbs_agent_would_start_is_a_command_that_loads(path, tmp_path, monkeypatch):
    from wandb import wandb_agent

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        monkeypatch.delenv(name, raising=False)
    started = []

    class Process:
        def __init__(self, command, **rest):
            started.append(command)

    monkeypatch.setattr(wandb_agent, "AgentProcess", Process)
    raw = _validate_config_and_fill_distribution(load_sweep_config(str(path)))
    agent = wandb_agent.Agent.__new__(wandb_agent.Agent)
    agent._sweep_command, agent._function, agent._in_jupyter = raw["command"], None, False
    agent._run_processes, agent._forward_signals = {}, False
    read = read_sweep(path)
    for share in (0.0, 0.37, 0.999):
        values = values_of(read, lambda each, share=share: quantile(each, share))
        arguments = {key: {"value": value} for key, value in values.items()}
        agent._command_run({"run_id": f"run{share}", "args": arguments, "program": raw["program"]})
    assert len(started) == 3
    for command in started:
        assert command[:3] == ["/usr/bin/env", "clipit", "train"]
        config = load_config([command[3]], command[4:])
        assert config.data.dataset == path.stem
        assert config.test is False
        assert config.logger.wandb == "online"
    assert load_config([started[0][3]], started[0][4:]) != load_config([started[1][3]], started[1][4:])
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        os.environ.pop(name, None)  # the agent set them


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_are_possible_and_search_for_what_chooses_the_epoch(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    read = read_sweep(path)
    check(read)
    assert read.metric == ("f1" if path.stem == "qfvs" else "kendall_tau")
    assert read.maximize
    assert read.stopping is not None


def test_words_are_those_of_wandbs_argument_builder():
    values = {"optim.lr": 1e-05, "model.windows": [5, 21], "model.linear_path": True, "optim.ema": 0.0, "a": None}
    wandbs = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    assert trial_words(values) == wandbs["args_no_hyphens"]


def test_variables_of_the_environment_are_filled_in_as_by_wandb(monkeypatch):
    monkeypatch.setenv("STORES", "/somewhere")
    monkeypatch.delenv("NOWHERE", raising=False)
    command = ["train", "data.root=${envvar:STORES}", "output=a-${envvar:NOWHERE}", "${args_no_hyphens}"]
    assert list(sweep(command=command).words) == create_sweep_command(list(command))[1:3]


DISTRIBUTIONS = {
    "uniform": {"min": -1.5, "max": 2.0},
    "log_uniform": {"min": -3.0, "max": 1.0},
    "log_uniform_values": {"min": 0.01, "max": 10.0},
    "inv_log_uniform": {"min": -2.0, "max": 3.0},
    "inv_log_uniform_values": {"min": 0.01, "max": 10.0},
    "int_uniform": {"min": 3, "max": 12},
    "normal": {"mu": 1.0, "sigma": 2.0},
    "log_normal": {"mu": 0.5, "sigma": 0.7},
    "beta": {"a": 2.0, "b": 3.0},
    "q_uniform": {"min": 0.1, "max": 0.9, "q": 0.2},
    "q_log_uniform": {"min": 1.0, "max": 5.0, "q": 4},
    "q_log_uniform_values": {"min": 8, "max": 256, "q": 8},
    "q_normal": {"mu": 10.0, "sigma": 4.0, "q": 3},
    "q_log_normal": {"mu": 2.0, "sigma": 0.5, "q": 0.5},
    "q_beta": {"a": 2, "b": 2, "q": 0.05},
}


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_distributions_are_those_of_wandbs_engine(kind, engine):
    from sweeps.params import HyperParameter

    spec = {"distribution": kind, **DISTRIBUTIONS[kind]}
    ours, theirs = parameter("key", spec, grid=False), HyperParameter("key", spec)
    for share in np.linspace(0.013, 0.987, 61):
        value, expected = ours.value(quantile(ours, share)), theirs.ppf(np.float64(share))
        assert value == pytest.approx(expected, rel=1e-6)
        assert isinstance(value, int) == isinstance(expected, int | np.integer)


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("log_uniform", stats.loguniform(math.exp(-3), math.exp(1))),
        ("log_uniform_values", stats.loguniform(0.01, 10)),
        ("inv_log_uniform", stats.loguniform(math.exp(-3), math.exp(2))),
        ("normal", stats.norm(1, 2)),
        ("log_normal", stats.lognorm(s=0.7, scale=math.exp(0.5))),
        ("beta", stats.beta(2, 3)),
    ],
)
def test_drawn_values_follow_their_distribution(kind, reference):
    read = sweep(parameters={"key": {"distribution": kind, **DISTRIBUTIONS[kind]}})
    study = optuna.create_study(sampler=NumberedSampler(read, 0))
    trials = [study.ask() for _ in range(300)]
    drawn = [values_of(read, lambda each, trial=trial: suggest(trial, each))["key"] for trial in trials]
    assert stats.kstest(drawn, reference.cdf).pvalue > 0.01


@pytest.mark.parametrize("kind", ["uniform", "log_uniform_values", "int_uniform"])
def test_optuna_gets_the_distributions_that_wandb_would_give_it(kind):
    from wandb.sdk.sweeps.scheduler.optuna import sweep_parameter_to_distribution

    spec = {"distribution": kind, **DISTRIBUTIONS[kind]}
    read = sweep(parameters={"key": spec})
    study = optuna.create_study(sampler=NumberedSampler(read, 0))
    trial = study.ask()
    values_of(read, lambda each: suggest(trial, each))
    assert study.trials[0].distributions["key"] == sweep_parameter_to_distribution(spec)


def test_choices_keep_their_types_and_probabilities():
    values = [[5, 21], True, 0.5, "val"]
    plain = parameter("key", {"values": values}, grid=False)
    assert [plain.value(label) for label in plain.base.labels] == values
    weighted = parameter("key", {"values": ["a", "b", "c"], "probabilities": [0.2, 0.0, 0.8]}, grid=False)
    shares = np.linspace(0, 1, 1001)
    drawn = [weighted.value(share) for share in shares]
    assert drawn.count("a") / len(drawn) == pytest.approx(0.2, abs=0.01)
    assert "b" not in drawn
    assert drawn[-1] == "c"


def test_nested_parameters_have_dotted_keys():
    parameters = {"optim": {"parameters": {"lr": {"value": 0.1}, "ema": {"values": [0.0, 0.9]}}}, "seed": {"value": 3}}
    assert values_of(sweep(parameters=parameters), lambda each: each.base.labels[1]) == {
        "optim.lr": 0.1,
        "optim.ema": 0.9,
        "seed": 3,
    }


def test_a_word_fixes_the_parameter_of_its_name():
    read = sweep("optim.lr=0.5", parameters={"optim.lr": {"min": 0.1, "max": 1.0}, "seed": {"values": [0, 1]}})
    assert [each.key for each in read.parameters] == ["seed"]
    assert check(read).optim.lr == 0.5


def test_grids_are_those_of_wandbs_engine(engine):
    from sweeps.grid_search import grid_search_next_runs

    parameters = {
        "a": {"values": [3, 1]},
        "b": {"min": 2, "max": 4},
        "c": {"distribution": "q_uniform", "min": 0.1, "max": 0.7, "q": 0.2},
        "d": {"value": 9},
    }
    read = sweep(method="grid", parameters=parameters)
    ours = []
    for labels in combinations(read):
        ours.append(values_of(read, lambda each, labels=labels: labels[each.key]))
    raw, runs = {"method": "grid", "parameters": parameters}, []
    while (run := grid_search_next_runs(runs, raw)[0]) is not None:
        runs.append(run)
    theirs = [{key: value["value"] for key, value in run.config.items()} for run in runs]
    assert len(ours) == len(theirs) == 2 * 3 * 3
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other)


@pytest.mark.parametrize(
    ("early", "bands"),
    [
        ({"min_iter": 3}, [3, 9, 27]),
        ({"min_iter": 2, "eta": 1.5}, [2, 3, 4]),
        ({"max_iter": 27, "s": 2}, [3, 9]),
        ({"max_iter": 10, "s": 5, "eta": 2}, [1, 2, 5]),
    ],
)
def test_bands_are_what_wandb_documents(early, bands):
    assert list(sweep(early_terminate={"type": "hyperband", **early}).stopping.bands[: len(bands)]) == bands


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize(
    "early", [{"min_iter": 2, "eta": 2}, {"max_iter": 9, "s": 2}, {"min_iter": 3, "strict": False}]
)
def test_trials_stop_where_wandbs_engine_stops_them(goal, early, engine):
    from sweeps.hyperband_stopping import hyperband_stop_runs
    from sweeps.run import RunState, SweepRun

    metric = {"name": "validation/kendall_tau", "goal": goal}
    raw = content(metric=metric, early_terminate={"type": "hyperband", **early})
    pruner, draws, stopped = BandPruner(parse_sweep(raw, Path("x")).stopping), np.random.default_rng(0), 0
    for _ in range(60):
        study = optuna.create_study(direction=goal)
        histories = [draws.random(draws.integers(1, 12)).round(1).tolist() for _ in range(draws.integers(1, 8))]
        for history in histories:
            trial = study.ask()
            for step, value in enumerate(history, 1):
                trial.report(value, step)
        runs = [
            SweepRun(name=str(number), state=RunState.running, history=[{metric["name"]: each} for each in history])
            for number, history in enumerate(histories)
        ]
        theirs = {int(run.name) for run in hyperband_stop_runs(runs, dict(raw))}
        assert {trial.number for trial in study.trials if pruner.prune(study, trial)} == theirs
        stopped += len(theirs)
    assert stopped > 5


def test_a_trial_below_the_best_share_stops_at_its_band_and_not_before():
    study, pruner = optuna.create_study(direction="maximize"), BandPruner(Stopping((3, 6), 2.0, strict=True))
    for value in (0.9, 0.8, 0.7, 0.6):
        trial = study.ask()
        for step in (1, 2, 3):
            trial.report(value if step == 3 else 0.0, step)
    assert [pruner.prune(study, trial) for trial in study.trials] == [False, False, False, True]
    late = study.ask()
    for step in (1, 2):
        late.report(-1.0, step)
        assert not pruner.prune(study, study.trials[-1])
    late.report(-1.0, 3)
    assert pruner.prune(study, study.trials[-1])


WRONG = [
    ({"method": "tpe"}, r"method: is tpe; there are grid, random and bayes"),
    ({"metrics": []}, r"metrics: is not supported"),
    ({"command": None}, r"command: needs .*\$\{args_no_hyphens\}"),
    ({"command": ["clipit", "train", "${args}", "${args_no_hyphens}"]}, r"command: \$\{args\} is nothing"),
    ({"metric": {"name": "kendall_tau", "goal": "maximize"}}, r"metric\.name: .*trials report validation/"),
    ({"metric": {"name": "validation/f1"}}, r"metric\.goal: is None; say maximize"),
    ({"parameters": None}, r"parameters: is missing or empty"),
    ({"parameters": {"optim.lr": 3}}, r"parameters\.optim\.lr: is 3; say value:"),
    ({"parameters": {"optim.lr": {"min": "1e-4", "max": 0.1}}}, r"min is '1e-4'; .*write 1\.0e-4"),
    ({"parameters": {"optim.lr": {"min": 0.2, "max": 0.1}}}, r"min 0\.2 is not below max 0\.1"),
    ({"parameters": {"optim.lr": {"min": 1, "max": 2.5}}}, r"say distribution: uniform"),
    ({"parameters": {"optim.lr": {"distribution": "cauchy", "min": 0, "max": 1}}}, r"distribution cauchy is not supp"),
    ({"parameters": {"optim.lr": {"distribution": "log_uniform_values", "min": 0, "max": 1}}}, r"needs it above 0"),
    ({"parameters": {"optim.lr": {"distribution": "normal", "sigma": 0}}}, r"sigma is 0; it must be above 0"),
    ({"parameters": {"optim.lr": {"distribution": "uniform", "min": 0, "max": 1, "q": 2}}}, r"q is unknown here"),
    ({"parameters": {"seed": {"distribution": "int_uniform", "min": 0.5, "max": 2}}}, r"int_uniform needs whole"),
    ({"parameters": {"seed": {"values": [1, 1]}}}, r"names a value twice"),
    ({"parameters": {"seed": {"values": []}}}, r"values is empty"),
    ({"parameters": {"seed": {"values": [1, 2], "probabilities": [0.5, 0.6]}}}, r"with sum 1"),
    ({"parameters": {"a": {"parameters": {"b": {"value": 1}}}, "a.b": {"value": 2}}}, r"a\.b: is there twice"),
    ({"method": "grid"}, r"parameters\.optim\.lr: uniform has no grid"),
    ({"early_terminate": {"type": "median"}}, r"early_terminate\.type: hyperband is possible"),
    ({"early_terminate": {"type": "hyperband"}}, r"early_terminate: needs min_iter"),
    ({"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1}}, r"early_terminate\.eta: is 1; above 1"),
    ({"early_terminate": {"type": "hyperband", "max_iter": 2, "s": 3}}, r"no band is left"),
    ({"run_cap": 0}, r"run_cap: is 0"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_errors_are_one_line_that_names_the_file_and_the_key(changes, message):
    with pytest.raises(UserError, match=rf"^mine\.yaml: .*{message}") as error:
        sweep(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["method: [", "- 1", "", "!!python/object/apply:os.system ['true']", "\x00"])
def test_damaged_files_are_one_line(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(UserError, match=r"bad\.yaml: (not a YAML file|holds no sweep)") as error:
        read_sweep(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no such sweep file"):
        read_sweep(tmp_path / "none.yaml")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "twice.yaml").write_text("method: random\nname: one\nmethod: grid\n")
    with pytest.raises(UserError, match=r"twice\.yaml: .*a key stands twice near line 1"):
        read_sweep(tmp_path / "twice.yaml")


IMPOSSIBLE = [
    ({"optim.lrr": {"values": [1.0, 2.0]}}, (), r"parameters\.optim\.lrr: 1\.0 is impossible .*no such key.*lr"),
    ({"optim.lr": {"min": -1.0, "max": 1.0}}, (), r"parameters\.optim\.lr: -1\.0 is impossible"),
    ({"model.width": {"values": [64, 66]}}, (), r"parameters\.model\.width: 66 is impossible .*model\.heads"),
    ({"test": {"values": [True, False]}}, (), r"parameters\.test: is nothing to search over"),
    ({"output": {"value": "here"}}, (), r"parameters\.output: is nothing to search over"),
    ({"logger.wandb": {"value": "offline"}}, (), r"parameters\.logger\.wandb: is nothing"),
    ({"protocol.budget": {"min": 0.1, "max": 0.2}}, (), r"parameters\.protocol\.budget: changes what is measured"),
    ({"data.folds": {"values": [2, 3]}}, (), r"parameters\.data\.folds: changes what is measured"),
    ({"selection": {"values": ["val", "best-on-test"]}}, (), r"best-on-test validates on test folds"),
    ({"seed": {"values": [0, 1]}}, ("selection=best-on-test",), r"best-on-test validates on test folds"),
    ({"seed": {"values": [0, 1]}}, ("protocol.preset=msva",), r"best-on-test validates on test folds"),
    ({"seed": {"values": [0, 1]}}, ("trainer.devices=2",), r"trainer\.devices: .*--workers"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "words", "message"), IMPOSSIBLE, ids=[each[2][:40] for each in IMPOSSIBLE])
def test_what_cannot_run_or_would_see_test_folds_is_said_before_any_trial(parameters, words, message):
    with pytest.raises(UserError, match=message) as error:
        check(sweep(*words, parameters=parameters))
    assert "\n" not in str(error.value)


def test_a_value_that_is_possible_beside_another_parameter_is_accepted():
    parameters = {"model.width": {"values": [30, 60]}, "model.heads": {"values": [3, 5]}}  # not beside 4 heads
    check(sweep(parameters=parameters))


def test_shipped_files_say_how_to_start_them():
    for path in SHIPPED:
        assert f"make sweep DATASET={path.stem} SWEEP=local" in path.read_text()
        assert yaml.safe_load(path.read_text())["name"] == f"clip-it-{path.stem}"
