"""``report``: a finished run as one page to look at, with every tested video or query, the worst first."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from clipit_lightning.core.errors import UserError, first_line
from clipit_lightning.data import has_scripts, official_families
from clipit_lightning.data.benchmark import Kind
from clipit_lightning.evaluation.names import METRICS, SHOWN, printed
from clipit_lightning.evaluation.odd import odd_lines
from clipit_lightning.pipelines.annotated_report import annotated_pages
from clipit_lightning.pipelines.page import Line, LineChart, Metric, Page, Table, VideoPage, write_page
from clipit_lightning.pipelines.query_report import query_pages
from clipit_lightning.pipelines.script_report import MOST_PAGES, script_pages
from clipit_lightning.training.finished_run import FinishedRun, read_finished_run
from clipit_lightning.training.result import OverFolds
from clipit_lightning.training.scorers import scorer_class

LOSS_TITLES = {
    "total": "Loss, all terms",
    "keyframe": "Loss: key frames",
    **{
        name: f"Loss: {name}"
        for name in ("correlation", "diversity", "reconstruction", "length", "rarity", "language", "spread")
    },
    "policy": "Loss: policy",
    "segments": "Loss: segments",
    "contrast": "Loss: contrast of motion and text",
    "saliency": "Loss: saliency of the text told",
}
"""Every term of the loss, and their sum, as they are called on a page."""


def report(run: Path, to: Path | None = None, videos: Path | None = None, root: Path | None = None) -> Path:
    """Write the page of a finished run, by default ``report.html`` in its folder, and return where it is.

    It plays the videos of a folder, whose files are called as they are, and shows key frames; ``root`` holds the
    stores, by default the one that the run read.

    Raises:
        UserError: There is no finished run, a file of it is damaged, or the store is missing or has changed.
    """
    finished = read_finished_run(run, root)
    to = to or run / "report.html"
    pages = _PAGES[finished.benchmark.kind]
    write_page(_page(finished, tuple(pages(finished, to, videos))), to)
    return to


_PAGES: dict[Kind, Callable[[FinishedRun, Path, Path | None], Iterator[VideoPage]]] = {
    "annotated": annotated_pages,
    "queries": query_pages,
    "scripts": script_pages,
}
_NOUNS: dict[Kind, str] = {"annotated": "videos", "queries": "queries", "scripts": "scripts"}


def _page(run: FinishedRun, videos: tuple[VideoPage, ...]) -> Page:
    protocol, scorer = run.result.protocol, scorer_class(run.config.model.name)
    mini = "MINI: these data are synthetic. The numbers say that the code works, and nothing about video."
    charts = _charts(run)
    worst = []
    if has_scripts(protocol.dataset) and len(videos) < len(run.rows):
        worst = [f"Of {len(run.rows)} scripts the {MOST_PAGES} of lowest F1 are shown."]
    if official_families(protocol.dataset) and len(videos) < len(run.rows):
        worst = [f"Of {len(run.rows)} videos the {len(videos)} of lowest Kendall tau are shown."]
    lines = f"A line for each fold; the dot marks the {_selected(run)} that was selected and tested."
    return Page(
        title=f"{scorer.title or scorer.__name__} on {run.benchmark.title}",
        subtitle=f"{run.run.path.resolve().name}: {protocol.setting}, {_selected(run)} by {protocol.selection}",
        notice=" ".join([*([mini] if protocol.data == "mini" else []), *worst, *odd_lines(run.result.odd)]) or None,
        metrics=_head(run.result.measured),
        facts=_facts(run),
        videos=videos,
        charts=charts,
        charts_title="Training" if charts else "Folds",
        charts_note=lines if charts else "",
        tables=(_folds(run),),
        noun=_NOUNS[run.benchmark.kind],
    )


def _head(metrics: dict[str, OverFolds]) -> tuple[Metric, ...]:
    """Mean and standard deviation over folds; F1 by the other convention only where it differs."""
    shown = []
    for name in (name for name in SHOWN if name in metrics):
        if name in ("f1_mean", "f1_max") and metrics[name] == metrics.get("f1"):
            continue
        mean, std = metrics[name].mean, metrics[name].std
        text = printed(name, mean) + (f" ± {printed(name, std)}" if std is not None else "")
        shown.append(Metric(METRICS[name].label, text, mean))
    return tuple(shown)


def _facts(run: FinishedRun) -> tuple[tuple[str, str], ...]:
    result, protocol = run.result, run.result.protocol
    facts = [
        ("Protocol", protocol.identifier),
        ("Method", f"{run.config.model.name}, {result.supervision}"),
        ("Data", f"{protocol.dataset}, {protocol.data}, features {result.features}"),
        ("Setting", " + ".join((protocol.setting, *protocol.sources))),
        ("Folds", f"{len(result.folds)}, {protocol.folds}"),
        (f"Selection of the {_selected(run)}", protocol.selection),
        ("F1", protocol.f1 if protocol.correlation == "none" else f"{protocol.f1} over annotators"),
        ("Correlation", protocol.correlation),
        ("Highlights", protocol.highlights),
        ("Summary", f"{protocol.budget:.0%} at most, {protocol.solver} on {protocol.shot_value}s, {protocol.rounding}"),
        ("Seed", str(run.config.seed)),
        ("Trained parameters", f"{result.parameters:,}"),
        ("±", "standard deviation over folds"),
    ]
    return tuple(fact for fact in facts if fact not in (("Correlation", "none"), ("Highlights", "off")))


def _folds(run: FinishedRun) -> Table:
    """A row for each fold: what was selected, and what it reached."""
    metrics, monitor = run.result.measured, run.result.validation.monitor
    rows, folds = [], run.result.folds
    names = [name for name in SHOWN if name in metrics and name not in ("f1_mean", "f1_max")]
    names = [name for name in names if len(metrics[name].folds) == len(folds)]  # no fold lacks the metric
    for position, fold in enumerate(folds):
        validation = (fold.validation or {}).get(monitor)
        selected = "-" if fold.epoch is None else str(fold.epoch + 1)
        if fold.epoch is not None and _selected(run) == "alpha":
            selected = f"{run.config.model.alphas[fold.epoch]:g}"
        shown = (printed(name, metrics[name].folds[position]) for name in names)
        rows.append((str(fold.fold), str(fold.queries or fold.videos), selected, printed(monitor, validation), *shown))
    columns = (
        "Fold",
        "Tested",
        f"Selected {_selected(run)}",
        f"{METRICS[monitor].label} in validation",
        *(METRICS[name].label for name in names),
    )
    return Table("Each fold", columns, tuple(rows))


def _selected(run: FinishedRun) -> str:
    """What validation selects: of the closed form no epoch, but a strength, whose place stands for the epoch."""
    return scorer_class(run.config.model.name).selects


def _charts(run: FinishedRun) -> tuple[LineChart, ...]:
    """The validation metric and each loss term over epochs, a line for each fold that has curves."""
    folds, monitor = run.result.folds, run.result.validation.monitor
    curves = {fold.fold: _curves(run.run.fold(fold.fold) / "metrics.csv") for fold in folds}
    selected = {fold.fold: fold.epoch for fold in folds}
    titles = {f"val/{monitor}": f"{METRICS[monitor].label} in validation"}
    titles |= {f"train/{name}": title for name, title in LOSS_TITLES.items()}
    charts = []
    for column, title in titles.items():
        factor = METRICS[monitor].factor if column.startswith("val/") else 1.0
        rows = {fold: table[column].dropna() * factor for fold, table in curves.items() if column in table}
        lines = [_line(fold, row, selected[fold]) for fold, row in rows.items() if len(row)]
        x_label = "epoch" if _selected(run) == "epoch" else "place in model.alphas"
        charts += [LineChart(title, x_label, tuple(lines))] if lines else []
    return tuple(charts)


def _curves(path: Path) -> pd.DataFrame:
    """What was logged, a row for each epoch; nothing where the scorer does not train."""
    try:
        return pd.read_csv(path).groupby("epoch").first()
    except (FileNotFoundError, pd.errors.EmptyDataError):  # the latter is what earlier versions left
        return pd.DataFrame()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({first_line(error)}); remove it to do without curves") from error


def _line(fold: int, values: "pd.Series[float]", epoch: int | None) -> Line:
    epochs = [int(epoch) for epoch in values.index]
    selected = epochs.index(epoch) if epoch in epochs else None
    return Line(f"Fold {fold}", [number + 1 for number in epochs], values.to_numpy(), selected)
