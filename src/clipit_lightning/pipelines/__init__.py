"""Files in, files out: prepare, summarize, report; and trained runs to use."""

from typing import TYPE_CHECKING

from clipit_lightning.core.lazy import lazy

if TYPE_CHECKING:
    from clipit_lightning.pipelines.key_frames import KeyFrames as KeyFrames
    from clipit_lightning.pipelines.key_frames import keyframes as keyframes
    from clipit_lightning.pipelines.preparation import Prepared as Prepared
    from clipit_lightning.pipelines.preparation import prepare as prepare
    from clipit_lightning.pipelines.summaries import Summaries as Summaries
    from clipit_lightning.pipelines.summaries import SummaryOptions as SummaryOptions
    from clipit_lightning.pipelines.summaries import summarize as summarize
    from clipit_lightning.pipelines.summaries import summarize_all as summarize_all
    from clipit_lightning.pipelines.summary import Summary as Summary
    from clipit_lightning.pipelines.trained_run import TrainedRun as TrainedRun
    from clipit_lightning.pipelines.trained_run import load_run as load_run

_MODULES = {
    "KeyFrames": "clipit_lightning.pipelines.key_frames",
    "keyframes": "clipit_lightning.pipelines.key_frames",
    "Prepared": "clipit_lightning.pipelines.preparation",
    "prepare": "clipit_lightning.pipelines.preparation",
    "Summary": "clipit_lightning.pipelines.summary",
    "Summaries": "clipit_lightning.pipelines.summaries",
    "SummaryOptions": "clipit_lightning.pipelines.summaries",
    "summarize": "clipit_lightning.pipelines.summaries",
    "summarize_all": "clipit_lightning.pipelines.summaries",
    "TrainedRun": "clipit_lightning.pipelines.trained_run",
    "load_run": "clipit_lightning.pipelines.trained_run",
}
"""Where each public name is defined; a module is imported when its name is asked for."""
__all__ = list(_MODULES)
__getattr__ = lazy(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
