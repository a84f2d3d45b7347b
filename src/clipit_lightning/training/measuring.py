"""What a task does when it does not train: it scores items, measures the scores, and gathers both over all ranks."""

from collections.abc import Iterator
from typing import Any, TypeVar

import lightning as L
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.data.batches import Batch
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.metrics import Measures
from clipit_lightning.evaluation.statistics import means
from clipit_lightning.training.loaders import check_batch, datamodule_of
from clipit_lightning.training.measures import make_measures

T = TypeVar("T")


class MeasuringTask(L.LightningModule):
    """Scores items by its `forward`, and measures the scores by its `protocol`."""

    protocol: ProtocolConfig
    """By which rules."""
    validation: dict[str, float]
    """Means over the validation part after the last epoch; every checkpoint has those of its epoch."""
    scores: dict[str, list[float]]
    """Step scores of the items of the last test, by id."""
    measures: Measures
    """Of the items that are validated or tested; there while they are."""
    tested: pd.DataFrame
    """The rows of the last test, with what is measured over several items together."""

    def __init__(self) -> None:
        super().__init__()
        self.validation = {}
        self.scores = {}

    @property
    def items(self) -> SummarizationDataModule:
        """The datamodule that batches come from, which holds the annotations."""
        return datamodule_of(self.trainer)

    def _of_all_ranks(self, own: T) -> list[T]:
        gathered = [own] * self.trainer.world_size
        if self.trainer.world_size > 1:
            torch.distributed.all_gather_object(gathered, own)
        return gathered

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score and measure the validation items of a batch."""
        self.measure(batch, self.items)

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Score and measure the test items of a batch, and keep their scores."""
        for item, scores in self.measure(batch, self.items).items():
            self.scores[item] = scores.tolist()  # all digits: what float32 holds

    def predict_step(self, batch: Batch, batch_index: int) -> dict[str, NDArray[np.float32]]:
        """Scores of the items of a batch by id, 0 to 1, (steps,)."""
        ids = self.items.ids
        return {ids[number]: scores for number, scores in self._scored(batch)}

    def _scored(self, batch: Batch) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The number of each item of a batch, and its scores, (steps,)."""
        check_batch(batch)
        for stack in batch.stacks:
            scores = self(stack).scores.float().cpu().numpy()  # (items, steps)
            yield from zip(stack.number.tolist(), scores, strict=True)

    def start_measuring(self, items: SummarizationDataModule) -> None:
        """Begin with no rows, by the rules of the benchmark that is tested on."""
        self.measures = make_measures(items.target, self.protocol, items.root).to(self.device)

    def measure(self, batch: Batch, items: SummarizationDataModule) -> dict[str, NDArray[np.float32]]:
        """Score and measure the items of a batch; returns their scores by id, (steps,)."""
        measured = {}
        for number, scores in self._scored(batch):
            item = items.annotations(number)
            measured[item.id] = scores  # (steps,)
            self.measures.update(number, item, scores)
        return measured

    def on_validation_epoch_start(self) -> None:
        """Forget the rows of the epoch before."""
        self.start_measuring(self.items)

    def on_test_epoch_start(self) -> None:
        """Forget all rows and scores."""
        self.start_measuring(self.items)
        self.scores = {}

    def on_test_epoch_end(self) -> None:
        """Gather the scores of all ranks, in the order of the items, and log the means over them."""
        together = {name: scores for of_rank in self._of_all_ranks(self.scores) for name, scores in of_rank.items()}
        self.scores = {name: together[name] for name in self.items.ids if name in together}
        self.tested = self._test_rows()
        metrics = means(self.tested, self.measures.names)
        self.log_dict({f"test/{name}": value for name, value in metrics.items()}, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the means over the validation videos of all ranks."""
        self.validation = means(self.rows(self.items), self.measures.names)
        for name, value in self.validation.items():  # a bar has room for one
            self.log(f"val/{name}", value, prog_bar=name == self.measures.monitor, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep with the weights what they reached on the validation part."""
        checkpoint["validation"] = self.validation

    def rows(self, items: SummarizationDataModule) -> pd.DataFrame:
        """The rows of what was measured last: ``video``, ``query`` where there are queries, and the metrics."""
        rows = self.measures.gathered()
        names = [items.ids[number].split("/") for number in rows.pop("index")]
        rows.insert(0, "video", ["/".join(words[:2]) for words in names])
        if any(len(words) > 2 for words in names):
            rows.insert(1, "query", ["/".join(words[2:]) for words in names])
        return rows

    def _test_rows(self) -> pd.DataFrame:
        rows = self.rows(self.items)
        ids = rows["video"] if "query" not in rows else rows["video"] + "/" + rows["query"]
        tested = [self.items.annotations(number) for number in self.items.numbers(ids.tolist())]
        for name, by_item in self.measures.after_test(tested, self.scores).items():
            rows[name] = ids.map(by_item)
        return rows
