"""A finished run with the store that it was tested on, read from its folder and checked."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipit_lightning.core.config import Config
from clipit_lightning.core.config_files import load_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.protocol import Protocol, protocol_of
from clipit_lightning.training.run import RunFolder

_PROTOCOL = tuple(field.name for field in fields(Protocol))


@dataclass(frozen=True)
class FinishedRun:
    """What a run left, and where its videos are."""

    folder: RunFolder
    config: Config
    protocol: Protocol
    result: dict[str, Any]
    """The content of ``result.json``."""
    rows: pd.DataFrame
    """The metrics of every tested video, or query: ``video`` (``query``), ``fold``, and the metrics."""
    scores: dict[str, list[float]]
    """Video id to step scores."""
    store: Store
    """The store of the target, with the annotations that the run was measured against."""

    def scores_of(self, id: str, n_steps: int) -> NDArray[np.float64]:
        """Scores of a video or query, (steps,).

        Raises:
            UserError: They do not fit the video.
        """
        try:
            row = np.asarray(self.scores[id], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.folder.scores}: {id}: no row of numbers; restore the file") from error
        if row.shape != (n_steps,) or not np.isfinite(row).all():
            raise UserError(
                f"{self.folder.scores}: {id}: {row.size} scores, expected {n_steps} finite ones; restore the file"
            )
        return row


def read_finished_run(run: Path, root: Path | None = None) -> FinishedRun:
    """Read a run.

    Args:
        run: Its folder.
        root: Folder of the stores; by default the one that the run read.

    Raises:
        UserError: There is no run, it is not finished or tested nothing, a file is damaged, or the store is missing or
            has other annotations now.
    """
    folder = RunFolder(run)
    if not folder.config.exists():
        raise UserError(f"{run}: no run here (config.yaml); see `ls runs`")
    if not folder.result.exists():
        raise UserError(f"{run}: the run is not finished; `clipit train {folder.config} output={run}` continues it")
    config = load_config([folder.config])
    result, saved = _read_object(folder.result, ("metrics", "folds")), _read_object(folder.protocol, _PROTOCOL)
    if not folder.scores.exists():
        raise UserError(f"{run}: the run tested nothing, so there are no scores to report; train it with test=true")
    protocol = protocol_of(saved)
    scores = read_json(folder.scores)
    rows = _read_rows(folder.per_video)
    if (main := "f1" if "query" in rows else "kendall_tau") not in rows:
        raise UserError(f"{folder.per_video}: has no column {main}; restore the file")
    ids = set(rows["video"] + "/" + rows["query"] if "query" in rows else rows["video"])
    if not isinstance(scores, dict) or ids != set(scores):
        raise UserError(f"{folder.scores}: not the videos of {folder.per_video.name}; restore both files")
    store = _same_store(folder, config, protocol, root)
    return FinishedRun(folder, config, protocol, result, rows, scores, store)


def _read_object(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: damaged (it holds a {type(content).__name__}); restore the file")
    if missing := [key for key in keys if key not in content]:
        raise UserError(f"{path}: damaged (no {missing[0]!r}); restore the file")
    return content


def _read_rows(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: cannot be read ({_first_line(error)}); restore the file") from error
    names = [name for name in ("video", "query", "fold") if name in rows]
    if not {"video", "fold"} <= set(names) or rows[names].isna().any().any():
        raise UserError(f"{path}: rows without video or fold; restore the file")
    return rows


def _same_store(folder: RunFolder, config: Config, protocol: Protocol, root: Path | None) -> Store:
    place = root or Path(config.data.root or "data")
    store = Store(place / f"{protocol.dataset}.h5")
    if not store.path.exists():
        raise UserError(f"{store.path}: the run's store is missing; name the folder that it lies in now: --root FOLDER")
    if problems := store.check():
        raise UserError(f"{store.path}: {problems[0]}; run `clipit data check --root {place}`")
    if (now := store.annotations_hash()) != protocol.annotations_hash:
        raise UserError(
            f"{store.path}: has other annotations than the run {folder.path} was measured against (now {now}, then "
            f"{protocol.annotations_hash}); name the folder of the store of then: --root FOLDER"
        )
    return store


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
