"""Published protocols: the choices of other code bases, read in the code itself."""

from dataclasses import dataclass, field, replace
from typing import Any

from clipit_lightning.core.config import Config


@dataclass(frozen=True)
class Preset:
    """What a published code base does, where it differs from our defaults."""

    family: str
    """Its folds."""
    about: str
    selection: str = "val"
    """How it chooses the epoch; `val` where its own rule is none of ours (see ``about``)."""
    correlation: dict[str, str] = field(default_factory=dict)
    """What it correlates, by data set; the default rule where the code computes none."""


PRESETS: dict[str, Preset] = {
    "default": Preset("kfold", "Our rules: see docs/measuring.md."),
    "pglsum": Preset(
        "pglsum",
        "github.com/e-apostolidis/PGL-SUM: shot means, floor of 15 %, exact knapsack. It chooses the epoch by a "
        "rule on its training loss, which other models do not have: our validation stands in.",
    ),
    "vasnet": Preset(
        "vasnet",
        "github.com/ok1zjf/VASNet: shot means, floor of 15 %, knapsack by OR-tools; best epoch on the test fold "
        "by F1. It computes no correlations.",
        selection="best-on-test",
    ),
    "dsnet": Preset(
        "dsnet",
        "github.com/li-plus/DSNet: shot means cut to thousandths, floor of 15 %, knapsack by OR-tools; best epoch"
        " on the test fold by F1. It computes no correlations.",
        selection="best-on-test",
    ),
    "csta": Preset(
        "csta",
        "github.com/thswodnjs3/CSTA: correlations of the step scores with each annotator on TVSum, of the 0/1 "
        "summary with the annotators' mean on SumMe; best epoch on the test fold.",
        selection="best-on-test",
        correlation={"summe": "binary-summary"},
    ),
    "msva": Preset(
        "msva",
        "github.com/TIBHannover/MSVA: correlations of the 0/1 summary with the annotators' mean; best epoch on "
        "the test fold by F1.",
        selection="best-on-test",
        correlation={"summe": "binary-summary", "tvsum": "binary-summary"},
    ),
    "clip-it": Preset(
        "kfold",
        "The paper: five random splits, F1 and per-annotator correlations on TVSum; its code and its choice of "
        "the epoch are not published, so our folds and validation stand in.",
    ),
}


def apply_preset(config: Config) -> Config:
    """Fill what is left at its default with the choices of ``protocol.preset``; what was chosen stays."""
    preset, base = PRESETS[config.protocol.preset], Config()
    changes: dict[str, Any] = {}
    if config.data.family == base.data.family:
        changes["data"] = replace(config.data, family=preset.family)
    if config.selection == base.selection:
        changes["selection"] = preset.selection
    if config.protocol.correlation == base.protocol.correlation and config.data.dataset in preset.correlation:
        changes["protocol"] = replace(config.protocol, correlation=preset.correlation[config.data.dataset])
    return replace(config, **changes)
