"""The state that all metrics share: a row for every video, exact on any number of ranks."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors


def _gather_rows(rows: Tensor, group: Any = None) -> list[Tensor]:  # noqa: ANN401 - a process group
    """Gather from ranks that hold different numbers of rows; torchmetrics sends float32 where a rank has none."""
    return gather_all_tensors(rows.to(torch.float64).flatten(), group)


class VideoMetric(Metric):
    """Keeps (video index, value, ...) rows, gathers them, drops repeats, and takes means over videos.

    A mean of ranks' means is wrong where ranks have different numbers of videos, or where a sampler repeats videos to
    make them equal (5 videos on 2 ranks become 6). Rows with an index have neither fault. Values are kept in float64.
    """

    columns: ClassVar[tuple[str, ...]] = ()
    """Names of the values of a row."""
    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__(dist_sync_fn=_gather_rows)
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def append(self, index: int, values: Sequence[float]) -> None:
        """Keep the row of a video, on the metric's device, flat: (1 + columns,)."""
        self.rows.append(torch.tensor([float(index), *values], dtype=torch.float64, device=self.device))

    def table(self) -> pd.DataFrame:
        """The rows held now, one a video, sorted by index; after a sync, those of all ranks."""
        parts = dim_zero_cat(self.rows) if len(self.rows) else torch.empty(0)  # after a sync, rows are one tensor
        rows = parts.double().cpu().reshape(-1, 1 + len(self.columns)).numpy()
        frame = pd.DataFrame(rows, columns=["index", *self.columns]).astype({"index": int})
        return frame.drop_duplicates("index").sort_values("index", ignore_index=True)

    def gathered(self) -> pd.DataFrame:
        """The rows of all ranks, one a video, sorted by index; to be called on every rank."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self.table()

    def compute(self) -> dict[str, Tensor]:
        """Mean of each column over videos, float64.

        Raises:
            ValueError: No video was added.
        """
        table = self.table()
        if table.empty:
            raise ValueError(f"{type(self).__name__}: no video was added")
        means = table[list(self.columns)].mean()
        return {name: torch.tensor(means[name], dtype=torch.float64) for name in self.columns}
