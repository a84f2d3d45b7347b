"""The curves of a fold, kept whole over interruptions: lightning's CSV logger deletes those of the run that stopped."""

from contextlib import suppress
from pathlib import Path

import pandas as pd

from clipit_lightning.files import write_text

NAME, BEFORE = "metrics.csv", "metrics.before.csv"


def set_aside(folder: Path, epochs: int) -> None:
    """Keep the rows of the epochs that a continued run does not train again.

    Args:
        folder: Folder of the fold.
        epochs: How many epochs the checkpoint has, from which it continues.
    """
    rows = _read(folder / BEFORE, folder / NAME)
    if not rows.empty:
        write_text(folder / BEFORE, rows[rows["epoch"] < epochs].to_csv(index=False))


def join(folder: Path) -> None:
    """Put the rows that were set aside before those of the continued run."""
    if (folder / BEFORE).exists():
        rows = _read(folder / BEFORE, folder / NAME)
        write_text(folder / NAME, rows.to_csv(index=False))
        (folder / BEFORE).unlink()


def _read(*paths: Path) -> pd.DataFrame:
    """The rows of the files that are there; a damaged file counts as absent."""
    tables = []
    for path in paths:
        with suppress(OSError, ValueError, pd.errors.ParserError):
            table = pd.read_csv(path)
            tables += [table] if "epoch" in table and pd.api.types.is_numeric_dtype(table["epoch"]) else []
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
