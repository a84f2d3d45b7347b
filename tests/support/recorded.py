"""`clipit` in a process of its own that writes down which shards it checks and which videos it reads, a line each.

Usage: python -m tests.support.recorded FOLDER WORDS...
"""

import os
import sys
from pathlib import Path

from clipit_lightning.cli.main import main
from clipit_lightning.data import shards
from clipit_lightning.data.datamodule import SummarizationDataModule
from clipit_lightning.data.store import Store


def record(file):
    """Write "check FILE" of each shard, "EPOCH KEY" of each video of a batch; EPOCH is None where it is measured."""
    epochs, read, batch, describe = [], Store.read, SummarizationDataModule.batch, shards.describe_shard

    def recorded_describe(path, name):
        file.write(f"check {path.name}\n")
        file.flush()
        return describe(path, name)

    def recorded_batch(self, part):
        epochs.append(part.epoch)
        try:
            return batch(self, part)
        finally:
            epochs.pop()

    def recorded_read(self, keys=None, features=True):
        videos = read(self, keys, features)
        if epochs:
            file.writelines(f"{epochs[-1]} {video.key}\n" for video in videos)
            file.flush()
        return videos

    SummarizationDataModule.batch, Store.read, shards.describe_shard = recorded_batch, recorded_read, recorded_describe


if __name__ == "__main__":
    with Path(sys.argv[1], os.environ["RANK"]).open("w") as lines:
        record(lines)
        status = main(sys.argv[2:])
    sys.exit(status)
