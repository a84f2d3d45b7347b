"""From distributed files to batches: benchmarks, importers, the HDF5 store, splits, datamodules, the miniature."""

from clipit_lightning.data.benchmark import Benchmark
from clipit_lightning.data.summe import SUMME
from clipit_lightning.data.tvsum import TVSUM
from clipit_lightning.data.vsumm import OVP, YOUTUBE

BENCHMARKS: dict[str, Benchmark] = {each.name: each for each in (TVSUM, SUMME, OVP, YOUTUBE)}
"""Every benchmark by name. The augmented and transfer settings train on the others of these."""
