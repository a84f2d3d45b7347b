"""``Config``: everything that a run depends on, in sections."""

from dataclasses import dataclass, field
from typing import Literal

from clipit_lightning.core.config_learning import LossConfig, ModelConfig, OptimConfig
from clipit_lightning.core.config_sections import (
    DataConfig,
    LoggerConfig,
    ProtocolConfig,
    TrainerConfig,
)
from clipit_lightning.core.errors import require

__all__ = [
    "Config",
    "DataConfig",
    "LoggerConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "ProtocolConfig",
    "TrainerConfig",
]


@dataclass(frozen=True)
class Config:
    """Everything a run depends on."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    selection: Literal["val", "last", "best-on-test"] = "val"
    """Which epoch is tested: the best on validation (by tau; on qfvs by F1), the last, or, for comparison only, the
    best on test."""
    test: bool = True
    """Test the selected epoch. Searches say false, so that they never see a test fold."""
    seed: int = 0
    """Seed of the weights, of the order of batches and of dropout."""
    output: str | None = None
    """Folder of the run; by default a folder under `runs` whose name says what it is."""
    overwrite: bool = False
    """Throw the run in the output folder away and start anew."""

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**32, "seed", f"is {self.seed}; 0 to 4294967295 is possible")
