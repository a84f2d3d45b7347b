"""What came out of a search: the best configuration, a table of all trials, plots."""

import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import yaml
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from clipit_lightning.core.config import Config, LoggerConfig
from clipit_lightning.core.files import atomic_path, write_text
from clipit_lightning.core.log import log
from clipit_lightning.studies.sweep_check import trial_config
from clipit_lightning.studies.sweep_file import Sweep

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_SHOWN = 5  # of the best trials
_WORDS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed"}


def shown_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials of a study without those that others continue."""
    trials = study.get_trials(deepcopy=False)
    continued = {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
    return [trial for trial in trials if trial.number not in continued]


def first_number(trial: FrozenTrial) -> int:
    """The number of a trial, or of the first of those that it continues: that of its folder."""
    return [*RetryHeartbeatStaleTrialCallback.retry_history(trial), trial.number][0]


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """The complete trials, the best first, among equals the first."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
    return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def write_results(study: optuna.Study, sweep: Sweep, metric: str, folder: Path) -> None:
    """Write `trials.csv`, and `best.yaml` as soon as a trial is complete."""
    rows = pd.DataFrame([_row(trial, metric) for trial in shown_trials(study)])
    write_text(folder / "trials.csv", rows.to_csv(index=False))
    if best := ranked(study):
        write_text(folder / "best.yaml", _best(best[0], len(best), sweep, metric))


def _row(trial: FrozenTrial, metric: str) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "state": _WORDS.get(trial.state, trial.state.name.lower()),
        metric: trial.value,
        "epochs": trial.last_step,
        "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else None,
        "folder": f"trials/{first_number(trial)}",
        **trial.user_attrs.get("values", {}),
        "error": trial.user_attrs.get("error"),
    }


def _best(trial: FrozenTrial, complete: int, sweep: Sweep, metric: str) -> str:
    """The configuration of the best trial, as what differs from the defaults; it tests, unlike the trial."""
    config = trial_config(sweep, trial.user_attrs["values"], last=())
    config = replace(config, test=True, logger=LoggerConfig(), output=None, overwrite=False)
    tree = _changed(asdict(config), asdict(Config()))
    return (
        f"# Trial {trial.number}, the best of {complete} complete ones of {sweep.path}: "
        f"validation {metric} {trial.value:.4f}.\n# Train and test it: clipit train best.yaml\n"
    ) + yaml.safe_dump(tree, sort_keys=False)


def _changed(tree: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in tree.items() if value != defaults[key]}
    return {key: _changed(value, defaults[key]) if isinstance(value, dict) else value for key, value in changed.items()}


def trial_line(trial: FrozenTrial, sweep: Sweep, metric: str) -> str:
    """One line on a trial that ended."""
    values = "  ".join(f"{key}={_short(value)}" for key, value in _searched(trial, sweep).items())
    if trial.state == TrialState.FAIL:
        error = trial.user_attrs.get("error", "its process died again and again")
        return f"trial {trial.number}: failed: {error}  {values}"
    early = f", stopped after {trial.last_step} epochs" if trial.state == TrialState.PRUNED else ""
    return f"trial {trial.number}: {metric} {trial.value:.4f}{early}  {values}"


def _searched(trial: FrozenTrial, sweep: Sweep) -> dict[str, Any]:
    searched = {parameter.key for parameter in sweep.parameters if parameter.distribution is not None}
    return {key: value for key, value in trial.user_attrs.get("values", {}).items() if key in searched}


def _short(value: Any) -> str:  # noqa: ANN401 - any value of a configuration
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def results_table(study: optuna.Study, sweep: Sweep, metric: str) -> str:
    """The best trials as a table to print, and how the others ended."""
    trials = shown_trials(study)
    counts = {word: sum(trial.state == state for trial in trials) for state, word in _WORDS.items()}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    rows = [
        {"trial": trial.number, metric: f"{trial.value:.4f}"}
        | {key: _short(value) for key, value in _searched(trial, sweep).items()}
        for trial in ranked(study)[:_SHOWN]
    ]
    table = pd.DataFrame(rows).to_string(index=False) if rows else "no trial is complete yet"
    return f"{table}\n{summary or 'no trial has ended'}"


def write_plots(study: optuna.Study, metric: str, folder: Path) -> None:
    """Write `history.png`, and `importance.png` where trials differ enough to tell."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot
    from optuna.visualization.matplotlib import plot_optimization_history, plot_param_importances

    history = partial(plot_optimization_history, target_name=f"validation {metric}")
    plots: dict[str, Callable[..., object]] = {"history.png": history, "importance.png": plot_param_importances}
    for name, plot in plots.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the functions are experimental
            try:
                plot(study)
                with atomic_path(folder / name) as temporary:
                    pyplot.savefig(temporary, format="png", dpi=150, bbox_inches="tight")
            except (ValueError, RuntimeError, ZeroDivisionError) as error:
                log.info(f"no {name}: {(str(error).splitlines() or ['trials are too few or too alike'])[0]}")
            finally:
                pyplot.close("all")
