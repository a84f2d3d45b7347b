"""``Config``: everything that a run depends on, in sections with a sentence under each field.

Values, and contradictions between them, are checked here; every error is one line that names the key as it is typed.
"""

from dataclasses import dataclass, field
from typing import Literal

from clipit_lightning.core.config_data import DataConfig
from clipit_lightning.core.config_model import LossConfig, ModelConfig
from clipit_lightning.core.errors import require
from clipit_lightning.core.schema import Section, bounded


@dataclass(frozen=True)
class OptimConfig(Section):
    """Optimizer, schedule of the learning rate, and length of training."""

    name: Literal["adamw", "adam"] = "adamw"
    """The optimizer: adamw decays weights apart from the gradient, adam adds the decay to the gradient (L2)."""
    lr: float = bounded(2e-3, above=0)
    """Peak learning rate."""
    weight_decay: float = bounded(1e-2, least=0)
    """Weight decay, as the optimizer takes it."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The learning rate after the warm-up: falls as a cosine to 0, or stays."""
    epochs: int = bounded(12, least=1, most=10_000_000)
    """Passes over the training videos."""
    warmup: float = bounded(0.0, least=0, below=1)
    """Share of the updates over which the learning rate rises to its peak."""
    clip: float = bounded(1.0, least=0)
    """Largest norm of the gradient; 0 leaves it as it is."""
    ema: float = bounded(0.99, least=0, below=1)
    """Decay of the moving average of the weights that is validated and tested, after a ramp; 0 for none."""


@dataclass(frozen=True)
class ProtocolConfig(Section):
    """The rules of measurement that can be chosen; what stands here is part of every result's protocol."""

    preset: Literal["default", "pglsum", "vasnet", "dsnet", "csta", "msva", "clip-it"] = "default"
    """A published protocol; fills family, selection and correlation where they are at their default."""
    budget: float | None = bounded(None, above=0, most=1)
    """Largest share of a video that its summary may take; by default 0.15 of the frames, on qfvs 0.02 of the shots."""
    rounding: Literal["floor", "round", "ceil"] = "floor"
    """How the budget becomes whole frames."""
    shot_value: Literal["mean", "sum"] = "mean"
    """What a shot is worth: the mean or the sum of its frame scores."""
    solver: Literal["knapsack", "greedy"] = "knapsack"
    """How shots are chosen: the exact 0/1 knapsack, or by value per frame."""
    f1: Literal["default", "mean", "max"] = "default"
    """How F1 is taken over annotators; by default the benchmark's own (TVSum mean, SumMe max)."""
    correlation: str = "default"
    """What the rank correlations compare: per-annotator, mean-annotator, importance, all-frames,
    mean-annotator-all-frames or binary-summary; by default the benchmark's (TVSum per-annotator, SumMe mean-annotator,
    MR.HiSum and MoSu importance)."""
    highlights: Literal["default", "off", "floor", "ceil"] = "default"
    """Whether mAP at 50 and 15 % of clips of 5 steps is measured, and how these shares become whole clips; by default
    the benchmark's (MR.HiSum floor, MoSu ceil, others off)."""


@dataclass(frozen=True)
class TrainerConfig(Section):
    """Where and in what numbers it runs."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    """`auto` takes a GPU where there is one."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Numbers of the forward and backward pass."""
    devices: int | None = bounded(None, least=1, most=1024)
    """Processes on this machine, each with a device of its own. By default one; but without a GPU, one a fold, side by
    side, where there are several folds and several cores. Results are those of one process; 1 takes less memory."""
    num_nodes: int = bounded(1, least=1, most=10_000)
    """Machines; each is started by torchrun or SLURM."""
    strategy: Literal["auto", "ddp"] = "auto"
    """Distributed data parallel training, or only where there are several processes."""
    parallel: Literal["batch", "folds"] = "batch"
    """What processes whose number is given share: every batch, or the folds, each trained whole by one process."""
    compile: bool = False
    """Compile the scorer with torch.compile; pays off for long training on a GPU."""
    progress: bool = True
    """Show progress bars, where the output is a terminal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        can_run = self.precision != "16-mixed" or self.accelerator != "cpu"
        require(can_run, "trainer.precision", "16-mixed needs a GPU; bf16-mixed runs on a CPU too")
        way_out = "folds is for one machine; on several start one job for each data.fold, or share batches"
        require(self.parallel == "batch" or self.num_nodes == 1, "trainer.parallel", way_out)

    @property
    def processes(self) -> int:
        """On this machine, where no fold has one of its own by default."""
        return self.devices or 1


@dataclass(frozen=True)
class LoggerConfig(Section):
    """Where curves go beside the CSV files of the run."""

    wandb: Literal["off", "offline", "online"] = "off"
    """Weights & Biases: not at all, to files under the run, or to the server."""
    project: str = "clipit_lightning"
    """Its project there."""
    artifacts: bool = False
    """Upload the selected checkpoint of each fold."""


@dataclass(frozen=True)
class Config(Section):
    """Everything a run depends on."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    selection: Literal["val", "last", "best-on-test"] = "val"
    """Which epoch is tested: the best on validation (tau; on qfvs and s-videoxum F1), the last, or, to compare, the
    best on test."""
    test: bool = True
    """Test the selected epoch. Searches say false, so that they never see a test fold."""
    seed: int = bounded(0, least=0, most=2**32 - 1)
    """Seed of the weights, of the order of batches, of dropout and of drawn summaries."""
    output: str | None = None
    """Folder of the run; by default a folder under `runs` whose name says what it is."""
    overwrite: bool = False
    """Throw the run in the output folder away and start anew."""


SECTIONS: tuple[type[Section], ...] = (
    *(DataConfig, ModelConfig, LossConfig, OptimConfig, ProtocolConfig, TrainerConfig, LoggerConfig),
    Config,
)
"""Every section, and what stands in none, in the order of help."""
