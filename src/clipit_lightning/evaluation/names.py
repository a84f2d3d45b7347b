"""One table of metric names: how results, tables and pages call each metric, and how it is printed."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricName:
    """How one metric is written: on a page, and as the head of a table's column."""

    label: str
    column: str
    factor: float = 100.0
    """What its value, a fraction in every file, is multiplied by for printing: 100 where the field prints percent."""
    digits: int = 1
    """Printed digits behind the point."""


METRICS = {
    "f1": MetricName("F1 %", "F1"),
    "f1_mean": MetricName("F1 %, mean annotator", "F1 mean"),
    "f1_max": MetricName("F1 %, best annotator", "F1 max"),
    "kendall_tau": MetricName("Kendall tau", "tau", 1.0, 3),
    "spearman_rho": MetricName("Spearman rho", "rho", 1.0, 3),
    "map50": MetricName("mAP@50 %", "mAP50"),
    "map15": MetricName("mAP@15 %", "mAP15"),
    "precision": MetricName("Precision %", "precision"),
    "recall": MetricName("Recall %", "recall"),
    "query_drop": MetricName("Query drop %", "query drop"),
}
"""Every metric that a result may hold, in the order of files."""
ANNOTATOR_METRICS = ("f1", "f1_mean", "f1_max", "kendall_tau", "spearman_rho")
"""Metrics of a video with annotators."""
HIGHLIGHT_METRICS = ("map50", "map15")
"""Metrics of such a video beside, where highlights are measured."""
QUERY_METRICS = ("f1", "precision", "recall", "query_drop")
"""Metrics of a video with queries or scripts."""
SHOWN = tuple(sorted(METRICS, key=lambda name: METRICS[name].factor))
"""Every metric in the order of tables and pages: correlations first."""


def metric_name(column: str) -> MetricName:
    """How a column is written: that of a metric, or of the F1 of one video, such as ``P01``."""
    return METRICS.get(column, MetricName(column, column))


def printed(name: str, value: float | None) -> str:
    """The value of a metric, or of a video's F1, a fraction, as the field prints it; ``-`` where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{metric_name(name).factor * value:.{metric_name(name).digits}f}"
