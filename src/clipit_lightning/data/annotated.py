"""The datamodule of benchmarks with annotators: TVSum, SumMe, and the sources beside them."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clipit_lightning.core.errors import UserError
from clipit_lightning.data import benchmark_names, official_families, own_names
from clipit_lightning.data.batches import Item, another_of_each, caption_tokens, cut, shuffled
from clipit_lightning.data.datamodule import SummarizationDataModule, check_choice, check_least
from clipit_lightning.data.fold_files import load_family, read_fold_file
from clipit_lightning.data.folds import Fold, Setting, folds_of_family, make_folds, official_fold, with_sources
from clipit_lightning.data.memorability import check_memorability, weighed_targets
from clipit_lightning.data.shot_captions import reads_shot_captions, shot_caption_size, with_captions_read
from clipit_lightning.data.shot_scores import choose_judge, with_judge
from clipit_lightning.data.spans import caption_spans
from clipit_lightning.data.video import Video

CaptionSource = Literal["own", "another", "fused", "concat", "shots"]


class AnnotatedDataModule(SummarizationDataModule):
    """Videos of a target benchmark and of the sources beside it.

    Args:
        root: Folder of the stores, ``<root>/<benchmark>.h5``.
        setting: Which videos train: the target's (``canonical``), the target's and the sources' (``augmented``), or the
            sources' only (``transfer``).
        sources: Benchmarks beside the target in the augmented and transfer settings; by default all others but those
            with official parts, and stores of one's own.
        family: ``kfold``, the name of a published family of folds, or a file that lists folds; of benchmarks with
            official parts ``official``, one fold of them; by default the only one that may be, or ``kfold``.
        folds: Number of folds of the family ``kfold``.
        fold: Which fold trains, validates and is tested, from 0; may be set later too.
        fold_seed: Seed of the partition.
        validation: Share of the training part that validates.
        captions: Caption tokens a video; 0 for no language.
        caption_source: What they are: the video's ``own`` captions; or, for ablations, those of ``another`` video of
            its benchmark, always the same one, or its own as one token: ``fused`` to their mean, or ``concat``, one
            behind the other, of which the scorer's first layer learns a token; or those of its ``shots``.
        shot_captions: Whether the caption of its shot stands beside a step's features.
        judge: Whose scores of shots are the last features: of a step the number of its shot, and the score of that. An
            empty name is the only judge's of the target.
        memorability: How much the importance from which videos train counts by how memorable its step is, 0 to 1; see
            ``data/memorability.py``. What is measured stays as it is.
        batch_size: Videos a training batch; by default `default_batch_size`.
        crop: Steps of the random window of each video that trains, 0 for whole videos; by default `default_crop`.
        workers: Processes that read batches.
        preload_mb: Hold all videos in memory where they take at most this many megabytes.
        seed: Seed of the order of training batches, and of windows.
        validate_on_test: See ``SummarizationDataModule``.
        target: Name of the benchmark that is tested on, or of a store of one's own; by default that of the class.

    Raises:
        ValueError: An argument has no allowed value; one line that lists them.
    """

    def __init__(
        self,
        root: str | Path = "data",
        *,
        setting: Setting = "canonical",
        sources: Sequence[str] | None = None,
        family: str | None = None,
        folds: int = 5,
        fold: int = 0,
        fold_seed: int = 0,
        validation: float = 0.2,
        captions: int = 7,
        caption_source: CaptionSource = "own",
        shot_captions: bool = False,
        judge: str | None = None,
        memorability: float = 0.0,
        batch_size: int | None = None,
        crop: int | None = None,
        workers: int = 0,
        preload_mb: int = 8000,
        seed: int = 0,
        validate_on_test: bool = False,
        target: str | None = None,
    ) -> None:
        target = target or self.benchmark
        sources = [sources] if isinstance(sources, str) else sources
        shipped = benchmark_names("annotated")
        annotated = [*shipped, *own_names(root)]
        check_choice("target", target, annotated)
        only = official_families(str(target))
        family = family or next(iter(only), "kfold")
        check_choice("family", family, only or [family])
        check_choice("setting", setting, get_args(Setting))
        check_choice("caption_source", caption_source, get_args(CaptionSource))
        check_least("folds", folds, 2)
        check_least("captions", captions, 0)
        if not 0 <= memorability <= 1:
            raise ValueError(f"memorability is {memorability}; it must be from 0 to 1")
        for source in sources or ():
            check_choice("sources", source, [name for name in annotated if name != target])
        by_default = [name for name in shipped if not official_families(name)]
        others = [name for name in annotated if name in (by_default if sources is None else sources) and name != target]
        stores = [str(target), *([] if setting == "canonical" else others)]
        super().__init__(root, stores, fold, batch_size, crop, workers, seed, validate_on_test)
        self.family, self.setting, self.captions, self.preload_mb = family, setting, captions, preload_mb
        self.n_folds, self.fold_seed, self.validation = folds, fold_seed, validation
        self.caption_source, self.shot_captions, self.judge = caption_source, shot_captions, judge
        self.memorability = memorability
        self._weighed: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        self._videos: dict[int, Video] = {}

    def _read(self) -> None:
        if self.memorability:
            check_memorability(self.stores.values())
        if reads_shot_captions(self.caption_source, self.shot_captions):
            self._caption_size = shot_caption_size(self.stores[self.target])
        if self.judge is not None:
            self.judge = choose_judge(self.stores[self.target], self.judge)
        ids = {name: [f"{name}/{key}" for key in store.video_keys()] for name, store in self.stores.items()}
        self.ids = [video for of_store in ids.values() for video in of_store]
        extra = [video for name in self.sources for video in ids[name]]
        self.folds = self._make_folds(ids[self.target], extra)
        if sum(store.nbytes() for store in self.stores.values()) <= self.preload_mb * 1e6:
            videos = (video for store in self.stores.values() for video in store.read())
            self._videos = dict(enumerate(map(self._prepared, videos)))
        self._measure()

    def _named_streams(self) -> dict[str, int]:
        named = super()._named_streams()
        return named | {"judge": 2} if named and self.judge is not None else named  # as `with_judge` appends them

    def _make_folds(self, target: list[str], sources: list[str]) -> list[Fold]:
        if official_families(self.target):
            store = self.stores[self.target]
            fold = official_fold(
                {f"{self.target}/{key}": part for key, part in store.splits().items()}, str(store.path)
            )
            return [with_sources(fold, sources, self.setting, self.validation, self.fold_seed)]
        if self.family == "kfold":
            return make_folds(target, sources, self.setting, self.n_folds, self.validation, self.fold_seed)
        if Path(self.family).suffix:
            family = read_fold_file(Path(self.family), self.target, self.stores[self.target].names())
            if (setting := family.setting) != self.setting:
                raise UserError(f"data.family: {self.family} lists {setting} folds, not data.setting={self.setting}")
        else:
            family = load_family(self.family, self.target, self.setting)
        return folds_of_family(family, target, sources, self.validation, self.fold_seed)

    def _measure(self) -> None:
        """Set the sizes of features and captions, in which the stores must not differ."""
        captions = "shot_caption_features" if self.caption_source == "shots" else "caption_features"
        firsts = [self._prepared(store.read([store.example(captions)])[0]) for store in self.stores.values()]
        sizes = {video.dataset: video.features.shape[1] for video in firsts}
        texts = {
            video.dataset: video.caption_features.shape[1] for video in firsts if video.caption_features is not None
        }
        for what, of_stores in (("features", sizes), ("caption features", texts)):
            if len(set(of_stores.values())) > 1:
                raise UserError(f"{self.root}: {what} differ in size: {of_stores}; import the same for all")
        self.feature_dim = next(iter(sizes.values()))
        self.has_text = bool(texts) and self.captions > 0
        together = self.captions if self.caption_source == "concat" and self.has_text else 1
        self.text_dim = together * next(iter(texts.values()), self.feature_dim)

    def item(self, number: int) -> Video:
        """The video of a number, from memory or from its store."""
        name, key = self.ids[number].split("/", 1)
        return self._videos.get(number) or self._prepared(self.stores[name].read([key])[0])

    def annotations(self, number: int) -> Video:
        """The video of a number for measuring; what is not in memory is read without its features."""
        name, key = self.ids[number].split("/", 1)
        return self._videos.get(number) or self.stores[name].read([key], features=False)[0]

    def not_annotated(self) -> list[str]:
        """Ids of the videos that nobody annotated."""
        return [f"{name}/{key}" for name, store in self.stores.items() for key in store.not_annotated()]

    def _prepared(self, video: Video) -> Video:
        """A video as it was read, or with captions and scores of its shots where they are asked for."""
        if reads_shot_captions(self.caption_source, self.shot_captions):
            video = with_captions_read(video, self.caption_source, self.shot_captions, self._caption_size)
        return video if self.judge is None else with_judge(video, self.judge)

    def targets(self, item: Item) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Importance and key frames from which a video trains, weighed by its memorability where that is asked for."""
        if not self.memorability or not isinstance(item, Video):
            return super().targets(item)
        if item.id not in self._weighed:
            self._weighed[item.id] = weighed_targets(item, self.memorability)
        return self._weighed[item.id]

    def text(self, item: Item) -> NDArray[np.float32] | None:
        """The video's captions, (captions, features)."""
        if self.caption_source == "another" and isinstance(item, Video):
            item = self.item(self._others[item.id])
        captions = item.caption_features if isinstance(item, Video) else None
        return None if captions is None else caption_tokens(captions, self.captions, self.caption_source)

    def spans(self, item: Item) -> NDArray[np.float32] | None:
        """When the video's captions hold, (captions, 2); another video's at the same share of the video."""
        giver = self.item(self._others[item.id]) if self.caption_source == "another" else item
        if not isinstance(giver, Video) or giver.caption_features is None:
            return None
        spans = caption_spans(giver.caption_spans, self.captions, self.caption_source, giver.n_steps)
        return None if spans is None else spans * np.float32(item.n_steps / giver.n_steps)

    @cached_property
    def _others(self) -> dict[str, int]:
        """Another video of the same benchmark for each, by number: each gives its captions to one other."""
        others: dict[str, int] = {}
        for name in self.stores:
            own = [number for number, video in enumerate(self.ids) if video.startswith(f"{name}/")]
            others |= {self.ids[video]: giver for video, giver in another_of_each(own, self.fold_seed).items()}
        return others

    @cached_property
    def _shards(self) -> list[tuple[str, int]]:
        """The file that each video lies in, by number."""
        return [(name, shard) for name, store in self.stores.items() for shard in store.shards()]

    def _training_batches(self, numbers: list[int], epoch: int) -> list[list[int]]:
        chance = np.random.default_rng((self.seed, epoch))
        return cut(shuffled(numbers, self._shards, chance), self.batch_size)

    def _evaluation_batches(self, numbers: list[int]) -> list[list[int]]:
        """One by one, which ranks share best."""
        return cut(numbers, 1)


class TVSumDataModule(AnnotatedDataModule):
    """TVSum (Song et al., CVPR 2015): 50 videos with the ratings of 20 annotators; see ``data/tvsum.py``.

    Defaults are those of ``configs/tvsum.yaml``.

    Examples:
        >>> from clipit_lightning import TVSumDataModule
        >>> data = TVSumDataModule("data", setting="augmented", sources=["summe"], fold=1)
        >>> [str(store.path) for store in data.stores.values()], data.crop
        (['data/tvsum.h5', 'data/summe.h5'], 256)
    """

    benchmark = "tvsum"
    default_crop = 256


class SumMeDataModule(AnnotatedDataModule):
    """SumMe (Gygli et al., ECCV 2014): 25 videos with the summaries of 15 to 18 annotators; see ``data/summe.py``.

    Defaults are those of ``configs/summe.yaml``.
    """

    benchmark = "summe"
    default_batch_size = 5
    default_crop = 256
