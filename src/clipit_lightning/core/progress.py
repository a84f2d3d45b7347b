"""A bar for what takes long, on a terminal."""

import sys
from collections.abc import Collection, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(work: Collection[T], title: str) -> Iterator[T]:
    """Yield pieces of work, with a bar on standard error while there are several and it is a terminal."""
    if len(work) < 2 or not sys.stderr.isatty():
        yield from work
        return
    from rich.console import Console  # takes a tenth of a second to import
    from rich.progress import track

    yield from track(work, title, console=Console(stderr=True), transient=True)
