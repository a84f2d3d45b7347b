import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS, benchmark_names, check_names, has_queries


def test_names_by_kind():
    assert benchmark_names() == ["tvsum", "summe", "qfvs", "ovp", "youtube"]
    assert benchmark_names("annotated") == ["tvsum", "summe", "ovp", "youtube"]
    assert benchmark_names(targets=True) == ["tvsum", "summe", "qfvs"]
    assert [name for name in BENCHMARKS if has_queries(name)] == ["qfvs"]


def test_unknown_names_are_one_line_with_the_known_ones():
    check_names("qfvs")
    check_names("tvsum", ["summe", "ovp"])
    with pytest.raises(
        UserError, match=r"^data.dataset: Invalid value 'ovp', expected one of \['tvsum', 'summe', 'qfvs'"
    ):
        check_names("ovp")
    with pytest.raises(UserError, match=r"^data.sources: kinetics is unknown; there are tvsum, summe, ovp, youtube$"):
        check_names("tvsum", ["kinetics"])
