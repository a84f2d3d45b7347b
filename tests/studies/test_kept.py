"""The tables of kept runs: what is read back is what was written, and rows and comparisons follow from them."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from clipit_lightning.cli.main import main
from clipit_lightning.core.config import Config, OptimConfig
from clipit_lightning.core.config_files import load_config, save_config
from clipit_lightning.core.config_model import ModelConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.studies.compare import compare_runs
from clipit_lightning.studies.kept import KEPT, keep_runs, open_run, runs_in, words_of
from clipit_lightning.studies.leaderboard import BOARD
from clipit_lightning.training.run import Run
from tests.support.results import PROTOCOL, fold_result, metric, result

WITH_QUERIES = {
    "run": "queries-seed0",
    "dataset": "qfvs",
    "store": {"data": "real", "version": "1", "note": ""},
    "protocol": PROTOCOL | {"sources": ["summe", "ovp"], "folds_hash": "12345678"},
    "metrics": {"f1": metric(1 / 3), "query_drop": None},
    "validation": {"monitor": "f1"},
    "folds": [
        {
            "fold": 2,
            "epoch": None,
            "validation": None,
            "videos": 1,
            "queries": 2,
            "per_video": {"qfvs/P01": {"f1": 0.1}},
        }
    ],
    "variant": 'lr-1e-3, "quoted"',
    "versions": {"torch": "2.13.0+cpu"},
}


@pytest.fixture
def save(tmp_path):
    """Write a run as training does; its test videos have a tau each, and by query where there are some."""

    def call(name, taus=(0.1, 0.3), **changes):
        written, run = result(**{"run": name} | changes), Run(tmp_path / "runs" / name)
        query = {"query": "Sky, Sea"} if written.dataset == "qfvs" else {}
        rows = [{"video": f"v{number}", **query, "fold": 0, "kendall_tau": tau} for number, tau in enumerate(taus)]
        run.path.mkdir(parents=True)
        run.write(written, [fold_result(per_video=rows)])
        save_config(Config(seed=written.seed, model=ModelConfig(name="mlp")), run.config_file)
        return run

    return call


def test_runs_are_read_back_as_they_were_and_the_files_are_the_same_each_time(save, tmp_path):
    runs = [save("b-seed1", (0.1, 1 / 3), seed=1), save("a-seed0"), save("queries-seed0", **WITH_QUERIES)]
    keep_runs(runs, tmp_path / "kept")
    files = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert sorted(files) == ["folds.csv", "per_video.csv.gz", "runs.csv"]
    kept = {run.path.name: run for run in runs_in(tmp_path / "kept")}
    assert list(kept) == ["a-seed0", "b-seed1", "queries-seed0"]
    for run in runs:
        there = kept[run.path.name]
        assert there.result() == run.result()
        assert there.result().model_dump_json() == run.result().model_dump_json()  # 1 is not 1.0
        pd.testing.assert_frame_equal(there.rows(), run.rows(), check_exact=True)
    assert kept["b-seed1"].configuration() == "model.name=mlp seed=1"
    keep_runs([*kept.values()][::-1], tmp_path / "again")
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == files


def test_the_words_of_a_configuration_make_it_again():
    config = Config(seed=2, optim=OptimConfig(lr=0.003), model=ModelConfig(name="my_package.module:My Scorer"))
    assert words_of(config) == "'model.name=my_package.module:My Scorer' optim.lr=0.003 seed=2"
    assert load_config([], ["seed=2", "model.name=my_package.module:My Scorer", "optim.lr=0.003"]) == config


def test_what_cannot_be_kept_is_one_line(save, tmp_path):
    part = {"kendall_tau": metric(0.1), "f1": metric(0.5, 0.5)}
    one, other = save("a-seed0"), save("other", run="a-seed0", config_hash="other")
    for runs, message in (
        ([one, other], "runs/other and .*runs/a-seed0 are different runs of the name a-seed0; omit one of them"),
        ([save("part-seed0", metrics=part)], "part-seed0: some folds lack kendall_tau"),
    ):
        with pytest.raises(UserError, match=message):
            keep_runs(runs, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_the_leaderboard_of_kept_runs_is_that_of_their_folders_and_trials_are_not_kept(save, tmp_path):
    save("a-seed0")
    save("trial-seed0", config_hash="other", metrics={}, validation={"monitor": "f1"})
    kept, boards = tmp_path / "kept", [tmp_path / "one.csv", tmp_path / "other.csv"]
    assert main(["leaderboard", str(tmp_path / "runs"), "--to", str(boards[0]), "--keep", str(kept)]) == 0
    assert main(["leaderboard", str(kept), "--to", str(boards[1])]) == 0
    assert boards[0].read_text() == boards[1].read_text()
    assert [run.path.name for run in runs_in(kept)] == ["a-seed0"]


def test_a_run_may_be_named_itself_in_the_place_of_the_folder_that_it_lies_in(save, tmp_path):
    save("b-seed0")
    assert [run.path.name for run in runs_in(save("a-seed0").path)] == ["a-seed0"]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("runs.csv", "0.5", "high", "runs.csv: not the result of a-seed0 (JSONDecodeError: "),
        (
            "runs.csv",
            ",12,",
            ",1.5,",
            "runs.csv: not the result of a-seed0 ('parameters': the value should be a",
        ),
        ("runs.csv", ",config_hash", ",", "runs.csv: not the result of a-seed0 (JSONDecodeError: "),
        ("runs.csv", "run,", "walk,", "runs.csv: not a table of runs (KeyError: 'run')"),
        ("runs.csv", "\na-seed0", "\na-seed0,,,\na-seed0", "runs.csv: not the result of a-seed0 (ValueError: too many"),
        ("folds.csv", "\na-seed0", "\nb-seed0", "runs.csv: not the result of a-seed0 (KeyError: 'a-seed0')"),
        ("folds.csv", "\na-seed0,", "\na-seed0,,,,,,,,,,,,,,", "folds.csv: not a table of runs (ValueError: a row is"),
        ("per_video.csv.gz", "a-seed0", "b-seed0", "per_video.csv.gz: has no rows of a-seed0"),
        ("per_video.csv.gz", "0.3", "", "per_video.csv.gz: not the rows of a-seed0 (ValueError: a value is missing)"),
        ("per_video.csv.gz", "0.3", "high", "per_video.csv.gz: not the rows of a-seed0 (ValueError: could not convert"),
        ("per_video.csv.gz", None, None, "per_video.csv.gz: not a table of runs (BadGzipFile: "),
    ],
)
def test_a_damaged_table_is_one_line(save, tmp_path, capsys, name, old, new, message):
    run = save("a-seed0")
    keep_runs([run], tmp_path / "kept")
    path = tmp_path / "kept" / name
    packed = path.suffix == ".gz"
    text = (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()).decode()
    if old is not None:
        assert old in text
        text = text.replace(old, new)
    path.write_bytes(gzip.compress(text.encode()) if packed and old is not None else text.encode())
    assert main(["compare", str(tmp_path / "kept/a-seed0"), str(run.path)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_kept_runs_are_compared_as_their_folders_are(save, tmp_path):
    folders = [save(f"{name}-seed0", taus).path for name, taus in (("a", (0.1, 0.3)), ("b", (0.2, 0.1)))]
    keep_runs([Run(folder) for folder in folders], tmp_path / "kept")
    kept = [tmp_path / "kept" / folder.name for folder in folders]
    assert compare_runs(kept[:1], kept[1:]).equals(compare_runs(folders[:1], folders[1:]))
    assert compare_runs(kept[:1], folders[1:]).equals(compare_runs(folders[:1], folders[1:]))


def test_a_run_of_the_package_is_named_by_its_name_alone_and_another_with_its_folder(tmp_path):
    name = runs_in(KEPT)[0].path.name
    assert open_run(Path(name)).result().run == name
    with pytest.raises(UserError, match="no run here"):
        open_run(tmp_path / name).result()


def test_the_values_of_a_shipped_protocol_have_the_identifiers_that_they_had():
    runs = pd.read_csv(KEPT / "runs.csv", dtype="str").set_index("run")
    assert len(runs) > 50
    for run in runs_in(KEPT):
        protocol, row = run.result().protocol, runs.loc[run.path.name]
        identifiers = (protocol.identifier, protocol.evaluation_identifier)
        assert identifiers == (row["protocol.identifier"], row["protocol.evaluation"])


def test_rows_of_the_shipped_board_follow_from_the_shipped_tables():
    board = pd.read_csv(BOARD).query("kind == 'ours'")
    runs, folds, videos = (pd.read_csv(KEPT / name) for name in ("runs.csv", "folds.csv", "per_video.csv.gz"))
    means = videos.groupby(["run", "fold"])["f1"].mean()
    of_folds = folds.set_index(["run", "fold"]).loc[means.index, "metrics.f1"]
    assert means.to_numpy() == pytest.approx(of_folds.to_numpy(), abs=1e-6)
    for row in board.to_dict("records"):
        names = row["run"].split()
        assert row["f1"] == pytest.approx(100 * runs[runs["run"].isin(names)]["metrics.f1.mean"].mean(), abs=1e-4)
        of_folds = folds[folds["run"].isin(names)]
        assert len(of_folds) == row["folds"] * row["seeds"]
        for metric_name, factor in (("f1", 100), ("kendall_tau", 1)):
            values = factor * of_folds[f"metrics.{metric_name}"]
            assert row[metric_name] == pytest.approx(values.mean(), abs=1e-4, nan_ok=True)
            assert row[f"{metric_name}_std"] == pytest.approx(values.std(), abs=1e-4, nan_ok=True)


def test_no_run_to_keep_leaves_the_tables_as_they_are(tmp_path):
    (tmp_path / "runs.csv").write_text("as it was")
    with pytest.raises(UserError, match="there is no run to keep"):
        keep_runs([], tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]
