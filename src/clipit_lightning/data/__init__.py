"""From distributed files to batches: benchmarks, importers, the HDF5 store, splits, datamodules, the miniature."""

from clipit_lightning.data.benchmark import Benchmark, QueryBenchmark
from clipit_lightning.data.qfvs import QFVS
from clipit_lightning.data.summe import SUMME
from clipit_lightning.data.tvsum import TVSUM
from clipit_lightning.data.vsumm import OVP, YOUTUBE

BENCHMARKS: dict[str, Benchmark] = {each.name: each for each in (TVSUM, SUMME, OVP, YOUTUBE)}
"""Every benchmark with annotators, by name. The augmented and transfer settings train on the others of these."""

QUERY_BENCHMARKS: dict[str, QueryBenchmark] = {each.name: each for each in (QFVS,)}
"""Every benchmark with queries, by name."""
