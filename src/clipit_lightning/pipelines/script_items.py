"""Videos with scripts as a trained run reads them."""

import re
from collections.abc import Iterator
from pathlib import Path

from clipit_lightning.core.errors import UserError
from clipit_lightning.data.batches import caption_tokens
from clipit_lightning.data.field_layout import Features
from clipit_lightning.data.store import Store


def script_items(path: Path, caption_source: str) -> Iterator[Features]:
    """Every video of a store with each of its scripts, and the text tokens that training made of a script.

    Raises:
        UserError: It is another store, or training read scripts of other videos.
    """
    if caption_source == "another":
        raise UserError(f"{path}: the run was trained on scripts of other videos; choose another run")
    for item in (item for video in Store(path).read_scripts() for item in video.items()):
        tokens = item.text()
        yield Features(item.id, item.features, caption_tokens(tokens, len(tokens), caption_source), None)


def sentences(script: str) -> list[str]:
    """The sentences of a script, in order."""
    return re.split(r"(?<=[.!?])\s+", script.strip())
