"""Fixtures: small stores, and a pool of two processes that form a process group."""

import multiprocessing
import signal
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path

import pytest
import torch

from clipit_lightning.data.importing import import_distributed
from tests.support import synthetic, synthetic_qfvs

torch.set_num_threads(1)  # the models are tiny, and the machine may be shared
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, whose children ignore Ctrl-C too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def distributed_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All benchmarks as distributed, in small: features, TVSum's ratings, QFVS."""
    folder = tmp_path_factory.mktemp("distributed")
    for seed, name in enumerate(("tvsum", "summe", "ovp", "youtube")):
        synthetic.write_field_file(folder / f"eccv16_dataset_{name}_google_pool5.h5", seed=seed)
    features = folder / "eccv16_dataset_tvsum_google_pool5.h5"
    ratings = synthetic.tvsum_ratings(features)
    synthetic.set_gtscore(features, ratings)
    synthetic.write_tvsum_mat(folder / "ydata-tvsum50.mat", ratings)
    synthetic_qfvs.write_qfvs(folder / "qfvs")
    return folder


@pytest.fixture(scope="session")
def stores(distributed_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stores made from them. Read only: tests that damage a store copy it."""
    root = tmp_path_factory.mktemp("stores")
    import_distributed([distributed_files], root)
    return root


def _join_group(path: str, size: int, rank: "multiprocessing.queues.Queue[int]") -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{path}", world_size=size, rank=rank.get())


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Two processes of one gloo process group; ``map`` with chunksize 1 and two items runs one on each."""
    context = multiprocessing.get_context("spawn")
    ranks = context.Queue()
    for rank in range(2):
        ranks.put(rank)
    path = str(tmp_path_factory.mktemp("group") / "meeting")
    with context.Pool(2, initializer=_join_group, initargs=(path, 2, ranks)) as pool:
        yield pool
