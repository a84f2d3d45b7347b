"""Runs in Weights & Biases: one for each fold, grouped by protocol, and one for the whole; in a sweep one for a trial.

No account and no network are needed: `offline` writes files that `wandb sync` uploads later, and `online` falls back to
it with one line. Keys of the account are read by wandb alone, and are in no file of a run.
"""

import os
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from wandb.errors import AuthenticationError
from wandb.sdk.lib import wbauth

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import first_line
from clipit_lightning.core.files import write_text
from clipit_lightning.evaluation.protocol import Protocol
from clipit_lightning.training.measures import make_measures
from clipit_lightning.training.objective import RunningObjective
from clipit_lightning.training.result import FoldResult, RunResult

_ID = "wandb_id.txt"
ASK_SECONDS, INIT_SECONDS, FINISH_SECONDS = 5, 30, 60  # the server answers, accepts a run, takes its last data
CURVES, POINTS = 8, 500  # score plots of a fold, and points of one
_TRIALS: dict[str, tuple[wandb.Run | None, RunningObjective]] = {}
"""Of wandb's sweeps, that this process runs, by their identifiers."""


class FoldLogger(WandbLogger):
    """Lightning's logger for one fold.

    In a sweep all folds of a trial share its one run: curves stand under ``fold<n>/``, and ``validation/<metric>``, the
    mean over the folds so far, is what the sweep looks at. There is no `run` on other processes than the first, and
    where wandb itself fails; an `objective` only in a sweep; a `checkpoint`, of the selected epoch, only to upload it.
    """

    LOGGER_JOIN_CHAR = "/"

    def __init__(
        self,
        fold: int,
        run: wandb.Run | None,
        objective: RunningObjective | None,
        checkpoint: Path | None,
        project: str,
        folder: Path,
    ) -> None:
        prefix = f"fold{fold}" if objective else ""
        super().__init__(project=project, save_dir=folder, prefix=prefix, experiment=run, id=run.id if run else None)
        self.fold, self.run, self.objective, self.checkpoint = fold, run, objective, checkpoint

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:  # noqa: ANN401 - what the base class takes
        """The run has its configuration from the start."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log curves and, in a sweep, the objective after each validation; a test is logged by ``log_fold``."""
        if self.run is None or any(key.startswith("test/") for key in metrics):
            return
        with _survived():
            super().log_metrics(metrics, step)
            validation = {key.removeprefix("val/"): value for key, value in metrics.items() if key.startswith("val/")}
            if self.objective and self.objective.monitor in validation:
                means = self.objective.update(self.fold, validation)
                self.run.log({f"validation/{name}": value for name, value in means.items()})


def make_logger(config: Config, path: Path, run_name: str, protocol: Protocol, fold: int) -> FoldLogger:
    """The logger of a fold, with a run that goes on where an interrupted one stopped.

    The run's identifier is kept in `wandb_id.txt` in ``path``, the folder of the fold.
    """
    tags = [protocol.dataset, protocol.setting, protocol.data, config.model.name]
    given = {"group": protocol.identifier, "tags": tags}
    run, objective, trial, folder = None, None, sweep_trial(), path
    if trial is None:
        run = _begin(config, folder, name=f"{run_name}-fold{fold}", job_type="fold", **given)
    else:
        folder = path.parent.parent
        if trial not in _TRIALS:
            measures = make_measures(config.data.dataset, config.protocol, config.data.root)
            objective = RunningObjective(config.selection, measures.monitor, folder)
            _TRIALS[trial] = (_begin(config, folder, name=run_name, job_type="trial", **given), objective)
        run, objective = _TRIALS[trial]
    selected = path / ("last.ckpt" if config.selection == "last" else "best.ckpt")
    checkpoint = selected if config.logger.artifacts else None
    return FoldLogger(fold, run, objective, checkpoint, config.logger.project, folder)


