"""`clipit score`, `evaluate`, `baselines`, `compare`, `leaderboard` and `report`."""

import json
from pathlib import Path
from typing import Literal

import typer

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import print_error, show


def _locate(dataset: str, root: Path) -> tuple[str, Path]:
    """Name and folder of the store that ``--dataset`` means."""
    from clipit_lightning.data import benchmark_names, own_names
    from clipit_lightning.data.own import locate

    name, folder = locate(dataset, root)
    known = [*benchmark_names(targets=True), *own_names(folder)]
    if name not in known:
        raise typer.BadParameter(f"{dataset} is unknown; there are {', '.join(known)}", param_hint="'--dataset'")
    return name, folder


DATASET = typer.Option(
    ...,
    help="The benchmark: tvsum, summe, qfvs, s-videoxum, mrhisum or mosu; or a store of your own, FILE.h5 or its name.",
)
ROOT = typer.Option(Path("data"), help="Folder of the stores.")
JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
RUNS = typer.Argument(..., help="Folder of a run, or of its seeds (runs/a-seed0,runs/a-seed1); or names of kept ones.")


def score(
    run: Path = typer.Argument(..., help="Folder of a finished run."),
    features: Path = typer.Argument(..., help="A store, or an HDF5 file of groups with features, caption_features."),
    to: Path | None = typer.Option(None, help="The JSON file (default: print it)."),
    fold: int | None = typer.Option(None, help="The fold of the run that scores (default: the mean of all)."),
    exact: bool = typer.Option(False, "--exact", help="Compare all steps of a video beyond 4,096 steps, not windows."),
) -> None:
    """Score the videos of a file by a trained run: JSON of video to step scores, as `clipit evaluate` reads it."""
    from clipit_lightning.core.files import write_json
    from clipit_lightning.pipelines.trained_run import load_run

    if to is not None:
        _check_written(to, ".json")
    scores = {video: row.tolist() for video, row in load_run(run, fold, exact).score(features).items()}
    if to is None:
        print(json.dumps(scores))
    else:
        write_json(to, scores)
        show(f"{to}: scores of {len(scores)} videos")


def _check_written(path: Path, suffix: str) -> None:
    """Raise a UserError where a file by its name is of another kind, such as a store, or one of a run's files."""
    if path.suffix != suffix:
        raise UserError(f"--to: {path} does not end in {suffix}, as what is written there")
    if suffix != ".html" and path.exists() and (path.parent / "config.yaml").exists():
        raise UserError(f"--to: {path} is a file of a run and would be replaced; name another")


def evaluate(
    words: list[str] = typer.Argument(..., metavar="SCORES", help="File of scores, see below."),
    dataset: str = DATASET,
    root: Path = ROOT,
    protocol: list[str] | None = typer.Option(None, help="Published protocols, one or several, see below."),
    folds: str | None = typer.Option(None, help="A family, a file, or all (default: the protocol's)."),
    draws: int | None = typer.Option(None, min=2, help="Draws of the random row (default: 20; qfvs 5)."),
    per_video: bool = typer.Option(False, "--per-video", help="A row for every video (qfvs: query), too."),
    as_json: bool = JSON,
) -> None:
    r"""Measure anybody's scores, with floors and ceiling beside them.

    The file is .json, .npz or .h5 and maps a video's key, name or YouTube id to step scores or frame scores, in .json
    also to {shot number from 0: score}, where shots without one get the video's lowest; for qfvs .json that maps a
    video to query to shot scores, or to {"shots": [numbers from 1]}, and for s-videoxum .json of video to script number
    to step scores of the test part. Protocols are default, pglsum, vasnet, dsnet,
    csta, msva and clip-it. Families of folds are kfold and those that are published.
    """
    from clipit_lightning.data import has_queries, has_scripts
    from clipit_lightning.evaluation.evaluate import evaluate_scores, format_evaluation
    from clipit_lightning.evaluation.presets import PRESETS

    dataset, root = _locate(dataset, root)
    name, *more = words  # of `--protocol default csta`, typer takes one name for the option, and the rest stands here
    scores, presets = Path(name), [*(protocol or ()), *more] or ["default"]
    with_texts = has_queries(dataset) or has_scripts(dataset)
    for option, is_given in (("--protocol", presets != ["default"]), ("--folds", folds is not None)):
        if with_texts and is_given:
            raise UserError(f"{option}: is for benchmarks with annotators; omit it for {dataset}")
    for preset in presets:
        if preset not in PRESETS:
            raise UserError(f"--protocol: {preset} is unknown; there are {', '.join(PRESETS)}")
    results = [evaluate_scores(scores, dataset, root, preset, folds, draws) for preset in presets]
    if as_json:
        print(json.dumps(results[0] if with_texts else results, indent=2))
    else:
        show("\n\n".join(format_evaluation(result, per_video) for result in results))


