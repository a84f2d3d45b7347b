"""A run's folder: what lies where, and whether a run starts, continues, or is already finished."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipit_lightning.core.config import Config, LoggerConfig
from clipit_lightning.core.config_files import differences, load_config, save_config
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json, write_json
from clipit_lightning.evaluation.protocol import Protocol

_RESULT_TEXTS = (
    "run",
    "method",
    "dataset",
    "setting",
    "supervision",
    "features",
    "data",
    "selection",
    "config_hash",
)


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
            return read_result(self.result) if self.result.exists() else None
        if self.path.exists() and not all(self._is_of_a_start(path) for path in self.path.iterdir()):
            raise UserError(f"output: {self.path} holds files but no run; name an empty or a new folder")
        write_json(self.protocol, {"identifier": protocol.identifier, **vars(protocol)})
        save_config(replace(config, output=None, overwrite=False), self.config)
        return None

    def _is_of_a_start(self, path: Path) -> bool:
        """Whether a run leaves this file when it is killed before its configuration is written."""
        return path == self.protocol or path.name.startswith((f".{self.protocol.name}.", f".{self.config.name}."))

    def _refuse_another_run(self, config: Config, protocol: Protocol) -> None:
        there = load_config([self.config])
        changed = differences(_same_run(there), _same_run(config))
        before = read_json(self.protocol)
        before = before.get("identifier") if isinstance(before, dict) else None
        if not isinstance(before, str):
            raise UserError(f"{self.protocol}: names no protocol; restore it, or overwrite=true throws the run away")
        if not changed and before != protocol.identifier:
            changed = [f"the data, and so the protocol: {before}, now {protocol.identifier}"]
        if changed:
            raise UserError(
                f"{self.path} holds another run ({'; '.join(changed)}); "
                "give output=FOLDER, or overwrite=true to throw it away"
            )


def read_result(path: Path) -> dict[str, Any]:
    """Read a ``result.json`` and check what its readers rely on.

    Raises:
        UserError: It is damaged, or not a result of a run.
    """
    result = read_json(path)
    try:
        texts = {name: result[name] for name in _RESULT_TEXTS}
        texts |= {name: result["protocol"][name] for name in ("identifier", "correlation")}
        for name, text in texts.items():
            _require(isinstance(text, str), f"{name} is no text")
        _require(type(result["seed"]) is int, "seed is no number")
        _require_number(result.get("wall_seconds", 0.0), "wall_seconds")
        for name, metric in result["metrics"].items():
            if metric is not None:
                _require_number([metric["mean"], *metric["folds"]], name)
                _require(metric["std"] is None or bool(metric["folds"]), name)
                _require_number(metric["std"] or 0.0, name)
        for fold in result["folds"]:
            _require(type(fold["fold"]) is int, "a fold has no number")
            for means in fold.get("per_video", {}).values():
                _require_number(list(means.values()), "per_video")
        _require(bool(result["folds"]), "it has no folds")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: not a result of clipit train ({error}); restore it or remove it") from error
    found: dict[str, Any] = result
    return found


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def _require_number(values: Any, name: str) -> None:  # noqa: ANN401 - whatever stood in the file
    each = values if isinstance(values, list) else [values]
    _require(all(type(value) in (int, float) and abs(value) < float("inf") for value in each), f"{name}: no number")


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
