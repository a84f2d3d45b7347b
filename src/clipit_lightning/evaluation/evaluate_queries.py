"""What `clipit evaluate` and `clipit baselines` do for a benchmark with queries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json, write_json
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.query_video import QueryItem, QueryVideo
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.matching import QueryRules, Shots, measure_query, query_drops
from clipit_lightning.evaluation.protocol import query_rules_of
from clipit_lightning.evaluation.query_floors import NAMES, query_floors
from clipit_lightning.evaluation.scores import numbers


def read_query_dataset(dataset: str, root: Path) -> list[QueryVideo]:
    """All videos of a data set's store, checked.

    Raises:
        UserError: The store is missing or unsound.
    """
    store = Store(root / f"{dataset}.h5")
    if not store.path.exists():
        how = BENCHMARKS[dataset].how_to_get
        raise UserError(f"missing: {store.path} ({how}); then `clipit data import FOLDER`")
    if problems := store.check():
        raise UserError(f"{store.path}: {problems[0]}; run `clipit data check --root {root}`")
    return store.read_queries()


def read_predictions(path: Path, videos: Sequence[QueryVideo], rules: QueryRules) -> dict[str, Shots]:
    """Read predictions: JSON of video to query to prediction, or of ``video/query`` to prediction.

    A prediction is a list with a score for each shot, of which the best are taken, or ``{"shots": [...]}``: chosen
    shots, counted from 1 as in the oracle files. A query is named by its concepts in any order, such as ``Car_Food``.

    Returns:
        The chosen shots, counted from 0, by id of the item.

    Raises:
        UserError: The file cannot be read, a video or query is unknown, missing or given twice, or a prediction does
            not fit the video.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}; write video to query to scores")
    known = {_plain(name): item for video in videos for item in video.items() for name in _names(item)}
    found: dict[str, Shots] = {}
    for name, prediction in _flat(content).items():
        item = known.get(_plain(name))
        if item is None:
            raise UserError(f"{path}: {name}: no such video and query; they are such as {videos[0].items()[0].id}")
        if item.id in found:
            raise UserError(f"{path}: {name}: a prediction for {item.id} is given twice")
        found[item.id] = _chosen(f"{path}: {name}", prediction, item, rules)
    missing = [item.id for video in videos for item in video.items() if item.id not in found]
    if missing:
        raise UserError(
            f"{path}: predictions are missing for {len(missing)} queries: {', '.join(missing[:4])}"
            f"{' ...' * (len(missing) > 4)}"
        )
    return found


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        nested = isinstance(value, dict) and "shots" not in value
        flat |= {f"{name}/{query}": each for query, each in value.items()} if nested else {name: value}
    return flat


def _names(item: QueryItem) -> list[str]:
    """Every way to name an item: with or without the benchmark, the concepts in either order."""
    concepts = [item.video.concepts[concept] for concept in item.video.queries[item.query]]
    queries = ("_".join(concepts), "_".join(reversed(concepts)))
    return [f"{video}/{query}" for video in (item.video.id, item.video.key) for query in queries]


def _plain(name: str) -> str:
    return name.casefold().removesuffix("_oracle")


def _chosen(where: str, prediction: Any, item: QueryItem, rules: QueryRules) -> Shots:  # noqa: ANN401 - as in the file
    shots = isinstance(prediction, dict)
    try:
        row = numbers(prediction["shots"] if shots else prediction)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise UserError(f"{where}: neither a list of scores, finite numbers, nor {{'shots': [numbers]}}") from error
    if row.ndim != 1 or not np.isfinite(row).all():
        raise UserError(f"{where}: a row of finite numbers is needed")
    if not shots:
        if len(row) != item.n_steps:
            raise UserError(
                f"{where}: {len(row)} scores, expected {item.n_steps}, one for each shot; chosen shots are written as "
                '{"shots": [...]}'
            )
        return rules.choose(row)
    if not len(row) or (row != np.floor(row)).any() or row.min() < 1 or row.max() > item.n_steps:
        raise UserError(f"{where}: shots are whole numbers from 1 to {item.n_steps}, at least one")
    if len(np.unique(row)) < len(row):
        raise UserError(f"{where}: a shot stands twice")
    return np.sort(row.astype(np.int64) - 1)


