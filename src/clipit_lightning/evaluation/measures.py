"""What a fold is measured with: one class for videos with annotators, one for videos with queries, one interface."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from clipit_lightning.data.batches import Item
from clipit_lightning.data.query_video import QueryItem
from clipit_lightning.data.video import Video
from clipit_lightning.evaluation.correlation import RankCorrelation, references
from clipit_lightning.evaluation.f1 import SummaryF1
from clipit_lightning.evaluation.matching import QueryRules, SemanticMatchingF1, query_drops
from clipit_lightning.evaluation.names import ANNOTATOR_METRICS, QUERY_METRICS
from clipit_lightning.evaluation.rules import Rules

Scores = NDArray[np.floating]


class AnnotatorMeasures(nn.Module):
    """F1 and rank correlations of videos with annotators.

    Args:
        rules: How scores of a benchmark's videos become numbers, by its name.
    """

    names = ANNOTATOR_METRICS
    monitor = "kendall_tau"
    """What chooses the epoch."""

    def __init__(self, rules: Callable[[str], Rules]) -> None:
        super().__init__()
        self.rules = rules
        self.f1, self.correlation = SummaryF1(), RankCorrelation()

    def check(self, item: Item) -> None:
        """Say before any training that the rules need what the annotations do not have.

        Raises:
            UserError: They do.
        """
        assert isinstance(item, Video)
        references(item, self.rules(item.dataset).correlation)

    def update(self, index: int, item: Item, scores: Scores) -> None:
        """Add a video: its number, the same on every rank, and its step scores, (steps,)."""
        assert isinstance(item, Video)
        rules = self.rules(item.dataset)
        summary = rules.summary(item, scores)  # (frames,)
        self.correlation.update(index, scores, item, rules.correlation, summary)
        if item.user_summary is not None:
            self.f1.update(index, summary, item.user_summary, rules.f1)

    def reset(self) -> None:
        """Forget all rows."""
        self.f1.reset()
        self.correlation.reset()

    def gathered(self) -> pd.DataFrame:
        """A row a video of all ranks: ``index``, and the metrics; to be called on every rank."""
        rows = self.correlation.gathered().merge(self.f1.gathered(), on="index", how="left")
        return rows.dropna(axis="columns", how="all")

    def after_test(self, items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
        """Nothing is measured over several videos together."""
        return {}


class QueryMeasures(nn.Module):
    """Semantic matching of videos with queries, and how much the query matters.

    Args:
        rules: How the scores of a query become shots.
    """

    names = QUERY_METRICS
    monitor = "f1"
    """What chooses the epoch."""

    def __init__(self, rules: QueryRules) -> None:
        super().__init__()
        self.rules = rules
        self.matching = SemanticMatchingF1()

    def check(self, item: Item) -> None:
        """Every store of videos with queries has what the rules need."""

    def update(self, index: int, item: Item, scores: Scores) -> None:
        """Add a video with a query: its number, the same on every rank, and its shot scores, (shots,)."""
        assert isinstance(item, QueryItem)
        self.matching.update(index, self.rules.choose(scores), item.oracle, item.video.tags)

    def reset(self) -> None:
        """Forget all rows."""
        self.matching.reset()

    def gathered(self) -> pd.DataFrame:
        """A row an item of all ranks: ``index``, and the metrics; to be called on every rank."""
        return self.matching.gathered()

    def after_test(self, items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
        """How much each query loses when its prediction is replaced by those of the video's other queries.

        Args:
            items: The tested items.
            scores: Their shot scores by id.

        Returns:
            ``query_drop``: by id of the item (`query_drops`).
        """
        found: dict[str, float] = {}
        tested = [item for item in items if isinstance(item, QueryItem)]
        for video in {item.video.id: item.video for item in tested}.values():
            own = {item.query: item for item in tested if item.video is video}
            chosen = {query: self.rules.choose(np.asarray(scores[item.id])) for query, item in own.items()}
            found |= {own[query].id: drop for query, drop in query_drops(video, chosen).items()}
        return {"query_drop": found}


Measures = AnnotatorMeasures | QueryMeasures


def means(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Mean of each metric over a video's queries, where it has several rows, then over videos."""
    present = [name for name in names if name in rows]
    by_video = rows.groupby("video", sort=False)[present].mean()
    return {str(name): float(value) for name, value in by_video.mean().items()}
