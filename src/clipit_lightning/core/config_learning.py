"""The sections of the configuration that say what learns, and how: scorer, losses, optimizer."""

from dataclasses import dataclass, field
from typing import Literal

from clipit_lightning.core.errors import require


@dataclass(frozen=True)
class ModelConfig:
    """The scorer."""

    name: str = "clip-it+"
    """Which scorer: clip-it+ (ours), clip-it (the paper's), transformer (ours without language), a baseline (linear,
    mlp, vasnet, pglsum, random), or package.module:Class, a class of your own."""
    width: int = 64
    """Features of a step inside the scorer; vasnet and pglsum are as wide as the features."""
    heads: int = 4
    """Attention heads of clip-it, clip-it+ and transformer; they divide the width."""
    encoder_layers: int = 1
    """Layers of the frame-scoring transformer's encoder (the same three)."""
    decoder_layers: int = 1
    """Layers of its decoder."""
    dropout: float = 0.5
    """Dropout inside the scorer, in clip-it and clip-it+ of what each part adds."""
    input_dropout: float = 0.5
    """Dropout of the input features (here and below: of clip-it+ and transformer, unless said)."""
    feature_gain: float = 1.0
    """What features are multiplied with beside the few cues of a step; below 1 the cues are learned first."""
    windows: list[int] = field(default_factory=lambda: [5, 21])
    """Sizes in steps, odd, of the surroundings that the input shows beside the step itself; of linear, too."""
    linear_path: bool = False
    """Whether a linear layer on the inputs adds to the logit."""
    transformer_gain: float = 1.0
    """What the transformer's logit is multiplied with; below 1 the linear path learns first."""
    alike_gain: float = 3.0
    """How sharply steps that look alike share a logit when it does not train, see `alike_mean`; 0 for not at all."""
    alike_window: int = 9
    """Size in steps, odd, of the surroundings by whose mean features steps are compared for it."""
    score_window: int = 9
    """Size in steps, odd, of the surroundings over which logits are averaged; 1 for none; of linear, too."""
    peak_window: int = 1
    """A step that is not the best of this many around it ranks behind all that are; odd, 1 to leave the order alone."""
    alphas: list[float] = field(default_factory=lambda: [30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000])
    """Strengths of the linear baseline's ridge; the best on validation is kept, the middle one with selection=last."""

    def __post_init__(self) -> None:
        sizes_by_key = {
            "model.windows": self.windows,
            "model.alike_window": [self.alike_window],
            "model.score_window": [self.score_window],
            "model.peak_window": [self.peak_window],
        }
        for key, sizes in sizes_by_key.items():
            require(all(size >= 1 and size % 2 for size in sizes), key, f"is {sizes}; sizes are odd: 1, 3, 5")
        require(
            0 <= self.input_dropout < 1, "model.input_dropout", f"is {self.input_dropout}; 0 to below 1 is possible"
        )
        for key in ("feature_gain", "transformer_gain", "alike_gain"):
            require(
                0 <= getattr(self, key) < float("inf"),
                f"model.{key}",
                f"is {getattr(self, key)}; 0 or more is possible",
            )
        require(self.width >= 1, "model.width", f"is {self.width}; at least 1 is needed")
        require(
            self.heads >= 1 and self.width % self.heads == 0,
            "model.heads",
            f"is {self.heads}; it must divide model.width={self.width}",
        )
        for key in ("encoder_layers", "decoder_layers"):
            require(getattr(self, key) >= 0, f"model.{key}", f"is {getattr(self, key)}; 0 or more are possible")
        require(0 <= self.dropout < 1, "model.dropout", f"is {self.dropout}; 0 to below 1 is possible")
        require(
            bool(self.alphas) and all(0 < alpha < float("inf") for alpha in self.alphas),
            "model.alphas",
            f"is {self.alphas}; at least one number above 0 is needed",
        )


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms; a weight of 0 leaves the term out. Without the first two, training uses no labels."""

    keyframe: float = 1.0
    """Weighted binary cross-entropy on key frames (the paper's alpha)."""
    correlation: float = 1.0
    """One minus the correlation with the mean annotator's importance (ours)."""
    diversity: float = 0.01
    """Similarity of the selected steps' rebuilt features (the paper's beta)."""
    reconstruction: float = 0.01
    """Squared error of the rebuilt features of selected steps (the paper's lambda)."""
    length: float = 0.01
    """Distance of the mean score from `length_target` (ours; see the docstring of the losses)."""
    length_target: float = 0.15
    """Mean score wanted: the share of a video that a summary takes."""
    rarity: float = 0.0
    """How common the selected steps are in their video (ours, for training without labels)."""
    language: float = 0.0
    """How little the text tells of the selected steps (ours, likewise)."""
    spread: float = 0.0
    """Distance of the scores from equal scores; the two above need it, or one step takes all (ours)."""
    sharpness: float = 10.0
    """How near features must be, in `rarity` and `language`, to count as the same; 0 tells none apart."""

    def __post_init__(self) -> None:
        weights = {name: value for name, value in vars(self).items() if name not in ("length_target", "sharpness")}
        for name, value in (weights | {"sharpness": self.sharpness}).items():
            require(0 <= value < float("inf"), f"loss.{name}", f"is {value}; 0 or more is possible")
        require(any(weights.values()), "loss", "all weights are 0; give at least one term a weight")
        target, alone = self.length_target, not self.spread and (self.rarity or self.language)
        require(0 < target < 1, "loss.length_target", f"is {target}; a share between 0 and 1 is needed")
        require(not alone, "loss.spread", "is 0: one step takes all that loss.rarity and loss.language reward")

    @property
    def supervision(self) -> Literal["supervised", "unsupervised"]:
        """Whether any term reads annotations."""
        return "supervised" if self.keyframe or self.correlation else "unsupervised"


@dataclass(frozen=True)
class OptimConfig:
    """Optimizer (AdamW with a cosine schedule) and length of training."""

    lr: float = 2e-3
    """Peak learning rate."""
    weight_decay: float = 1e-2
    """Decoupled weight decay."""
    epochs: int = 12
    """Passes over the training videos."""
    warmup: float = 0.0
    """Share of the updates over which the learning rate rises to its peak, before the cosine."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 leaves it as it is."""
    ema: float = 0.99
    """Decay of the moving average of the weights that is validated and tested, after a ramp; 0 for none."""

    def __post_init__(self) -> None:
        require(0 < self.lr < float("inf"), "optim.lr", f"is {self.lr}; it must be above 0")
        require(
            0 <= self.weight_decay < float("inf"),
            "optim.weight_decay",
            f"is {self.weight_decay}; 0 or more is possible",
        )
        require(self.epochs >= 1, "optim.epochs", f"is {self.epochs}; at least 1 is needed")
        require(0 <= self.warmup < 1, "optim.warmup", f"is {self.warmup}; 0 to below 1 is possible")
        require(0 <= self.clip < float("inf"), "optim.clip", f"is {self.clip}; 0 or more is possible")
        require(0 <= self.ema < 1, "optim.ema", f"is {self.ema}; 0 to below 1 is possible")
