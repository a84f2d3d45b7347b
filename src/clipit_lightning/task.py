"""The junction of scorer, losses, summary and metrics: what is trained, validated and tested."""

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from numpy.typing import NDArray
from torch import Tensor, nn

from clipit_lightning.data.batch import Batch
from clipit_lightning.data.datamodules import SummarizationDataModule
from clipit_lightning.data.video import Video
from clipit_lightning.errors import UserError
from clipit_lightning.losses import SummaryLoss
from clipit_lightning.metrics.correlation import RankCorrelation
from clipit_lightning.metrics.fscore import SummaryF1
from clipit_lightning.metrics.rules import Rules
from clipit_lightning.models.scorer import ScorerOutput


class SummarizationTask(L.LightningModule):
    """Trains a scorer with the losses, and measures its scores and summaries by a benchmark's rules.

    Args:
        scorer: Any module with the scorers' forward.
        loss: The weighted terms.
        rules: How scores of a benchmark's videos become numbers, by its name.
        lr: Peak learning rate of AdamW.
        weight_decay: Its decoupled weight decay.
        warmup: Share of the steps over which the rate rises, before a cosine to 0.
        seed: Dropout of an epoch follows from this and the epoch, so that a continued run equals an undisturbed one.
    """

    def __init__(
        self,
        scorer: nn.Module,
        loss: SummaryLoss,
        rules: Callable[[str], Rules],
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        warmup: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.scorer, self.loss, self.rules = scorer, loss, rules
        self.lr, self.weight_decay, self.warmup, self.seed = lr, weight_decay, warmup, seed
        self.f1, self.correlation = SummaryF1(), RankCorrelation()
        self.validation: dict[str, float] = {}
        """Means over the validation part after the last epoch; every checkpoint has those of its epoch."""
        self.scores: dict[str, list[float]] = {}
        """Step scores of the videos of the last test, by id."""

    def forward(self, batch: Batch) -> ScorerOutput:
        """Score the steps of a batch."""
        output: ScorerOutput = self.scorer(batch.features, batch.step_mask, batch.captions, batch.caption_mask)
        return output

    def on_train_epoch_start(self) -> None:
        """Make chance follow from the seed and the epoch alone."""
        torch.manual_seed(int(np.random.SeedSequence((self.seed, self.current_epoch)).generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step of gradient descent on the weighted losses.

        Raises:
            UserError: The loss is not finite; the message names the videos and the step.
        """
        terms: dict[str, Tensor] = self.loss(
            self(batch), batch.features, batch.step_mask, batch.keyframes, batch.importance
        )
        if not torch.isfinite(terms["total"]):
            names = ", ".join(self.videos.ids[index] for index in batch.number.tolist())
            raise UserError(f"the loss is not finite at step {self.global_step} (videos {names}); lower optim.lr")
        logged = {f"train/{name}": value.detach() for name, value in terms.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch.number))
        return terms["total"]

    @property
    def videos(self) -> SummarizationDataModule:
        """The datamodule of the trainer, which holds the annotations."""
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]  # lightning does not declare it
        assert isinstance(datamodule, SummarizationDataModule)
        return datamodule

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score and measure the validation videos of a batch."""
        self._measure(batch)

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Score and measure the test videos of a batch, and keep their scores."""
        for video, scores in self._measure(batch):
            self.scores[video.id] = [round(float(score), 6) for score in scores]

    def _measure(self, batch: Batch) -> list[tuple[Video, NDArray[np.float32]]]:
        scores = self(batch).scores.float().cpu().numpy()  # (videos, steps)
        measured = []
        for index, row in zip(batch.number.tolist(), scores, strict=True):
            video = self.videos.video(index)
            own = row[: video.n_steps]  # (steps,)
            rules = self.rules(video.dataset)
            summary = rules.summary(video, own)  # (frames,)
            self.correlation.update(index, own, video, rules.correlation, summary)
            if video.user_summary is not None:
                self.f1.update(index, summary, video.user_summary, rules.f1)
            measured.append((video, own))
        return measured

    def on_validation_epoch_start(self) -> None:
        """Forget the rows of the epoch before."""
        self._reset()

    def on_test_epoch_start(self) -> None:
        """Forget all rows and scores."""
        self._reset()
        self.scores = {}

    def _reset(self) -> None:
        self.f1.reset()
        self.correlation.reset()

    def on_validation_epoch_end(self) -> None:
        """Log the means over the validation videos of all ranks."""
        means = self.per_video().drop(columns="video").mean()
        self.validation = {str(name): float(value) for name, value in means.items()}
        self.log_dict({f"val/{name}": value for name, value in self.validation.items()}, prog_bar=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep with the weights what they reached on the validation part."""
        checkpoint["validation"] = self.validation

    def per_video(self) -> pd.DataFrame:
        """The rows of the last validation or test: ``video``, both correlations, and F1 where there are summaries."""
        rows = self.correlation.gathered().merge(self.f1.gathered(), on="index", how="left")
        rows["video"] = [self.videos.ids[index] for index in rows.pop("index")]
        return rows.dropna(axis="columns", how="all")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the rate rises linearly, then falls as a cosine, by steps."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        factor = lambda step: rate_factor(step, steps, self.warmup)  # noqa: E731 - captures the number of steps
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at a step: linear rise over ``warmup * steps``, then a cosine to 0."""
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))
