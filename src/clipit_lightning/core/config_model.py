"""``ModelConfig`` and ``LossConfig``: the sections `model` and `loss` of the configuration."""

from dataclasses import dataclass, field
from typing import Literal

from clipit_lightning.core.errors import require
from clipit_lightning.core.schema import Section, bounded, limits


@dataclass(frozen=True)
class ModelConfig(Section):
    """The scorer."""

    name: str = "clip-it+"
    """Which scorer: clip-it+ (ours), clip-it (the paper's), transformer (ours without language), a baseline (linear,
    mlp, bilstm, vasnet, pglsum, csta, dsnet-af, mf2summ, sd-vsum, prompts-to-summaries, tripss, text-motion,
    transcript, random), or package.module:Class, a class of your own."""
    width: int = bounded(64, least=1, most=65_536)
    """Features of a step inside the scorer; vasnet and pglsum are as wide as the features, csta's CNN ends with it."""
    heads: int = bounded(4, least=1)
    """Attention heads of clip-it, clip-it+, transformer, sd-vsum, transcript, text-motion, dsnet-af and mf2summ; they
    divide the width."""
    language_heads: int | None = bounded(None, least=1)
    """Heads of the attention to text in clip-it, clip-it+ and sd-vsum, which divide the width; by default `heads`."""
    encoder_layers: int = bounded(1, least=0, most=1000)
    """Layers of the frame-scoring transformer's encoder (the first five); of mf2summ, across its streams."""
    decoder_layers: int = bounded(1, least=0, most=1000)
    """Layers of its decoder; of mf2summ, over both streams with times aligned."""
    feedforward: int | None = bounded(None, least=1, most=65_536)
    """Features of the hidden layer in each of its feed-forward parts; by default twice the width."""
    activation: Literal["gelu", "relu"] = "gelu"
    """Activation of that layer."""
    dropout: float = bounded(0.5, least=0, below=1)
    """Dropout inside the scorer, in clip-it and clip-it+ of what each part adds."""
    input_dropout: float = bounded(0.5, least=0, below=1)
    """Dropout of the input features (here and below: of clip-it+ and transformer, unless said)."""
    feature_gain: float = bounded(1.0, least=0)
    """What features are multiplied with beside the few cues of a step; below 1 the cues are learned first. Of sd-vsum,
    what features and text are multiplied with, before energies without a scale."""
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
    shot_norm: Literal["none", "min-max", "exp", "min-max-exp"] = "exp"
    """How prompts-to-summaries scales a judge's scores of shots, and the scores within each shot."""
    nms_threshold: float = bounded(0.4, above=0, most=1)
    """Overlap (intersection over union) with a better segment from which dsnet-af and mf2summ drop a segment."""
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
    """Weights of the loss terms; 0 leaves a term out. Without the first two and `segments`, training uses no labels."""

    keyframe: float = bounded(1.0, least=0)
    """Binary cross-entropy on key frames, weighted by `balanced` (the paper's alpha)."""
    balanced: bool = True
    """Whether key frames together weigh as much in it as the other frames; else each frame weighs the same."""
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
    """How near features must be, in `rarity`, `language` and `contrast`, to count as the same; 0 tells none apart."""
    policy: float = bounded(0.0, least=0)
    """Minus the reward of summaries that the scores draw, diverse and representative (DR-DSN, without labels)."""
    episodes: int = bounded(5, least=2, most=10_000)
    """Summaries that `policy` draws of each video; the reward of one is compared with those of the others."""
    segments: float = bounded(0.0, least=0)
    """Focal, IoU and centre-ness loss of the runs of key frames, for a scorer that proposes segments (DSNet)."""
    contrast: float = bounded(0.0, least=0)
    """How badly motion and the text told meanwhile find each other within a batch, for a scorer that compares them."""
    alike: float = bounded(0.95, least=-1, most=1)
    """Cosine of their features from which two texts fit each other's motion too, in `contrast`."""
    saliency: float = bounded(0.0, least=0)
    """Minus how salient the text is that is told in the same summaries, where the store knows when text holds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        no_ranks = ("balanced", "length_target", "sharpness", "episodes", "alike", "contrast")  # or no weights
        weights = [value for name, value in vars(self).items() if name not in no_ranks]
        require(any(weights), "loss", "all weights are 0 (contrast ranks no steps); give at least one term a weight")
        alone = not self.spread and (self.rarity or self.language)
        require(not alone, "loss.spread", "is 0: one step takes all that loss.rarity and loss.language reward")

    @property
    def supervision(self) -> Literal["supervised", "unsupervised"]:
        """Whether any term reads annotations."""
        return "supervised" if self.keyframe or self.correlation or self.segments else "unsupervised"
