"""Sweep files: what wandb accepts and means by them, and what a search here makes of them."""

from pathlib import Path

import optuna
import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config

from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.studies.sweep_check import check, trial_config
from clipit_lightning.studies.sweep_file import draw_values, parse_sweep, read_sweep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))
optuna.logging.set_verbosity(optuna.logging.ERROR)


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


def drawn(read, number=1):
    """The values of random trials of a sweep."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [draw_values(read, study.ask()) for _ in range(number)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_have_no_violation_of_wandbs_schema(path):
    reason = "wandb's engine: pip install --no-deps sweeps==0.3.0 (its metadata refuses numpy 2)"
    config = pytest.importorskip("sweeps.config", reason=reason)
    raw = load_sweep_config(str(path))
    assert config.schema_violations_from_proposed_config(raw) == []
    assert config.schema_violations_from_proposed_config(raw | {"methods": "bayes"}) != []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_are_possible_and_wandb_starts_the_runs_that_a_search_here_does(path):
    read = read_sweep(path)
    check(read)
    assert read.online_only is None
    assert read.metric == ("f1" if path.stem == "qfvs" else "kendall_tau")
    assert read.maximize
    assert read.halving == ((6 if path.stem == "qfvs" else 10), 2)
    command = create_sweep_command(load_sweep_config(str(path))["command"])
    for values in drawn(read, 3):
        wandbs = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
        words = [*command[:-1], *wandbs["args_no_hyphens"]]
        assert words[:3] == ["${env}", "clipit", "train"]
        config = load_config([words[3]], words[4:])
        assert config == trial_config(read, values, last=())
        assert config.data.dataset == path.stem
        assert config.test is False
        assert config.logger.wandb == "online"


@pytest.mark.parametrize(
    ("spec", "possible"),
    [
        ({"distribution": "q_uniform", "min": 0.1, "max": 0.7, "q": 0.2}, {0.1, 0.3, 0.5, 0.7}),
        ({"distribution": "q_uniform", "min": 8, "max": 24, "q": 8}, {8, 16, 24}),
        ({"distribution": "int_uniform", "min": 3, "max": 5}, {3, 4, 5}),
        ({"min": 3, "max": 5}, {3, 4, 5}),
        ({"values": [3, True, 0.5, "val"]}, {3, True, 0.5, "val"}),
        ({"value": "fixed"}, {"fixed"}),
    ],
)
def test_drawn_values_are_those_of_the_file_with_their_types(spec, possible):
    values = [value["key"] for value in drawn(sweep(parameters={"key": spec}), 60)]
    assert set(values) == possible
    assert {type(value) for value in values} == {type(value) for value in possible}


@pytest.mark.parametrize(("kind", "middle"), [("uniform", 5.005), ("log_uniform_values", 0.3162)])
def test_half_of_the_drawn_numbers_are_below_the_middle(kind, middle):
    read = sweep(parameters={"key": {"distribution": kind, "min": 0.01, "max": 10}})
    values = [value["key"] for value in drawn(read, 300)]
    assert 0.01 <= min(values) < max(values) <= 10
    assert 120 < sum(value < middle for value in values) < 180


def test_nested_parameters_have_dotted_keys():
    parameters = {"optim": {"parameters": {"lr": {"value": 0.1}, "ema": {"values": [0.9]}}}, "seed": {"value": 3}}
    assert drawn(sweep(parameters=parameters)) == [{"optim.lr": 0.1, "optim.ema": 0.9, "seed": 3}]


def test_a_word_fixes_the_parameter_of_its_name():
    read = sweep("optim.lr=0.5", parameters={"optim.lr": {"min": 0.1, "max": 1.0}, "seed": {"values": [0, 1]}})
    assert [parameter.key for parameter in read.parameters] == ["seed"]
    assert check(read).optim.lr == 0.5


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"parameters": {"seed": {"distribution": "normal", "mu": 0, "sigma": 1}}}, "parameters.seed: distribution no"),
        ({"parameters": {"seed": {"values": [1, 2], "probabilities": [0.5, 0.5]}}}, "parameters.seed: probabilities"),
        ({"method": "grid"}, "parameters.optim.lr: uniform has no grid here"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 1.5}}, "early_terminate: here are min_iter"),
    ],
)
def test_what_only_the_server_can_do_is_read_and_named(changes, problem):
    read = sweep(**changes)
    check(read)
    assert read.online_only.startswith(f"mine.yaml: {problem}")
    assert read.online_only.endswith("; --online has wandb's server search")


WRONG = [
    ({"method": "tpe"}, r"method: is tpe; there are grid, random and bayes"),
    ({"metrics": []}, r"metrics: is not supported"),
    ({"command": None}, r"command: needs .*\$\{args_no_hyphens\}"),
    ({"command": ["clipit", "train", "${args}", "${args_no_hyphens}"]}, r"command: \$\{args\} is nothing"),
    ({"command": ["train", "seed=${envvar:A}", "${args_no_hyphens}"]}, r"command: seed=\$.* would be saved with each"),
    ({"metric": {"name": "kendall_tau", "goal": "maximize"}}, r"metric\.name: .*trials report validation/"),
    ({"metric": {"name": "validation/f1"}}, r"metric\.goal: is None; write maximize"),
    ({"parameters": None}, r"parameters: is missing or empty"),
    ({"parameters": {"optim.lr": 3}}, r"parameters\.optim\.lr: is 3; write value:"),
    ({"parameters": {"optim.lr": {"min": "1e-4", "max": 0.1}}}, r"min is '1e-4'; .*write 1\.0e-4"),
    ({"parameters": {"optim.lr": {"min": 0.2, "max": 0.1}}}, r"min 0\.2 is not below max 0\.1"),
    ({"parameters": {"optim.lr": {"min": 1, "max": 2.5}}}, r"write distribution: uniform"),
    ({"parameters": {"optim.lr": {"distribution": "log_uniform_values", "min": 0, "max": 1}}}, r"needs it above 0"),
    ({"parameters": {"optim.lr": {"distribution": "uniform", "min": 0, "max": 1, "q": 2}}}, r"q is unknown here"),
    ({"parameters": {"seed": {"distribution": "int_uniform", "min": 0.5, "max": 2}}}, r"int_uniform needs whole"),
    ({"parameters": {"seed": {"values": [1, 1]}}}, r"names a value twice"),
    ({"parameters": {"a": {"parameters": {"b": {"value": 1}}}, "a.b": {"value": 2}}}, r"a\.b: is there twice"),
    ({"early_terminate": {"type": "median"}}, r"early_terminate\.type: hyperband is possible"),
    ({"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1}}, r"early_terminate\.eta: is 1; above 1"),
    ({"run_cap": 0}, r"run_cap: is 0"),
]  # fmt: skip


def test_what_is_no_sweep_is_one_line(tmp_path):
    (tmp_path / "bad.yaml").write_text("- 1")
    with pytest.raises(UserError, match=r"bad\.yaml: holds no sweep"):
        read_sweep(tmp_path / "bad.yaml")


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_errors_are_one_line_that_names_the_file_and_the_key(changes, message):
    with pytest.raises(UserError, match=rf"^mine\.yaml: .*{message}") as error:
        sweep(**changes)
    assert "\n" not in str(error.value)


IMPOSSIBLE = [
    ({"optim.lrr": {"values": [1.0, 2.0]}}, (), r"parameters\.optim\.lrr: 1\.0 is impossible .*no such key.*lr"),
    ({"optim.lr": {"min": -1.0, "max": 1.0}}, (), r"parameters\.optim\.lr: -1\.0 is impossible"),
    ({"model.width": {"values": [64, 66]}}, (), r"parameters\.model\.width: 66 is impossible .*model\.heads"),
    ({"test": {"values": [True, False]}}, (), r"parameters\.test: is nothing to search over"),
    ({"logger.wandb": {"value": "offline"}}, (), r"parameters\.logger\.wandb: is nothing"),
    ({"protocol.budget": {"min": 0.1, "max": 0.2}}, (), r"parameters\.protocol\.budget: changes what is measured"),
    ({"selection": {"values": ["val", "best-on-test"]}}, (), r"best-on-test validates on test folds"),
    ({"seed": {"values": [0, 1]}}, ("selection=best-on-test",), r"best-on-test validates on test folds"),
    ({"seed": {"values": [0, 1]}}, ("protocol.preset=msva",), r"best-on-test validates on test folds"),
    ({"seed": {"values": [0, 1]}}, ("trainer.devices=2",), r"trainer\.devices: .*--workers"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "words", "message"), IMPOSSIBLE)
def test_what_cannot_run_or_would_see_test_folds_is_said_before_any_trial(parameters, words, message):
    with pytest.raises(UserError, match=message) as error:
        check(sweep(*words, parameters=parameters))
    assert "\n" not in str(error.value)


def test_a_value_that_is_possible_beside_another_parameter_is_accepted():
    parameters = {"model.width": {"values": [30, 60]}, "model.heads": {"values": [3, 5]}}  # not beside 4 heads
    check(sweep(parameters=parameters))
