"""`clipit benchmark`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log, print_log

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_benchmark(commands: Commands) -> None:
    """Add `clipit benchmark`."""
    benchmark = commands.add_parser(
        "benchmark",
        help="train and test a grid of data sets, settings, scorers and seeds; means and paired tests",
        description="Train and test a grid of data sets, settings, scorers and seeds, several runs at once. What is "
        "finished stays; an interrupted benchmark continues with the same command.",
    )
    add = benchmark.add_argument
    add(
        "words",
        nargs="*",
        metavar="FILE.yaml|key=value",
        help="the grid (default: experiments/benchmark.yaml), and keys of every run, such as data.root=FOLDER",
    )
    add("--quick", action="store_true", help="the small grid of the file's `quick`, in a folder of its own")
    add("--workers", type=int, help="runs at once (default: the number of GPUs, which they share out, or of cores)")
    add("--to", type=Path, metavar="FOLDER", help="folder of the runs (default: runs/NAME as of NAME.yaml, or -quick)")
    add(
        "--only",
        action="append",
        metavar="TEXT",
        default=[],
        help="train only runs whose name holds it; several times: any",
    )
    add("--report", action="store_true", help="train nothing; make the tables of what is finished")
    add(
        "--leaderboard",
        type=Path,
        metavar="FILE",
        help="the CSV file (default: experiments/leaderboard.csv; with --quick leaderboard.csv in the folder)",
    )
    benchmark.set_defaults(function=_benchmark)


def _benchmark(options: argparse.Namespace) -> int:
    files = [word for word in options.words if "=" not in word]
    if len(files) > 1:
        raise UserError(f"{files[1]}: a second grid; name one file")
    if options.workers is not None and not 1 <= options.workers <= 1024:
        raise UserError(f"--workers: is {options.workers}; 1 to 1024 are possible")

    from clipit_lightning.studies.grid import read_grid
    from clipit_lightning.studies.grid_report import write_report
    from clipit_lightning.studies.grid_runs import default_workers, run_grid

    print_log()
    words = [word for word in options.words if "=" in word]
    grid = read_grid(Path(files[0] if files else "experiments/benchmark.yaml"), options.quick, words)
    folder = options.to or Path("runs") / f"{grid.path.stem}{'-quick' * options.quick}"
    runs = [run for run in grid.runs if not options.only or any(text in run.name for text in options.only)]
    if not runs:
        raise UserError(f"--only: no run's name holds {' or '.join(options.only)}; names are as {grid.runs[0].name}")
    workers = options.workers or default_workers(runs)
    failed = {} if options.report else run_grid(runs, folder, workers)
    try:
        if len(failed) < len(runs):
            write_report(grid, folder, failed)
            _write_board(folder, options)
    finally:  # what is wrong with the tables does not hide what failed before
        for name, line in failed.items():
            log.info(f"FAILED {name}: {line}")
    if failed:
        raise UserError(
            f"{len(failed)} of {len(runs)} runs failed, see {folder}/logs; the same command tries them again"
        )
    return 0


def _write_board(folder: Path, options: argparse.Namespace) -> None:
    """What the grid just found counts before what lies elsewhere."""
    from clipit_lightning.studies.leaderboard import make_board, result_folders, write_board

    folders = [folder] if options.quick else [folder, *result_folders()]
    rows = make_board(folders, Path("experiments/published.csv"), Path("experiments/floors"))
    path = options.leaderboard or (folder if options.quick else Path("experiments")) / "leaderboard.csv"
    write_board(rows, path)
    log.info(f"{len(rows)} rows in {path}")
