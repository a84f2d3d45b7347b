"""Videos with queries or scripts as a trained run reads them."""

import re
from collections.abc import Iterator
from pathlib import Path

from clipit_lightning.core.config_data import DataConfig
from clipit_lightning.core.errors import UserError
from clipit_lightning.data import has_scripts
from clipit_lightning.data.batches import caption_tokens, query_tokens
from clipit_lightning.data.field_layout import Features
from clipit_lightning.data.store import Store


def text_items(path: Path, data: DataConfig) -> Iterator[Features]:
    """Every video of a store with each of its queries or scripts, and the text tokens that training made of them.

    Raises:
        UserError: It is another store, or training read scripts of other videos.
    """
    if not has_scripts(data.dataset):
        for item in (item for video in Store(path).read_queries() for item in video.items()):
            tokens = query_tokens(item, data.sentence, data.query_captions, data.oracle_captions)
            yield Features(item.id, item.features, tokens, None)
        return
    if data.caption_source == "another":
        raise UserError(f"{path}: the run was trained on scripts of other videos; choose another run")
    for script in (script for video in Store(path).read_scripts() for script in video.items()):
        tokens = script.text()
        yield Features(script.id, script.features, caption_tokens(tokens, len(tokens), data.caption_source), None)


def sentences(script: str) -> list[str]:
    """The sentences of a script, in order."""
    return re.split(r"(?<=[.!?])\s+", script.strip())
