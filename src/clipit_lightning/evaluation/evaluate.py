"""What `clipit evaluate` and `clipit baselines` compute and print: scores beside their floors and their ceiling."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.core.errors import UserError, check_known
from clipit_lightning.core.files import write_json
from clipit_lightning.data import benchmark_names, has_ratings, has_scripts, official_families, own_names
from clipit_lightning.data.fold_files import families
from clipit_lightning.data.own import find_benchmark, locate
from clipit_lightning.data.store import Store
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.baselines import as_rows, best_f1, floors, measure_quietly, query_floors
from clipit_lightning.evaluation.best_possible import ceiling
from clipit_lightning.evaluation.best_steps import items_of_test_part, script_floors
from clipit_lightning.evaluation.evaluate_scripts import evaluate_scripts
from clipit_lightning.evaluation.matching import measure_query, query_drops
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS, HIGHLIGHT_METRICS, METRICS, QUERY_METRICS, printed
from clipit_lightning.evaluation.odd import count_odd, odd_lines
from clipit_lightning.evaluation.presets import PRESETS
from clipit_lightning.evaluation.protocol import query_rules_of, rules_of, script_rules_of
from clipit_lightning.evaluation.rules import CORRELATION_RULES
from clipit_lightning.evaluation.scores import (
    IN_MEMORY,
    match_scores,
    read_predictions,
    read_scores,
    shots_without_score,
)
from clipit_lightning.evaluation.statistics import intervals, over_folds
from clipit_lightning.evaluation.tested import open_store, tested_folds, tested_videos

LONG = 200_000
"""Frames, about two hours: the exact knapsack takes time in proportion to the square of a video's length."""
MANY = 1000
"""Videos of which a draw takes seconds, and whose mean hardly differs between draws."""


def evaluate_scores(
    scores: Path | str | Mapping[str, Any],
    dataset: str,
    root: Path | str = "data",
    preset: str = "default",
    folds: str | None = None,
    draws: int | None = None,
) -> dict[str, Any]:
    """Measure scores under a protocol, with the floors and the ceiling under the same rules.

    Args:
        scores: A file of scores (`read_scores`), or of predictions for queries (`read_predictions`), or its content.
        dataset: What they are for: a benchmark, or a store of one's own, its name or ``FILE.h5``.
        root: Folder of the stores.
        preset: Name of a published protocol, or ``default``; the only one for queries.
        folds: A family or file of folds, or ``all``; by default the preset's, and ``all`` under ``default``.
        draws: Draws of the rows with chance; by default 20, and 5 where a video is so long that each takes seconds.

    Returns:
        ``dataset``, ``rules``, ``draws``, ``rows`` (a dictionary for each scorer, the scores first), and

        - with annotators ``preset``, ``about``, ``folds``, ``videos`` (their number), ``per_video``,
          `shots_without_score`, ``odd`` (`count_odd`);
        - with queries or scripts ``queries`` (their number), ``per_query``, of queries ``other_lengths``, too.

    Raises:
        UserError: Anything is wrong with scores, store or folds.
        ValueError: There is no such benchmark or preset.
    """
    dataset, root = locate(dataset, root)
    check_known("dataset", dataset, [*benchmark_names(targets=True), *own_names(root)])
    check_known("preset", preset, PRESETS)
    given = Path(scores) if isinstance(scores, str | Path) else scores
    name = given.stem if isinstance(given, Path) else IN_MEMORY
    if (measure := _OF_TEXTS.get(find_benchmark(dataset, root).kind)) is not None:
        return measure(name, given, open_store(dataset, root), draws or 20)
    videos = tested_videos(open_store(dataset, root), dataset)
    family = folds or ("all" if preset == "default" else PRESETS[preset].family)
    tested = tested_folds(videos, family)
    predictions = match_scores(read_scores(given), videos, {video for fold in tested for video in fold.test})
    correlation = PRESETS[preset].correlation.get(dataset, "default")
    rules = rules_of(ProtocolConfig(correlation=correlation), find_benchmark(dataset, root))
    measured = {video.id: measure_quietly(row, video, rules) for video, row, _ in predictions}
    rows = pd.DataFrame([{"fold": fold.index, "video": id, **measured[id]} for fold in tested for id in fold.test])
    by_id = {video.id: video for video, *_ in predictions}
    draws = draws or _usual_draws(list(by_id.values()))
    as_tested = [by_id[id] for fold in tested for id in fold.test]  # several times, where several folds test a video
    return {
        "preset": preset,
        "about": PRESETS[preset].about,
        "dataset": dataset,
        "rules": rules.chosen,
        "folds": family,
        "videos": len(predictions),
        "draws": draws,
        "rows": [_our_row(name, rows), *as_rows(floors(as_tested, rules, draws))],
        "per_video": rows.to_dict("records"),
        "shots_without_score": shots_without_score(predictions),
        "odd": count_odd(((video, row) for video, row, _ in predictions), rules),
    }


