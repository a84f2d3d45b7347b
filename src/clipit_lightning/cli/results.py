"""`clipit evaluate`, `baselines`, `compare`, `leaderboard` and `report`."""

import json
from pathlib import Path
from typing import Literal

import typer

from clipit_lightning.core.errors import UserError


def _check_dataset(name: str) -> str:
    from clipit_lightning.data import benchmark_names

    if name not in benchmark_names(targets=True):
        raise typer.BadParameter(f"{name} is unknown; there are {', '.join(benchmark_names(targets=True))}")
    return name


DATASET = typer.Option(..., callback=_check_dataset, metavar="NAME", help="The benchmark: tvsum, summe or qfvs.")
ROOT = typer.Option(Path("data"), help="Folder of the stores.")
RUNS = typer.Argument(..., help="Folder of a run, or of its seeds: runs/a-seed0,runs/a-seed1.")


def evaluate(
    words: list[str] = typer.Argument(
        ...,
        metavar="SCORES",
        help=".json, .npz or .h5: video key, name or YouTube id to step scores or frame scores; qfvs: .json, video to "
        'query to shot scores or {"shots": [numbers from 1]}.',
    ),
    dataset: str = DATASET,
    root: Path = ROOT,
    protocol: list[str] | None = typer.Option(
        None, metavar="NAME...", help="default, pglsum, vasnet, dsnet, csta, msva, clip-it, or several of these."
    ),
    folds: str | None = typer.Option(
        None, help="kfold, a published family, a file of folds, or all (default: the protocol's)."
    ),
    draws: int | None = typer.Option(
        None, min=2, help="Draws of the random row (default: 20, for hour-long videos 5)."
    ),
    per_video: bool = typer.Option(False, "--per-video", help="A row for every video (qfvs: query), too."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of tables."),
) -> None:
    """Measure anybody's scores, with floors and ceiling beside them."""
    from clipit_lightning.data import has_queries

    scores, *more = words  # of `--protocol default csta`, typer takes one name, and the rest stands here
    names = [*(protocol or ()), *more]
    if has_queries(dataset):
        results, text = _evaluate_queries(Path(scores), dataset, root, names, folds, draws, per_video)
    else:
        results, text = _evaluate_videos(Path(scores), dataset, root, names, folds, draws, per_video)
    print(json.dumps(results, indent=2) if as_json else text)


def _evaluate_videos(
    scores: Path, dataset: str, root: Path, names: list[str], folds: str | None, draws: int | None, per_video: bool
) -> tuple[object, str]:
    from clipit_lightning.evaluation.evaluate import evaluate_scores, format_evaluation
    from clipit_lightning.evaluation.protocol import PRESETS

    for name in names:
        if name not in PRESETS:
            raise UserError(f"--protocol: {name} is unknown; there are {', '.join(PRESETS)}")
    results = [evaluate_scores(scores, dataset, root, name, folds, draws) for name in names or ["default"]]
    return results, "\n\n".join(format_evaluation(result, per_video) for result in results)


def _evaluate_queries(
    scores: Path, dataset: str, root: Path, names: list[str], folds: str | None, draws: int | None, per_video: bool
) -> tuple[object, str]:
    from clipit_lightning.evaluation.evaluate_queries import evaluate_predictions, format_query_evaluation

    for option, given in (("--protocol", names not in ([], ["default"])), ("--folds", folds is not None)):
        if given:
            raise UserError(f"{option}: is for benchmarks with annotators; omit it for {dataset}")
    result = evaluate_predictions(scores, dataset, root, draws)
    return result, format_query_evaluation(result, per_video)


def baselines(
    dataset: str = DATASET,
    root: Path = ROOT,
    draws: int = typer.Option(100, min=2, help="Random draws."),
    keep: Path | None = typer.Option(
        None, metavar="FOLDER", help="Keep them for the leaderboard, as experiments/floors."
    ),
) -> None:
    """Floors and ceilings of a data set under every rule."""
    from clipit_lightning.data import has_queries

    if has_queries(dataset):
        from clipit_lightning.evaluation.evaluate_queries import format_query_baselines, query_baselines

        print(format_query_baselines(query_baselines(dataset, root, draws, keep), draws))
        return
    from clipit_lightning.evaluation.evaluate import baseline_tables, format_baselines

    print(format_baselines(baseline_tables(dataset, root, draws, keep)))


def compare(one: str = RUNS, other: str = RUNS) -> None:
    """Two runs, paired over videos, each the mean over its seeds: difference, interval, p-value."""
    from clipit_lightning.studies.compare import compare_runs
    from clipit_lightning.studies.tables import format_comparison

    left, right = ([Path(folder) for folder in folders.split(",")] for folders in (one, other))
    print(format_comparison(compare_runs(left, right)))


def leaderboard(
    folders: list[Path] | None = typer.Argument(
        None,
        help="Folders with results, of which the first counts where they hold the same run (default: runs, the "
        "folders of grids in it but for --quick, experiments/results).",
    ),
    to: Path = typer.Option(Path("experiments/leaderboard.csv"), help="The CSV file."),
    published: Path = typer.Option(Path("experiments/published.csv"), help="Published rows."),
    floors: Path = typer.Option(Path("experiments/floors"), help="Rows of `clipit baselines --keep`."),
    ours: bool = typer.Option(False, "--ours", help="Print only groups that hold a run of ours."),
    layout: Literal["table", "csv", "markdown"] = typer.Option("table", "--format", help="How it is printed."),
) -> None:
    """Gather results into a CSV file and print them as a table."""
    from clipit_lightning.studies.leaderboard import GROUP, make_board, result_folders, write_board
    from clipit_lightning.studies.tables import format_board

    board = make_board(folders or result_folders(), published, floors)
    write_board(board, to)
    shown = board[board.groupby(GROUP)["kind"].transform(lambda kinds: "ours" in set(kinds))] if ours else board
    print(format_board(shown, layout))
    if layout == "table":
        print(f"{len(board)} rows in {to}")


def report(
    run: Path = typer.Argument(..., help="Folder of the run, such as runs/NAME."),
    to: Path | None = typer.Option(None, metavar="FILE.html", help="The page (default: RUN/report.html)."),
    videos: Path | None = typer.Option(
        None, metavar="FOLDER", help="Video files, called as the videos: adds players and key frames."
    ),
    root: Path | None = typer.Option(None, metavar="STORES", help="Folder of the stores (default: the run's own)."),
) -> None:
    """Write a finished run as an HTML page: every video, the worst first."""
    from clipit_lightning.pipelines.report import report as write_page

    print(write_page(run, to, videos, root))
