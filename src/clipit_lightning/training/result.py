"""What a run leaves, typed: ``RunResult``, the content of its ``result.json``, and ``FoldResult`` of each fold."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from clipit_lightning.core.files import read_typed
from clipit_lightning.evaluation.protocol import Protocol


class _Saved(BaseModel):
    """A part of a JSON file: no text becomes a number when it is read, and every number is finite."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    def content(self) -> dict[str, Any]:
        """What JSON holds of it: the values that were given, and no defaults."""
        return self.model_dump(exclude_unset=True)


def protocol_content(protocol: Protocol) -> dict[str, Any]:
    """A protocol as files hold it: its identifiers, which readers compute again, before its values."""
    return {"identifier": protocol.identifier, "evaluation": protocol.evaluation_identifier, **protocol.values}


def _check_row(row: dict[str, str | int | float]) -> dict[str, str | int | float]:
    names = {"video": row.get("video"), "query": row.get("query", "")}
    if not all(isinstance(name, str) and name.isprintable() for name in names.values()):
        raise ValueError("video or query is no name")
    if any(isinstance(value, str) for name, value in row.items() if name not in names):
        raise ValueError("a metric is a text")
    return row


Row = Annotated[dict[str, str | int | float], AfterValidator(_check_row)]
"""The metrics of a tested video: ``video``, ``query`` where it has one, the metrics, and ``fold``."""


class FoldResult(_Saved):
    """What a fold reached, the content of its ``result.json``."""

    fold: int
    epoch: int | None
    """The selected one, from 0; None for a scorer that does not train."""
    validation: dict[str, float] | None
    """Its means over the validation part, by metric."""
    metrics: dict[str, float]
    """Means over the test part; empty where nothing was tested."""
    per_video: list[Row]
    scores: dict[str, list[float]]
    """Step scores by id of a video or query."""


class OverFolds(_Saved):
    """A metric over the folds; fractions, not percent."""

    mean: float
    std: float | None
    """Sample standard deviation; None for one fold."""
    folds: Annotated[list[float], Field(min_length=1)]


class Validation(_Saved, extra="allow"):
    """What the epochs that ``monitor`` chose reached on the validation parts, by the name of each metric."""

    __pydantic_extra__: dict[str, OverFolds | None] = Field(init=False)
    monitor: str

    @property
    def metrics(self) -> dict[str, OverFolds]:
        """Every metric that all folds have."""
        return {name: value for name, value in self.__pydantic_extra__.items() if value is not None}


class FoldSummary(_Saved):
    """What a run's result holds of a fold."""

    fold: int
    epoch: int | None
    validation: dict[str, float] | None
    videos: int
    """How many were tested."""
    queries: int | None = None
    per_video: dict[str, dict[str, float]] = {}
    """Means over the queries of each video, by metric."""


class RunResult(_Saved):
    """What a run reached, the content of its ``result.json``."""

    run: str
    method: str
    dataset: str
    setting: str
    supervision: str
    features: str
    store: dict[str, str]
    """Attributes of the target's store."""
    captions: int
    data: str
    selection: str
    protocol: Annotated[Protocol, PlainSerializer(protocol_content)]
    config_hash: str
    seed: int
    metrics: dict[str, OverFolds | None]
    """Empty where nothing was tested; None for a metric that no fold has."""
    validation: Validation
    folds: Annotated[list[FoldSummary], Field(min_length=1)]
    parameters: int
    """Numbers that are fitted to the training videos."""
    wall_seconds: float
    variant: str = ""
    """What differs from the configurations shipped for data set and scorer, in words (`names.variant`)."""
    odd: dict[str, int] = {}
    """Where its numbers are odd by definition, over the tested videos (`evaluation.odd`)."""
    versions: dict[str, str] = {}

    @property
    def version(self) -> str:
        """Of this package; several where one resumed what another began."""
        return self.versions.get("clipit_lightning", "unknown")

    @property
    def measured(self) -> dict[str, OverFolds]:
        """The metrics that a fold has."""
        return {name: metric for name, metric in self.metrics.items() if metric is not None}


def read_result(path: Path) -> RunResult:
    """Read the result of a run; a ``UserError`` where the file is damaged, or not a result of a run."""
    return read_typed(path, RunResult, "not a result of clipit train", "restore it or remove it")
