"""A benchmark of 30,000 videos beside one of 300, synthetic: import, check, set-up, one epoch; time a video and memory.

``python -m experiments.bench large_store --repeats 1 videos=30000`` makes both in a temporary folder (7 GB for 30,000
videos of 200 steps with 128 features; ``TMPDIR`` says where). ``peak_gib`` is the largest memory of a process that did
nothing else.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from experiments.bench.runner import Call, Options, Table, fresh

STEPS, SIZE, FEW = 200, 128, 300


def tables(options: Options) -> Iterator[Table]:
    """A table for each phase; the ratio of seconds over that of videos is what a video costs more in a large store."""
    many = int(dict(word.split("=") for word in options.words).get("videos", 30000))
    with TemporaryDirectory() as name:
        folders = {f"{count} videos": Path(name) / str(count) for count in (FEW, many)}
        for folder in folders.values():
            write_distributed(folder / "downloads", int(folder.name))
        for phase, make in {"import": _import, "check": _check, "set-up": _set_up, "epoch": _epoch}.items():
            variants = {name: fresh(make, folder) for name, folder in folders.items()}
            yield Table(f"{phase}, {many / FEW:g} times as many videos", variants, warm=False)


def write_distributed(folder: Path, videos: int) -> None:
    """Write files in the form of MR.HiSum's authors."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    keys = [f"video_{number}" for number in range(videos)]
    with h5py.File(folder / "mr_hisum.h5", "w") as file:
        for key in keys:
            group = file.create_group(key)
            features = np.rint(40 * rng.standard_normal((STEPS, SIZE), np.float32)) / 64  # of 8 bits, as YouTube-8M's
            group["features"] = features
            group["gtscore"] = 1 / (1 + np.exp(-features[:, 0]))
            starts = np.arange(0, STEPS, 10)
            group["change_points"] = np.stack([starts, starts + 9], axis=1)
            group["gtsummary"] = np.isin(np.arange(STEPS) // 10, rng.choice(20, 3, replace=False)).astype(np.int32)
    held = videos // 15
    parts = {"train_keys": keys[2 * held :], "val_keys": keys[:held], "test_keys": keys[held : 2 * held]}
    (folder / "mr_hisum_split.json").write_text(json.dumps(parts))


def _import(folder: Path) -> Call:
    from clipit_lightning.data.importing import import_distributed

    return lambda: import_distributed([folder / "downloads"], folder, force=True) and None


def _check(folder: Path) -> Call:
    """All files, as after a copy."""
    from clipit_lightning.data.store import Store

    path = folder / "mrhisum.h5"
    for file in path.glob("*.h5") if path.is_dir() else [path]:
        os.utime(file)
    return lambda: Store(path).check() and None


def _set_up(folder: Path) -> Call:
    from clipit_lightning.data import AnnotatedDataModule

    return lambda: AnnotatedDataModule(folder, target="mrhisum", family="official", preload_mb=0).setup()


def _epoch(folder: Path) -> Call:
    """Training and validation."""
    import lightning as L

    from clipit_lightning import SummarizationTask
    from clipit_lightning.data import AnnotatedDataModule

    data = AnnotatedDataModule(folder, target="mrhisum", family="official", preload_mb=0, batch_size=32)
    data.setup()
    task = SummarizationTask("mlp", feature_dim=data.feature_dim, width=64, lr=1e-3)
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    return lambda: trainer.fit(task, datamodule=data)