def evaluate_predictions(path: Path, dataset: str, root: Path, draws: int | None = None) -> dict[str, Any]:
    """Measure anybody's predictions, with floors and the ceiling beside them.

    Args:
        path: The file.
        dataset: The benchmark.
        root: Folder of the stores.
        draws: Draws of the rows with chance; by default 20.

    Returns:
        ``rows`` (a dictionary for each choice, the predictions first, as in ``query_floors``), ``per_query``, and
        ``other_lengths``: how many predictions have another number of shots than the rules say.

    Raises:
        UserError: Anything is wrong with predictions or store.
    """
    videos, rules = read_query_dataset(dataset, root), query_rules_of(ProtocolConfig(), dataset)
    chosen = read_predictions(path, videos, rules)
    rows = []
    for video in videos:
        drops = query_drops(video, {item.query: chosen[item.id] for item in video.items()})
        for item in video.items():
            name = {"video": video.key, "query": video.names[item.query]}
            rows.append(name | measure_query(item, chosen[item.id])._asdict() | {"query_drop": drops[item.query]})
    table = pd.DataFrame(rows)
    by_video = table.groupby("video", sort=False)[[*NAMES, "query_drop"]].mean()
    ours = {"name": path.stem, **by_video.mean(), **by_video["f1"]}
    wanted = {video.id: len(rules.choose(np.zeros(video.n_steps))) for video in videos}
    other = sum(len(shots) != wanted[name.rpartition("/")[0]] for name, shots in chosen.items())
    draws = draws or 20
    return {
        "dataset": dataset,
        "rules": vars(rules),
        "queries": len(table),
        "draws": draws,
        "other_lengths": other,
        "rows": [ours, *query_floors(videos, rules, draws).to_dict("records")],
        "per_query": rows,
    }


def format_query_evaluation(found: dict[str, Any], per_query: bool = False) -> str:
    """An evaluation as a table for a terminal, in percent."""
    rules = found["rules"]
    lines = [
        f"{found['dataset']}, {found['queries']} queries, best {100 * rules['budget']:g} % of shots, semantic matching",
        _table(found["rows"]),
        f"± standard deviation of {found['draws']} draws; drop: F1 lost when queries of a video are exchanged",
    ]
    if found["other_lengths"]:
        lines.append(f"NOTE: {found['other_lengths']} predictions have another number of shots than the rules say")
    if per_query:
        rows = pd.DataFrame(found["per_query"])
        rows[[*NAMES, "query_drop"]] *= 100
        lines.append(rows.to_string(index=False, float_format="%.1f"))
    return "\n".join(lines)


def query_baselines(dataset: str, root: Path, draws: int = 100, keep: Path | None = None) -> pd.DataFrame:
    """Floors and ceiling of a data set (`query_floors`).

    Args:
        dataset: The data set.
        root: Folder of the stores.
        draws: Draws of the rows with chance.
        keep: Folder to write ``<dataset>-<hash of the annotations>.json`` to, from where the leaderboard takes its
            rows.
    """
    table = query_floors(read_query_dataset(dataset, root), query_rules_of(ProtocolConfig(), dataset), draws)
    if keep is not None:
        annotations = Store(root / f"{dataset}.h5").annotations_hash()
        content = {
            "dataset": dataset,
            "annotations_hash": annotations,
            "draws": draws,
            "f1": "semantic-matching",
            "rules": {"none": table.to_dict("records")},
        }
        write_json(keep / f"{dataset}-{annotations}.json", content)
    return table


def format_query_baselines(table: pd.DataFrame, draws: int) -> str:
    """The floors as a table for a terminal, in percent."""
    return f"{_table(table.to_dict('records'))}\n± standard deviation of {draws} draws"


def _table(rows: Sequence[Mapping[Any, Any]]) -> str:
    shown = []
    columns = [name for name in rows[0] if name != "name" and not str(name).endswith("_std")]
    for row in rows:
        cells = {"": str(row["name"])}
        for name in columns:
            spread = f" ±{100 * row[f'{name}_std']:.1f}" if row.get(f"{name}_std") else ""
            cells[name.replace("query_", "")] = f"{100 * row[name]:.1f}{spread}" if name in row else "-"
        shown.append(cells)
    return pd.DataFrame(shown).to_string(index=False)
