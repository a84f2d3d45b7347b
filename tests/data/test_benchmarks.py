import numpy as np
import pytest

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import BENCHMARKS, check_names
from clipit_lightning.data.annotated import AnnotatedDataModule
from clipit_lightning.data.benchmark import AnnotationFile, Benchmark, Ratings
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store import Store
from clipit_lightning.evaluation.evaluate import baseline_tables
from tests.support import synthetic


def test_unknown_names_are_one_line_with_the_known_ones():
    check_names("qfvs")
    check_names("tvsum", ["summe", "ovp"])
    with pytest.raises(
        UserError, match=r"^data.dataset: Invalid value 'ovp', expected one of \['tvsum', 'summe', 'qfvs'"
    ):
        check_names("ovp")
    known = "tvsum, summe, mrhisum, mosu, ovp, youtube"
    with pytest.raises(UserError, match=rf"^data.sources: kinetics is unknown; there are {known}$"):
        check_names("tvsum", ["kinetics"])


def test_a_benchmark_of_ones_own_is_a_reader_and_a_line(tmp_path, monkeypatch):
    def read(path):
        return {key: Ratings(f"my {key}", rows) for key, rows in np.load(path).items()}

    mine = Benchmark(
        name="mine",
        title="Mine",
        kind="annotated",
        n_videos=10,
        how_to_get="ask me",
        correlation="per-annotator",
        annotations=(AnnotationFile("ratings.npz", read),),
    )
    monkeypatch.setitem(BENCHMARKS, "mine", mine)
    features = synthetic.write_field_file(tmp_path / "mine_clip.h5")
    ratings = synthetic.tvsum_ratings(features)
    synthetic.set_gtscore(features, ratings)
    np.savez(tmp_path / "ratings.npz", **ratings)

    rows = {row.dataset: row for row in import_distributed([tmp_path], tmp_path / "data")}
    assert (rows["mine"].videos, rows["mine"].annotations) == ("10", "summaries all, ratings all")
    assert rows["tvsum"].result.startswith("missing")
    assert Store(tmp_path / "data/mine.h5").check() == []
    check_names("mine", ["tvsum"])
    module = AnnotatedDataModule(tmp_path / "data", target="mine")
    module.setup()
    assert len(module.folds) == 5
    assert next(iter(module.test_dataloader())).stacks[0].importance.isfinite().all()
    table = baseline_tables("mine", tmp_path / "data", draws=2)["per-annotator"]
    assert table.set_index("name").loc["mean-annotator", "kendall_tau"] > 0.2
