"""Streams of features beside what an encoder sees: their names, widths and definitions."""

from collections.abc import Iterable

from clipit_lightning.core.errors import ArgumentError
from clipit_lightning.video import log_mel, motion

WIDTHS = {"audio": log_mel.WIDTH, "motion": motion.WIDTH}
"""Columns of each stream that can be made of a raw video; the last one is its mask."""
_DEFINITIONS = {"audio": log_mel.DEFINITION, "motion": motion.DEFINITION}


def chosen_streams(names: str | Iterable[str]) -> tuple[str, ...]:
    """Streams by their names, of a text parted by commas, in the order of `WIDTHS`.

    Raises:
        ArgumentError: There is no such stream.
    """
    words = names.split(",") if isinstance(names, str) else list(names)
    wanted = [word.strip() for word in words if word.strip()]
    if unknown := [name for name in wanted if name not in WIDTHS]:
        raise ArgumentError("streams", f"no stream {unknown[0][:40]!r}; there are {', '.join(WIDTHS)}")
    return tuple(name for name in WIDTHS if name in wanted)


def streams_provenance(visual: int, streams: tuple[str, ...]) -> dict[str, str]:
    """What a store records: the parts of its features, and how those beside what is seen are made; nothing of none."""
    if not streams:
        return {}
    widths = {"visual": visual} | {name: WIDTHS[name] for name in streams}
    made = {name: _DEFINITIONS[name] for name in streams}
    return {"streams": ", ".join(f"{name}:{width}" for name, width in widths.items()), **made}