def sweep_trial() -> str | None:
    """Identifier of the run that wandb's agent started this process for; None outside of its sweeps."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


@rank_zero_only
def _begin(config: Config, folder: Path, **given: Any) -> wandb.Run | None:  # noqa: ANN401 - of `wandb.init`
    """Start a run, or go on with it; without the server where that refuses, and without wandb where that fails."""
    mode = _mode(config)
    given |= {"project": config.logger.project, "dir": folder, "config": asdict(config), "reinit": "create_new"}
    try:
        return wandb.init(id=sweep_trial() or _identifier(folder), **_patience(mode), **given)
    except Exception as error:
        _warn_once(f"wandb: {first_line(error)[:200]}; the run is kept in files, `wandb sync` uploads them")
    run = None
    with _survived():
        run = wandb.init(id=_identifier(folder, anew=True), **_patience("offline"), **given)  # the first is taken
    return run  # noqa: RET504 - None where the block above ended early


def _patience(mode: str) -> dict[str, Any]:
    """How far a run goes, and how long it waits for the server."""
    settings = wandb.Settings(
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
        console="off",  # what is printed belongs to the terminal, and may hold what others should not read
        silent=mode != "online",
    )
    resume = "allow" if mode == "online" else None  # without a server the same identifier is all that is needed
    return {"mode": mode, "resume": resume, "settings": settings}


def _identifier(folder: Path, anew: bool = False) -> str:
    file = folder / _ID
    if anew or not file.exists():
        write_text(file, f"{uuid.uuid4().hex[:12]}\n")
    return file.read_text(encoding="utf-8").strip()


def _mode(config: Config) -> str:
    """How far a run may go: the configuration says it, the environment and the network can only hold it back."""
    asked = os.environ.get("WANDB_MODE")
    if asked == "disabled":
        return "disabled"
    if config.logger.wandb == "offline" or asked in ("offline", "dryrun"):
        return "offline"
    problem = online_problem()
    if problem:
        _warn_once(f"wandb: {problem}; the run is kept in files, `wandb sync` uploads them")
    return "offline" if problem else "online"


def online_problem() -> str | None:
    """What keeps this machine from wandb's server, in words: no key or no network; None where nothing does."""
    server = str(wandb.setup().settings.base_url).rstrip("/")
    if not _has_key(server):
        return "no API key (WANDB_API_KEY, or `wandb login`)"
    try:
        urllib.request.urlopen(f"{server}/healthz", timeout=ASK_SECONDS).close()  # heeds the proxies of the environment
    except urllib.error.HTTPError:
        return None  # it answers
    except (OSError, ValueError) as error:
        return f"{server} does not answer ({getattr(error, 'reason', None) or error})"
    return None


def _has_key(server: str) -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    with suppress(AuthenticationError):
        return bool(wbauth.read_netrc_auth(host=server))
    return False


@cache
@rank_zero_only
def _warn_once(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _survived() -> Iterator[None]:
    """Whatever becomes of wandb or its server, training goes on, after one line."""
    try:
        yield
    except Exception as error:
        reason = first_line(error)[:200]
        _warn_once(f"wandb: {reason}; curves may be missing there, those in the run's folder are whole")


@rank_zero_only
def log_fold(logger: FoldLogger, fold: FoldResult) -> None:
    """Add a finished fold: summary, table of videos, score plots, checkpoint; ends its run, if it is its own."""
    prefix, run = f"fold{logger.fold}/" if logger.objective else "", logger.run
    if run is None:
        return
    with _survived():
        summary = {f"{prefix}test/{name}": value for name, value in fold.metrics.items()}
        summary |= {f"{prefix}validation/{name}": value for name, value in (fold.validation or {}).items()}
        run.summary.update(summary | {f"{prefix}selected_epoch": fold.epoch})
        if fold.per_video:
            run.log({f"{prefix}per_video": wandb.Table(dataframe=pd.DataFrame(fold.per_video))})
        for video, scores in list(fold.scores.items())[:CURVES]:
            run.log({f"{prefix}scores/{video}": _score_plot(video, scores)})
        if logger.checkpoint is not None and logger.checkpoint.exists():
            artifact = wandb.Artifact(f"{run.id}-fold{logger.fold}", type="model", metadata={"epoch": fold.epoch})
            artifact.add_file(str(logger.checkpoint))
            run.log_artifact(artifact)
    if logger.objective is None:
        with _survived():
            run.finish()


def _score_plot(video: str, scores: list[float]) -> Any:  # noqa: ANN401 - wandb's chart
    """Scores over steps, thinned to some hundred points."""
    every = max(1, -(-len(scores) // POINTS))
    points: list[Any] = list(enumerate(scores))
    table = wandb.Table(data=points[::every], columns=["step", "score"])
    return wandb.plot.line(table, "step", "score", title=f"Scores of {video}")


@rank_zero_only
def log_run(config: Config, path: Path, result: RunResult) -> None:
    """Add the result over all folds: as a run of its own beside those of the folds, in a sweep to the trial's run."""
    run, _ = _TRIALS.pop(sweep_trial() or "", (None, None))
    with _survived():
        given = {"name": result.run, "group": result.protocol.identifier}
        run = run or _begin(config, path, job_type="run" if sweep_trial() is None else "trial", **given)
        if run is not None:
            run.summary.update(_summary(result))
            run.finish()


def _summary(result: RunResult) -> dict[str, Any]:
    """Means under ``test/<metric>`` and ``validation/<metric>``, standard deviations over folds beside them."""
    summary: dict[str, Any] = {}
    for part, metrics in (("test", result.measured), ("validation", result.validation.metrics)):
        for name, metric in metrics.items():
            summary |= {f"{part}/{name}": metric.mean, f"{part}/{name}_std": metric.std}
    return summary | {"parameters": result.parameters, "wall_seconds": result.wall_seconds}
