"""A run's folder: what lies where, and whether a run starts, continues, or is already finished."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipit_lightning.config import Config, LoggerConfig
from clipit_lightning.config_files import differences, load_config, save_config
from clipit_lightning.errors import UserError
from clipit_lightning.files import read_json, write_json
from clipit_lightning.protocol import Protocol


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run's files.

    ``config.yaml`` (a valid argument for the next run), ``protocol.json``, ``folds/<n>/`` (``last.ckpt``, the
    selected ``best.ckpt``, ``metrics.csv``, ``result.json``), and at the end ``per_video.csv``, ``scores.json`` and
    ``result.json``.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The whole configuration."""
        return self.path / "config.yaml"

    @property
    def protocol(self) -> Path:
        """How the numbers are made."""
        return self.path / "protocol.json"

    @property
    def result(self) -> Path:
        """Written last: a run that has it is finished."""
        return self.path / "result.json"

    @property
    def per_video(self) -> Path:
        """A row for every test video."""
        return self.path / "per_video.csv"

    @property
    def scores(self) -> Path:
        """Video id to step scores."""
        return self.path / "scores.json"

    def fold(self, index: int) -> Path:
        """Folder of a fold."""
        return self.path / "folds" / str(index)

    def open(self, config: Config, protocol: Protocol) -> dict[str, Any] | None:
        """Make the folder, or take it up again where an interrupted run left it.

        Returns:
            The result, where the same run is already finished; else None.

        Raises:
            UserError: The folder holds another run, or something that is not a run.
        """
        if config.overwrite and self.config.exists():
            shutil.rmtree(self.path)
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"output: {self.path} is a file; name a folder")
        if self.config.exists():
            self._refuse_another_run(config, protocol)
            return read_json(self.result) if self.result.exists() else None
        if self.path.exists() and any(self.path.iterdir()):
            raise UserError(f"output: {self.path} holds files but no run; name an empty or a new folder")
        write_json(self.protocol, {"identifier": protocol.identifier, **vars(protocol)})
        save_config(replace(config, output=None, overwrite=False), self.config)
        return None

    def _refuse_another_run(self, config: Config, protocol: Protocol) -> None:
        there = load_config([self.config])
        changed = differences(_same_run(there), _same_run(config))
        if not changed and (before := read_json(self.protocol)["identifier"]) != protocol.identifier:
            changed = [f"the data, and so the protocol: {before}, now {protocol.identifier}"]
        if changed:
            raise UserError(
                f"{self.path} holds another run ({'; '.join(changed)}); "
                "give output=FOLDER, or overwrite=true to throw it away"
            )


def _same_run(config: Config) -> Config:
    """Without what may change between an interrupted run and its continuation."""
    return replace(
        config,
        data=replace(config.data, workers=0, preload_mb=0),
        trainer=replace(
            config.trainer, progress=True, devices=1, num_nodes=1, strategy="auto", parallel="batch", compile=False
        ),
        logger=LoggerConfig(),
        output=None,
        overwrite=False,
    )
