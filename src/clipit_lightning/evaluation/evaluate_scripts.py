"""What `clipit evaluate` computes of scores for videos with scripts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.core.files import read_json
from clipit_lightning.data.script_video import ScriptItem
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.baselines import as_rows
from clipit_lightning.evaluation.best_steps import items_of_test_part, measure_script, script_drops, script_floors
from clipit_lightning.evaluation.names import QUERY_METRICS
from clipit_lightning.evaluation.protocol import script_rules_of
from clipit_lightning.evaluation.scores import IN_MEMORY, Scores, numbers


def evaluate_scripts(name: str, scores: Path | Mapping[str, Any], store: Store, draws: int) -> dict[str, Any]:
    """Measure step scores of every script of the test part, with the floors and the ceiling under the same rules.

    Args:
        name: What the scores are called.
        scores: JSON, or a mapping, of video to script number to step scores, or of ``video/number`` to step scores.
        store: The store, checked.
        draws: Draws of the rows with chance.

    Raises:
        UserError: Scores cannot be read or do not fit the store.
    """
    items = items_of_test_part(store.read_scripts())
    rules = script_rules_of(ProtocolConfig(), items[0].dataset)
    given = _read(scores, items)
    chosen = {id: rules.choose(row) for id, row in given.items()}
    drops = script_drops(items, chosen)
    rows = [
        {"video": item.video.key, "query": str(item.script)}
        | measure_script(item, chosen[item.id])._asdict()
        | {"query_drop": drops[item.id]}
        for item in items
    ]
    ours = pd.DataFrame(rows).groupby("video", sort=False)[list(QUERY_METRICS)].mean().mean()
    return {
        "dataset": items[0].dataset,
        "rules": vars(rules),
        "queries": len(rows),
        "draws": draws,
        "rows": [{"name": name, **ours}, *as_rows(script_floors(items, rules, draws))],
        "per_query": rows,
    }


def _read(scores: Path | Mapping[str, Any], items: Sequence[ScriptItem]) -> dict[str, Scores]:
    """Step scores by id of the item; a UserError where they do not fit."""
    content, where = (read_json(scores), str(scores)) if isinstance(scores, Path) else (scores, IN_MEMORY)
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: holds a {type(content).__name__}; write video to script number to scores")
    flat: dict[str, Any] = {}
    for video, value in content.items():
        flat |= (
            {f"{video}/{script}": row for script, row in value.items()}
            if isinstance(value, Mapping)
            else {video: value}
        )
    known = {name: item for item in items for name in (item.id, f"{item.video.key}/{item.script}")}
    given: dict[str, Scores] = {}
    for name, value in flat.items():
        if (item := known.get(name)) is None:
            raise UserError(f"{where}: {name[:80]}: no such video and script; names are such as {items[0].id}")
        if item.id in given:
            raise UserError(f"{where}: {name}: {item.id} is given twice")
        given[item.id] = _row(f"{where}: {name}", value, item.n_steps)
    if missing := [item.id for item in items if item.id not in given]:
        dots = " ..." if len(missing) > 5 else ""
        raise UserError(f"{where}: scores are missing for {len(missing)} scripts: {', '.join(missing[:5])}{dots}")
    return given


def _row(where: str, value: Any, steps: int) -> Scores:  # noqa: ANN401 - as in the file
    try:
        row = numbers(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: scores must be a list of numbers") from error
    if row.shape != (steps,) or not np.isfinite(row).all():
        raise UserError(f"{where}: scores of shape {row.shape}, expected {steps} finite numbers, one for each step")
    return row
