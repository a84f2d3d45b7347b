"""Fixtures of all tests: small stores, and two processes that form a group. Draws hostile cases."""

import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path

import hypothesis
import pytest

import clipit_lightning  # noqa: F401 - repairs a torchvision without operators, before anything imports it

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: the models are tiny, and the machine may be shared
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, whose children ignore Ctrl-C too
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)  # the same draws each time
hypothesis.settings.load_profile("same")

HOSTILE_CASES = 250


def pytest_itemcollected(item: pytest.Item) -> None:
    if "two_ranks" in getattr(item, "fixturenames", ()):
        item.add_marker("distributed")


@pytest.hookimpl(trylast=True)  # after -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw some of the hostile cases; which ones depends on their names only."""
    hostile = [item for item in items if item.get_closest_marker("hostile")]
    if len(hostile) <= HOSTILE_CASES or os.environ.get("HOSTILE") == "all":
        return
    hostile.sort(key=lambda item: random.Random(item.nodeid).random())
    left_out = set(hostile[HOSTILE_CASES:])
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if sum("hostile" in report.keywords for report in terminalreporter.getreports("passed")) >= HOSTILE_CASES:
        terminalreporter.write_line(f"hostile cases: {HOSTILE_CASES} are drawn; HOSTILE=all runs all")


@pytest.fixture(scope="session")
def distributed_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All benchmarks as distributed, in small: features, TVSum's ratings, QFVS."""
    from tests.support import synthetic, synthetic_qfvs

    folder = tmp_path_factory.mktemp("distributed")
    for seed, name in enumerate(("tvsum", "summe", "ovp", "youtube")):
        synthetic.write_field_file(folder / f"eccv16_dataset_{name}_google_pool5.h5", seed=seed, data="synthetic")
    features = folder / "eccv16_dataset_tvsum_google_pool5.h5"
    ratings = synthetic.tvsum_ratings(features)
    synthetic.set_gtscore(features, ratings)
    synthetic.write_tvsum_mat(folder / "ydata-tvsum50.mat", ratings)
    synthetic_qfvs.write_qfvs(folder / "qfvs")
    return folder


@pytest.fixture(scope="session")
def stores(distributed_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stores made from them. Read only: tests that damage a store copy it."""
    from clipit_lightning.data.importing import import_distributed

    root = tmp_path_factory.mktemp("stores")
    import_distributed([distributed_files], root)
    return root


@pytest.fixture(scope="session")
def real_stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stores of the real annotations."""
    from clipit_lightning.data.importing import import_distributed
    from tests.support.synthetic import SHARED

    root = tmp_path_factory.mktemp("real")
    import_distributed([SHARED], root)
    return root


def _join_group(path: str, rank: "multiprocessing.queues.Queue[int]") -> None:
    import torch.distributed

    torch.distributed.init_process_group("gloo", init_method=f"file://{path}", world_size=2, rank=rank.get())


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Two processes of one gloo process group; ``map`` with chunksize 1 and two items runs one on each."""
    context = multiprocessing.get_context("spawn")
    ranks = context.Queue()
    for rank in range(2):
        ranks.put(rank)
    path = str(tmp_path_factory.mktemp("group") / "meeting")
    with context.Pool(2, initializer=_join_group, initargs=(path, ranks)) as pool:
        yield pool
