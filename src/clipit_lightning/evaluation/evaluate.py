"""What `clipit evaluate` and `clipit baselines` compute and print: scores beside their floors and their ceiling."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import write_json
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.benchmark import CorrelationRule
from clipit_lightning.data.fold_files import load_family, read_fold_file
from clipit_lightning.data.folds import Fold, make_folds
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.floors import floors
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS, METRICS, printed
from clipit_lightning.evaluation.protocol import PRESETS, rules_of
from clipit_lightning.evaluation.scores import intervals, match_scores, measure_all, over_folds, read_scores

LONG = 200_000
"""Frames, about two hours: the exact knapsack takes time in proportion to the square of a video's length."""


def read_dataset(dataset: str, root: Path) -> list[Video]:
    """All videos of a data set's store, checked.

    Raises:
        UserError: The store is missing or unsound.
    """
    store = Store(root / f"{dataset}.h5")
    if not store.path.exists():
        raise UserError(f"missing: {store.path} ({BENCHMARKS[dataset].how_to_get}); then `clipit data import FOLDER`")
    if problems := store.check():
        raise UserError(f"{store.path}: {problems[0]}; run `clipit data check --root {root}`")
    return store.read()


def tested_folds(videos: Sequence[Video], folds: str) -> list[Fold]:
    """The canonical folds of a family by name or file; ``all`` is one fold that tests every video."""
    dataset, ids = videos[0].dataset, [video.id for video in videos]
    if folds == "all":
        return [Fold(0, (), (), tuple(ids))]
    if folds == "kfold":
        return make_folds(ids, (), "canonical")
    if Path(folds).suffix:
        family = read_fold_file(Path(folds), dataset, {video.name: video.key for video in videos if video.name})
    else:
        family = load_family(folds, dataset, "canonical")
    if unknown := sorted({video for fold in family.folds for video in fold.test} - set(ids)):
        raise UserError(f"folds {folds}: the store lacks {', '.join(unknown[:5])}; import the whole data set")
    return list(family.folds)


def evaluate_scores(
    path: Path,
    dataset: str,
    root: Path,
    preset: str = "default",
    folds: str | None = None,
    draws: int | None = None,
    chosen: ProtocolConfig | None = None,
) -> dict[str, Any]:
    """Measure a file of scores under a protocol, with the floors and the ceiling under the same rules.

    Args:
        path: The scores; ``evaluate.read_scores`` says which files.
        dataset: The data set they are for.
        root: Folder of the stores.
        preset: Name of a published protocol, or ``default``.
        folds: A family of folds, a file of folds, or ``all``; by default the preset's, and ``all`` under ``default``.
        draws: Draws of the random row; by default 20, and 5 where a video is so long that each draw takes seconds.
        chosen: Rules that win over the preset's.

    Returns:
        ``preset``, ``rules``, ``folds``, ``videos``, ``rows`` (a dictionary for each scorer, the scores first),
        ``per_video``.

    Raises:
        UserError: Anything is wrong with scores, store or folds; said before anything is computed.
    """
    videos = read_dataset(dataset, root)
    family = folds or ("all" if preset == "default" else PRESETS[preset].family)
    parts = tested_folds(videos, family)
    predictions = match_scores(read_scores(path), videos, {video for fold in parts for video in fold.test})
    config = chosen or ProtocolConfig()
    if config.correlation == "default":
        config = replace(config, correlation=PRESETS[preset].correlation.get(dataset, "default"))
    rules = rules_of(config, dataset, dataset)
    rows = measure_all(predictions, parts, rules)
    low_high = intervals(rows)
    tested = [prediction.video for prediction in predictions]
    draws = draws or (20 if max(video.n_frames for video in tested) < LONG else 5)
    ours: dict[str, Any] = {"name": path.stem, **over_folds(rows)}
    ours |= {f"{name}_interval": list(low_high[name]) for name in ANNOTATOR_METRICS}
    return {
        "preset": preset,
        "about": PRESETS[preset].about,
        "dataset": dataset,
        "rules": vars(rules),
        "folds": family,
        "videos": len(tested),
        "draws": draws,
        "rows": [ours, *floors(tested, rules, draws).to_dict("records")],
        "per_video": rows.to_dict("records"),
    }


def format_evaluation(found: dict[str, Any], per_video: bool = False) -> str:
    """An evaluation as a table for a terminal; F1 in percent."""
    rules = found["rules"]
    lines = [
        f"{found['dataset']}, {found['videos']} videos, folds {found['folds']}, protocol {found['preset']}: "
        f"F1 {rules['f1']} over annotators, correlation {rules['correlation']}, budget {rules['rounding']} "
        f"{100 * rules['budget']:g} %, shot {rules['shot_value']}, {rules['solver']}",
        pd.DataFrame([_cells(row) for row in found["rows"]]).to_string(index=False),
        f"[ ] 95 % bootstrap interval over videos; ± standard deviation of {found['draws']} random draws; "
        "floors are means over the tested videos",
    ]
    if per_video:
        rows = pd.DataFrame(found["per_video"])
        rows[[name for name in ANNOTATOR_METRICS if name.startswith("f1")]] *= 100
        rows = rows.rename(columns={name: METRICS[name].column for name in ANNOTATOR_METRICS})
        lines.append(rows.to_string(index=False, float_format="%.3f"))
    return "\n".join(lines)


def _cells(row: dict[Any, Any]) -> dict[str, str]:
    cells = {"": str(row["name"])}
    for name in ANNOTATOR_METRICS:
        label = METRICS[name].column
        cells[label] = printed(name, row[name])
        if f"{name}_interval" in row:
            low, high = row[f"{name}_interval"]
            cells[label] += f" [{printed(name, low)}, {printed(name, high)}]"
        elif row.get(f"{name}_std"):
            cells[label] += f" ±{printed(name, row[f'{name}_std'])}"
    return cells


def baseline_tables(dataset: str, root: Path, draws: int = 100, keep: Path | None = None) -> dict[str, pd.DataFrame]:
    """Floors and ceilings of a data set under every correlation rule; F1 mean and max stand in every table.

    Args:
        dataset: The data set.
        root: Folder of the stores.
        draws: Draws of the random row.
        keep: Folder to write ``<dataset>-<hash of the annotations>.json`` to, from where the leaderboard takes its
            rows.

    Returns:
        A table of ``floors`` for each rule that the store's annotations allow.
    """
    videos = read_dataset(dataset, root)
    tables = {}
    for rule in get_args(CorrelationRule):
        rules = rules_of(replace(ProtocolConfig(), correlation=rule), dataset, dataset)
        tables[str(rule)] = floors(videos, rules, draws)
    if keep is not None:
        annotations = Store(root / f"{dataset}.h5").annotations_hash()
        content = {
            "dataset": dataset,
            "annotations_hash": annotations,
            "draws": draws,
            "f1": BENCHMARKS[dataset].f1_convention,
            "rules": {rule: table.to_dict("records") for rule, table in tables.items()},
        }
        write_json(keep / f"{dataset}-{annotations}.json", content)
    return tables


def format_baselines(tables: dict[str, pd.DataFrame]) -> str:
    """The tables one below the other; F1 in percent."""
    parts = []
    for rule, table in tables.items():
        rows = [_cells(row) for row in table.to_dict("records")]
        parts.append(f"correlation {rule}\n{pd.DataFrame(rows).to_string(index=False)}")
    return "\n\n".join(parts)
