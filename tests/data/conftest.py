from dataclasses import replace

import pytest

from clipit_lightning.data import shard_files
from clipit_lightning.data.store import Store


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of four videos each."""
    monkeypatch.setattr(shard_files, "VIDEOS", 4)


@pytest.fixture
def videos(stores):
    """Ten annotated videos of a store of one's own."""
    return [replace(video, dataset="mine") for video in Store(stores / "tvsum.h5").read()]
