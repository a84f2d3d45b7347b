"""``Config``: everything that a run depends on, in sections with a sentence under each field.

Values, and contradictions between them, are checked here; every error is one line that names the key as it is typed.
"""

from dataclasses import dataclass, field
from typing import Literal

from clipit_lightning.core.errors import require
from clipit_lightning.core.files import STORE, split_store
from clipit_lightning.core.schema import Section, bounded, limits


@dataclass(frozen=True)
class DataConfig(Section):
    """Which videos, and how they are parted and batched."""

    dataset: str = "tvsum"
    """The benchmark that is tested on: tvsum, summe or qfvs; or a store of your own, FILE.h5 or a name under `root`."""
    setting: Literal["canonical", "augmented", "transfer"] = "canonical"
    """Which videos train: the target's, the target's and the sources', or the sources' only."""
    root: str | None = None
    """Folder of the stores. By default `data`, and the miniature where no real store lies there."""
    sources: list[str] | None = None
    """Benchmarks that augmented and transfer train on beside the target; by default all others."""
    family: str = "kfold"
    """Folds: kfold (seeded, without overlap), a published family (pglsum, vasnet, dsnet, csta, msva), your file;
    for qfvs 2/1/1 (train, validate, test videos) or 3/1."""
    folds: int = bounded(5, least=2, most=10_000)
    """Number of folds of the family kfold."""
    fold: int | None = bounded(None, least=0)
    """Run only this fold, counted from 0; by default all."""
    fold_seed: int = bounded(0, least=0, most=2**32 - 1)
    """Seed of the partition; apart from `seed`, so that runs of several seeds share their folds."""
    validation: float = bounded(0.2, least=0, below=1)
    """Share of the training videos that validate, at least two videos; 0 for none, with selection=last."""
    captions: int = bounded(7, least=0, most=10_000)
    """Number of caption tokens a video, spread over its dense captions; 0 trains without language, on qfvs too."""
    caption_source: Literal["own", "another", "fused", "concat", "shots"] = "own"
    """Captions as text tokens: the video's own; for ablations those of another video, or one token of all: their mean,
    or a learned one of all `captions`, concatenated (a video with fewer repeats some; clip-it+ has no caption cues);
    or those of its shots, on stores that have them."""
    shot_captions: bool = False
    """Give each step the caption of its shot as features beside its own, on stores that have them."""
    query_captions: int = bounded(0, least=0, most=10_000)
    """On qfvs: number of the video's captions, spread over it, that are text tokens beside the query's, where the store
    has some."""
    oracle_captions: bool = False
    """On qfvs, for ablations: captions beside the query that say what shots show, made of their tags."""
    sentence: bool = False
    """On qfvs: give the whole sentence of a query as a text token beside its concepts."""
    batch_size: int = bounded(8, least=1, most=1_000_000)
    """Videos a training batch; on qfvs, queries of one video."""
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


