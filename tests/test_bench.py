"""The runner of `experiments/bench`, and what the usual code is compared with before it is timed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clipit_lightning.data.mini import ensure_mini
from experiments.bench import runner
from experiments.bench.runner import Measured, NotEqualError, Options, Table, check_equal


def in_turn(*seconds: float):
    """A variant whose calls take these seconds, half of them of a processor, and return 1."""
    rounds = iter(seconds)
    return lambda: Measured(taken := next(rounds), taken / 2, 1)


def test_ratios_are_of_rounds_and_phases_add_up():
    variants = {
        "ours": (in_turn(9, 1, 2, 4), in_turn(9, 1, 1, 1)),
        "usual": (in_turn(9, 2, 2, 12), in_turn(9, 2, 4, 3)),
    }
    rows = runner.run(Table("an epoch", variants, tolerance=0, phases=("training", "with evaluation")), 3)
    assert rows["variant"].tolist() == [
        f"{phase}: {name}" for phase in ("training", "with evaluation") for name in ("ours", "usual")
    ]
    assert rows["wall_s"].tolist() == [2, 2, 3, 6]
    assert rows["cpu_s"].tolist() == [1, 1, 1.5, 3]
    assert rows["ratio"].tolist() == [1, 2, 1, 2]
    assert rows[["least", "most"]].to_numpy().tolist() == [[1, 1], [1, 3], [1, 1], [2, 3]]
    assert "with evaluation: usual" in runner.format_rows(rows)


def test_variants_that_differ_are_not_timed():
    variants = {"ours": lambda: [1.0, 2.0], "usual": lambda: [1.0, 2.1]}
    with pytest.raises(NotEqualError, match=r"sums, usual: differs by 0\.1, more than 0\.01"):
        runner.run(Table("sums", variants, tolerance=0.01), 1)
    assert len(runner.run(Table("sums", variants, tolerance=0.2), 1)) == 2
    for value in ([1.0], [1.0, np.nan]):
        with pytest.raises(NotEqualError):
            check_equal("sums", value, [1.0, 2.0], 1)


def test_a_call_is_measured_and_a_command_that_fails_stops_the_run():
    measured = runner.measure(lambda: sum(range(1_000_000)))
    assert measured.value == 499_999_500_000
    assert 0 < measured.cpu < 10 * measured.wall
    assert runner.measure(runner.command("-c", "sum(range(3_000_000))")).cpu > 0.02  # a child's
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        runner.command("-c", "1 / 0")()


def test_every_benchmark_is_listed_and_another_is_an_error():
    command = [sys.executable, "-m", "experiments.bench"]
    listed = subprocess.run([*command, "--list"], cwd=runner.REPOSITORY, capture_output=True, text=True).stdout
    files = {path.stem for path in (runner.REPOSITORY / "experiments/bench").glob("[a-z]*.py")} - {"runner", "usual"}
    assert {line.split()[0] for line in listed.splitlines()} == files
    wrong = subprocess.run([*command, "trainings"], cwd=runner.REPOSITORY, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "unknown: trainings; there are decoding, " in wrong.stderr


@pytest.mark.slow
def test_the_usual_code_computes_what_ours_does_and_both_train_in_turn(tmp_path: Path):
    from experiments.bench.training import tables

    options = Options(root=ensure_mini(tmp_path / "mini"), repeats=1, words=["model.width=16"])
    (rows,) = [runner.run(table, 1) for table in tables(options)]  # raises where they differ
    assert (rows["wall_s"] > 0).all()
    assert rows["variant"][6] == "with evaluation: usual code"
