"""Where a trainer's batches come from: the trainer has a datamodule of ours, or loaders that one made."""

import lightning as L

from clipit_lightning.data.batches import Batch
from clipit_lightning.data.datamodule import BatchDataset, SummarizationDataModule

_WAY_OUT = (
    "give the trainer datamodule=TVSumDataModule(...), or another SummarizationDataModule, or the loaders that its "
    "train_dataloader(), val_dataloader() and test_dataloader() return"
)


def datamodule_of(trainer: L.Trainer) -> SummarizationDataModule:
    """The datamodule of a trainer, or that which made its loader of the stage.

    Raises:
        TypeError: Neither is of ours; one line.
    """
    datamodule = trainer.datamodule  # type: ignore[attr-defined]  # lightning does not declare it
    if isinstance(datamodule, SummarizationDataModule):
        return datamodule
    loaders = trainer.val_dataloaders
    if trainer.training:
        loaders = trainer.train_dataloader
    elif trainer.testing:
        loaders = trainer.test_dataloaders
    elif trainer.predicting:
        loaders = trainer.predict_dataloaders
    for loader in loaders if isinstance(loaders, list) else [loaders]:
        if isinstance(dataset := getattr(loader, "dataset", None), BatchDataset):
            return dataset.module
    raise TypeError(f"the batches of a SummarizationTask come from a {type(loaders).__name__} of others; {_WAY_OUT}")


def check_batch(batch: object) -> None:
    """Raise a TypeError, of one line, where a batch is none of ours."""
    if not isinstance(batch, Batch):
        raise TypeError(f"a batch of a SummarizationTask is a Batch, not a {type(batch).__name__}; {_WAY_OUT}")
