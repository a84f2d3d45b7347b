"""`clipit report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_report(commands: Commands) -> None:
    """Add `clipit report`."""
    report = commands.add_parser("report", help="a finished run as an HTML page: every video, the worst first")
    report.add_argument("run", type=Path, metavar="RUN", help="folder of the run, such as runs/NAME")
    report.add_argument("--to", type=Path, metavar="FILE.html", help="the page (default: RUN/report.html)")
    report.add_argument(
        "--videos", type=Path, metavar="FOLDER", help="video files, called as the videos: adds players and key frames"
    )
    report.add_argument("--root", type=Path, metavar="STORES", help="folder of the stores (default: the run's own)")
    report.set_defaults(function=_report)


def _report(options: argparse.Namespace) -> int:
    from clipit_lightning.pipelines.report import report

    print(report(options.run, options.to, options.videos, options.root))
    return 0
