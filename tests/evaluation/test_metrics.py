import numpy as np
import pytest

from clipit_lightning.evaluation.f1 import SummaryF1

USERS = np.array([[1, 1, 0, 0, 0, 0]], np.uint8)
SUMMARIES = [np.array(row, np.uint8) for row in (
    [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1]
)]  # fmt: skip


def measure(numbers):
    metric = SummaryF1()
    for number in numbers:
        metric.update(number, SUMMARIES[number], USERS, "mean")
    return float(metric.compute()["f1"]), metric.gathered()["index"].tolist()


@pytest.mark.parametrize(
    "shares",
    [((0, 2, 4), (1, 3)), ((0, 2, 4), (1, 3, 0)), ((0, 1, 2, 3, 4), ())],
    ids=["uneven", "with the repeat of a padding sampler", "one rank has none"],
)
def test_two_ranks_give_the_mean_of_one_rank(two_ranks, shares):
    alone, numbers = measure(range(5))
    for mean, gathered in two_ranks.map(measure, shares, chunksize=1):
        assert mean == alone
        assert gathered == numbers == [0, 1, 2, 3, 4]
