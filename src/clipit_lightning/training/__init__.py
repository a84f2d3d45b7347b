"""One run: task, trainer, folds, the folder of the run."""

from typing import TYPE_CHECKING

from clipit_lightning.core.lazy import lazy

if TYPE_CHECKING:
    from clipit_lightning.training.task import SummarizationTask

__all__ = ["SummarizationTask"]
__getattr__ = lazy(__name__, {"SummarizationTask": "clipit_lightning.training.task"})


def __dir__() -> list[str]:
    return __all__
