"""``DataConfig``: the section `data` of the configuration."""

from dataclasses import dataclass
from typing import Literal

from clipit_lightning.core.errors import require
from clipit_lightning.core.files import STORE, split_store
from clipit_lightning.core.schema import Section, bounded


@dataclass(frozen=True)
class DataConfig(Section):
    """Which videos, and how they are parted and batched."""

    dataset: str = "tvsum"
    """The benchmark that is tested on: tvsum, summe, qfvs, s-videoxum, mrhisum or mosu; or a store of your own, FILE.h5
    or a name under `root`."""
    setting: Literal["canonical", "augmented", "transfer"] = "canonical"
    """Which videos train: the target's, the target's and the sources', or the sources' only."""
    root: str | None = None
    """Folder of the stores. By default `data`, and the miniature where no real store lies there."""
    sources: list[str] | None = None
    """Benchmarks that augmented and transfer train on beside the target; by default all others with annotators, but
    mrhisum and mosu."""
    family: str = "kfold"
    """Folds: kfold (seeded, without overlap), a published family (pglsum, vasnet, dsnet, csta, msva), your file;
    for qfvs 2/1/1 (train, validate, test videos) or 3/1; for s-videoxum, s-newsvsum, mrhisum and mosu official."""
    folds: int = bounded(5, least=2, most=10_000)
    """Number of folds of the family kfold."""
    fold: int | None = bounded(None, least=0)
    """Run only this fold, counted from 0; by default all."""
    fold_seed: int = bounded(0, least=0, most=2**32 - 1)
    """Seed of the partition; apart from `seed`, so that runs of several seeds share their folds."""
    validation: float = bounded(0.2, least=0, below=1)
    """Share of the training videos that validate, at least two videos; 0 for none, with selection=last."""
    captions: int = bounded(7, least=0, most=10_000)
    """Number of caption tokens a video, spread over its dense captions; 0 trains without language, on qfvs and
    s-videoxum too, whose queries and scripts are read whole."""
    caption_source: Literal["own", "another", "fused", "concat", "shots"] = "own"
    """Captions as text tokens: the video's own; for ablations those of another video, or one token of all: their mean,
    or a learned one of all `captions`, concatenated (a video with fewer repeats some; clip-it+ has no caption cues);
    or those of its shots, on stores that have them. On s-videoxum own, another or fused, of the script's sentences."""
    shot_captions: bool = False
    """Give each step the caption of its shot as features beside its own, on stores that have them."""
    judge: str | None = None
    """Whose scores of shots prompts-to-summaries reads, on stores that have some; by default the only judge's."""
    memorability: float = bounded(0.0, least=0, most=1)
    """How much importance counts by how memorable its step is, in training, on stores that say so; 0 leaves it."""
    query_captions: int = bounded(0, least=0, most=10_000)
    """On qfvs: number of the video's captions, spread over it, that are text tokens beside the query's, where the store
    has some."""
    oracle_captions: bool = False
    """On qfvs, for ablations: captions beside the query that say what shots show, made of their tags."""
    sentence: bool = False
    """On qfvs: give the whole sentence of a query as a text token beside its concepts."""
    batch_size: int = bounded(8, least=1, most=1_000_000)
    """Videos a training batch; on qfvs, queries of one video; on s-videoxum, videos, each with all its scripts."""
    crop: int = bounded(0, least=0)
    """Train on a random window of this many steps of each video, another one each time; 0 for whole videos."""
    workers: int = bounded(0, least=0, most=1024)
    """Processes that read batches; 0 reads in the main process, the fastest where the data fit in memory."""
    preload_mb: int = bounded(8000, least=0, most=10**9)
    """Hold all videos in memory where they take at most this many megabytes; else read them when needed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset.endswith(STORE):  # a store by its path is known by its name and folder from here on
            one = f"is {self.root}, and data.dataset={self.dataset} names a file; omit one of them"
            require(self.root is None, "data.root", one)
            name, folder = split_store(self.dataset)
            object.__setattr__(self, "dataset", name)
            object.__setattr__(self, "root", str(folder))
        n_folds = 1 if self.setting == "transfer" else self.folds  # of kfold; other families have their own number
        known = self.fold is None or self.fold < n_folds or self.family != "kfold"
        require(known, "data.fold", f"is {self.fold}; there are folds 0 to {n_folds - 1}")
        if self.sources is None:
            return
        key = "data.sources"
        for source in self.sources:
            require(source != self.dataset, key, f"{source} is the target; name other benchmarks")
        has_sources = self.setting != "canonical"
        require(has_sources, key, "the canonical setting has none; say data.setting=augmented or transfer")
        require(bool(self.sources), key, "is empty; name at least one benchmark")
        require(len(set(self.sources)) == len(self.sources), key, "names a benchmark twice")