def baselines(
    dataset: str = DATASET,
    root: Path = ROOT,
    draws: int = typer.Option(100, min=2, help="Random draws."),
    keep: Path | None = typer.Option(None, help="Keep them for the leaderboard, as experiments/floors."),
    as_json: bool = JSON,
) -> None:
    """Floors and ceilings of a data set under every rule."""
    from clipit_lightning.evaluation.evaluate import baseline_tables, best_by_folds, format_baselines

    dataset, root = _locate(dataset, root)
    tables = baseline_tables(dataset, root, draws, keep)
    if as_json:
        print(json.dumps({rule: table.to_dict("records") for rule, table in tables.items()}, indent=2))
    else:
        show(format_baselines(tables, draws, dataset, best_by_folds(dataset, root)))


def compare(
    one: str = RUNS,
    other: str = RUNS,
    across: str = typer.Option("", help="Parts of the protocol that may differ, such as selection."),
    as_json: bool = JSON,
) -> None:
    """Two runs, paired over videos, each the mean over its seeds: difference, interval, p-value."""
    from clipit_lightning.studies.compare import compare_runs
    from clipit_lightning.studies.tables import format_comparison

    left, right = ([Path(folder) for folder in folders.split(",")] for folders in (one, other))
    table = compare_runs(left, right, [name.strip() for name in across.split(",") if name.strip()])
    show(json.dumps(table.to_dict("records"), indent=2) if as_json else format_comparison(table))


def leaderboard(
    folders: list[Path] | None = typer.Argument(None, help="Folders with results (default: see below)."),
    to: Path = typer.Option(Path("runs/leaderboard.csv"), help="The CSV file."),
    published: Path | None = typer.Option(None, help="Published rows (default: those of the package)."),
    floors: Path | None = typer.Option(None, help="Rows of `clipit baselines --keep` (default: the package's)."),
    ours: bool = typer.Option(False, "--ours", help="Print only groups that hold a run of ours."),
    keep: Path | None = typer.Option(None, help="Keep the runs as tables in this folder, as experiments/results."),
    layout: Literal["table", "csv", "markdown"] = typer.Option("table", "--format", help="How it is printed."),
) -> None:
    """Gather results into a CSV file and print them as a table.

    By default the folders are runs, and the folders of grids in it but for those of --quick; the rows of results that
    come with the package stand beside, as kept. The first folder counts where two hold the same run. Tables that --keep
    wrote are such a folder, too: name theirs last to add runs to them. A result that cannot be read is named and
    omitted; --keep needs all.
    """
    from clipit_lightning.studies.kept import keep_runs
    from clipit_lightning.studies.leaderboard import (
        BOARD,
        FLOORS,
        GROUP,
        PUBLISHED,
        find_runs,
        make_board,
        result_folders,
        write_board,
    )
    from clipit_lightning.studies.tables import format_board

    _check_written(to, ".csv")
    kept = None if folders else BOARD
    damaged: list[str] | None = [] if keep is None else None
    board = make_board(folders or result_folders(), published or PUBLISHED, floors or FLOORS, kept, damaged)
    for line in damaged or ():
        print_error(f"omitted: {line}")
    write_board(board, to)
    if keep is not None:
        keep_runs([run for run, _ in find_runs(folders or result_folders())], keep)
    shown = board[board.groupby(GROUP)["kind"].transform(lambda kinds: "ours" in set(kinds))] if ours else board
    show(format_board(shown, layout))
    if layout == "table":
        show(f"{len(board)} rows in {to}")


def report(
    run: Path = typer.Argument(..., help="Folder of the run, such as runs/NAME."),
    to: Path | None = typer.Option(None, help="The page (default: RUN/report.html)."),
    videos: Path | None = typer.Option(None, help="Video files by name: adds players and key frames."),
    root: Path | None = typer.Option(None, help="Folder of the stores (default: the run's own)."),
) -> None:
    """Write a finished run as an HTML page: every video, the worst first."""
    from clipit_lightning.pipelines.report import report as write_page

    if to is not None:
        _check_written(to, ".html")
    show(write_page(run, to, videos, root))
