"""What a search maximizes while a run trains: the mean over its folds of what validation reached."""

from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np

from clipit_lightning.core.errors import UserError
from clipit_lightning.training.checkpoints import read_checkpoint
from clipit_lightning.training.run import Run


class RunningObjective:
    """Validation of a run's folds so far, each by the epoch that would be selected now.

    With the last epoch of the last fold it is what `result.json` has under ``validation``. ``monitor`` is the metric
    that chooses the epoch; what the folds of a resumed run reached is read from its ``folder``.
    """

    def __init__(self, selection: str, monitor: str, folder: Path | None = None) -> None:
        self.selection, self.monitor = selection, monitor
        self.by_fold: dict[int, dict[str, float]] = {}
        """Means over the validation part by metric, of each fold's selected epoch."""
        if folder:
            numbers = sorted(int(fold.name) for fold in folder.glob("folds/*") if fold.name.isdigit())
            reached = {number: _reached(Run(folder), number) for number in numbers}
            self.by_fold |= {number: means for number, means in reached.items() if means}

    def update(self, fold: int, validation: dict[str, float]) -> dict[str, float]:
        """Add an epoch's means over the validation part; returns the means over the folds so far, by metric."""
        before = self.by_fold.get(fold)
        better = before is None or validation[self.monitor] > before[self.monitor]  # the first of equal ones stays
        if better or self.selection == "last":
            self.by_fold[fold] = dict(validation)
        return self.means()

    def means(self) -> dict[str, float]:
        """Means over the folds so far, by metric."""
        folds = list(self.by_fold.values())
        names = [name for name in next(iter(folds), {}) if all(name in fold for fold in folds)]
        return {name: float(np.mean([validation[name] for validation in folds])) for name in names}


def _reached(run: Run, fold: int) -> dict[str, float] | None:
    """What the selected epoch of a finished or an interrupted fold reached; None where nobody knows."""
    with suppress(UserError):  # none yet, or damaged: training names it, where it matters
        if result := run.fold_result(fold):
            return result.validation
        best = run.fold(fold) / "best.ckpt"
        checkpoint = read_checkpoint(best if best.exists() else best.with_name("last.ckpt"))
        return cast(dict[str, float], checkpoint["validation"])
    return None
