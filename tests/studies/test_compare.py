import itertools
import json

import numpy as np
import pandas as pd
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.studies.compare import compare_runs, permutation_p, read_run
from clipit_lightning.training.train import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(stores, tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    base = ["optim.epochs=1", "model.width=8", "model.heads=2", "trainer.accelerator=cpu", f"data.root={stores}"]
    commands = {
        "linear0": ["model.name=linear"],
        "linear1": ["model.name=linear", "seed=1"],
        "random0": ["model.name=random"],
        "random1": ["model.name=random", "seed=1"],
        "sum": ["model.name=random", "protocol.shot_value=sum"],
        "more": ["model.name=random", "data.setting=augmented"],
        "last": ["model.name=random", "selection=last"],
        "part": ["model.name=random", "data.fold=0"],
    }
    for name, words in commands.items():
        run(load_config([], [*base, f"output={root / name}", *words]))
    return root


def test_differences_are_paired_by_video_over_the_seeds_of_each_side(runs):
    table = compare_runs([runs / "linear0", runs / "linear1"], [runs / "random1", runs / "random0"]).set_index("metric")
    means = {
        name: np.mean([pd.read_csv(runs / f"{name}{seed}/per_video.csv")["kendall_tau"].mean() for seed in (0, 1)])
        for name in ("linear", "random")
    }
    row = table.loc["kendall_tau"]
    assert row["one"] == pytest.approx(means["linear"], abs=1e-9)
    assert row["difference"] == pytest.approx(means["linear"] - means["random"], abs=1e-9)
    assert row["low"] <= row["difference"] <= row["high"]
    assert 0 < row["p"] <= 1
    assert (row["pairs"], row["what"]) == (10, "videos, means over 2 seeds")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_side_with_one_seed_is_paired_with_all_seeds_of_the_other(runs, capsys, seed):
    table = compare_runs([runs / "random0", runs / "random1"], [runs / f"linear{seed}"]).set_index("metric")
    rows = [
        pd.read_csv(runs / name / "per_video.csv").set_index("video")["kendall_tau"].sort_index()
        for name in ("random0", "random1", f"linear{seed}")
    ]
    differences = (rows[0] + rows[1]) / 2 - rows[2]
    row = table.loc["kendall_tau"]
    assert row["difference"] == pytest.approx(differences.mean(), abs=1e-9)
    assert row["p"] == pytest.approx(permutation_p(differences.tolist()))
    assert row["what"] == "videos, means over 2 and 1 seeds"
    assert main(["compare", f"{runs / 'random0'},{runs / 'random1'}", f"{runs / f'linear{seed}'}"]) == 0
    assert "paired over 10 videos, means over 2 and 1 seeds: bootstrap interval" in capsys.readouterr().out


def test_a_run_equals_itself(runs):
    row = compare_runs([runs / "linear0"], [runs / "linear0"]).set_index("metric").loc["f1"]
    assert (row["difference"], row["low"], row["high"], row["p"]) == (0, 0, 0, 1)


def test_other_rules_are_refused_and_named(runs, capsys):
    with pytest.raises(UserError, match="cannot be compared, their protocols differ in shot_value: mean against sum"):
        compare_runs([runs / "random0"], [runs / "sum"])
    assert main(["compare", str(runs / "random0"), str(runs / "sum")]) == 2


def test_runs_whose_named_parts_differ_are_compared_across_them(runs, capsys):
    words = ["compare", str(runs / "random0"), str(runs / "last")]
    assert main([*words, "--across", "selection"]) == 0
    assert "NOTE: compared across protocols that differ in selection: val against last" in capsys.readouterr().out
    assert main(words) == 2
    assert "differ in selection: val against last; --across selection compares" in capsys.readouterr().err
    for across, message in (
        ("selection,f2", "--across: 'f2' is no part of a protocol's evaluation; there are dataset, data,"),
        ("selection,f1", "--across: f1 is mean on both sides; omit it"),
    ):
        assert main([*words, "--across", across]) == 2
        assert message in capsys.readouterr().err
    words = ["compare", str(runs / "last"), str(runs / "sum"), "--across", "selection"]
    assert main(words) == 2
    assert "differ in shot_value: mean against sum; --across selection,shot_value" in capsys.readouterr().err


def test_videos_that_one_side_lacks_are_counted(runs, capsys):
    assert main(["compare", str(runs / "linear0"), str(runs / "part")]) == 0
    printed = capsys.readouterr().out
    assert "paired over 2 videos" in printed
    assert "NOTE: dropped 8 videos that only one has, 0 only other" in printed
    assert main(["compare", str(runs / "part"), str(runs / "linear0"), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert (row["pairs"], row["only_one"], row["only_other"], row["across"]) == (2, 0, 8, "")


def test_another_setting_with_the_same_test_folds_can_be_compared(runs, capsys):
    assert main(["compare", f"{runs / 'random0'}", f"{runs / 'more'}"]) == 0
    assert "paired over 10 videos" in capsys.readouterr().out


def test_repetitions_must_be_of_one_run_and_of_different_seeds(runs, tmp_path):
    with pytest.raises(UserError, match=r"linear1 is no repetition of .*: their methods and configurations differ"):
        read_run([runs / "random0", runs / "linear1"])
    with pytest.raises(UserError, match="no repetition"):
        read_run([runs / "random0", runs / "sum"])
    with pytest.raises(UserError, match="same seed"):
        read_run([runs / "random0", runs / "random0"])
    with pytest.raises(UserError, match="no run here"):
        read_run([tmp_path])


def test_permutation_p_is_that_of_all_signs():
    differences = np.array([0.3, 0.1, 0.4, -0.05, 0.2, 0.25, 0.02])
    signs = np.array(list(itertools.product((-1, 1), repeat=7)))
    exact = np.mean(np.abs((signs * differences).mean(axis=1)) >= abs(differences.mean()) - 1e-12)
    assert permutation_p(differences.tolist()) == pytest.approx(exact, abs=0.01)
