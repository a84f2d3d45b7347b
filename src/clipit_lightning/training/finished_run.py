"""A finished run with the store that it was tested on, read from its folder and checked."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.benchmark import Benchmark
from clipit_lightning.data.own import find_benchmark
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.evaluation.tested import open_store
from clipit_lightning.training.result import RunResult
from clipit_lightning.training.run import Run


@dataclass(frozen=True)
class FinishedRun:
    """What a run left, and where its videos are."""

    run: Run
    config: Config
    result: RunResult
    rows: pd.DataFrame
    """As ``Run.rows`` reads them."""
    scores: dict[str, list[float]]
    """As ``Run.scores`` reads them."""
    store: Store
    """The store of the target, with the annotations that the run was measured against."""

    @property
    def benchmark(self) -> Benchmark:
        """What it was tested on."""
        return find_benchmark(self.result.dataset, self.store.path.parent)

    def scores_of(self, id: str, n_steps: int) -> NDArray[np.float64]:
        """Scores of a video or query, (steps,).

        Raises:
            UserError: They do not fit the video.
        """
        scores = np.asarray(self.scores[id], dtype=np.float64)
        if len(scores) != n_steps:
            raise UserError(f"{self.run.scores_file}: {id}: {len(scores)} scores, expected {n_steps}; restore the file")
        return scores


def read_finished_run(path: Path, root: Path | None = None) -> FinishedRun:
    """Read a run from its folder, with the stores in ``root``, by default where the run read them.

    Raises:
        UserError: There is no run, it is not finished or tested nothing, a file is damaged, or the store is missing or
            has other annotations now.
    """
    run = Run(path)
    config, result = run.config(), run.result()
    scores, rows = run.scores(), run.rows()
    if (main := "f1" if "query" in rows else "kendall_tau") not in rows:
        raise UserError(f"{run.per_video_file}: has no column {main}; restore the file")
    ids = set(rows["video"] + "/" + rows["query"] if "query" in rows else rows["video"])
    if ids != set(scores):
        raise UserError(f"{run.scores_file}: not the videos of {run.per_video_file.name}; restore both files")
    store = _same_store(path, result.protocol, root or Path(config.data.root or "data"))
    return FinishedRun(run, config, result, rows, scores, store)


def _same_store(path: Path, protocol: Protocol, root: Path) -> Store:
    path_of_store = root / f"{protocol.dataset}.h5"
    if not path_of_store.exists():
        way_out = "name the folder that it lies in now: --root FOLDER"
        raise UserError(f"{path_of_store}: the run's store is missing; {way_out}")
    store = open_store(protocol.dataset, root)
    if (now := store.annotations_hash()) != protocol.annotations_hash:
        raise UserError(
            f"{store.path}: has other annotations than the run {path} was measured against (now {now}, then "
            f"{protocol.annotations_hash}); name the folder of the store of then: --root FOLDER"
        )
    return store
