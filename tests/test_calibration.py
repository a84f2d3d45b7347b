"""The real annotations, and the numbers that floors and ceilings reach on them (``calibration.json``).

They are measured from ``../shared/data`` where it is there, and from stores of your own by

    CALIBRATE=data pytest tests/test_calibration.py
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from clipit_lightning.core.config import ProtocolConfig
from clipit_lightning.data import BENCHMARKS
from clipit_lightning.data.importing import import_distributed
from clipit_lightning.data.store import Store
from clipit_lightning.data.tvsum import read_mat
from clipit_lightning.evaluation.baselines import floors
from clipit_lightning.evaluation.protocol import rules_of
from tests.support.synthetic import SHARED, needs_shared, write_features

EXPECTED = json.loads((Path(__file__).parent / "calibration.json").read_text())
OWN = os.environ.get("CALIBRATE")
TABLES = [(dataset, rule) for dataset, expected in EXPECTED.items() for rule in expected["numbers"]]

pytestmark = pytest.mark.slow
has_stores = pytest.mark.skipif(
    not OWN and not SHARED.is_dir(), reason="neither ../shared/data nor CALIBRATE=FOLDER, the folder of your stores"
)


@pytest.fixture(scope="module")
def read(request):
    root = Path(OWN) if OWN else request.getfixturevalue("real_stores")
    stores = {dataset: Store(root / f"{dataset}.h5") for dataset in EXPECTED}
    videos = {dataset: store.read() for dataset, store in stores.items() if store.path.exists()}
    return lambda dataset: videos.get(dataset) or pytest.skip(f"{root} has no {dataset}.h5")


def digest(videos, name):
    """A hash of an array of all videos, in which what differs by rounding alone is the same."""
    lines = []
    for video in videos:
        rows = np.rint(np.asarray(getattr(video, name), dtype=np.float64) * 10_000).astype("<i8")
        lines.append(f"{video.key} {rows.shape} ".encode() + rows.tobytes())
    return hashlib.sha256(b"".join(lines)).hexdigest()[:12]


@has_stores
@pytest.mark.parametrize("dataset", EXPECTED)
def test_the_annotations_are_those_that_printed_numbers_rest_on(read, dataset):
    videos, expected = read(dataset), EXPECTED[dataset]["arrays"]
    there = [name for name in expected if all(getattr(video, name) is not None for video in videos)]
    differing = {name for name in expected if name not in there or digest(videos, name) != expected[name]}
    assert not differing, f"{dataset}: these arrays differ: {', '.join(sorted(differing))}"


@has_stores
@pytest.mark.parametrize(("dataset", "rule"), TABLES)
def test_floors_and_ceilings_are_the_known_ones(read, dataset, rule):
    expected, draws = EXPECTED[dataset]["numbers"][rule], EXPECTED[dataset]["draws"]
    rules = rules_of(ProtocolConfig(correlation=rule), BENCHMARKS[dataset])
    table = floors(read(dataset), rules, draws).set_index("name")
    wrong = []
    for name, metrics in expected.items():
        for metric, value in metrics.items():
            reached, error = table.loc[name, [metric, f"{metric}_std"]].astype(float)
            if abs(reached - value) > 5e-4 + 3 * error / draws**0.5:
                wrong.append(f"{name} {metric} is {reached:.4f}, expected {value}")
    assert not wrong, f"{dataset}, {rule}: {'; '.join(wrong)}"


@needs_shared
def test_features_alone_give_the_official_annotations(real_stores, tmp_path):
    ratings = read_mat(SHARED / "tvsum/ydata-tvsum50.mat")
    write_features(tmp_path / "tvsum_random.h5", {video.name: video.ratings.shape[1] for video in ratings.values()})
    row, *_ = import_distributed([tmp_path, SHARED / "tvsum"], tmp_path / "to")
    store = Store(tmp_path / "to/tvsum.h5")
    assert (row.shots, store.check(), store.notes()) == ("2373, official", [], [])
    assert store.annotations_hash() == Store(real_stores / "tvsum.h5").annotations_hash()
