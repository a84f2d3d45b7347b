"""The task of training, validating and testing a scorer with its losses and metrics."""

from collections.abc import Mapping
from dataclasses import asdict
from inspect import signature
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from clipit_lightning.core.errors import LoggedElsewhereError, UserError
from clipit_lightning.data.batches import Batch, Stack, episode_draws
from clipit_lightning.data.datamodule import SummarizationDataModule, check_choice
from clipit_lightning.data.streams import VISUAL, format_streams
from clipit_lightning.evaluation.rules import Rules
from clipit_lightning.models import make_scorer, scorer_name
from clipit_lightning.models.contrast import joined_pairs
from clipit_lightning.models.losses import NoTermError, SummaryLoss
from clipit_lightning.models.scorer import Scorer, ScorerOutput, output_of
from clipit_lightning.training.checkpoints import plain
from clipit_lightning.training.loaders import check_batch
from clipit_lightning.training.measures import protocol_of
from clipit_lightning.training.measuring import MeasuringTask
from clipit_lightning.training.optimizer import OPTIMIZERS, SCHEDULES, make_schedule


class SummarizationTask(MeasuringTask):
    """Trains a scorer with the losses, and measures its scores by a benchmark's rules.

    Arguments are kept as hyperparameters, so that ``SummarizationTask.load_from_checkpoint(path)`` needs nothing else.
    Weights follow from the seed; dropout of an epoch follows from the seed and the epoch, so that a resumed run equals
    an undisturbed one.

    Args:
        scorer: A registered name, ``package.module:Class``, or a class derived from ``Scorer``. A checkpoint keeps the
            name; where a class cannot be found by it, give ``load_from_checkpoint`` the class as `scorer`.
        feature_dim: Features of a step, `feature_dim` of the datamodule.
        text_dim: Features of a text token, `text_dim` of the datamodule; by default as many as of a step.
        streams: Parts of a step's features with their widths, `streams` of the datamodule, for a scorer that reads them
            apart; by default all of them are ``visual``.
        loss: Weights of the terms, as ``SummaryLoss`` takes them; those that are not named keep their default.
        optimizer: ``adamw``, or ``adam``, whose weight decay is added to the gradient.
        lr: Peak learning rate.
        weight_decay: Weight decay, as the optimizer takes it.
        warmup: Share of the updates over which the rate rises; 0 to 1.
        schedule: After the warm-up the rate falls as a ``cosine`` to 0, or stays: ``constant``.
        seed: Seed of the weights and of dropout.
        rules: How scores are measured, as ``Rules`` or fields of the configuration's section `protocol`; by default by
            the conventions of the benchmark that the datamodule tests on.
        options: Of the scorer's constructor.

    Raises:
        ValueError: There is no such scorer; one line.
        TypeError: The scorer takes other options, or an option is no plain value; one line.

    Examples:
        >>> from clipit_lightning import SummarizationTask
        >>> task = SummarizationTask("mlp", feature_dim=512, width=16, lr=1e-3)
        >>> task.hparams["width"], task.scorer.hidden.out_features
        (16, 16)
    """

    def __init__(
        self,
        scorer: str | type[Scorer] = "clip-it+",
        *,
        feature_dim: int,
        text_dim: int | None = None,
        streams: Mapping[str, int] | None = None,
        loss: Mapping[str, Any] | None = None,
        optimizer: str = "adamw",
        lr: float = 2e-3,
        weight_decay: float = 1e-2,
        warmup: float = 0.0,
        schedule: str = "cosine",
        seed: int = 0,
        rules: Rules | Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - of the scorer
    ) -> None:
        super().__init__()
        sizes = {"feature_dim": feature_dim, "text_dim": feature_dim if text_dim is None else text_dim}
        self.streams = dict(streams or {VISUAL: feature_dim})
        if sum(self.streams.values()) != feature_dim:
            raise ValueError(f"streams ({format_streams(self.streams)}) are not the {feature_dim} features of a step")
        self.scorer = make_scorer(scorer, seed, self.streams, **sizes, **options)
        self.loss = SummaryLoss(**(loss or {}))
        if self.contrasts and not self.scorer.contrasts:
            have = format_streams(self.streams)
            raise UserError(
                f"loss.contrast: {scorer_name(scorer)} has no motion and text to compare (streams are {have}); take "
                "model.name=text-motion and a store with a stream `motion`, or loss.contrast=0"
            )
        self.protocol = protocol_of(rules)
        check_choice("optimizer", optimizer, OPTIMIZERS)
        check_choice("schedule", schedule, SCHEDULES)
        self.optimizer, self.lr, self.weight_decay, self.seed = optimizer, lr, weight_decay, seed
        self.warmup, self.schedule = warmup, schedule
        learning = {"optimizer": optimizer, "lr": lr, "weight_decay": weight_decay, "warmup": warmup}
        given = {
            "scorer": scorer_name(scorer),
            **sizes,
            "streams": self.streams,
            "loss": loss,
            **learning,
            "schedule": schedule,
            "seed": seed,
            "rules": asdict(self.protocol),
            **options,
        }
        self.save_hyperparameters({name: plain(value, name) for name, value in given.items()})

    def setup(self, stage: str) -> None:
        """Check the trainer's datamodule as `check_data` does."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # lightning does not declare it
        if isinstance(data, SummarizationDataModule):
            self.check_data(data)

    def check_data(self, data: SummarizationDataModule) -> None:
        """Check that data have the streams that the scorer was made for, and the text that the loss needs.

        Raises:
            ValueError: Streams are others; one line.
            UserError: There is no text to contrast motion with; one line.
        """
        reads_streams = "streams" in signature(type(self.scorer)).parameters
        if reads_streams and data.streams != self.streams:
            made, given = format_streams(self.streams), format_streams(data.streams)
            raise ValueError(f"streams are {made}, and the batches have {given}; give the task streams=data.streams")
        if self.contrasts and not data.has_text:
            raise UserError("loss.contrast: the data have no text, or data.captions=0; loss.contrast=0 trains without")

    @property
    def contrasts(self) -> bool:
        """Whether the loss compares motion with text."""
        return self.loss.weights["contrast"] > 0

    def forward(self, stack: Stack) -> ScorerOutput:
        """Score the steps of a stack; logits have the shape of its importance, also of a scorer that reads no text.

        Raises:
            ValueError: The stack has other features than the scorer was made for.
            TypeError: The scorer returns something else than a ``ScorerOutput``.
            UserError: The scorer gives another number of logits than there are steps.
        """
        self._check_sizes(stack)
        output = output_of(self.scorer, stack.features, stack.text, stack.spans)
        given, steps = output.logits.shape[-1], stack.features.shape[-2]
        if given != steps:
            raise UserError(f"model.name: {type(self.scorer).__name__} gives {given} logits for {steps} steps")
        return output._replace(logits=output.logits.expand(stack.importance.shape))

    def _check_sizes(self, stack: Stack) -> None:
        read = {"feature_dim": stack.features} | ({"text_dim": stack.text} if self.scorer.reads_language else {})
        for name, values in read.items():
            made, given = self.hparams[name], values.shape[-1]
            if made != given:
                raise ValueError(f"{name} is {made}, and the batches have {given}; give the task {name}={given}")

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of a batch by name, with ``total``, each the mean over its items, ().

        Raises:
            UserError: No term of the loss that has a weight fits the scorer and the data; one line.
        """
        check_batch(batch)
        rows, moves, episodes = [], [], self.loss.episodes
        for stack in batch.stacks:
            share = len(stack.number) / batch.n_items
            if len(stack.number) == 1:  # without the axis of items PyTorch calls a tenth fewer operations
                stack = Stack(*(values[0] for values in stack))
            draws = episode_draws(stack, episodes, self.seed, self.current_epoch) if episodes else None
            output, targets = self(stack), (stack.keyframes, stack.importance)
            try:
                terms = self.loss(output, stack.features, stack.text, *targets, draws, stack.spans)
            except NoTermError as error:
                raise UserError(f"loss: {error}") from error
            rows.append(torch.stack(list(terms.values())) * share)  # (terms,)
            if self.contrasts:
                if output.pairs is None:
                    raise UserError(f"loss.contrast: {type(self.scorer).__name__} returns no `pairs`; see ScorerOutput")
                moves.append(joined_pairs(output.pairs, stack.text))
        terms = dict(zip(terms, torch.stack(rows).sum(0), strict=True))
        return self.loss.with_contrast(terms, *self._of_whole_batch(moves, batch.share)) if moves else terms

    def _of_whole_batch(self, moves: list[tuple[Tensor, Tensor]], share: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of motion and text with the features of their texts, of all ranks; only those of this one learn here.

        The loss of a rank is weighed by its `share`, which must not count where the loss is of the whole batch: the
        gradient of own pairs is divided by it.
        """
        pairs, text = (torch.cat(values) for values in zip(*moves, strict=True))
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return pairs, text
        own = len(pairs) if share else 0  # else they are those of another rank
        pairs = pairs[:own].detach() + (pairs[:own] - pairs[:own].detach()) / share
        gathered = self._of_all_ranks((pairs.detach().cpu(), text[:own].cpu()))
        of_ranks = [(one.to(pairs), other.to(text)) for one, other in gathered]
        of_ranks[self.global_rank] = pairs, text[:own]
        pairs, text = (torch.cat(values) for values in zip(*of_ranks, strict=True))
        return pairs, text

    def on_train_epoch_start(self) -> None:
        """Make chance follow from the seed, the epoch and the rank alone."""
        rank = (self.global_rank,) if self.global_rank else ()
        seeds = np.random.SeedSequence((self.seed, self.current_epoch, *rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_index: int) -> dict[str, Any]:
        """One step of gradient descent on the weighted losses.

        Ranks share a batch, perhaps unevenly, and DDP takes the plain mean of their gradients: each loss weighs as many
        items as it is the mean of, so that the gradient is that of the whole batch.

        Returns:
            ``loss``, (), to descend on; ``terms``, the losses of the whole batch by logged name; ``items``, its size.

        Raises:
            UserError: The loss is not finite; the message names the items and the step.
        """
        terms = self.losses(batch)
        values, items = self._over_ranks(torch.stack([term.detach() for term in terms.values()]), batch)
        if not torch.isfinite(values).all():
            self._stop_not_finite(batch)
        logged = {f"train/{name}": value for name, value in zip(terms, values, strict=True)}
        if self.loggers:  # the run's own history reads what is returned
            self.log_dict(logged, on_step=False, on_epoch=True, batch_size=items)
        loss = terms["total"] * batch.share * self.trainer.world_size
        return {"loss": loss, "terms": logged, "items": items}

    def _over_ranks(self, terms: Tensor, batch: Batch) -> tuple[Tensor, int]:
        """The losses of the whole batch, (terms,), and its number of items."""
        items = batch.n_items
        if self.trainer.world_size == 1:
            return terms, items
        own = torch.cat([terms * batch.share, terms.new_tensor([items if batch.share else 0])])  # (terms + 1,)
        torch.distributed.all_reduce(own)
        return own[:-1], int(own[-1])

    def _stop_not_finite(self, batch: Batch) -> None:
        """Stop, on every rank: the others would wait for one that stopped."""
        own = [self.items.ids[number] for stack in batch.stacks for number in stack.number.tolist()]
        items = ", ".join(dict.fromkeys(name for of_rank in self._of_all_ranks(own) for name in of_rank))
        kind = UserError if self.global_rank == 0 else LoggedElsewhereError
        raise kind(f"the loss is not finite at step {self.global_step} ({items}); lower optim.lr")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer, and its learning rate by steps.

        Raises:
            ValueError: No gradient fits the scorer, or the trainer has no end, which the rate follows.
        """
        if self.scorer.fit != "gradient":
            way = {"closed form": "`clipit train` fits it", "none": "it has nothing to fit; test it as it is"}
            raise ValueError(f"{type(self.scorer).__name__} does not learn by gradients: {way[self.scorer.fit]}")
        fused = self.trainer.precision == "32-true"  # a fifth of the time on a CPU; Lightning clips no other with it
        made = OPTIMIZERS[self.optimizer]
        optimizer = made(self.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=fused)
        updates = self.trainer.estimated_stepping_batches
        schedule = make_schedule(optimizer, updates, self.warmup, self.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
