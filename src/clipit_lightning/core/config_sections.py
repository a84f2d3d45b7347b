"""The sections of the configuration: frozen dataclasses with defaults; a sentence under each field says what it is.

Values, and contradictions between them, are checked here; every error is one line that names the key as it is typed.
"""

from dataclasses import dataclass
from typing import Literal

from clipit_lightning.core.errors import require


@dataclass(frozen=True)
class DataConfig:
    """Which videos, and how they are parted and batched."""

    dataset: str = "tvsum"
    """The benchmark that is tested on: tvsum, summe or qfvs."""
    setting: Literal["canonical", "augmented", "transfer"] = "canonical"
    """Which videos train: the target's, the target's and the sources', or the sources' only."""
    root: str | None = None
    """Folder of the stores. By default `data`, and the miniature where no real store lies there."""
    sources: list[str] | None = None
    """Benchmarks that augmented and transfer train on beside the target; by default all others."""
    family: str = "kfold"
    """Folds: kfold (seeded, without overlap), a published family (pglsum, vasnet, dsnet, csta, msva), your file;
    for qfvs 2/1/1 (train, validate, test videos) or 3/1."""
    folds: int = 5
    """Number of folds of the family kfold."""
    fold: int | None = None
    """Run only this fold, counted from 0; by default all."""
    fold_seed: int = 0
    """Seed of the partition; apart from `seed`, so that runs of several seeds share their folds."""
    validation: float = 0.2
    """Share of the training videos that validate, at least two videos; 0 for none, with selection=last."""
    captions: int = 7
    """Number of caption tokens a video, spread over its dense captions; 0 trains without language, on qfvs too."""
    caption_source: Literal["own", "another", "fused"] = "own"
    """Captions as text tokens: the video's own; for ablations those of another video, or their mean as one token."""
    sentence: bool = False
    """On qfvs: give the whole sentence of a query as a text token beside its concepts."""
    batch_size: int = 8
    """Videos a training batch; on qfvs, queries of one video."""
    crop: int = 0
    """Train on a random window of this many steps of each video, another one each time; 0 for whole videos."""
    workers: int = 0
    """Processes that read batches; 0 reads in the main process, the fastest where the data fit in memory."""
    preload_mb: int = 8000
    """Hold all videos in memory where they take at most this many megabytes; else read them when needed."""

    def __post_init__(self) -> None:
        require(self.folds >= 2, "data.folds", f"is {self.folds}; at least 2 are needed")
        require(
            0 <= self.validation < 1,
            "data.validation",
            f"is {self.validation}; a share from 0 to below 1 is needed",
        )
        require(self.captions >= 0, "data.captions", f"is {self.captions}; 0 or more are possible")
        require(self.batch_size >= 1, "data.batch_size", f"is {self.batch_size}; at least 1 is needed")
        require(self.crop >= 0, "data.crop", f"is {self.crop}; 0 or more are possible")
        require(self.workers >= 0, "data.workers", f"is {self.workers}; 0 or more are possible")
        require(self.preload_mb >= 0, "data.preload_mb", f"is {self.preload_mb}; 0 or more are possible")
        require(self.fold_seed >= 0, "data.fold_seed", f"is {self.fold_seed}; 0 or more are possible")
        n_folds = 1 if self.setting == "transfer" else self.folds  # a published family says itself how many it has
        require(
            self.fold is None or (self.fold >= 0 and (self.fold < n_folds or self.family != "kfold")),
            "data.fold",
            f"is {self.fold}; there are folds 0 to {n_folds - 1}",
        )
        for source in self.sources or ():
            require(source != self.dataset, "data.sources", f"{source} is the target; name other benchmarks")
        if self.sources is not None:
            require(
                self.setting != "canonical",
                "data.sources",
                "the canonical setting has none; say data.setting=augmented or transfer",
            )
            require(bool(self.sources), "data.sources", "is empty; name at least one benchmark")
            require(len(set(self.sources)) == len(self.sources), "data.sources", "names a benchmark twice")


@dataclass(frozen=True)
class ProtocolConfig:
    """The rules of measurement that can be chosen; what stands here is part of every result's protocol."""

    preset: Literal["default", "pglsum", "vasnet", "dsnet", "csta", "msva", "clip-it"] = "default"
    """A published protocol; fills family, selection and correlation where they are at their default."""
    budget: float | None = None
    """Largest share of a video that its summary may take; by default the benchmark's (0.15 of the frames; on qfvs 0.02
    of the shots)."""
    rounding: Literal["floor", "round", "ceil"] = "floor"
    """How the budget becomes whole frames."""
    shot_value: Literal["mean", "sum"] = "mean"
    """What a shot is worth: the mean or the sum of its frame scores."""
    solver: Literal["knapsack", "greedy"] = "knapsack"
    """How shots are chosen: the exact 0/1 knapsack, or by value per frame."""
    f1: Literal["default", "mean", "max"] = "default"
    """How F1 is taken over annotators; by default the benchmark's own (TVSum mean, SumMe max)."""
    correlation: str = "default"
    """What the rank correlations compare, a name in `evaluation.rules.CORRELATION_RULES`; by default the benchmark's
    (TVSum per-annotator, SumMe mean-annotator)."""

    def __post_init__(self) -> None:
        require(
            self.budget is None or 0 < self.budget <= 1,
            "protocol.budget",
            f"is {self.budget}; a share between 0 and 1 is needed",
        )


@dataclass(frozen=True)
class TrainerConfig:
    """Where and in what numbers it runs."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    """`auto` takes a GPU where there is one."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Numbers of the forward and backward pass."""
    devices: int = 1
    """Processes on this machine, each with a device of its own."""
    num_nodes: int = 1
    """Machines; each is started by torchrun or SLURM."""
    strategy: Literal["auto", "ddp"] = "auto"
    """Distributed data parallel training, or only where there are several processes."""
    parallel: Literal["batch", "folds"] = "batch"
    """What the processes share: every batch, or the folds, each trained whole by one process."""
    compile: bool = False
    """Compile the scorer with torch.compile; pays off for long training on a GPU."""
    progress: bool = True
    """Show progress bars, where the output is a terminal."""

    def __post_init__(self) -> None:
        require(self.devices >= 1, "trainer.devices", f"is {self.devices}; at least 1 is needed")
        require(self.num_nodes >= 1, "trainer.num_nodes", f"is {self.num_nodes}; at least 1 is needed")
        require(
            self.precision != "16-mixed" or self.accelerator != "cpu",
            "trainer.precision",
            "16-mixed needs a GPU; bf16-mixed runs on a CPU too",
        )
        require(
            self.parallel == "batch" or self.num_nodes == 1,
            "trainer.parallel",
            "folds is for one machine; on several start one job for each data.fold, or share batches",
        )


@dataclass(frozen=True)
class LoggerConfig:
    """Where curves go beside the CSV files of the run."""

    wandb: Literal["off", "offline", "online"] = "off"
    """Weights & Biases: not at all, to files under the run, or to the server."""
    project: str = "clipit_lightning"
    """Its project there."""
    artifacts: bool = False
    """Upload the selected checkpoint of each fold."""
