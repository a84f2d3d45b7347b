import subprocess
import sys

import numpy as np
import pytest

from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.matching import QueryRules, measure_query
from clipit_lightning.evaluation.metrics import AnnotatorMeasures, QueryMeasures
from clipit_lightning.evaluation.rules import Rules, measure

RULES = Rules("mean", "per-annotator")
SHARES = pytest.mark.parametrize(
    "shares",
    [((0, 2, 4), (1, 3)), ((0, 2, 4), (1, 3, 0)), ((0, 1, 2, 3, 4), ())],
    ids=["uneven", "with the repeat of a padding sampler", "one rank has none"],
)


def scores(item, number):
    return np.random.default_rng(number).random(item.n_steps)


def rules_of(dataset):
    return RULES


def rows_of(root, dataset, numbers):
    """Means and rows of the items of these numbers, on this rank and on the others."""
    store = Store(root / f"{dataset}.h5")
    if dataset == "qfvs":
        items, metric = store.read_queries()[0].items(), QueryMeasures(QueryRules(budget=0.1))
    else:
        items, metric = store.read(), AnnotatorMeasures(rules_of)
    for number in numbers:
        metric.update(number, items[number], scores(items[number], number))
    return {name: float(value) for name, value in metric.compute().items()}, metric.gathered().to_dict("records")


@SHARES
@pytest.mark.parametrize("dataset", ["tvsum", "qfvs"])
def test_two_ranks_give_the_means_and_rows_of_one(two_ranks, stores, dataset, shares):
    alone = rows_of(stores, dataset, range(5))
    for ranks in two_ranks.starmap(rows_of, [(stores, dataset, numbers) for numbers in shares], chunksize=1):
        assert ranks == alone


def test_rows_are_those_of_measure(stores):
    videos = Store(stores / "tvsum.h5").read(["video_1", "video_2"])
    for number, row in enumerate(rows_of(stores, "tvsum", (0, 1))[1]):
        assert row == {"index": number, **measure(scores(videos[number], number), videos[number], RULES)}
    item = Store(stores / "qfvs.h5").read_queries()[0].items()[1]
    chosen = QueryRules(budget=0.1).choose(scores(item, 1))
    assert rows_of(stores, "qfvs", (1,))[1] == [{"index": 1, **measure_query(item, chosen)._asdict()}]


def test_all_but_the_metrics_starts_without_torch():
    code = """
import importlib, pkgutil, sys
import clipit_lightning.evaluation as room
for module in pkgutil.iter_modules(room.__path__):
    if module.name != "metrics":
        importlib.import_module(f"{room.__name__}.{module.name}")
assert not {"torch", "lightning", "torchmetrics"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