@dataclass(frozen=True)
class ModelConfig(Section):
    """The scorer."""

    name: str = "clip-it+"
    """Which scorer: clip-it+ (ours), clip-it (the paper's), transformer (ours without language), a baseline (linear,
    mlp, bilstm, vasnet, pglsum, csta, random), or package.module:Class, a class of your own."""
    width: int = bounded(64, least=1, most=65_536)
    """Features of a step inside the scorer; vasnet and pglsum are as wide as the features, csta's CNN ends with it."""
    heads: int = bounded(4, least=1)
    """Attention heads of clip-it, clip-it+ and transformer; they divide the width."""
    language_heads: int | None = bounded(None, least=1)
    """Heads of the language-guided attention of clip-it and clip-it+, which divide the width; by default `heads`."""
    encoder_layers: int = bounded(1, least=0, most=1000)
    """Layers of the frame-scoring transformer's encoder (the same three)."""
    decoder_layers: int = bounded(1, least=0, most=1000)
    """Layers of its decoder."""
    feedforward: int | None = bounded(None, least=1, most=65_536)
    """Features of the hidden layer in each of its feed-forward parts; by default twice the width."""
    activation: Literal["gelu", "relu"] = "gelu"
    """Activation of that layer."""
    dropout: float = bounded(0.5, least=0, below=1)
    """Dropout inside the scorer, in clip-it and clip-it+ of what each part adds."""
    input_dropout: float = bounded(0.5, least=0, below=1)
    """Dropout of the input features (here and below: of clip-it+ and transformer, unless said)."""
    feature_gain: float = bounded(1.0, least=0)
    """What features are multiplied with beside the few cues of a step; below 1 the cues are learned first."""
    windows: list[int] = field(default_factory=lambda: [5, 21], metadata=limits(least=1, most=1_000_000, odd=True))
    """Sizes in steps, odd, of the surroundings that the input shows beside the step itself; of linear, too."""
    linear_path: bool = False
    """Whether a linear layer on the inputs adds to the logit."""
    transformer_gain: float = bounded(1.0, least=0)
    """What the transformer's logit is multiplied with; below 1 the linear path learns first."""
    alike_gain: float = bounded(3.0, least=0)
    """How sharply steps that look alike share a logit when it does not train, see `alike_mean`; 0 for not at all."""
    alike_window: int = bounded(9, least=1, most=1_000_000, odd=True)
    """Size in steps, odd, of the surroundings by whose mean features steps are compared for it."""
    score_window: int = bounded(9, least=1, most=1_000_000, odd=True)
    """Size in steps, odd, of the surroundings over which logits are averaged; 1 for none; of linear, too."""
    peak_window: int = bounded(1, least=1, most=1_000_000, odd=True)
    """A step that is not the best of this many around it ranks behind all that are; odd, 1 to leave the order alone."""
    cnn_layers: int = bounded(5, least=1, most=30)
    """Layers of csta's CNN, each of which halves the image of the features."""
    exact: bool = False
    """Compare all steps of videos beyond 4,096 steps, in quadratic time (of clip-it, clip-it+ and transformer)."""
    alphas: list[float] = field(
        default_factory=lambda: [30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000], metadata=limits(above=0)
    )
    """Strengths of the linear baseline's ridge; the best on validation is kept, the middle one with selection=last."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, heads in (("heads", self.heads), ("language_heads", self.language_heads or self.heads)):
            require(self.width % heads == 0, f"model.{name}", f"is {heads}; it must divide model.width={self.width}")
        require(bool(self.alphas), "model.alphas", "is empty; at least one number above 0 is needed")


@dataclass(frozen=True)
class LossConfig(Section):
    """Weights of the loss terms; a weight of 0 leaves the term out. Without the first two, training uses no labels."""

    keyframe: float = bounded(1.0, least=0)
    """Weighted binary cross-entropy on key frames (the paper's alpha)."""
    correlation: float = bounded(1.0, least=0)
    """One minus the correlation with the mean annotator's importance (ours)."""
    diversity: float = bounded(0.01, least=0)
    """Similarity of the selected steps' rebuilt features (the paper's beta)."""
    reconstruction: float = bounded(0.01, least=0)
    """Squared error of the rebuilt features of selected steps (the paper's lambda)."""
    length: float = bounded(0.01, least=0)
    """Distance of the mean score from `length_target` (ours; see the docstring of the losses)."""
    length_target: float = bounded(0.15, above=0, below=1)
    """Mean score wanted: the share of a video that a summary takes."""
    rarity: float = bounded(0.0, least=0)
    """How common the selected steps are in their video (ours, for training without labels)."""
    language: float = bounded(0.0, least=0)
    """How little the text tells of the selected steps (ours, likewise)."""
    spread: float = bounded(0.0, least=0)
    """Distance of the scores from equal scores; the two above need it, or one step takes all (ours)."""
    sharpness: float = bounded(10.0, least=0)
    """How near features must be, in `rarity` and `language`, to count as the same; 0 tells none apart."""
    policy: float = bounded(0.0, least=0)
    """Minus the reward of summaries that the scores draw, diverse and representative (DR-DSN, without labels)."""
    episodes: int = bounded(5, least=2, most=10_000)
    """Summaries that `policy` draws of each video; the reward of one is compared with those of the others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        no_weights = ("length_target", "sharpness", "episodes")
        weights = [value for name, value in vars(self).items() if name not in no_weights]
        require(any(weights), "loss", "all weights are 0; give at least one term a weight")
        alone = not self.spread and (self.rarity or self.language)
        require(not alone, "loss.spread", "is 0: one step takes all that loss.rarity and loss.language reward")

    @property
    def supervision(self) -> Literal["supervised", "unsupervised"]:
        """Whether any term reads annotations."""
        return "supervised" if self.keyframe or self.correlation else "unsupervised"


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
    """What the rank correlations compare: per-annotator, mean-annotator, all-frames, mean-annotator-all-frames or
    binary-summary; by default the benchmark's (TVSum per-annotator, SumMe mean-annotator)."""


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
    """Which epoch is tested: the best on validation (tau; on qfvs F1), the last, or, to compare, the best on test."""
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
