"""The datamodule of each benchmark that is tested on, by name."""

from functools import partial

from clipit_lightning.data.annotated import AnnotatedDataModule
from clipit_lightning.data.queries import QueryDataModule

TVSumDataModule = partial(AnnotatedDataModule, "tvsum")
"""TVSum as target; see ``data/tvsum.py`` for its data sheet."""
SumMeDataModule = partial(AnnotatedDataModule, "summe")
"""SumMe as target; see ``data/summe.py`` for its data sheet."""
QFVSDataModule = partial(QueryDataModule, "qfvs")
"""QFVS; see ``data/qfvs.py`` for its data sheet."""
