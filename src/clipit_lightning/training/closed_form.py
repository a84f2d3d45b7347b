"""Fits the ridge regression of a fold: the equations once, a solution for each strength, the best one on validation."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.loggers import Logger
from torch import Tensor

from clipit_lightning.core.config import Config
from clipit_lightning.core.errors import UserError
from clipit_lightning.data.batches import Batch, Part, Stack
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.evaluation.statistics import means
from clipit_lightning.models.ridge import RidgeScorer
from clipit_lightning.training.checkpoints import AtomicCheckpointIO
from clipit_lightning.training.history import History
from clipit_lightning.training.ranks import Processes
from clipit_lightning.training.task import SummarizationTask
from clipit_lightning.training.trainer import Watch


def fit(
    task: SummarizationTask,
    config: Config,
    datamodule: SummarizationDataModule,
    path: Path,
    processes: Processes,
    loggers: Iterable[Logger],
    watch: Watch | None,
) -> Path:
    """Fit with each of ``model.alphas`` and keep the best on validation; with ``selection=last`` only the middle one.

    Every process solves the same equations; only the scoring of the validation part is shared. It takes seconds, so
    that an interrupted fit starts again.

    Returns:
        The checkpoint, whose ``epoch`` is the position of its strength in ``model.alphas``.
    """
    alphas, last = config.model.alphas, config.selection == "last"
    scorer = cast(RidgeScorer, task.scorer)  # or one with its `inputs` and `set_weights`
    sums = second_moments(scorer, training_batches(datamodule))
    task.to(processes.device).eval()
    history = History(path)
    # What ``load_from_checkpoint`` reads beside the weights.
    of_lightning = {"hyper_parameters": dict(task.hparams), "pytorch-lightning_version": L.__version__}
    kept: dict[str, Any] = {}
    for epoch in [len(alphas) // 2] if last else range(len(alphas)):
        scorer.set_weights(*solve(sums, alphas[epoch]))
        validation = validate(task, datamodule, processes.device)
        if validation:
            means_32_bit = {f"val/{name}": float(torch.tensor(value)) for name, value in validation.items()}
            row = {"alpha": alphas[epoch], **means_32_bit}  # of the precision that Lightning logs in
            history.epochs[epoch] = {"step": 0, **row}
            for logger in loggers:
                logger.log_metrics({"epoch": epoch, **row}, step=epoch)
            if watch is not None:
                watch(datamodule.fold, epoch, validation)
        if not kept or validation[task.measures.monitor] > kept["validation"][task.measures.monitor]:
            state = {name: value.detach().cpu().clone() for name, value in task.state_dict().items()}
            kept = {"state_dict": state, "epoch": epoch, "validation": validation, **of_lightning}
    if history.epochs:
        processes.first(history.write)
    checkpoint = path / ("last.ckpt" if last else "best.ckpt")
    processes.first(partial(AtomicCheckpointIO().save_checkpoint, kept, checkpoint))
    return checkpoint


def validate(task: SummarizationTask, datamodule: SummarizationDataModule, device: torch.device) -> dict[str, float]:
    """Means of the metrics over the validation part of the fold, on all ranks; none where it has no such part."""
    batches = datamodule.val_dataloader()
    if isinstance(batches, list):
        return {}
    task.start_measuring(datamodule)
    with torch.inference_mode():
        for batch in batches:
            task.measure(move_data_to_device(batch, device), datamodule)
    return means(task.rows(datamodule), task.measures.names)


def training_batches(datamodule: SummarizationDataModule) -> Iterator[Batch]:
    """The training items of the fold, whole on every process: one batch a video, with all its queries."""
    for _, group in groupby(datamodule.training_numbers, lambda number: datamodule.ids[number].split("/")[:2]):
        yield datamodule.batch(Part(list(group)))


def second_moments(scorer: RidgeScorer, batches: Iterable[Batch]) -> Tensor:
    """Sums over all steps of all items of the products of every two of: a step's inputs, its target, and 1.

    The target is the importance, with mean 0 and variance 1 over each item, so that no item weighs more than another.
    Features that items share are multiplied with each other once. Symmetric, 64-bit, (inputs + 2, inputs + 2).
    """
    return cast(Tensor, sum(_second_moments(scorer, stack) for batch in batches for stack in batch.stacks))


def _second_moments(scorer: RidgeScorer, stack: Stack) -> Tensor:
    features, cues = scorer.inputs(stack.features, stack.text)
    target = standardized(stack.importance).unsqueeze(2)  # (items, steps, 1)
    own = torch.cat([cues.expand(len(target), -1, -1), target, torch.ones_like(target)], dim=2)
    copies = len(target) // len(features)  # items that share a video
    shared = features.flatten(0, 1).double()  # (videos * steps, inputs of features)
    apart = own.reshape(copies, len(shared), -1).double()  # (copies, videos * steps, cues + 2)
    across = shared.T @ apart.sum(0)  # (inputs of features, cues + 2)
    rows = apart.flatten(0, 1)  # (items * steps, cues + 2)
    top = torch.cat([copies * (shared.T @ shared), across], dim=1)
    return torch.cat([top, torch.cat([across.T, rows.T @ rows], dim=1)])  # (inputs + 2, inputs + 2)


def solve(sums: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Weights that minimize the sum of squared errors plus ``alpha`` times their squared norm, and the offset.

    ``sums`` are those of ``second_moments``. Inputs are centred by their mean over all steps, so that the offset is not
    held back.

    Returns:
        Weights, (inputs,), and offset, (); 64-bit.

    Raises:
        UserError: ``alpha`` is too small for the equations to have a solution in 64-bit numbers.
    """
    count = sums[-1, -1]
    mean, mean_target = sums[:-2, -1] / count, sums[-2, -1] / count  # (inputs,) and ()
    gram = sums[:-2, :-2] - count * torch.outer(mean, mean)  # (inputs, inputs)
    gram.diagonal().add_(alpha)
    factor, failed = torch.linalg.cholesky_ex(gram)
    if failed:
        raise UserError(f"model.alphas: {alpha:g} is too small for these data; leave it out")
    moment = sums[:-2, -2] - count * mean * mean_target  # (inputs,)
    weights = torch.cholesky_solve(moment.unsqueeze(1), factor).squeeze(1)  # (inputs,)
    return weights, mean_target - mean @ weights


def standardized(importance: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the steps of each item, (items, steps); 0 where constant."""
    centred = importance - importance.mean(1, keepdim=True)  # (items, steps)
    spread = centred.square().mean(1, keepdim=True).sqrt()  # (items, 1)
    return torch.where(spread > 1e-6, centred / spread.clamp_min(1e-6), 0.0)
