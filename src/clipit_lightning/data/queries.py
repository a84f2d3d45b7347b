"""The datamodule of benchmarks with queries: QFVS."""

from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.core.log import log
from clipit_lightning.data import BENCHMARKS, benchmark_names
from clipit_lightning.data.batches import Item, cut, query_tokens
from clipit_lightning.data.datamodule import SummarizationDataModule, check_choice, check_least
from clipit_lightning.data.folds import Fold
from clipit_lightning.data.query_video import QueryItem


class QueryDataModule(SummarizationDataModule):
    """Every video with each of its queries. A video's features are held once; a batch holds queries of one video.

    Folds leave one video out, in the order of the videos, wrapping around: fold i tests video i. ``2/1/1`` validates on
    video i + 1 and trains on the others; ``3/1`` trains on all others and validates on none.

    Args:
        root: Folder of the stores, ``<root>/<benchmark>.h5``.
        family: ``2/1/1`` or ``3/1``.
        fold: Which fold trains, validates and is tested, from 0; may be set later too.
        sentence: Give the whole sentence of a query as a text token beside its phrases.
        language: False omits all text tokens.
        query_captions: Captions of the video, spread over it, as text tokens beside the query's.
        oracle_captions: Make them of the shots' tags; by default they are the store's, where it has some.
        batch_size: Queries of one video a training batch; by default `default_batch_size`.
        crop: Steps of the random window of each video that trains, 0 for whole videos; by default `default_crop`.
        workers: Processes that read batches.
        seed: Seed of the order of training batches, and of windows.
        validate_on_test: See ``SummarizationDataModule``.
        target: Name of the benchmark that is tested on; by default that of the class.

    Raises:
        ValueError: An argument has no allowed value; one line that lists them.
    """

    def __init__(
        self,
        root: str | Path = "data",
        *,
        family: str = "2/1/1",
        fold: int = 0,
        sentence: bool = False,
        language: bool = True,
        query_captions: int = 0,
        oracle_captions: bool = False,
        batch_size: int | None = None,
        crop: int | None = None,
        workers: int = 0,
        seed: int = 0,
        validate_on_test: bool = False,
        target: str | None = None,
    ) -> None:
        target = target or self.benchmark
        check_choice("target", target, benchmark_names("queries"))
        check_choice("family", family, BENCHMARKS[str(target)].families)
        check_least("query_captions", query_captions, 0)
        super().__init__(root, [str(target)], fold, batch_size, crop, workers, seed, validate_on_test)
        self.family, self.sentence, self.language = family, sentence, language
        self.query_captions, self.oracle_captions = query_captions, oracle_captions
        self._items: list[QueryItem] = []

    def _read(self) -> None:
        """Hold all videos in memory: features are shared by a video's queries, so that they are small."""
        videos = self.stores[self.target].read_queries()
        self._items = [item for video in videos for item in video.items()]
        self.ids = [item.id for item in self._items]
        if self.sentence and any(video.sentence_features is None for video in videos):
            raise UserError(
                f"data.sentence: {self.stores[self.target].path} has no embeddings of sentences; import features that "
                "have them (`sentences`, `sentence_features`), or keep data.sentence=false"
            )
        without = not self.oracle_captions and any(video.caption_features is None for video in videos)
        if self.query_captions and without:
            log.info(f"NOTE: {self.stores[self.target].path} has no captions: queries alone are the text")
        self.feature_dim, self.text_dim = videos[0].features.shape[1], videos[0].query_features.shape[2]
        self.has_text = self.language
        items = {video.id: tuple(item.id for item in video.items()) for video in videos}
        self.folds = leave_one_out(items, validate=self.family == "2/1/1")

    def item(self, number: int) -> QueryItem:
        """The item of a number."""
        return self._items[number]

    def text(self, item: Item) -> NDArray[np.float32] | None:
        """The query's phrases, its sentence and captions of its video where asked for, (tokens, features)."""
        if not self.language or not isinstance(item, QueryItem):
            return None
        return query_tokens(item, self.sentence, self.query_captions, self.oracle_captions)

    def _training_batches(self, numbers: list[int], epoch: int) -> list[list[int]]:
        """Each video's queries shuffled and cut, then the batches shuffled."""
        order = np.random.default_rng((self.seed, epoch)).permutation(numbers).tolist()
        batches = self._evaluation_batches(sorted(order, key=self._video))
        chance = np.random.default_rng((self.seed, epoch, 1))
        return [batches[position] for position in chance.permutation(len(batches))]

    def _evaluation_batches(self, numbers: list[int]) -> list[list[int]]:
        """Queries of one video together, in order."""
        return [batch for _, queries in groupby(numbers, self._video) for batch in cut(list(queries), self.batch_size)]

    def _video(self, number: int) -> str:
        return self.item(number).video.id


class QFVSDataModule(QueryDataModule):
    """QFVS (Sharghi et al., CVPR 2017): 4 videos with some 45 queries each; see ``data/qfvs.py``.

    Defaults are those of ``configs/qfvs.yaml``.
    """

    benchmark = "qfvs"
    default_batch_size = 9


def leave_one_out(items: dict[str, tuple[str, ...]], validate: bool) -> list[Fold]:
    """One fold a video, which tests it; with ``validate``, the next video validates (the first after the last).

    ``items`` are the items of each video, by the video's id.

    Raises:
        UserError: No video is left to train on.
    """
    videos = list(items)
    if len(videos) < 2 + validate:
        raise UserError(f"{len(videos)} videos are too few for leaving one out; at least {2 + validate} are needed")
    folds = []
    for index, test in enumerate(videos):
        held = videos[(index + 1) % len(videos)] if validate else None
        train = tuple(item for video in videos if video not in (test, held) for item in items[video])
        folds.append(Fold(index, train, items[held] if held else (), items[test]))
    return folds
