"""A run's folder: what lies where, whether a run starts, resumes, or is finished, and how its files are read."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from clipit_lightning import __version__
from clipit_lightning.core.config import Config, LoggerConfig, TrainerConfig
from clipit_lightning.core.config_files import differences, load_config, save_config
from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.core.files import check_is_file, read_json, read_typed, write_json, write_text
from clipit_lightning.core.log import log
from clipit_lightning.evaluation.names import METRICS
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training.result import FoldResult, RunResult, read_result

RUNS = Path("runs")
"""Where runs lie by default."""
_OF_A_FOLD = ("result.json", "metrics.csv", "last.ckpt", "best.ckpt", "wandb_id.txt")
_WRITTEN = (
    *("result.json", "per_video.csv", "scores.json", "wandb_id.txt", "logs/fold-*.txt"),
    *(f"folds/*/{name}" for name in _OF_A_FOLD),
)
"""What a run leaves beside configuration and protocol, the result first, so that what is left of it never looks
finished. Not wandb's own folders: their runs may wait to be uploaded."""


class Run:
    """The folder of a run, and all that reads and writes its files.

    Beside the files that have a name here it holds ``folds/<n>/`` with ``last.ckpt``, the selected ``best.ckpt``,
    ``metrics.csv`` and ``result.json``. A file that is missing where it is read, or damaged, is a ``UserError``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        """The whole configuration, a valid argument for the next run."""
        self.protocol_file = path / "protocol.json"
        self.per_video_file = path / "per_video.csv"
        self.scores_file = path / "scores.json"
        self.result_file = path / "result.json"
        """Written last: a run that has it is finished."""

    def fold(self, index: int) -> Path:
        """Folder of a fold."""
        return self.path / "folds" / str(index)

    def open(self, config: Config, protocol: Protocol) -> RunResult | None:
        """Make the folder, or resume where an interrupted run left it; the result where the same run is finished.

        Raises:
            UserError: The folder holds another run, or something that is not a run.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"output: {self.path} is a file; name a folder")
        versions = __version__
        if config.overwrite and self.config_file.exists():
            self._remove()
        elif self.config_file.exists():
            self._check_same_run(config, protocol)
            if self.result_file.exists():
                return self.result()
            versions = self.versions()
            if __version__ in versions.split(", "):
                return None
            log.info(f"NOTE: {self.path} was begun by version {versions}, and is resumed by {__version__}")
            versions += f", {__version__}"
        else:
            self._check_empty()
        content = {"identifier": protocol.identifier, **vars(protocol), "versions": versions}
        write_json(self.protocol_file, content)
        save_config(replace(config, output=None, overwrite=False), self.config_file)
        return None

    def _check_empty(self) -> None:
        # What a run leaves that is killed before its configuration is written.
        of_a_start = (f".{self.protocol_file.name}.", f".{self.config_file.name}.")
        others = [path for path in self.path.glob("*") if not path.name.startswith(of_a_start)]
        if set(others) - {self.protocol_file}:
            raise UserError(f"output: {self.path} holds files but no run; name an empty or a new folder")

    def _remove(self) -> None:
        """Remove what the run of this folder left, and nothing else; a UserError where it is not surely a run."""
        try:
            self.config()
            self.protocol()
        except UserError as error:
            problem = f"overwrite: nothing is removed of {self.path}, which is not a run that can be read"
            raise UserError(f"{problem} ({error}); remove it yourself, or give output=FOLDER") from error
        for path in (path for name in _WRITTEN for path in self.path.glob(name)):
            path.unlink()
        for folder in (*self.path.glob("folds/*"), self.path / "folds", self.path / "logs"):
            with suppress(OSError):  # something else lies there
                folder.rmdir()

    def differences(self, config: Config, protocol: Protocol) -> list[str]:
        """In what another run than that of the folder differs from it, in words; empty for the same run."""
        changed, before = differences(what_stays(self.config()), what_stays(config)), self.protocol()
        if changed or before == protocol:
            return changed
        if before.data_hash == protocol.data_hash:
            return [f"the protocol: {before.identifier}, now {protocol.identifier}"]
        stores = ", ".join(f"{name}.h5" for name in (protocol.dataset, *protocol.sources))
        return [f"the content of {stores}: {before.data_hash}, now {protocol.data_hash}"]

    def _check_same_run(self, config: Config, protocol: Protocol) -> None:
        if changed := self.differences(config, protocol):
            raise UserError(
                f"{self.path} holds another run ({'; '.join(changed)}); "
                "give output=FOLDER, or overwrite=true to throw it away"
            )

    def write(self, result: RunResult, folds: Sequence[FoldResult]) -> None:
        """Write what a run reached; ``result.json`` last."""
        if result.metrics:
            rows = pd.DataFrame([row for fold in folds for row in fold.per_video])
            columns = [name for name in ("video", "query", "fold", *METRICS) if name in rows]
            write_text(self.per_video_file, rows[columns].to_csv(index=False))
            write_json(self.scores_file, {video: scores for fold in folds for video, scores in fold.scores.items()})
        write_json(self.result_file, result.content())

    def write_fold(self, result: FoldResult) -> None:
        """Write what a fold reached."""
        write_json(self.fold(result.fold) / "result.json", result.content())

    def config(self) -> Config:
        """Read the configuration."""
        if not self.config_file.exists():
            raise UserError(f"{self.path}: no run here (config.yaml); see `ls runs`")
        return load_config([self.config_file])

    def protocol(self) -> Protocol:
        """Read the protocol."""
        way_out = "restore it, or remove the folder"
        return read_typed(self.protocol_file, Protocol, "not the protocol of a run", way_out)

    def versions(self) -> str:
        """The versions of this package that worked on the run so far."""
        return str(read_json(self.protocol_file).get("versions", "unknown"))

    def result(self) -> RunResult:
        """Read the result."""
        if self.result_file.exists():
            return read_result(self.result_file)
        self.config()
        raise UserError(
            f"{self.path}: the run is not finished; `clipit train {self.config_file} output={self.path}` resumes it"
        )

    def fold_result(self, index: int) -> FoldResult | None:
        """Read what a fold reached; None where it is not finished."""
        path = self.fold(index) / "result.json"
        if not path.exists():
            return None
        return read_typed(path, FoldResult, "not the result of a fold", f"remove {path.parent} to train it anew")

    def scores(self) -> dict[str, list[float]]:
        """Read the step scores of every tested video or query, by id."""
        if not self.scores_file.exists():
            raise UserError(f"{self.path}: the run tested nothing, so that it has no scores; train it with test=true")
        return read_typed(self.scores_file, dict[str, list[float]], "not scores by video", "restore it")

    def rows(self) -> pd.DataFrame:
        """Read the metrics of every tested video, or query: ``video`` (``query``), ``fold``, and the metrics."""
        path, types = self.per_video_file, dict.fromkeys(METRICS, "float64") | {"video": "str", "query": "str"}
        try:
            check_is_file(path)
            rows = pd.read_csv(path, dtype=types)
            names = [name for name in ("video", "query", "fold") if name in rows]
            if not {"video", "fold"} <= set(names) or rows[names].isna().any().any():
                raise ValueError("video, query or fold is missing")
            if not set(METRICS) & set(rows):
                raise ValueError("it has no metric")
        except (OSError, ValueError, TypeError) as error:
            problem = f"not the table of a run ({first_line(error)})"
            raise UserError(f"{path}: {problem}; restore it, or run it again") from error
        return rows


def what_stays(config: Config) -> Config:
    """A configuration without what may change between an interrupted run and its continuation, the device too."""
    data = replace(config.data, workers=0, preload_mb=0)
    trainer = TrainerConfig(precision=config.trainer.precision)
    return replace(config, data=data, trainer=trainer, logger=LoggerConfig(), output=None, overwrite=False)