def _usual_draws(videos: Sequence[Video]) -> int:
    """20, or 5 where each draw takes seconds."""
    return 20 if max(video.n_frames for video in videos) < LONG and len(videos) < MANY else 5


def _our_row(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Means over videos, then over folds, with intervals over videos."""
    measured = [metric for metric in (*ANNOTATOR_METRICS, *HIGHLIGHT_METRICS) if metric in rows]
    low_high = intervals(rows, measured)
    means = {"name": name, **over_folds(rows, measured)}
    return means | {f"{metric}_interval": list(interval) for metric, interval in low_high.items()}


def _evaluate_queries(name: str, scores: Path | Mapping[str, Any], store: Store, draws: int) -> dict[str, Any]:
    videos = store.read_queries()
    dataset = videos[0].dataset
    rules = query_rules_of(ProtocolConfig(), dataset)
    chosen = read_predictions(scores, videos, rules)
    rows, other_lengths = [], 0
    for video in videos:
        drops = query_drops(video, {item.query: chosen[item.id] for item in video.items()})
        for item in video.items():
            names = {"video": video.key, "query": video.names[item.query]}
            rows.append(names | measure_query(item, chosen[item.id])._asdict() | {"query_drop": drops[item.query]})
            other_lengths += len(chosen[item.id]) != len(rules.choose(np.zeros(video.n_steps)))
    by_video = pd.DataFrame(rows).groupby("video", sort=False)[list(QUERY_METRICS)].mean()
    ours = {"name": name, **by_video.mean(), **by_video["f1"]}
    return {
        "dataset": dataset,
        "rules": vars(rules),
        "queries": len(rows),
        "draws": draws,
        "other_lengths": other_lengths,
        "rows": [ours, *as_rows(query_floors(videos, rules, draws))],
        "per_query": rows,
    }


_OF_TEXTS = {"queries": _evaluate_queries, "scripts": evaluate_scripts}
"""What measures scores of videos with texts, by the kind of the benchmark."""


def format_evaluation(evaluation: dict[str, Any], details: bool = False) -> str:
    """What `evaluate_scores` returned as a table for a terminal, percent but for correlations.

    With ``details`` a row for every video or query follows.
    """
    rules, draws, head = evaluation["rules"], evaluation["draws"], f"{evaluation['dataset']}, "
    if has_scripts(evaluation["dataset"]):
        head += f"{evaluation['queries']} scripts, steps above the best {100 * rules['budget']:g} %, without shots"
        note = f"± standard deviation of {draws} draws; drop: F1 lost when scripts of a video are exchanged"
    elif "queries" in evaluation:
        head += f"{evaluation['queries']} queries, best {100 * rules['budget']:g} % of shots, semantic matching"
        note = f"± standard deviation of {draws} draws; drop: F1 lost when queries of a video are exchanged"
        if evaluation["other_lengths"]:
            note += f"\nNOTE: {evaluation['other_lengths']} predictions have another number of shots than the rules say"
    else:
        head += (
            f"{evaluation['videos']} videos, folds {evaluation['folds']}, protocol {evaluation['preset']}: F1 "
            f"{rules['f1']} over annotators, correlation {rules['correlation']}, budget {rules['rounding']} "
            f"{100 * rules['budget']:g} %, shot {rules['shot_value']}, {rules['solver']}"
        )
        head += f", highlights {rules['highlights']}" if "highlights" in rules else ""
        note = (
            f"[ ] 95 % bootstrap interval over videos; ± standard deviation of {draws} random draws; "
            "floors and ceilings are means over the tested videos"
        )
        note += _uniform_note(evaluation["dataset"])
        if (number := evaluation["shots_without_score"]) is not None:
            note += f"\nNOTE: scores of shots; those without one get the lowest of their video ({number} shots)"
    odd = odd_lines(evaluation.get("odd", {}))
    return "\n".join([head, _table(evaluation["rows"]), note, *odd, *([_details(evaluation)] if details else [])])


def _details(evaluation: dict[str, Any]) -> str:
    queries = "queries" in evaluation
    rows = pd.DataFrame(evaluation["per_query" if queries else "per_video"])
    for name in rows.columns.intersection(list(METRICS)):
        rows[name] *= METRICS[name].factor
    if queries:
        return rows.to_string(index=False, float_format="%.1f")
    heads = {name: METRICS[name].column for name in (*ANNOTATOR_METRICS, *HIGHLIGHT_METRICS)}
    return rows.rename(columns=heads).to_string(index=False, float_format="%.3f")


def _table(rows: Sequence[Mapping[Any, Any]]) -> str:
    """A row a scorer, a column a metric of the first, with intervals or standard deviations."""
    names = [name for name in rows[0] if name != "name" and not name.endswith(("_std", "_interval"))]
    lines = []
    for row in rows:
        cells = {"": str(row["name"])}
        for name in names:
            spread = ""
            if f"{name}_interval" in row:
                low, high = row[f"{name}_interval"]
                spread = f" [{printed(name, low)}, {printed(name, high)}]"
            elif row.get(f"{name}_std"):
                spread = f" ±{printed(name, row[f'{name}_std'])}"
            head = METRICS[name].column if "kendall_tau" in names else name.removeprefix("query_")
            cells[head] = printed(name, row.get(name)) + spread
        lines.append(cells)
    return pd.DataFrame(lines).to_string(index=False)


def baseline_tables(dataset: str, root: Path, draws: int = 100, keep: Path | None = None) -> dict[str, pd.DataFrame]:
    """Floors and ceilings of a data set under every correlation rule; F1 mean and max stand in every table.

    ``keep`` is a folder to write ``<dataset>-<hash of the annotations>.json`` to, from where the leaderboard takes its
    rows.

    Returns:
        A table of `floors` by name of the rule; of a benchmark with queries or scripts, the table of `query_floors`
        or `script_floors` under ``none``.
    """
    store, best = open_store(dataset, root), {}
    benchmark = find_benchmark(dataset, root)
    if benchmark.kind == "scripts":
        f1, rules_of_scripts = "best-steps", script_rules_of(ProtocolConfig(), dataset)
        tables = {"none": script_floors(items_of_test_part(store.read_scripts()), rules_of_scripts, draws)}
    elif benchmark.kind == "queries":
        f1 = "semantic-matching"
        tables = {"none": query_floors(store.read_queries(), query_rules_of(ProtocolConfig(), dataset), draws)}
    else:
        f1, videos = benchmark.f1_convention, tested_videos(store, dataset)
        names = [name for name, rule in CORRELATION_RULES.items() if rule.of_people]
        names = [benchmark.correlation] if benchmark.families else names
        rules = {name: rules_of(ProtocolConfig(correlation=name), benchmark) for name in names}
        tables = {name: floors(videos, rule, draws) for name, rule in rules.items()}
        best = {video.id: best_f1(video, rules[names[0]]) for video in videos}
    if keep is not None:
        annotations = store.annotations_hash()
        content = {
            "dataset": dataset,
            "annotations_hash": annotations,
            "draws": draws,
            "f1": f1,
            "rules": {name: as_rows(table) for name, table in tables.items()},
            "best_possible": best,
        }
        write_json(keep / f"{dataset}-{annotations}.json", content)
    return tables


def best_by_folds(dataset: str, root: Path) -> dict[str, float]:
    """Best possible F1 by family of folds, over the videos that it tests; without families whose videos are missing.

    Returns:
        0 to 1, by the data set's convention over annotators; empty of a benchmark with queries, scripts or official
        parts.
    """
    if find_benchmark(dataset, root).kind != "annotated":
        return {}
    if official_families(dataset):  # the row of the ceiling is of its only fold
        return {}
    rules, ceilings = rules_of(ProtocolConfig(), find_benchmark(dataset, root)), {}
    videos = open_store(dataset, root).read()
    best = {video.id: best_f1(video, rules)["f1"] for video in videos}
    for family in ("kfold", *families(dataset, "canonical")):
        with suppress(UserError):
            ceilings[family] = ceiling(best, [fold.test for fold in tested_folds(videos, family)])
    return ceilings


def format_baselines(tables: dict[str, pd.DataFrame], draws: int, dataset: str, by_folds: Mapping[str, float]) -> str:
    """The tables of `baseline_tables` with what `best_by_folds` returned, as text; percent but for correlations."""
    text = {name: _table(as_rows(table)) for name, table in tables.items()}
    if "none" in text:
        return f"{text['none']}\n± standard deviation of {draws} draws"
    blocks = [f"correlation {name}\n{table}" for name, table in text.items()]
    ceilings = ", ".join(f"{family} {printed('f1', best)}" for family, best in by_folds.items())
    blocks += [f"best-possible F1 over the videos that folds test: {ceilings}"] if ceilings else []
    return "\n\n".join(blocks) + _uniform_note(dataset)


def _uniform_note(dataset: str) -> str:
    """Why even spacing has an F1 far below chance: of TVSum's annotators 98 % of a summary is in the shorter shots."""
    if not has_ratings(dataset):
        return ""
    return "\nuniform takes long shots; annotators' summaries, cut by the knapsack as every scorer's, short ones"
