"""CLIP-It on PyTorch Lightning: language-guided video summarization, trained and measured the field's way."""

from clipit_lightning.core import torchvision_repair
from clipit_lightning.core.lazy import lazy

TYPE_CHECKING = False  # not of `typing`, see `torchvision_repair`
if TYPE_CHECKING:
    from clipit_lightning.data import QFVSDataModule, SumMeDataModule, TVSumDataModule
    from clipit_lightning.models import (
        BiLstmScorer,
        ClipItPlusScorer,
        ClipItScorer,
        CstaScorer,
        DsNetAfScorer,
        Mf2SummScorer,
        MlpScorer,
        PglSumScorer,
        PromptsToSummariesScorer,
        RandomScorer,
        RidgeScorer,
        Scorer,
        ScorerOutput,
        SdVsumScorer,
        SummaryLoss,
        TextMotionScorer,
        TranscriptScorer,
        TransformerScorer,
        TripssScorer,
        VasNetScorer,
    )
    from clipit_lightning.pipelines import load_run, prepare, summarize
    from clipit_lightning.training import SummarizationTask

__version__ = "0.1.0"
__all__ = [
    "BiLstmScorer",
    "ClipItPlusScorer",
    "ClipItScorer",
    "CstaScorer",
    "DsNetAfScorer",
    "Mf2SummScorer",
    "MlpScorer",
    "PglSumScorer",
    "PromptsToSummariesScorer",
    "QFVSDataModule",
    "RandomScorer",
    "RidgeScorer",
    "Scorer",
    "ScorerOutput",
    "SdVsumScorer",
    "SumMeDataModule",
    "SummarizationTask",
    "SummaryLoss",
    "TVSumDataModule",
    "TextMotionScorer",
    "TranscriptScorer",
    "TransformerScorer",
    "TripssScorer",
    "VasNetScorer",
    "load_run",
    "prepare",
    "summarize",
]
_ROOMS = dict.fromkeys(__all__, "models")
_ROOMS |= dict.fromkeys(("QFVSDataModule", "SumMeDataModule", "TVSumDataModule"), "data")
_ROOMS |= dict.fromkeys(("load_run", "prepare", "summarize"), "pipelines") | {"SummarizationTask": "training"}
__getattr__ = lazy(__name__, {name: f"{__name__}.{room}" for name, room in _ROOMS.items()})


def __dir__() -> list[str]:
    return __all__


torchvision_repair.install()  # cheap: acts only when, and if, torchvision is imported
