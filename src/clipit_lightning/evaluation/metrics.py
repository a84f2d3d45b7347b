"""Metrics of the items that a fold tests or validates: rows of ``measure``, exact on any number of ranks."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors

from clipit_lightning.data.batches import Item
from clipit_lightning.data.query_video import QueryItem
from clipit_lightning.data.script_video import ScriptItem
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.best_steps import ScriptRules, measure_script, script_drops
from clipit_lightning.evaluation.matching import QueryRules, measure_query, query_drops
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS, HIGHLIGHT_METRICS, QUERY_METRICS, SHOWN
from clipit_lightning.evaluation.rules import Rules, measure, references

Scores = NDArray[np.floating]


def _gather_rows(rows: Tensor, group: Any = None) -> list[Tensor]:  # noqa: ANN401 - a process group
    """Gather from ranks that hold different numbers of rows; torchmetrics sends float32 where a rank has none."""
    return gather_all_tensors(rows.to(torch.float64).flatten(), group)


class ItemMetric(Metric):
    """Keeps (item index, value, ...) rows, gathers them, drops repeats, and takes means over items.

    A mean of ranks' means is wrong where ranks have different numbers of items, or where a sampler repeats items to
    make them equal (5 items on 2 ranks become 6). Rows with an index have neither fault. Values are kept in float64.
    """

    names: tuple[str, ...]
    """All metrics of an item, with those that `after_test` adds."""
    monitor: ClassVar[str]
    """What chooses the epoch."""
    columns: tuple[str, ...]
    """Names of the values of a row."""
    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__(dist_sync_fn=_gather_rows)
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def check(self, item: Item) -> None:
        """Raise a UserError, before any training, where an item's annotations are not enough for the rules."""

    def append(self, index: int, values: Mapping[str, float]) -> None:
        """Keep the row of an item, on the metric's device, flat: (1 + columns,)."""
        row = [float(index), *(values[name] for name in self.columns)]
        self.rows.append(torch.tensor(row, dtype=torch.float64, device=self.device))

    def gathered(self) -> pd.DataFrame:
        """A row an item of all ranks, sorted by ``index``, with the metrics; to be called on every rank."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self._table()

    def compute(self) -> dict[str, Tensor]:
        """Mean of each column over items, float64."""
        table = self._table()
        if table.empty:
            raise ValueError(f"{type(self).__name__}: no item was added")
        means = table.drop(columns="index").mean()
        return {str(name): torch.tensor(value, dtype=torch.float64) for name, value in means.items()}

    def _table(self) -> pd.DataFrame:
        values = dim_zero_cat(self.rows) if len(self.rows) else torch.empty(0)  # after a sync, rows are one tensor
        rows = values.double().cpu().reshape(-1, 1 + len(self.columns)).numpy()
        frame = pd.DataFrame(rows, columns=["index", *self.columns]).astype({"index": int})
        unique = frame.drop_duplicates("index").sort_values("index", ignore_index=True)
        return unique.dropna(axis="columns", how="all")  # F1, where no video has annotators' summaries

    def after_test(self, items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
        """Metrics that take several tested items together: name to id of the item to value. ``scores`` are by id."""
        return {}


class AnnotatorMeasures(ItemMetric):
    """F1 and rank correlations of videos with annotators, by the rules that a benchmark's name stands for.

    Where ``highlights`` are measured, mAP of clips beside.
    """

    names: tuple[str, ...] = ANNOTATOR_METRICS
    monitor = "kendall_tau"
    columns: tuple[str, ...] = tuple(name for name in SHOWN if name in ANNOTATOR_METRICS)

    def __init__(self, rules: Callable[[str], Rules], highlights: bool = False) -> None:
        super().__init__()
        self.rules = rules
        if highlights:
            self.names = (*self.names, *HIGHLIGHT_METRICS)
            self.columns = tuple(name for name in SHOWN if name in self.names)

    def check(self, item: Item) -> None:
        """Raise a UserError where the annotations are not enough for the correlation rule."""
        references(cast(Video, item), self.rules(item.dataset).correlation)

    def update(self, index: int, item: Item, scores: Scores) -> None:
        """Add a video: its number, the same on every rank, and its step scores, (steps,)."""
        measured = measure(scores, cast(Video, item), self.rules(item.dataset))
        self.append(index, dict.fromkeys(self.columns, math.nan) | measured)  # sources may have no highlights


class QueryMeasures(ItemMetric):
    """Semantic matching of videos with queries, and how much the query matters."""

    names = QUERY_METRICS
    monitor = "f1"
    columns = ("f1", "precision", "recall")

    def __init__(self, rules: QueryRules) -> None:
        super().__init__()
        self.rules = rules

    def update(self, index: int, item: Item, scores: Scores) -> None:
        """Add a video with a query: its number, the same on every rank, and its shot scores, (shots,)."""
        self.append(index, measure_query(cast(QueryItem, item), self.rules.choose(scores))._asdict())

    def after_test(self, items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
        """How much F1 each query loses by the prediction of another query of its video, ``query_drop``, by id."""
        drops: dict[str, float] = {}
        tested = [cast(QueryItem, item) for item in items]
        for video in {item.video.id: item.video for item in tested}.values():
            own = {item.query: item for item in tested if item.video is video}
            chosen = {query: self.rules.choose(np.asarray(scores[item.id])) for query, item in own.items()}
            drops |= {own[query].id: drop for query, drop in query_drops(video, chosen).items()}
        return {"query_drop": drops}


class ScriptMeasures(ItemMetric):
    """F1 of the best steps of videos with scripts, and how much the script matters."""

    names = QUERY_METRICS
    monitor = "f1"
    columns = ("f1", "precision", "recall")

    def __init__(self, rules: ScriptRules) -> None:
        super().__init__()
        self.rules = rules

    def update(self, index: int, item: Item, scores: Scores) -> None:
        """Add a video with a script: its number, the same on every rank, and its step scores, (steps,)."""
        self.append(index, measure_script(cast(ScriptItem, item), self.rules.choose(scores))._asdict())

    def after_test(self, items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
        """How much F1 each script loses by the prediction of another script of its video, ``query_drop``, by id."""
        tested = [cast(ScriptItem, item) for item in items]
        chosen = {item.id: self.rules.choose(np.asarray(scores[item.id], np.float32)) for item in tested}
        return {"query_drop": script_drops(tested, chosen)}


Measures = AnnotatorMeasures | QueryMeasures | ScriptMeasures
