"""`clipit sweep` and `clipit benchmark`."""

import os
import time
from pathlib import Path

import typer

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.shipped import GRIDS, SWEEPS, find_file, shipped_files

_SWEEPS, _GRIDS = (", ".join(shipped_files(folders)) for folders in (SWEEPS, GRIDS))


def sweep(
    file: str = typer.Argument(
        ..., metavar="FILE", help=f"A file of your own (NAME.yaml) or a shipped one ({_SWEEPS})."
    ),
    words: list[str] | None = typer.Argument(None, metavar="[key=value]...", help="Keys of every trial."),
    trials: int | None = typer.Option(
        None, min=1, help="How many in all (default: the file's run_cap, a whole grid, or 20)."
    ),
    workers: int = typer.Option(1, min=1, help="Trials at a time."),
    storage: str | None = typer.Option(None, help="Database of the study (default: a file in the folder)."),
    name: str | None = typer.Option(None, help="Of the study (default: the file's name)."),
    to: Path | None = typer.Option(None, help="Its folder (default: runs/sweeps/NAME)."),
    online: bool = typer.Option(False, "--online", help="Register it with Weights & Biases and start its agents."),
) -> int:
    """Search over configurations by validation, here or with Weights & Biases.

    Test folds are never seen. The file is in wandb's format. Without --online the trials run here; an interrupted
    search continues with the same command. Several machines share a study by --storage postgresql://user@host/name,
    with the password in ~/.pgpass.
    """
    from clipit_lightning.studies.sweep_file import read_sweep

    for word in words or ():
        if "=" not in word:
            raise UserError(f"{word}: not key=value, such as data.root=FOLDER")
    definition = read_sweep(find_file(file, SWEEPS), words or [])
    if online:
        for option, value in (("storage", storage), ("name", name), ("to", to)):
            if value is not None:
                raise UserError(f"--{option}: is for sweeps without a server; omit --online")
        from clipit_lightning.studies.sweep_online import run_online

        return run_online(definition, trials, workers)
    from clipit_lightning.studies.sweep import run_sweep

    run_sweep(definition, trials, workers, storage, name, to)
    return 0


def benchmark(
    words: list[str] | None = typer.Argument(
        None,
        metavar="[FILE|key=value]...",
        help=f"A grid of your own (NAME.yaml) or a shipped one ({_GRIDS}), and keys of every run.",
    ),
    quick: bool = typer.Option(False, "--quick", help="The small grid of the file's `quick`, in a folder of its own."),
    workers: int | None = typer.Option(None, min=1, max=1024, help="Runs at once (default: GPUs, else cores)."),
    to: Path | None = typer.Option(None, help="Folder of the runs (default: runs/NAME, or -quick)."),
    only: list[str] | None = typer.Option(None, help="Train only runs whose name holds it; several times: any."),
    report: bool = typer.Option(False, "--report", help="Train nothing; make the tables of what is finished."),
    leaderboard: Path | None = typer.Option(None, help="The CSV file (default: see below)."),
) -> None:
    """Train and test a grid of data sets, settings, scorers and seeds; means and paired tests.

    Several runs train at once; they share the GPUs out. What is finished stays; an interrupted benchmark continues with
    the same command. The default grid is `benchmark`. The leaderboard is runs/leaderboard.csv; with --quick,
    leaderboard.csv in the folder. --report takes a folder of kept runs, too.
    """
    files = [word for word in words or () if "=" not in word]
    if len(files) > 1:
        raise UserError(f"{files[1]}: a second grid; name one file")
    from clipit_lightning.core.log import log
    from clipit_lightning.studies import leaderboard as boards
    from clipit_lightning.studies.grid import read_grid
    from clipit_lightning.studies.grid_report import write_report
    from clipit_lightning.studies.grid_runs import default_workers, run_grid

    path = find_file(files[0] if files else "benchmark", GRIDS)
    grid = read_grid(path, quick, [word for word in words or () if "=" in word])
    folder = to or Path("runs") / (f"{grid.path.stem}-quick" if quick else grid.path.stem)
    runs = [run for run in grid.runs if not only or any(text in run.name for text in only)]
    if not runs:
        raise UserError(f"--only: no run's name holds {' or '.join(only or ())}; names are as {grid.runs[0].name}")
    started = time.monotonic()
    failed = {} if report else run_grid(runs, folder, workers or default_workers(runs))
    if not report:
        _log_time(started)
    try:
        if len(failed) < len(runs):
            write_report(grid, folder, failed)
            # What the grid just found counts before what lies elsewhere.
            folders = [folder] if quick else [folder, *boards.result_folders()]
            rows = boards.make_board(folders, boards.PUBLISHED, boards.FLOORS, None if quick else boards.BOARD)
            board = leaderboard or (folder / "leaderboard.csv" if quick else boards.USER_BOARD)
            boards.write_board(rows, board)
            log.info("%d rows in %s", len(rows), board)
        if boards.lies_in_runs(folder / runs[0].name):  # each run updates it, but one that was interrupted there
            boards.update_board()
    finally:  # what is wrong with the tables does not hide what failed before
        for name, line in failed.items():
            log.info("FAILED %s: %s", name, line)
    if failed:
        way_out = f"see {folder}/logs; the same command tries them again, --to names another folder"
        raise UserError(f"{len(failed)} of {len(runs)} runs failed, {way_out}")


def _log_time(started: float) -> None:
    """Log how long the command has taken, with its processes."""
    from clipit_lightning.core.log import log

    minutes = ((time.monotonic() - started) / 60, sum(os.times()[:4]) / 60)
    log.info("%.1f min in all, %.1f min of CPU time", *minutes)
